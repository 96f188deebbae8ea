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
