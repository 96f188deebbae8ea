//! LM-07: a book that is checked by its adapter is handed on only while it is right, and cut to its depth.

use meltica_event::{Book, EventKind, Level, Price, Quantity, Side};
use meltica_recycler::{Lease, Pool};
use meltica_venue::{Applied, CheckedBook};
use proptest::prelude::*;

struct Bench {
    pool: Pool<Book>,
    checked: CheckedBook,
    /// What somebody has who only applies what is handed on.
    theirs: Book,
    emitted: Vec<EventKind>,
    mono_ns: u64,
}

impl Bench {
    fn new(depth: usize) -> Self {
        Self {
            pool: Pool::new(8, || Book::with_capacity(8), Book::clear),
            checked: CheckedBook::new(8).cut_to(depth),
            theirs: Book::with_capacity(8),
            emitted: vec![],
            mono_ns: 0,
        }
    }

    fn message(&mut self, kind: EventKind, levels: &[(Side, i64, u64)]) -> Lease<Book> {
        self.mono_ns += 1;
        let mut book = self.pool.lease_or_heap();
        book.header.kind = kind;
        book.header.ingest_mono_ns = self.mono_ns;
        for (side, price, quantity) in levels {
            book.side_mut(*side).set(Level {
                price: Price::from_units(*price),
                quantity: Quantity::from_units(*quantity),
            });
        }
        book
    }

    fn snapshot(&mut self, levels: &[(Side, i64, u64)]) {
        let message = self.message(EventKind::BookSnapshot, levels);
        let Self { checked, theirs, emitted, .. } = self;
        checked.snapshot(message, &mut |book| {
            theirs.clone_from(&book);
            emitted.push(book.header.kind);
        });
    }

    fn delta(&mut self, levels: &[(Side, i64, u64)]) -> Applied {
        let message = self.message(EventKind::BookDelta, levels);
        let Self { checked, theirs, emitted, .. } = self;
        checked.delta(message, &mut |book| {
            theirs.fold(&book);
            emitted.push(book.header.kind);
        })
    }

    fn prices(&self, side: Side) -> Vec<i64> {
        let book = self.checked.book().expect("it is verified");
        let levels = if side == Side::Buy { &book.bids } else { &book.asks };
        levels.iter().map(|level| level.price.units()).collect()
    }
}

const BUY: Side = Side::Buy;
const SELL: Side = Side::Sell;

#[test]
fn lm_07_levels_out_of_depth_go_and_whoever_listens_is_told() {
    let mut bench = Bench::new(2);
    bench.snapshot(&[(BUY, 5, 1), (BUY, 4, 1), (BUY, 3, 1), (SELL, 6, 1)]);
    assert_eq!(bench.prices(BUY), [5, 4]);
    assert_eq!(bench.delta(&[(SELL, 7, 1), (SELL, 8, 1), (BUY, 9, 1)]), Applied::Applied);
    assert_eq!((bench.prices(BUY), bench.prices(SELL)), (vec![9, 5], vec![6, 7]));
    assert_eq!((&bench.theirs.bids, &bench.theirs.asks), {
        let book = bench.checked.book().unwrap();
        (&book.bids, &book.asks)
    });
}

#[test]
fn lm_07_what_is_not_verified_is_not_handed_on() {
    let mut bench = Bench::new(9);
    assert_eq!(bench.delta(&[(BUY, 1, 1)]), Applied::Stale, "there is no snapshot yet");
    assert!(bench.checked.book().is_none() && bench.emitted.is_empty());
    bench.snapshot(&[(BUY, 1, 1)]);
    bench.checked.missed();
    bench.checked.missed();
    assert_eq!(bench.delta(&[(BUY, 2, 1)]), Applied::Stale);
    bench.snapshot(&[(BUY, 1, 1)]);
    bench.checked.mismatched();
    assert!(bench.checked.book().is_none());
    bench.snapshot(&[(BUY, 1, 1)]);
    bench.checked.restart();
    bench.checked.restart();
    assert_eq!(bench.checked.updated_mono_ns(), 0);
    assert_eq!(bench.delta(&[(BUY, 2, 1)]), Applied::Stale);
    bench.snapshot(&[(BUY, 1, 1)]);
    assert_eq!(bench.checked.updated_mono_ns(), bench.mono_ns);
    bench.checked.stale(99);
    assert_eq!(bench.checked.updated_mono_ns(), 99);
    let stats = bench.checked.stats();
    assert_eq!((stats.gaps, stats.mismatches, stats.restarts, stats.resyncs), (1, 1, 1, 3));
    assert_eq!((stats.snapshots, stats.deltas, stats.stale), (4, 0, 4));
    assert_eq!(bench.emitted, [EventKind::BookSnapshot; 4]);
    assert_eq!(bench.pool.stats().outstanding(), 0);
}

proptest! {
    #[test]
    fn what_is_handed_on_adds_up_to_the_book_at_any_depth(
        depth in 1usize..5,
        updates in prop::collection::vec(
            (prop::bool::weighted(0.1), prop::collection::vec((any::<bool>(), 1i64..12, 0u64..3), 0..6)),
            1..60,
        ),
    ) {
        let mut bench = Bench::new(depth);
        bench.snapshot(&[]);
        for (whole, levels) in updates {
            let levels: Vec<_> = levels
                .into_iter()
                .map(|(buy, price, quantity)| (if buy { BUY } else { SELL }, price, quantity))
                .filter(|(_, _, quantity)| !whole || *quantity > 0)
                .collect();
            if whole {
                bench.snapshot(&levels);
            } else {
                bench.delta(&levels);
            }
            let book = bench.checked.book().expect("it is verified");
            prop_assert!(book.bids.len() <= depth && book.asks.len() <= depth);
            prop_assert_eq!((&bench.theirs.bids, &bench.theirs.asks), (&book.bids, &book.asks));
        }
    }
}
