//! LM-04, and FR-011..013, 016: what gives way when a consumer does not keep up, and what does not.

mod common;

use std::time::{Duration, Instant};

use common::{Message, Seen, Test, message, numbers, recorder, run_all, stepped};
use meltica_dispatcher::{
    Builder, Cancel, Class, Delivery, Dispatcher, LaneStats, Route, Skipped, Subscription, WhenFull,
};
use proptest::prelude::*;

fn publish(dispatcher: &mut Dispatcher<Test>, key: u32, class: Class, number: u64) {
    dispatcher.publish(message(key, class, number), Instant::now()).expect("not cancelled");
}

fn skips(seen: &Seen) -> Vec<(u64, u64)> {
    let seen = seen.lock().expect("no test panics here");
    seen.iter().map(|d| (d.skipped.folded, d.skipped.dropped)).collect()
}

#[test]
fn lm_04_conflatable_messages_fold_into_the_last_of_their_stream_and_say_so() {
    let mut dispatcher = stepped().lane_capacity(2).build().unwrap();
    let (seen, handler) = recorder();
    dispatcher.routes().subscribe(Subscription::new("a", handler).to(Route::All)).unwrap();
    for (key, number) in [(1, 10), (2, 20), (1, 11), (2, 21), (3, 30), (1, 12)] {
        publish(&mut dispatcher, key, Class::Conflatable, number);
    }
    run_all(&mut dispatcher);
    // Stream 3 had nothing to fold into: the newest state of every stream always arrives.
    assert_eq!(numbers(&seen), [vec![10, 11, 12], vec![20, 21], vec![30]]);
    assert_eq!(skips(&seen), [(2, 0), (1, 0), (0, 0)]);
    assert!(seen.lock().unwrap()[2].skipped.is_nothing());
    assert_eq!(dispatcher.stats().lanes[0].folded, 3);
}

#[test]
fn lm_04_sequential_messages_drop_the_oldest_and_the_next_of_the_stream_says_so() {
    let mut dispatcher = stepped().lane_capacity(2).build().unwrap();
    let (seen, handler) = recorder();
    dispatcher.routes().subscribe(Subscription::new("a", handler).to(Route::All)).unwrap();
    for (key, number) in [(1, 10), (2, 20), (1, 11), (1, 12), (1, 13)] {
        publish(&mut dispatcher, key, Class::Sequential, number);
    }
    run_all(&mut dispatcher);
    assert_eq!(numbers(&seen), [[12], [13]]);
    assert_eq!(skips(&seen), [(0, 2), (0, 0)]);
    // The drop in stream 2 is told when that stream goes on.
    publish(&mut dispatcher, 2, Class::Sequential, 21);
    run_all(&mut dispatcher);
    assert_eq!(skips(&seen)[2], (0, 1));
    assert_eq!(dispatcher.stats().lanes[0].dropped, 3);
}

#[test]
fn fr_011_fr_012_fr_013_fr_016_critical_messages_arrive_once_and_in_order_under_any_pressure() {
    let mut dispatcher = stepped().lane_capacity(1).build().unwrap();
    let (seen, handler) = recorder();
    let (other, other_handler) = recorder();
    dispatcher.routes().subscribe(Subscription::new("a", handler).to(Route::All)).unwrap();
    dispatcher.routes().subscribe(Subscription::new("b", other_handler).to(Route::All)).unwrap();
    for number in 0..5_000 {
        // No duplicate of market data can be had, and nobody runs: critical ones do not mind.
        let mut quote = message(1, Class::Conflatable, number);
        quote.pool_is_empty = true;
        dispatcher.publish(quote, Instant::now()).unwrap();
        let mut report = message(9, Class::Critical, number);
        report.pool_is_empty = true;
        // Numbers that go back, or repeat, are no reason to hold or drop a critical message.
        report.sequence = meltica_dispatcher::Sequence::Dense(5_000 - number / 2);
        dispatcher.publish(report, Instant::now()).unwrap();
    }
    run_all(&mut dispatcher);
    let expected: Vec<_> = (0..5_000).map(|number| vec![number]).collect();
    assert_eq!(numbers(&seen), expected);
    // What waited in the ring needs no duplicate for the last consumer that wants it.
    other.lock().unwrap().retain(|delivery| delivery.class == Class::Critical);
    assert_eq!(numbers(&other), expected);
    let stats = dispatcher.stats();
    assert_eq!(stats.lanes[0].critical_peak, 5_000);
    assert_eq!(stats.duplicates_failed, 9_999);
    assert_eq!(stats.lanes[0].dropped, 5_000);
}

