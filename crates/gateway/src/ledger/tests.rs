use super::*;

fn ledger(traces: &[u64]) -> Ledger {
    let mut ledger = Ledger::default();
    traces.iter().for_each(|trace| ledger.note(*trace));
    ledger
}

#[test]
fn what_is_lost_repeated_or_from_nowhere_is_seen() {
    let compare = |published: &[u64], arrived: &[u64]| {
        let Comparison { delivered, lost, repeated } =
            ledger(published).compare(&mut ledger(arrived));
        (delivered, lost, repeated)
    };
    assert_eq!(compare(&[1, 2, 3], &[3, 1, 2]), (3, 0, 0));
    assert_eq!(compare(&[1, 2, 3], &[1, 3]), (2, 1, 0));
    assert_eq!(compare(&[1, 2, 3], &[1, 2, 2, 3, 3]), (3, 0, 2));
    assert_eq!(compare(&[1, 3], &[2, 3]), (1, 1, 1));
    assert_eq!(compare(&[], &[7]), (0, 0, 1));
    assert_eq!(compare(&[7], &[]), (0, 1, 0));
}

#[test]
fn ledgers_add_up() {
    let mut sum = ledger(&[1]);
    sum.add(&ledger(&[2, 3]));
    assert_eq!(sum.len(), 3);
}

#[test]
fn of_more_than_are_kept_it_is_still_seen_that_some_are_lost_repeated_or_others() {
    let most = ROOM as u64 + 10;
    let compare = |arrived: &mut dyn Iterator<Item = u64>| {
        let mut published = Ledger::default();
        (1..=most).for_each(|trace| published.note(trace));
        let mut seen = Ledger::default();
        arrived.for_each(|trace| seen.note(trace));
        let Comparison { delivered, lost, repeated } = published.compare(&mut seen);
        (delivered, lost, repeated)
    };
    assert_eq!(compare(&mut (1..=most).rev()), (most, 0, 0), "whatever their order");
    assert_eq!(compare(&mut (2..=most)), (most - 1, 1, 0));
    assert_eq!(compare(&mut (1..=most).chain([5])), (most, 0, 1));
    assert_eq!(compare(&mut (2..=most).chain([5])), (most - 1, 1, 1), "as many, but others");
    assert_eq!(compare(&mut (1..=5)), (5, most - 5, 0), "one of the two has room for all");
    let mut full = Ledger::default();
    (0..2 * most).for_each(|trace| full.note(trace));
    assert_eq!((full.traces.capacity(), full.len()), (ROOM, 2 * most), "it does not grow");
}

#[test]
fn two_halves_that_do_not_fit_add_up() {
    let (mut low, mut high) = (Ledger::default(), Ledger::default());
    let half = 3 * ROOM as u64 / 4;
    (0..half).for_each(|trace| low.note(trace));
    (half..2 * half).for_each(|trace| high.note(trace));
    low.add(&high);
    let mut seen = Ledger::default();
    (0..2 * half).for_each(|trace| seen.note(trace));
    let compared = low.compare(&mut seen);
    assert_eq!(compared, Comparison { delivered: 2 * half, lost: 0, repeated: 0 });
}
