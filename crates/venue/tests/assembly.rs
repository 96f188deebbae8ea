//! LM-07: a book comes together from a snapshot and deltas, and says when it does not.

use meltica_event::{Book, EventKind, Level, Price, Quantity, Side, TopOfBook};
use meltica_recycler::{Lease, Pool};
use meltica_venue::{Applied, BookAssembly, TopOracle};
use proptest::prelude::*;

struct Bench {
    pool: Pool<Book>,
    assembly: BookAssembly,
    emitted: Vec<(EventKind, u64)>,
}

impl Bench {
    fn new() -> Self {
        let pool = Pool::new(64, || Book::with_capacity(8), Book::clear);
        Self { pool, assembly: BookAssembly::new(8), emitted: vec![] }
    }

    fn message(&self, kind: EventKind, first: u64, last: u64) -> Lease<Book> {
        let mut book = self.pool.lease_or_heap();
        book.header.kind = kind;
        book.header.sequence = last;
        book.first_sequence = first;
        let level = Level {
            price: Price::from_units(last as i64 % 7 + 1),
            quantity: Quantity::from_units(last % 3 + u64::from(kind == EventKind::BookSnapshot)),
        };
        book.side_mut(Side::Buy).set(level);
        book
    }

    fn delta(&mut self, first: u64, last: u64) -> Applied {
        let delta = self.message(EventKind::BookDelta, first, last);
        let emitted = &mut self.emitted;
        let mut emit = |book: Lease<Book>| emitted.push((book.header.kind, book.header.sequence));
        self.assembly.delta(delta, &mut emit, &mut |_| {})
    }

    fn snapshot(&mut self, last: u64) -> Applied {
        let snapshot = self.message(EventKind::BookSnapshot, last, last);
        let emitted = &mut self.emitted;
        let mut emit = |book: Lease<Book>| emitted.push((book.header.kind, book.header.sequence));
        self.assembly.snapshot(snapshot, &mut emit, &mut |_| {})
    }
}

const DELTA: EventKind = EventKind::BookDelta;
const SNAPSHOT: EventKind = EventKind::BookSnapshot;

#[test]
fn lm_07_deltas_wait_for_the_snapshot_and_the_first_may_overlap_it() {
    let mut bench = Bench::new();
    for (first, last) in [(1, 4), (5, 8), (9, 12)] {
        assert_eq!(bench.delta(first, last), Applied::Waiting);
    }
    assert!(bench.assembly.book().is_none());
    assert_eq!(bench.snapshot(6), Applied::Applied);
    assert_eq!(bench.emitted, [(SNAPSHOT, 6), (DELTA, 8), (DELTA, 12)]);
    assert_eq!(bench.assembly.book().unwrap().header.sequence, 12);
    assert_eq!(bench.delta(9, 12), Applied::Stale);
    assert_eq!(bench.delta(13, 13), Applied::Applied);
    let stats = bench.assembly.stats();
    assert_eq!((stats.snapshots, stats.deltas, stats.stale, stats.gaps), (1, 3, 2, 0));
    assert_eq!(stats.plus(stats).deltas, 6);
}

#[test]
fn lm_07_a_missing_update_stops_the_book_until_the_next_snapshot() {
    let mut bench = Bench::new();
    bench.snapshot(10);
    bench.delta(11, 12);
    assert_eq!(bench.delta(14, 15), Applied::Gap { expected: 13, found: 14 });
    assert!(bench.assembly.book().is_none());
    assert_eq!(bench.delta(16, 17), Applied::Waiting);
    assert_eq!(bench.snapshot(15), Applied::Applied);
    assert_eq!(bench.emitted[2..], [(SNAPSHOT, 15), (DELTA, 17)]);
    let stats = bench.assembly.stats();
    assert_eq!((stats.gaps, stats.resyncs, stats.stale), (1, 1, 1));
}