#[test]
fn too_many_critical_messages_are_an_alarm_and_are_kept() {
    for builder in [stepped(), stepped().queues()] {
        let mut dispatcher = builder.ring_capacity(4).critical_alarm(100).build().unwrap();
        let (seen, handler) = recorder();
        dispatcher.routes().subscribe(Subscription::new("a", handler).to(Route::All)).unwrap();
        let alarms = |dispatcher: &Dispatcher<Test>| dispatcher.stats().lanes[0].critical_alarms;
        let mut count = 0;
        let mut wait_for = |dispatcher: &mut Dispatcher<Test>, messages| {
            while dispatcher.stats().lanes[0].depth < messages {
                count += 1;
                publish(dispatcher, 1, Class::Critical, count);
            }
        };
        // Up to four are in the ring, and not beside it.
        wait_for(&mut dispatcher, 90);
        assert_eq!(alarms(&dispatcher), 0);
        wait_for(&mut dispatcher, 300);
        assert_eq!(alarms(&dispatcher), 1, "once");
        while dispatcher.stats().lanes[0].depth > 60 {
            dispatcher.run_once();
        }
        wait_for(&mut dispatcher, 300);
        assert_eq!(alarms(&dispatcher), 1, "it has not been over");
        run_all(&mut dispatcher);
        wait_for(&mut dispatcher, 300);
        assert_eq!(alarms(&dispatcher), 2);
        run_all(&mut dispatcher);
        assert_eq!(numbers(&seen), (1..=count).map(|number| vec![number]).collect::<Vec<_>>());
    }
}

#[test]
fn nothing_published_after_a_critical_message_is_delivered_before_it() {
    let mut dispatcher = stepped().lane_capacity(1).build().unwrap();
    let (seen, handler) = recorder();
    dispatcher.routes().subscribe(Subscription::new("a", handler).to(Route::All)).unwrap();
    publish(&mut dispatcher, 1, Class::Conflatable, 1);
    publish(&mut dispatcher, 9, Class::Critical, 2);
    publish(&mut dispatcher, 1, Class::Conflatable, 3);
    run_all(&mut dispatcher);
    assert_eq!(numbers(&seen), [vec![2], vec![1, 3]], "3 came after 2, so its fold does too");
}

#[test]
fn a_duplicate_that_cannot_be_had_is_counted_and_told() {
    let mut dispatcher = stepped().build().unwrap();
    let (seen, handler) = recorder();
    let (_, other) = recorder();
    dispatcher.routes().subscribe(Subscription::new("a", handler).to(Route::All)).unwrap();
    dispatcher.routes().subscribe(Subscription::new("b", other).to(Route::All)).unwrap();
    let mut poor = message(1, Class::Conflatable, 1);
    poor.pool_is_empty = true;
    dispatcher.publish(poor, Instant::now()).unwrap();
    publish(&mut dispatcher, 1, Class::Conflatable, 2);
    run_all(&mut dispatcher);
    assert_eq!(seen.lock().unwrap()[0].skipped, Skipped { folded: 0, dropped: 1, missing: 0 });
}

#[test]
fn a_message_that_could_not_be_had_before_a_fold_is_told_with_the_fold() {
    let mut dispatcher = stepped().lane_capacity(1).build().unwrap();
    let (seen, handler) = recorder();
    let (_, other) = recorder();
    dispatcher.routes().subscribe(Subscription::new("a", handler).to(Route::All)).unwrap();
    dispatcher.routes().subscribe(Subscription::new("b", other).to(Route::All)).unwrap();
    for number in 1..=3 {
        let mut message = message(1, Class::Conflatable, number);
        message.pool_is_empty = number == 2;
        dispatcher.publish(message, Instant::now()).unwrap();
    }
    run_all(&mut dispatcher);
    assert_eq!((numbers(&seen), skips(&seen)), (vec![vec![1, 3]], vec![(1, 1)]));
}

/// One message for the property: its stream, its class, whether the consumer runs after it, and
/// whether duplicates of it can be had.
fn traffic() -> impl Strategy<Value = Vec<(u32, u8, bool, bool)>> {
    let (run, poor) = (prop::bool::weighted(0.2), prop::bool::weighted(0.1));
    prop::collection::vec((0u32..4, 0u8..3, run, poor), 0..300)
}

