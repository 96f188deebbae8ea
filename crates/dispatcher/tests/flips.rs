//! What a flip does to what is on its way (FR-014, 015).

mod common;

use std::{
    sync::{Arc, Mutex},
    time::Instant,
};

use common::{Message, message, numbers, recorder, run_all, stepped};
use meltica_dispatcher::{Class, Delivery, Route, Sequence, Subscription, Verdict};

#[test]
fn fr_014_what_waits_for_order_is_routed_as_of_before_the_flip() {
    let mut dispatcher = stepped().build().unwrap();
    let routes = dispatcher.routes();
    let (seen, handler) = recorder();
    routes.subscribe(Subscription::new("a", handler).to(Route::All)).unwrap();
    let now = Instant::now();
    let before = routes.version();
    for number in [1, 3, 5] {
        let message = message(1, Class::Conflatable, number);
        dispatcher.publish(message.sequenced(Sequence::Dense(number)), now).unwrap();
    }
    let after = routes.flip();
    dispatcher.poll(now);
    assert_eq!(dispatcher.stats().missing, 2, "gaps are given up, and counted at once");
    let next = message(1, Class::Conflatable, 6).sequenced(Sequence::Dense(6));
    dispatcher.publish(next, now).unwrap();
    run_all(&mut dispatcher);
    let seen = seen.lock().unwrap();
    let rows: Vec<_> = seen.iter().map(|d| (d.numbers[0], d.version)).collect();
    assert_eq!(rows, [(1, before), (3, before), (5, before), (6, after)]);
}

#[test]
fn after_a_flip_a_consumer_of_deltas_starts_again_from_the_whole_state() {
    let delta = |number| Message { is_delta: true, ..message(1, Class::Conflatable, number) };
    let mut dispatcher = stepped().keep_current_state(true).build().unwrap();
    let routes = dispatcher.routes();
    let (seen, handler) = recorder();
    routes.subscribe(Subscription::new("a", handler).to(Route::All)).unwrap();
    let (second, handler) = recorder();
    routes.subscribe(Subscription::new("b", handler).to(Route::Key(1))).unwrap();
    let now = Instant::now();
    dispatcher.publish(message(1, Class::Conflatable, 1), now).unwrap();
    dispatcher.publish(message(2, Class::Conflatable, 9), now).unwrap();
    dispatcher.publish(delta(2), now).unwrap();
    let version = routes.flip();
    dispatcher.publish(delta(3), now).unwrap();
    dispatcher.publish(delta(4), now).unwrap();
    dispatcher.publish(message(2, Class::Conflatable, 10), now).unwrap();
    run_all(&mut dispatcher);
    let whole = vec![1, 2, 3];
    assert_eq!(numbers(&seen), [vec![1], vec![9], vec![2], whole.clone(), vec![4], vec![10]]);
    assert_eq!(numbers(&second), [vec![1], vec![2], whole, vec![4]]);
    assert_eq!(seen.lock().unwrap()[3].version, version);
}

#[test]
fn a_stream_that_had_no_delta_before_the_flip_is_whole_after_it_all_the_same() {
    let mut dispatcher = stepped().keep_current_state(true).build().unwrap();
    let routes = dispatcher.routes();
    let (seen, handler) = recorder();
    routes.subscribe(Subscription::new("a", handler).to(Route::All)).unwrap();
    let now = Instant::now();
    dispatcher.publish(message(1, Class::Conflatable, 1), now).unwrap();
    routes.flip();
    for number in [2, 3] {
        let delta = Message { is_delta: true, ..message(1, Class::Conflatable, number) };
        dispatcher.publish(delta, now).unwrap();
    }
    run_all(&mut dispatcher);
    assert_eq!(numbers(&seen), [vec![1], vec![1, 2], vec![3]]);
}

#[test]
fn what_was_folded_into_a_filtered_message_is_told_as_dropped() {
    let mut dispatcher = stepped().lane_capacity(1).build().unwrap();
    let told = Arc::new(Mutex::new(vec![]));
    let mine = Arc::clone(&told);
    let handler = move |delivery: Delivery<Message>| -> Verdict<Message, String> {
        let mut told = mine.lock().expect("no panic");
        told.push(delivery.skipped);
        if told.len() == 1 { Verdict::Filtered } else { Verdict::Handled }
    };
    dispatcher.routes().subscribe(Subscription::new("a", handler).to(Route::All)).unwrap();
    for number in 0..3 {
        dispatcher.publish(message(1, Class::Conflatable, number), Instant::now()).unwrap();
    }
    run_all(&mut dispatcher);
    dispatcher.publish(message(1, Class::Conflatable, 3), Instant::now()).unwrap();
    run_all(&mut dispatcher);
    let told: Vec<_> = told.lock().unwrap().iter().map(|s| (s.folded, s.dropped)).collect();
    assert_eq!(told, [(2, 0), (0, 3)]);
}

#[test]
fn who_filtered_a_part_of_a_stream_starts_again_from_its_whole_state() {
    let mut dispatcher = stepped().keep_current_state(true).build().unwrap();
    let (seen, mut handler) = recorder();
    let mut shut = true;
    let handler = move |delivery: Delivery<Message>| -> Verdict<Message, String> {
        if delivery.is_delta && std::mem::take(&mut shut) {
            return Verdict::Filtered;
        }
        handler(delivery);
        Verdict::Handled
    };
    dispatcher.routes().subscribe(Subscription::new("a", handler).to(Route::All)).unwrap();
    let now = Instant::now();
    dispatcher.publish(message(1, Class::Conflatable, 1), now).unwrap();
    for number in [2, 3, 4] {
        let delta = Message { is_delta: true, ..message(1, Class::Conflatable, number) };
        dispatcher.publish(delta, now).unwrap();
        run_all(&mut dispatcher);
    }
    // The first that it handles tells of the hole, and the next is whole.
    assert_eq!(numbers(&seen), [vec![1], vec![3], vec![1, 2, 3, 4]]);
    assert_eq!(seen.lock().unwrap()[1].skipped.dropped, 1);
}

#[test]
fn fr_008_a_single_consumer_that_missed_a_part_gets_the_next_itself_when_no_whole_can_be_had() {
    let mut dispatcher = stepped().keep_current_state(true).build().unwrap();
    let routes = dispatcher.routes();
    let (seen, handler) = recorder();
    routes.subscribe(Subscription::new("a", handler).to(Route::All)).unwrap();
    let (_, handler) = recorder();
    let other = routes.subscribe(Subscription::new("b", handler).to(Route::All)).unwrap();
    let empty = |number| Message { pool_is_empty: true, ..message(1, Class::Conflatable, number) };
    let now = Instant::now();
    dispatcher.publish(empty(1), now).unwrap();
    routes.unsubscribe(other).unwrap();
    dispatcher.publish(empty(2), now).unwrap();
    run_all(&mut dispatcher);
    assert_eq!(numbers(&seen), [vec![2]]);
    assert_eq!(seen.lock().unwrap()[0].skipped.dropped, 1);
}