#[test]
fn lm_07_overlap_is_for_the_first_delta_only_and_an_old_snapshot_will_not_do() {
    let mut bench = Bench::new();
    bench.snapshot(10);
    assert_eq!(bench.delta(9, 12), Applied::Applied);
    assert_eq!(bench.delta(12, 14), Applied::Gap { expected: 13, found: 12 });
    // This snapshot ends before what waits begins.
    bench.delta(15, 16);
    assert_eq!(bench.snapshot(5), Applied::Gap { expected: 6, found: 12 });
    assert!(bench.assembly.book().is_none());
    assert_eq!(bench.emitted, [(SNAPSHOT, 10), (DELTA, 12)], "nobody is taken back to it");
    assert_eq!((bench.assembly.stats().gaps, bench.assembly.stats().resyncs), (1, 0));
    assert_eq!(bench.snapshot(20), Applied::Applied);
    assert_eq!(bench.snapshot(19), Applied::Stale, "a running book does not go back");
}

#[test]
fn lm_07_a_connection_that_ends_takes_the_book_with_it_and_what_waits() {
    let mut bench = Bench::new();
    bench.delta(3, 4);
    bench.assembly.restart();
    assert_eq!(bench.assembly.stats().restarts, 0, "there was no good book");
    bench.snapshot(2);
    assert_eq!(bench.emitted, [(SNAPSHOT, 2)], "what waited is gone");
    bench.delta(3, 4);
    bench.assembly.restart();
    assert!(bench.assembly.book().is_none());
    assert_eq!(bench.delta(5, 6), Applied::Waiting);
    assert_eq!(bench.snapshot(4), Applied::Applied);
    let stats = bench.assembly.stats();
    assert_eq!((stats.gaps, stats.restarts, stats.resyncs), (0, 1, 1));
}

#[test]
fn what_waits_is_bounded() {
    let mut bench = Bench::new();
    for update in 1..=1_100 {
        bench.delta(update, update);
    }
    assert_eq!(bench.pool.stats().outstanding(), 1_000);
    assert_eq!(bench.snapshot(50), Applied::Gap { expected: 51, found: 101 });
}

#[test]
fn the_oracle_compares_whichever_comes_first_and_notices_a_wrong_book() {
    let top = |bid: i64| TopOfBook {
        bid: Level { price: Price::from_units(bid), quantity: Quantity::from_units(1) },
        ask: Level::default(),
    };
    let book = |sequence: u64, bid: i64| {
        let mut book = Book::with_capacity(1);
        book.header.sequence = sequence;
        book.bids.set(top(bid).bid);
        book
    };
    let mut oracle = TopOracle::new();
    oracle.top(5, top(1), None);
    oracle.top(6, top(1), None);
    oracle.top(6, top(1), None);
    oracle.book(&book(5, 1));
    assert_eq!((oracle.compared(), oracle.equal()), (1, 1));
    oracle.book(&book(7, 2));
    oracle.top(7, top(3), Some(&book(7, 2)));
    assert_eq!((oracle.compared(), oracle.equal()), (2, 1), "6 was jumped over, 7 differs");
    oracle.top(6, top(9), Some(&book(7, 2)));
    assert_eq!(oracle.compared(), 2);
    for update in 8..6_000 {
        oracle.top(update, top(1), None);
    }
    oracle.book(&book(5_999, 1));
    assert_eq!(oracle.equal(), 2);
}

proptest! {
    #[test]
    fn what_comes_out_follows_without_a_gap_whatever_goes_in(
        updates in prop::collection::vec((1u64..60, 0u64..5, prop::bool::weighted(0.2)), 1..80),
    ) {
        let mut bench = Bench::new();
        for (first, length, whole) in updates {
            if whole {
                bench.snapshot(first);
            } else {
                bench.delta(first, first + length);
            }
        }
        let mut last = None;
        for (kind, sequence) in &bench.emitted {
            match (kind, last) {
                (EventKind::BookSnapshot, _) => {}
                (_, last) => prop_assert!(last.is_some_and(|last| last < *sequence)),
            }
            last = Some(*sequence);
        }
        let stats = bench.assembly.stats();
        prop_assert_eq!(stats.snapshots + stats.deltas, bench.emitted.len() as u64);
        prop_assert!(stats.resyncs <= stats.gaps);
    }
}