proptest! {
    #[test]
    fn every_message_is_delivered_folded_or_dropped_and_told_and_in_order(
        traffic in traffic(),
        capacity in 1usize..6,
    ) {
        let mut dispatcher = stepped().lane_capacity(capacity).build().expect("valid settings");
        let (seen, handler) = recorder();
        let subscription = Subscription::new("a", handler).to(Route::All);
        dispatcher.routes().subscribe(subscription).expect("the first of its name");
        // A second one, so that each gets a duplicate, if there is one.
        let second = Subscription::new("b", |_: Delivery<Message>| ()).to(Route::All);
        dispatcher.routes().subscribe(second).expect("the first of its name");
        let mut published: Vec<Vec<u64>> = vec![vec![]; 12];
        // What cannot be duplicated comes only to whoever is the last to want it.
        let mut without_duplicate = vec![];
        for (number, (stream, class, run, poor)) in (0u64..).zip(&traffic) {
            let kind = [Class::Critical, Class::Conflatable, Class::Sequential][usize::from(*class)];
            let key = stream * 3 + u32::from(*class);
            let mut message = message(key, kind, number);
            message.pool_is_empty = *poor;
            if !*poor || kind == Class::Critical {
                published[key as usize].push(number);
            } else {
                without_duplicate.push(number);
            }
            dispatcher.publish(message, Instant::now()).expect("not cancelled");
            if *run {
                dispatcher.run_once();
            }
        }
        let waiting = dispatcher.stats().lanes[0].depth;
        prop_assert!(waiting <= traffic.len());
        run_all(&mut dispatcher);
        // One more of each stream, with room: it tells of what was dropped at the end.
        for key in 0..12 {
            let kind = [Class::Critical, Class::Conflatable, Class::Sequential][key % 3];
            published[key].push(u64::MAX);
            publish(&mut dispatcher, key as u32, kind, u64::MAX);
            run_all(&mut dispatcher);
        }
        let seen = seen.lock().expect("no test panics here");

        let mut told = Skipped::default();
        let mut newest_critical = 0;
        for delivery in seen.iter() {
            told.folded += delivery.skipped.folded;
            told.dropped += delivery.skipped.dropped;
            let newest = *delivery.numbers.last().expect("a message says something");
            if delivery.class == Class::Critical {
                newest_critical = newest_critical.max(newest);
            }
        }
        for (key, all) in published.iter().enumerate() {
            let of_stream: Vec<_> = seen.iter().filter(|d| d.key as usize == key).collect();
            let flat: Vec<u64> = of_stream.iter().flat_map(|d| d.numbers.clone()).collect();
            prop_assert!(flat.is_sorted(), "stream {} went back: {:?}", key, flat);
            let flat: Vec<_> =
                flat.into_iter().filter(|number| !without_duplicate.contains(number)).collect();
            match key % 3 {
                // Nothing is missing, and of market data nothing that came after a critical
                // message was seen before it: checked below.
                0 | 1 => prop_assert_eq!(&flat, all),
                _ => {
                    prop_assert!(flat.iter().all(|number| all.contains(number)));
                }
            }
            if key % 3 == 0 {
                prop_assert!(of_stream.iter().all(|d| d.numbers.len() == 1 && d.skipped.is_nothing()));
            }
        }
        for (place, critical) in seen.iter().enumerate().filter(|(_, d)| d.class == Class::Critical) {
            let number = critical.numbers[0];
            let early = seen[..place].iter().flat_map(|d| &d.numbers).any(|n| *n > number);
            prop_assert!(!early, "something newer than critical {} was seen before it", number);
        }
        let LaneStats { published, delivered, folded, dropped, discarded, depth, .. } =
            dispatcher.stats().lanes[0].clone();
        prop_assert_eq!(published, delivered + folded + dropped + discarded);
        prop_assert_eq!((depth, discarded, published), (0, 0, traffic.len() as u64 + 12));
        prop_assert_eq!((told.folded, told.dropped), (folded, dropped), "each one told once");
    }
}

/// What a consumer sees that has a whole and a delta waiting, does not want the stream while the next delta comes, and
/// then wants it again.
fn seen_around_a_time_without(builder: Builder<Test>) -> Seen {
    let mut dispatcher = builder.build().expect("valid settings");
    let routes = dispatcher.routes();
    let (seen, handler) = recorder();
    let lane = routes.subscribe(Subscription::new("a", handler).to(Route::All)).expect("the first");
    let mut publish = |number, is_delta| {
        let message = Message { is_delta, ..message(1, Class::Conflatable, number) };
        dispatcher.publish(message, Instant::now()).expect("not cancelled");
    };
    publish(1, false);
    publish(2, true);
    routes.reroute(lane, [Route::Key(2)]).expect("it is there");
    publish(3, true);
    routes.reroute(lane, [Route::All]).expect("it is there");
    publish(4, true);
    publish(5, true);
    run_all(&mut dispatcher);
    seen
}

