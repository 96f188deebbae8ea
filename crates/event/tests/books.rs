//! A book agrees with a map of its levels, whatever is set, removed and folded.

use std::collections::BTreeMap;

use meltica_event::{Book, EventKind, Header, Level, Numbering, Price, Quantity, Side, VenueId};
use proptest::prelude::*;

type Map = BTreeMap<i64, u64>;

fn level(price: i64, quantity: u64) -> Level {
    Level { price: Price::from_units(price), quantity: Quantity::from_units(quantity) }
}

/// A message with these changes on both sides, in the order given.
fn message(kind: EventKind, sequence: u64, changes: &[(i64, u64)]) -> Book {
    let mut book = Book::with_capacity(4);
    book.header.kind = kind;
    book.header.sequence = sequence;
    book.first_sequence = sequence;
    for (price, quantity) in changes {
        book.bids.set(level(*price, *quantity));
        book.side_mut(Side::Sell).set(level(*price, *quantity));
    }
    book
}

fn apply(map: &mut Map, changes: &[(i64, u64)]) {
    for (price, quantity) in changes {
        if *quantity == 0 {
            map.remove(price);
        } else {
            map.insert(*price, *quantity);
        }
    }
}

fn pairs(levels: &[Level]) -> Vec<(i64, u64)> {
    levels.iter().map(|l| (l.price.units(), l.quantity.units())).collect()
}

fn changes(quantities: std::ops::Range<u64>) -> impl Strategy<Value = Vec<(i64, u64)>> {
    prop::collection::vec((-20i64..20, quantities), 0..30)
}

/// Thousands of changes, mostly near the best price, in a room that is just large enough.
#[test]
fn a_side_agrees_with_a_map_near_its_best_price_and_keeps_its_room() {
    let mut map = Map::new();
    let mut book = Book::with_capacity(64);
    let mut random = 7u64;
    for turn in 0..20_000 {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let near = (random >> 33) % 8 * ((random >> 40) % 12);
        let price = 100 + near as i64 - (turn / 500) % 7;
        if map.len() == 64 && !map.contains_key(&price) {
            let worst = *map.keys().next_back().unwrap();
            map.remove(&worst);
            assert!(book.asks.remove(Price::from_units(worst)).is_some());
        }
        if (random >> 50) % 3 == 0 {
            let gone = map.remove(&price).map(|quantity| level(price, quantity));
            assert_eq!(book.asks.remove(Price::from_units(price)), gone);
        } else {
            map.insert(price, random >> 60);
            book.asks.set(level(price, random >> 60));
        }
        assert_eq!(pairs(&book.asks), map.clone().into_iter().collect::<Vec<_>>());
    }
}

proptest! {
    #[test]
    fn a_snapshot_with_deltas_folded_in_equals_a_map(
        snapshot in changes(1..5),
        deltas in prop::collection::vec(changes(0..5), 0..6),
    ) {
        let mut map = Map::new();
        apply(&mut map, &snapshot);
        let mut book = message(EventKind::BookSnapshot, 1, &snapshot);
        for (index, delta) in deltas.iter().enumerate() {
            apply(&mut map, delta);
            book.fold(&message(EventKind::BookDelta, 2 + index as u64, delta));
        }
        prop_assert_eq!(pairs(&book.asks), map.clone().into_iter().collect::<Vec<_>>());
        prop_assert_eq!(pairs(&book.bids), map.into_iter().rev().collect::<Vec<_>>());
        prop_assert_eq!(book.header.kind, EventKind::BookSnapshot);
        prop_assert_eq!(book.header.sequence, 1 + deltas.len() as u64);
    }

    #[test]
    fn deltas_folded_together_do_what_they_did_one_by_one(
        snapshot in changes(1..5),
        deltas in prop::collection::vec(changes(0..5), 1..6),
    ) {
        let mut one_by_one = message(EventKind::BookSnapshot, 1, &snapshot);
        let mut at_once = one_by_one.clone();
        let mut folded: Option<Book> = None;
        for (index, delta) in deltas.iter().enumerate() {
            let delta = message(EventKind::BookDelta, 2 + index as u64, delta);
            one_by_one.fold(&delta);
            match &mut folded {
                Some(folded) => folded.fold(&delta),
                None => folded = Some(delta),
            }
        }
        let folded = folded.expect("there is at least one delta");
        prop_assert_eq!(folded.header.kind, EventKind::BookDelta);
        prop_assert_eq!(folded.first_sequence, 2);
        at_once.fold(&folded);
        prop_assert_eq!(at_once, one_by_one);
    }
}

#[test]
fn numbers_that_begin_again_do_so_in_what_stands_for_both() {
    use Numbering::{Monotone, Rebase, Unsequenced};
    let numbered = |kind, sequence, numbering| {
        let mut book = message(kind, sequence, &[(1, 1)]);
        book.header.numbering = numbering;
        book
    };
    let (delta, whole) = (EventKind::BookDelta, EventKind::BookSnapshot);
    for (older, newer, folded) in [
        ((delta, Rebase), (delta, Monotone), Rebase),
        ((delta, Monotone), (delta, Rebase), Rebase),
        ((whole, Monotone), (delta, Rebase), Rebase),
        ((whole, Rebase), (delta, Monotone), Rebase),
        ((delta, Rebase), (whole, Monotone), Rebase),
        ((delta, Monotone), (delta, Monotone), Monotone),
        ((delta, Rebase), (delta, Unsequenced), Unsequenced),
    ] {
        let mut book = numbered(older.0, 1_000, older.1);
        book.fold(&numbered(newer.0, 5, newer.1));
        assert_eq!(
            (book.header.numbering, book.header.sequence),
            (folded, 5),
            "{older:?} {newer:?}"
        );
    }
}

#[test]
fn a_snapshot_replaces_whatever_was_there() {
    let mut book = message(EventKind::BookDelta, 5, &[(1, 1), (2, 0)]);
    let snapshot = message(EventKind::BookSnapshot, 9, &[(7, 3)]);
    book.fold(&snapshot);
    assert_eq!(book, snapshot);
}

#[test]
fn a_cleared_book_keeps_its_room() {
    let mut book = message(EventKind::BookDelta, 5, &[(1, 1), (2, 2), (3, 3)]);
    let room = book.bids.as_ptr();
    book.clear();
    assert!(book.bids.is_empty() && book.asks.is_empty());
    book.bids.set(level(1, 1));
    assert_eq!(book.bids.as_ptr(), room);
    assert_eq!(book.bids.remove(Price::from_units(8)), None);
    assert_eq!(book.bids.remove(Price::from_units(1)), Some(level(1, 1)));
}

#[test]
fn a_merged_book_replaces_what_is_held_and_keeps_its_sources() {
    let mut held = Book::with_capacity(2);
    held.bids.set(Level { price: Price::from_units(1), quantity: Quantity::from_units(1) });
    let mut merged = Book::with_capacity(2);
    merged.header = Header::new(EventKind::MergedBook);
    assert!(merged.sources.insert(VenueId(3)));
    held.fold(&merged);
    assert_eq!(held, merged);
    held.clear();
    assert!(held.sources.is_empty());
}
