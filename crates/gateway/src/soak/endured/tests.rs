use std::time::Duration;

use super::*;

fn broken(run: Endured) -> String {
    run.verdict().expect_err("a promise was broken")
}

#[test]
fn each_broken_promise_is_a_sentence() {
    assert_eq!(Endured::default().verdict(), Ok(()));
    let critical = Critical { lost: 1_234, repeated: 2, ..Critical::default() };
    assert_eq!(
        broken(Endured { critical, stale: 3, ..Endured::default() }),
        "1,234 critical messages were lost; 2 critical messages were repeated; 3 stale market data \
         started after their gate had moved"
    );
    assert!(broken(Endured { untold: 1, ..Endured::default() }).contains("told wrongly"));
    let left = Endured { threads_leaked: Some(2), leases_outstanding: 1, ..Endured::default() };
    assert_eq!(broken(left), "1 leases are outstanding; 2 threads were left behind");
}

#[test]
fn a_panic_unheard_of_or_of_another_message_is_a_broken_promise() {
    let well = Panics { thrown: 2, heard: 2, ..Panics::default() };
    assert_eq!(well.amiss(), 0);
    assert_eq!(Panics { heard: 1, misattributed: true, ..well }.amiss(), 1);
    assert_eq!(Panics { dead_letters: 3, misattributed: true, ..well }.amiss(), 3);
    let others = Panics { misattributed: true, ..well };
    assert_eq!(others.amiss(), 1);
    assert!(broken(Endured { panics: others, ..Endured::default() }).contains("of others"));
}

#[test]
fn memory_is_a_broken_promise_only_where_it_was_judged() {
    let bytes: Vec<_> = (1..=100).map(|at| at * 1_000).collect();
    let of = |seconds| Memory::of(&bytes, Duration::from_secs(seconds));
    assert_eq!(Endured { memory: of(1), ..Endured::default() }.verdict(), Ok(()));
    let grown = broken(Endured { memory: of(60), ..Endured::default() });
    assert!(grown.contains("resident memory went") && grown.contains("by +"), "{grown}");
}