#[test]
fn lm_04_nothing_is_folded_into_what_was_in_the_ring_before_such_a_time() {
    // Whole and delta are in the ring, which has room for no more.
    let seen = seen_around_a_time_without(stepped().lane_capacity(2).ring_capacity(2));
    assert_eq!(numbers(&seen), [vec![1], vec![4, 5]]);
    assert_eq!(skips(&seen), [(0, 0), (1, 1)]);
}

#[test]
fn lm_04_nothing_is_folded_over_a_time_in_which_the_consumer_did_not_want_the_stream() {
    let seen = seen_around_a_time_without(stepped().lane_capacity(1));
    // With 4 folded into it, the whole that 1 began would lack 3.
    assert_eq!(numbers(&seen), [[4, 5]]);
    assert_eq!(skips(&seen), [(1, 2)]);
}

/// Publishes 2,000 sequential messages, far quicker than a handler that sleeps now and then reads them; answers what
/// became of them.
fn after_a_burst(when_full: WhenFull) -> LaneStats {
    let builder = Dispatcher::<Test>::builder().workers(1).lane_capacity(16).ring_capacity(16);
    let mut dispatcher = builder.when_full(when_full).build().expect("valid settings");
    let (mut last, mut count) = (None, 0);
    let slow = move |delivery: &Delivery<Message>| {
        assert!(last < Some(delivery.numbers[0]), "in order");
        last = Some(delivery.numbers[0]);
        count += 1;
        // Longer than the publisher's thread may be without a core on a busy machine.
        if count % 100 == 0 {
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let slow = Subscription::borrowing("slow", slow).to(Route::All);
    dispatcher.routes().subscribe(slow).expect("a name of its own");
    for number in 0..2_000 {
        publish(&mut dispatcher, 1, Class::Sequential, number);
    }
    let routes = dispatcher.routes();
    assert!(dispatcher.shutdown(Duration::from_secs(60)).is_clean());
    routes.stats().lanes[0].clone()
}

#[test]
fn who_waits_for_the_slowest_drops_nothing() {
    let slow = after_a_burst(WhenFull::Wait(Duration::from_secs(60)));
    assert_eq!((slow.delivered, slow.dropped, slow.failed), (2_000, 0, 0));
    // And it would have.
    let slow = after_a_burst(WhenFull::LeaveBehind);
    assert_eq!((slow.delivered + slow.dropped, slow.failed), (2_000, 0));
    assert!(slow.dropped > 0);
}

#[test]
fn nobody_waits_for_ever_for_a_consumer_that_is_paused_or_stuck() {
    for stuck in [false, true] {
        let limit = if stuck { Duration::from_millis(20) } else { Duration::MAX };
        let builder = Dispatcher::<Test>::builder().workers(1).lane_capacity(16).ring_capacity(16);
        let mut dispatcher = builder.when_full(WhenFull::Wait(limit)).build().unwrap();
        let (release, released) = crossbeam_channel::bounded::<()>(0);
        let handler = move |_: &Delivery<Message>| assert!(released.recv().is_err());
        let consumer = Subscription::borrowing("a", handler).to(Route::All);
        let lane = dispatcher.routes().subscribe(consumer).unwrap();
        publish(&mut dispatcher, 1, Class::Sequential, 0);
        if !stuck {
            dispatcher.routes().pause(lane).unwrap();
        }
        (1..100).for_each(|number| publish(&mut dispatcher, 1, Class::Sequential, number));
        let stats = dispatcher.stats().lanes[0].clone();
        assert!(stats.dropped > 0 && stats.depth > 0);
        drop(release);
        dispatcher.routes().resume(lane).unwrap();
        assert!(dispatcher.shutdown(Duration::from_secs(60)).is_clean());
    }
}

#[test]
fn a_cancellation_ends_the_wait_for_the_slowest() {
    let builder = Dispatcher::<Test>::builder().workers(1).lane_capacity(16).ring_capacity(16);
    let cancel = Cancel::new();
    let builder = builder.cancel(cancel.clone()).when_full(WhenFull::Wait(Duration::MAX));
    let mut dispatcher = builder.build().unwrap();
    let (release, released) = crossbeam_channel::bounded::<()>(0);
    let handler = move |_: &Delivery<Message>| assert!(released.recv().is_err());
    let consumer = Subscription::borrowing("stuck", handler).to(Route::All);
    dispatcher.routes().subscribe(consumer).unwrap();
    let canceller = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        cancel.cancel();
    });
    let now = Instant::now();
    while dispatcher.publish(message(1, Class::Sequential, 0), now).is_ok() {}
    canceller.join().unwrap();
    drop(release);
    dispatcher.shutdown(Duration::from_secs(60));
}
