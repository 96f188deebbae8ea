//! The pipeline on a thread of its own.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use meltica::{
    Consumer, FeedError, Message, Pipeline, Pools, Select,
    dispatcher::Cancel,
    event::{Topic, TraceId},
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
fn a_pipeline_without_workers_runs_its_consumers_on_the_core_thread() {
    let (told, heard) = crossbeam_channel::bounded(1);
    let note = move |delivery: &meltica::Delivery| {
        let thread = std::thread::current().name().map(str::to_owned);
        told.send((delivery.header().trace.0, thread)).expect("heard");
    };
    let running = Pipeline::builder()
        .workers(0)
        .consumer(Consumer::new("a", note), [Select::all()])
        .build()
        .unwrap()
        .spawn(8)
        .unwrap();
    for trace in 1..=200 {
        running.feed().push(report(running.pools(), trace)).unwrap();
        let heard = heard.recv_timeout(MINUTE).unwrap();
        assert_eq!(heard, (trace, Some("meltica-core".to_owned())));
    }
    assert_eq!(running.recycler().stats().len(), 5);
    let end = running.shutdown(MINUTE).unwrap();
    assert!(end.is_clean());
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
        .consumer(Consumer::new("a", |_| ()), [Select::all().topic(Topic::Executions)])
        .dead_letter_sink(move |_| *mine.lock().unwrap() += 1)
        .build()
        .unwrap()
        .spawn(8)
        .unwrap();
    running.control().pause("a").unwrap().wait(MINUTE).unwrap().unwrap();
    for trace in 1..=4 {
        running.feed().push(report(running.pools(), trace)).unwrap();
    }
    drop(running);
    assert_eq!(*letters.lock().unwrap(), 4);
}

#[test]
fn what_a_feed_handed_over_after_a_cancellation_is_buried_when_the_pipeline_is_dropped() {
    let letters = Arc::new(Mutex::new(vec![]));
    let mine = Arc::clone(&letters);
    let cancel = Cancel::new();
    let running = Pipeline::builder()
        .cancel(cancel.clone())
        .dead_letter_sink(move |letter| mine.lock().unwrap().push(letter.trace))
        .build()
        .unwrap()
        .spawn(8)
        .unwrap();
    cancel.cancel();
    running.feed().push(report(running.pools(), 9)).unwrap();
    drop(running);
    assert_eq!(*letters.lock().unwrap(), [9]);
}

#[test]
fn a_full_queue_hands_the_message_back() {
    let (let_go, held) = crossbeam_channel::bounded::<()>(0);
    // The core thread waits in a consumer until it is let go.
    let slow = Consumer::new("slow", move |_| {
        let _ = held.recv();
    });
    let pipeline = Pipeline::builder().workers(0).consumer(slow, [Select::all()]).build().unwrap();
    let running = pipeline.spawn(1).unwrap();
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

#[test]
fn a_consumer_on_the_core_thread_is_told_when_the_queue_is_full_and_may_drop_the_pipeline() {
    let ways = Arc::new(Mutex::new(None::<(meltica::Feed, Pools, meltica::Running)>));
    let mine = Arc::clone(&ways);
    let (told, heard) = crossbeam_channel::bounded(1);
    let feeding = Consumer::new("feeding", move |_: &meltica::Delivery| {
        let Some((feed, pools, running)) = mine.lock().expect("no panic").take() else { return };
        let refused = loop {
            if let Err(refused) = feed.push(report(&pools, 0)) {
                break refused;
            }
        };
        drop(running);
        told.send(format!("{refused:?}")).expect("heard");
    });
    let pipeline =
        Pipeline::builder().workers(0).consumer(feeding, [Select::all()]).build().unwrap();
    let running = pipeline.spawn(2).unwrap();
    let (feed, pools) = (running.feed(), running.pools().clone());
    *ways.lock().unwrap() = Some((feed.clone(), pools.clone(), running));
    feed.push(report(&pools, 1)).unwrap();
    assert_eq!(heard.recv_timeout(MINUTE).unwrap(), "Full(..)");
}

#[test]
fn who_never_stops_commanding_keeps_no_message_from_its_turn() {
    let control = Arc::new(Mutex::new(None::<meltica::Control>));
    let mine = Arc::clone(&control);
    let (told, heard) = crossbeam_channel::bounded(64);
    let commanding = Consumer::new("commanding", move |delivery: &meltica::Delivery| {
        match &delivery.message {
            Message::Execution(_) => told.send(()).expect("heard"),
            Message::Control(_) => {
                // Two answers to each: there are ever more.
                let _ = mine.lock().expect("no panic").as_ref().expect("set before").flip();
            }
            _ => {}
        }
    });
    let pipeline =
        Pipeline::builder().workers(0).consumer(commanding, [Select::all()]).build().unwrap();
    *control.lock().unwrap() = Some(pipeline.control());
    let running = pipeline.spawn(8).unwrap();
    let _ = running.control().flip().unwrap();
    for trace in 1..=20 {
        running.feed().push(report(running.pools(), trace)).unwrap();
    }
    (0..20).for_each(|_| heard.recv_timeout(MINUTE).unwrap());
    // Its circle of references would keep it.
    *control.lock().unwrap() = None;
    drop(running);
}
