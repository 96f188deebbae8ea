//! LM-03: each stream keeps its order as its numbers allow.

mod common;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use common::{Message, Seen, Test, message, numbers, recorder, run_all, stepped};
use meltica_dispatcher::{Class, Dispatcher, Published, Route, Sequence, Subscription};
use proptest::prelude::*;

const WAIT: Duration = Duration::from_millis(150);

fn dispatcher() -> (Dispatcher<Test>, Seen) {
    let dispatcher = stepped().gap_capacity(4).build().expect("valid settings");
    let (seen, handler) = recorder();
    let subscription = Subscription::new("a", handler).to(Route::All);
    dispatcher.routes().subscribe(subscription).expect("the first of its name");
    (dispatcher, seen)
}

fn send(dispatcher: &mut Dispatcher<Test>, sequence: Sequence, now: Instant) -> Published {
    let (Sequence::Dense(n) | Sequence::Monotone(n) | Sequence::Rebase(n)) = sequence else {
        panic!("numbered ones only");
    };
    let message = message(1, Class::Sequential, n).sequenced(sequence);
    let published = dispatcher.publish(message, now).expect("not cancelled");
    run_all(dispatcher);
    published
}

#[test]
fn lm_03_a_dense_stream_waits_for_a_missing_message() {
    let (mut dispatcher, seen) = dispatcher();
    let now = Instant::now();
    let one = Published::Routed { lanes: 1 };
    for (number, expected) in [(5, one), (7, Published::Held), (8, Published::Held), (6, one)] {
        assert_eq!(send(&mut dispatcher, Sequence::Dense(number), now), expected);
    }
    assert_eq!(numbers(&seen), [[5], [6], [7], [8]]);
    assert_eq!(dispatcher.next_deadline(), Some(now + WAIT), "a deadline may be early, not late");
    assert_eq!(send(&mut dispatcher, Sequence::Dense(6), now), Published::Late);
    dispatcher.poll(now + WAIT);
    let stats = dispatcher.stats();
    assert_eq!((stats.late, stats.gaps, stats.missing), (1, 0, 0));
    assert_eq!(dispatcher.next_deadline(), None);
}

#[test]
fn lm_03_a_gap_is_given_up_when_its_time_is_over_and_counted() {
    let (mut dispatcher, seen) = dispatcher();
    let now = Instant::now();
    send(&mut dispatcher, Sequence::Dense(1), now);
    send(&mut dispatcher, Sequence::Dense(4), now);
    send(&mut dispatcher, Sequence::Dense(7), now + WAIT / 2);
    dispatcher.poll(now + WAIT - Duration::from_nanos(1));
    run_all(&mut dispatcher);
    assert_eq!(numbers(&seen), [[1]]);
    dispatcher.poll(now + WAIT);
    run_all(&mut dispatcher);
    assert_eq!(numbers(&seen), [[1], [4]]);
    // The second gap was only seen now, and has its own time.
    assert_eq!(dispatcher.next_deadline(), Some(now + WAIT + WAIT));
    dispatcher.poll(now + WAIT + WAIT);
    run_all(&mut dispatcher);
    assert_eq!(numbers(&seen), [[1], [4], [7]]);
    let stats = dispatcher.stats();
    assert_eq!((stats.gaps, stats.missing), (2, 4));
}

#[test]
fn lm_03_a_gap_is_given_up_when_too_much_waits_behind_it() {
    let (mut dispatcher, seen) = dispatcher();
    let now = Instant::now();
    for number in [1, 3, 4, 5] {
        send(&mut dispatcher, Sequence::Dense(number), now);
    }
    assert_eq!(numbers(&seen), [[1]]);
    let published = send(&mut dispatcher, Sequence::Dense(6), now);
    assert_eq!(published, Published::Routed { lanes: 1 }, "the fourth: no room to wait for 2");
    assert_eq!(numbers(&seen), [[1], [3], [4], [5], [6]]);
}

