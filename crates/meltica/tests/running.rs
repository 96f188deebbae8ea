//! The pipeline on a thread of its own.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use meltica::{
    Consumer, FeedError, Message, Pipeline, Pools, Select, dispatcher::Cancel, event::TraceId,
};

const MINUTE: Duration = Duration::from_secs(60);

fn report(pools: &Pools, trace: u64) -> Message {
    let mut message = Message::from(pools.executions.lease_or_heap());
    message.header_mut().trace = TraceId(trace);
    message
}

#[test]
fn fr_011_what_feeds_hand_over_from_several_threads_is_all_delivered_before_the_end() {
    let seen = Arc::new(Mutex::new(vec![]));
    let mine = Arc::clone(&seen);
    let note = move |delivery: &meltica::Delivery| {
        mine.lock().expect("no test panics here").push(delivery.header().trace.0);
    };
    let running = Pipeline::builder()
        .consumer(Consumer::new("a", note), [Select::critical()])
        .build()
        .unwrap()
        .spawn(8)
        .unwrap();
    let threads = [0u64, 1].map(|thread| {
        let (feed, pools) = (running.feed(), running.pools().clone());
        let push = move || {
            for number in 0..500 {
                feed.push(report(&pools, 1 + thread * 1_000 + number)).expect("it runs");
            }
        };
        std::thread::Builder::new().name(format!("feed-{thread}")).spawn(push).unwrap()
    });
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let feed = running.feed();
    assert!(format!("{running:?} {feed:?}").contains("Feed { waiting: "));
    let pools = running.pools().clone();
    let end = running.shutdown(MINUTE).unwrap();
    assert!(end.is_clean(), "{end:?}");
    let mut seen = seen.lock().unwrap();
    assert!(seen.iter().filter(|trace| **trace <= 1_000).is_sorted(), "each feed keeps its order");
    seen.sort_unstable();
    assert_eq!(*seen, (1..=500).chain(1_001..=1_500).collect::<Vec<_>>());

    let refused = feed.push(report(&pools, 7)).unwrap_err();
    assert_eq!(format!("{refused:?}, {refused}"), "Stopped(..), the pipeline has stopped");
    let FeedError::Stopped(message) = refused else { panic!("it has stopped") };
    assert_eq!(message.header().trace, TraceId(7), "handed back");
    assert!(matches!(feed.try_push(message), Err(FeedError::Stopped(_))));
}

#[test]
fn a_running_pipeline_answers_and_obeys_from_other_threads() {
    let running = Pipeline::builder()
        .keep_current_state(true)
        .consumer(Consumer::new("a", |_| ()), [Select::all()])
        .build()
        .unwrap()
        .spawn(8)
        .unwrap();
    let version = running.flip().unwrap();
    assert_eq!(running.gate("a").unwrap().version(), version);
    let lane = running.subscribe(Consumer::new("b", |_| ()), [Select::all()]).unwrap().unwrap();
    assert_eq!(running.stats().unwrap().dispatcher.lanes.len(), 2);
    running.routes().unsubscribe(lane).unwrap();
    assert_eq!(running.recycler().stats().len(), 5);
    running.feed().try_push(report(running.pools(), 1)).unwrap();
    drop(running);
}

#[test]
fn critical_messages_that_come_after_a_cancellation_are_handed_back() {
    let cancel = Cancel::new();
    let running = Pipeline::builder()
        .cancel(cancel.clone())
        .consumer(Consumer::new("a", |_| ()), [Select::all()])
        .build()
        .unwrap()
        .spawn(8)
        .unwrap();
    cancel.cancel();
    running.feed().push(report(running.pools(), 9)).unwrap();
    let end = running.shutdown(MINUTE).unwrap();
    assert_eq!(end.refused.len(), 1);
    assert!(!end.is_clean() && end.leaks().count() == 1);
    drop(end.refused);
}

#[test]
fn after_a_cancellation_feeds_are_refused_and_what_was_taken_is_handed_back() {
    let cancel = Cancel::new();
    let running = Pipeline::builder().cancel(cancel.clone()).build().unwrap().spawn(8).unwrap();
    cancel.cancel();
    let feed = running.feed();
    let mut taken = 0;
    let refused = loop {
        match feed.push(Message::from(running.pools().events.lease_or_heap())) {
            Ok(()) => taken += 1,
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, FeedError::Stopped(_)));
    let end = running.shutdown(MINUTE).unwrap();
    assert_eq!(end.refused.len(), taken);
}

#[test]
fn a_running_pipeline_that_is_dropped_buries_its_critical_messages() {
    let letters = Arc::new(Mutex::new(0));
    let mine = Arc::clone(&letters);
    let running = Pipeline::builder()
        .workers(0)
        .consumer(Consumer::new("a", |_| ()), [Select::all()])
        .dead_letter_sink(move |_| *mine.lock().unwrap() += 1)
        .build()
        .unwrap()
        .spawn(8)
        .unwrap();
    for trace in 1..=4 {
        running.feed().push(report(running.pools(), trace)).unwrap();
    }
    drop(running);
    assert_eq!(*letters.lock().unwrap(), 4);
}

#[test]
fn a_full_queue_hands_the_message_back() {
    let (let_go, held) = crossbeam_channel::bounded::<()>(0);
    let running = Pipeline::builder().workers(0).build().unwrap().spawn(1).unwrap();
    // The core thread waits in a pattern until it is let go.
    let slow = meltica::dispatcher::Route::matching(move |_: &meltica::Key| {
        let _ = held.recv();
        false
    });
    let subscription =
        meltica::dispatcher::Subscription::new("slow", |_: meltica::Delivery| ()).to(slow);
    running.routes().subscribe(subscription).unwrap();
    let feed = running.feed();
    let refused = loop {
        match feed.try_push(report(running.pools(), 1)) {
            Ok(()) => std::thread::yield_now(),
            Err(refused) => break refused,
        }
    };
    assert_eq!(format!("{refused:?}: {refused}"), "Full(..): the pipeline's queue is full");
    drop(let_go);
    assert!(running.shutdown(MINUTE).is_some());
}