#[test]
fn lm_03_a_joined_dispatch_waits_for_its_own_message_and_not_for_those_let_pass_with_it() {
    let (mut dispatcher, seen) = dispatcher();
    let now = Instant::now();
    for number in [1, 4, 5, 6] {
        send(&mut dispatcher, Sequence::Dense(number), now);
    }
    let of = |number, sequence| message(1, Class::Sequential, number).sequenced(sequence);
    let held = dispatcher.dispatch(of(3, Sequence::Dense(3)), now, None).unwrap();
    assert_eq!((held.held, held.lanes.len()), (false, 1), "the fourth in wait ends it");
    assert_eq!(numbers(&seen), [[1], [3]], "a stepped dispatch runs no further than its own");
    run_all(&mut dispatcher);
    let held = dispatcher.dispatch(of(9, Sequence::Dense(9)), now, None).unwrap();
    assert!(held.held && held.lanes.is_empty() && !held.is_complete());
    let late = dispatcher.dispatch(of(2, Sequence::Dense(2)), now, None).unwrap();
    assert!(late.late && late.lanes.is_empty() && !late.is_complete());
    // A reset lets pass what waited, then itself, and it is itself that is waited for.
    let reset = dispatcher.dispatch(of(1, Sequence::Rebase(1)), now, None).unwrap();
    assert_eq!((reset.lanes.len(), reset.trace), (1, 1));
    assert_eq!(numbers(&seen), [[1], [3], [4], [5], [6], [9], [1]]);
}

#[test]
fn lm_03_a_monotone_stream_never_waits_and_never_goes_back() {
    let (mut dispatcher, seen) = dispatcher();
    let now = Instant::now();
    for number in [5, 9, 9, 7, 12] {
        send(&mut dispatcher, Sequence::Monotone(number), now);
    }
    assert_eq!(numbers(&seen), [[5], [9], [12]]);
    assert_eq!((dispatcher.stats().late, dispatcher.next_deadline()), (2, None));
}

#[test]
fn lm_03_a_reset_rebases_its_stream() {
    let (mut dispatcher, seen) = dispatcher();
    let now = Instant::now();
    for sequence in [
        Sequence::Dense(100),
        Sequence::Dense(102),
        Sequence::Rebase(1),
        Sequence::Dense(2),
        Sequence::Dense(102),
    ] {
        send(&mut dispatcher, sequence, now);
    }
    assert_eq!(numbers(&seen), [[100], [102], [1], [2]], "what waited went first");
}

#[test]
fn lm_03_what_waits_for_order_is_let_pass_at_a_shutdown() {
    let (mut dispatcher, seen) = dispatcher();
    let now = Instant::now();
    send(&mut dispatcher, Sequence::Dense(1), now);
    send(&mut dispatcher, Sequence::Dense(3), now);
    assert!(dispatcher.shutdown(Duration::from_secs(1)).is_clean());
    assert_eq!(numbers(&seen), [[1], [3]]);
}

#[test]
fn lm_03_a_stream_that_turns_monotone_lets_pass_what_waited_and_goes_on() {
    let (mut dispatcher, seen) = dispatcher();
    let now = Instant::now();
    for sequence in [
        Sequence::Dense(1),
        Sequence::Dense(3),
        Sequence::Dense(9),
        Sequence::Monotone(9),
        Sequence::Dense(10),
    ] {
        send(&mut dispatcher, sequence, now);
    }
    assert_eq!(numbers(&seen), [[1], [3], [9], [10]]);
    let stats = dispatcher.stats();
    assert_eq!((stats.late, stats.gaps, stats.missing), (1, 1, 1));
    dispatcher.poll(now + WAIT);
    assert_eq!(dispatcher.next_deadline(), None);
}

#[test]
fn a_gap_may_be_waited_for_without_end() {
    let mut dispatcher = stepped().gap_wait(Duration::MAX).build().unwrap();
    let now = Instant::now();
    send(&mut dispatcher, Sequence::Dense(1), now);
    assert_eq!(send(&mut dispatcher, Sequence::Dense(3), now), Published::Held);
    assert_eq!(dispatcher.next_deadline(), None);
}

#[test]
fn what_waits_for_order_at_a_flip_is_routed_as_of_before_it() {
    let (mut dispatcher, seen) = dispatcher();
    let now = Instant::now();
    send(&mut dispatcher, Sequence::Dense(1), now);
    send(&mut dispatcher, Sequence::Dense(3), now);
    let version = dispatcher.routes().flip();
    send(&mut dispatcher, Sequence::Dense(4), now);
    let versions: Vec<_> = seen.lock().unwrap().iter().map(|d| d.version).collect();
    assert_eq!(versions, [version - 1, version - 1, version]);
    assert_eq!(numbers(&seen), [[1], [3], [4]]);
}

proptest! {
    #[test]
    fn a_permuted_dense_stream_comes_out_sorted_and_whole_within_the_buffer(
        swaps in prop::collection::vec(0usize..60, 0..40),
        repeats in prop::collection::vec(0usize..60, 0..10),
    ) {
        let mut arriving: Vec<u64> = (1..=60).collect();
        // Neighbours change places: never more than three wait at once.
        for at in swaps.iter().map(|at| at & !1) {
            arriving.swap(at, at + 1);
        }
        // The stream begins with whatever comes first.
        arriving.insert(0, 0);
        for at in repeats {
            let repeated = arriving[at];
            arriving.insert(at + 1, repeated);
        }
        let (mut dispatcher, seen) = dispatcher();
        let now = Instant::now();
        for number in &arriving {
            send(&mut dispatcher, Sequence::Dense(*number), now);
        }
        let flat: Vec<u64> = numbers(&seen).into_iter().flatten().collect();
        prop_assert_eq!(flat, (0..=60).collect::<Vec<_>>());
    }

    #[test]
    fn whatever_arrives_a_stream_never_goes_back_and_nothing_is_unaccounted_for(
        arriving in prop::collection::vec((0u64..40, 0u64..100), 1..80),
    ) {
        let (mut dispatcher, seen) = dispatcher();
        let mut now = Instant::now();
        for (number, pause) in &arriving {
            now += Duration::from_millis(*pause);
            send(&mut dispatcher, Sequence::Dense(*number), now);
        }
        dispatcher.poll(now + WAIT * 100);
        for _ in 0..5 {
            // One gap at a time: each has its own wait.
            now += WAIT * 200;
            dispatcher.poll(now);
        }
        run_all(&mut dispatcher);
        let flat: Vec<u64> = numbers(&seen).into_iter().flatten().collect();
        prop_assert!(flat.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", flat);
        let late = dispatcher.stats().late;
        prop_assert_eq!(flat.len() as u64 + late, arriving.len() as u64);
        let distinct: BTreeSet<_> = flat.iter().collect();
        prop_assert_eq!(distinct.len(), flat.len());
        prop_assert_eq!(dispatcher.next_deadline(), None);
    }
}

#[test]
fn what_goes_on_for_want_of_room_goes_on_at_once_also_when_the_last_to_come_still_waits() {
    let (mut dispatcher, seen) = dispatcher();
    let now = Instant::now();
    for number in [1, 3, 7, 6] {
        send(&mut dispatcher, Sequence::Dense(number), now);
    }
    assert_eq!(send(&mut dispatcher, Sequence::Dense(9), now), Published::Held);
    assert_eq!(numbers(&seen), [[1], [3]]);
}

#[test]
fn lm_03_lm_04_a_gap_that_is_given_up_is_told_and_hidden_in_no_fold_and_no_state() {
    let mut dispatcher =
        stepped().lane_capacity(1).gap_capacity(1).keep_current_state(true).build().unwrap();
    let routes = dispatcher.routes();
    let (seen, handler) = recorder();
    routes.subscribe(Subscription::new("a", handler).to(Route::All)).unwrap();
    let now = Instant::now();
    let mut publish = |number, is_delta| {
        let message = Message { is_delta, ..message(1, Class::Conflatable, number) };
        dispatcher.publish(message.sequenced(Sequence::Dense(number)), now).expect("not cancelled");
    };
    publish(1, false);
    publish(2, true);
    publish(5, true);
    publish(6, true);
    let (late, handler) = recorder();
    let late_comer = Subscription::new("late", handler).to(Route::All).with_current_state();
    routes.subscribe(late_comer).unwrap();
    run_all(&mut dispatcher);
    // 1 and 2 were folded, and had to go: with 5 they would make a whole without 3 and 4.
    assert_eq!(numbers(&seen), [[5, 6]]);
    let skipped = seen.lock().unwrap()[0].skipped;
    assert_eq!((skipped.folded, skipped.dropped, skipped.missing), (1, 2, 2));
    assert!(!skipped.is_nothing());
    assert!(late.lock().unwrap().is_empty(), "the state is not known any more");
}
