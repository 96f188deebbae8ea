//! Consumers whose handlers run on the publisher's thread.

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use common::{Message, Test, message, numbers, recorder, run_all, stepped};
use crossbeam_channel::bounded;
use meltica_dispatcher::{
    Cancel, Class, Delivery, Dispatcher, Outcome, Published, Route, Sequence, Subscription, Verdict,
};

fn publish(dispatcher: &mut Dispatcher<Test>, class: Class, number: u64) {
    let published = dispatcher.publish(message(1, class, number), Instant::now());
    published.expect("it was not cancelled");
}

#[test]
fn an_inline_consumer_has_had_a_message_when_it_is_published() {
    for builder in [stepped(), stepped().queues(), Dispatcher::builder()] {
        let mut dispatcher = builder.build().unwrap();
        let (seen, handler) = recorder();
        let inline = Subscription::new("inline", handler).inline();
        dispatcher.routes().subscribe(inline.to(Route::All)).unwrap();
        let (told, heard) = bounded(8);
        let here = thread::current().id();
        let lent = Subscription::borrowing("lent", move |delivery: &Delivery<Message>| {
            assert_eq!(thread::current().id(), here);
            told.send(delivery.numbers[0]).expect("heard");
        });
        dispatcher.routes().subscribe(lent.inline().to(Route::All)).unwrap();
        let (others, handler) = recorder();
        let beside = Subscription::new("isolated", handler);
        dispatcher.routes().subscribe(beside.to(Route::Key(2))).unwrap();
        publish(&mut dispatcher, Class::Sequential, 1);
        publish(&mut dispatcher, Class::Critical, 2);
        assert_eq!(numbers(&seen), [[1], [2]]);
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), [1, 2]);
        dispatcher.publish(message(2, Class::Critical, 3), Instant::now()).unwrap();
        assert_eq!(numbers(&seen), [[1], [2], [3]]);
        let stats = dispatcher.stats();
        assert!(stats.lanes[0].inline && stats.lanes[1].inline && !stats.lanes[2].inline);
        assert_eq!((stats.lanes[0].published, stats.lanes[0].delivered), (3, 3));
        assert_eq!((stats.lanes[1].published, stats.lanes[1].delivered), (3, 3));
        run_all(&mut dispatcher);
        assert!(dispatcher.shutdown(Duration::from_secs(10)).is_clean());
        assert_eq!(numbers(&others), [[3]]);
    }
}

#[test]
fn an_inline_consumer_alone_gets_the_message_itself() {
    let mut dispatcher = stepped().build().unwrap();
    let (seen, handler) = recorder();
    let inline = Subscription::new("inline", handler).inline();
    dispatcher.routes().subscribe(inline.to(Route::All)).unwrap();
    publish(&mut dispatcher, Class::Sequential, 1);
    assert!(!seen.lock().unwrap()[0].is_duplicate);
}

#[test]
fn an_inline_consumer_that_panics_or_fails_hurts_nobody_and_its_critical_messages_are_kept() {
    let (dead, letters) = bounded(8);
    let (fault, faults) = bounded(8);
    let builder = stepped()
        .dead_letter_sink(move |letter| dead.send(letter.message.numbers[0]).expect("heard"))
        .fault_sink(move |f| fault.send(f.consumer.to_string()).expect("heard"));
    let mut dispatcher = builder.build().unwrap();
    let routes = dispatcher.routes();
    let bad = Subscription::borrowing("bad", |delivery: &Delivery<Message>| {
        assert!(delivery.numbers[0] % 2 == 0, "odd");
        Err::<(), _>("even".to_owned())
    });
    routes.subscribe(bad.inline().to(Route::All)).unwrap();
    let (seen, handler) = recorder();
    routes.subscribe(Subscription::new("good", handler).inline().to(Route::All)).unwrap();
    for (number, class) in [Class::Critical, Class::Critical, Class::Sequential].iter().enumerate()
    {
        publish(&mut dispatcher, *class, number as u64);
    }
    assert_eq!(numbers(&seen), [[0], [1], [2]]);
    assert_eq!(letters.try_iter().collect::<Vec<_>>(), [0, 1]);
    assert_eq!(faults.try_iter().collect::<Vec<_>>(), ["bad"; 3]);
    let stats = &dispatcher.stats().lanes[0];
    assert_eq!((stats.delivered, stats.failed, stats.panicked), (3, 3, 1));
}

#[test]
fn a_dispatch_reports_inline_consumers_too() {
    let mut dispatcher = Dispatcher::<Test>::builder().build().unwrap();
    let routes = dispatcher.routes();
    let inline = Subscription::borrowing("inline", |_: &Delivery<_>| Err::<(), _>("no".to_owned()));
    routes.subscribe(inline.inline().to(Route::All)).unwrap();
    routes.subscribe(Subscription::new("isolated", |_| ()).to(Route::All)).unwrap();
    let message = message(1, Class::Critical, 7);
    let report = dispatcher.dispatch(message, Instant::now(), None).unwrap();
    assert!(!report.cut_short);
    let inline = report.lanes.iter().find(|row| &*row.consumer == "inline").unwrap();
    assert!(matches!(inline.outcome, Outcome::Failed(_)));
    assert_eq!(report.lanes.len(), 2);
}

#[test]
fn what_waits_for_a_paused_inline_consumer_comes_before_what_is_published_after() {
    let mut dispatcher = stepped().build().unwrap();
    let routes = dispatcher.routes();
    let (seen, handler) = recorder();
    let inline = Subscription::new("inline", handler).inline();
    let lane = routes.subscribe(inline.to(Route::All)).unwrap();
    publish(&mut dispatcher, Class::Sequential, 1);
    routes.pause(lane).unwrap();
    publish(&mut dispatcher, Class::Sequential, 2);
    publish(&mut dispatcher, Class::Critical, 3);
    assert_eq!(numbers(&seen), [[1]]);
    routes.resume(lane).unwrap();
    publish(&mut dispatcher, Class::Sequential, 4);
    assert_eq!(numbers(&seen), [[1], [2], [3], [4]]);
}

#[test]
fn a_paused_inline_consumer_that_is_alone_needs_no_duplicate() {
    let mut dispatcher = stepped().build().unwrap();
    let (told, heard) = bounded(8);
    let lent = Subscription::borrowing("lent", move |delivery: &Delivery<Message>| {
        told.send((delivery.numbers[0], delivery.is_duplicate)).expect("heard");
        if delivery.numbers[0] == 1 { Verdict::Filtered } else { Verdict::Handled }
    });
    let lane = dispatcher.routes().subscribe(lent.inline().to(Route::All)).unwrap();
    let publish = |dispatcher: &mut Dispatcher<Test>, number| {
        let message = Message { pool_is_empty: true, ..message(1, Class::Sequential, number) };
        dispatcher.publish(message, Instant::now()).unwrap();
    };
    publish(&mut dispatcher, 1);
    // It is to hear that the first had no effect, for which it needs a message of its own: that it may have.
    publish(&mut dispatcher, 2);
    dispatcher.routes().pause(lane).unwrap();
    publish(&mut dispatcher, 3);
    dispatcher.routes().resume(lane).unwrap();
    publish(&mut dispatcher, 4);
    let heard: Vec<_> = heard.try_iter().collect();
    assert_eq!(heard, [(1, false), (2, false), (3, false), (4, false)]);
    assert_eq!(dispatcher.stats().lanes[0].dropped, 0);
}

#[test]
fn after_a_cancellation_nothing_is_delivered_inline() {
    let cancel = Cancel::new();
    let mut dispatcher = stepped().cancel(cancel.clone()).build().unwrap();
    let (seen, handler) = recorder();
    let inline = Subscription::new("inline", handler).inline();
    dispatcher.routes().subscribe(inline.to(Route::All)).unwrap();
    let dense = |number| message(1, Class::Sequential, number).sequenced(Sequence::Dense(number));
    dispatcher.publish(dense(1), Instant::now()).unwrap();
    assert_eq!(dispatcher.publish(dense(3), Instant::now()).unwrap(), Published::Held);
    cancel.cancel();
    // What waited for order is let pass at the end, and handed back.
    let end = dispatcher.shutdown(Duration::from_secs(10));
    assert_eq!(numbers(&seen), [[1]]);
    assert_eq!(end.undelivered.len(), 1);
}

#[test]
fn an_inline_consumer_that_unsubscribes_another_spares_it_the_message() {
    let mut dispatcher = stepped().build().unwrap();
    let routes = dispatcher.routes();
    let theirs = Arc::new(AtomicU64::new(0));
    let mine = Arc::clone(&theirs);
    let others = dispatcher.routes();
    let lane = Arc::new(std::sync::OnceLock::new());
    let of = Arc::clone(&lane);
    let killer = Subscription::borrowing("killer", move |_: &Delivery<_>| {
        if let Some(lane) = of.get() {
            let _gone = others.unsubscribe(*lane);
        }
    });
    routes.subscribe(killer.inline().to(Route::All)).unwrap();
    let victim = Subscription::borrowing("victim", move |_: &Delivery<_>| {
        mine.fetch_add(1, Relaxed);
    });
    let id = routes.subscribe(victim.inline().to(Route::All)).unwrap();
    publish(&mut dispatcher, Class::Sequential, 1);
    lane.set(id).unwrap();
    publish(&mut dispatcher, Class::Sequential, 2);
    assert_eq!(theirs.load(Relaxed), 1);
    assert_eq!(dispatcher.stats().left[0].discarded, 1);
    publish(&mut dispatcher, Class::Sequential, 3);
    // The handler is dropped with its lane, and this was all that held it beside.
    assert_eq!(Arc::strong_count(&theirs), 1);
}

#[test]
fn a_slow_inline_consumer_is_moved_to_the_workers() {
    let limit = Some(Duration::from_micros(500));
    let mut dispatcher = Dispatcher::<Test>::builder().inline_limit(limit).build().unwrap();
    let (told, heard) = bounded(1_000);
    let slow = Subscription::new("slow", move |delivery: Delivery<Message>| {
        thread::sleep(Duration::from_millis(1));
        told.send(delivery.numbers[0]).expect("heard");
    });
    dispatcher.routes().subscribe(slow.inline().to(Route::All)).unwrap();
    let mut published = 0;
    while dispatcher.stats().lanes[0].inline {
        assert!(published < 100, "two measured ones are enough");
        publish(&mut dispatcher, Class::Critical, published);
        published += 1;
    }
    for number in published..published + 10 {
        publish(&mut dispatcher, Class::Critical, number);
    }
    assert!(dispatcher.shutdown(Duration::from_secs(60)).is_clean());
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), (0..published + 10).collect::<Vec<_>>());
}

/// While messages flow another thread moves a consumer to and fro, pauses and resumes it.
#[test]
fn nothing_is_lost_repeated_or_out_of_order_while_a_consumer_is_moved() {
    for builder in [Dispatcher::<Test>::builder().workers(2), Dispatcher::builder().queues()] {
        let mut dispatcher = builder.build().unwrap();
        let routes = dispatcher.routes();
        let mut seen = vec![];
        for name in ["owning", "borrowing"] {
            let next = Arc::new(AtomicU64::new(0));
            let mine = Arc::clone(&next);
            let see = move |message: &Message| {
                assert_eq!(message.numbers[0], mine.fetch_add(1, Relaxed));
            };
            let subscription = if name == "owning" {
                Subscription::new(name, move |delivery: Delivery<Message>| see(&delivery))
            } else {
                Subscription::borrowing(name, move |delivery: &Delivery<Message>| see(delivery))
            };
            let lane = routes.subscribe(subscription.to(Route::All)).unwrap();
            seen.push((lane, next));
        }
        let lanes: Vec<_> = seen.iter().map(|(lane, _)| *lane).collect();
        let (end, ended) = bounded::<()>(0);
        let mover = thread::spawn(move || {
            let mut moves = 0_u64;
            while ended.try_recv() == Err(crossbeam_channel::TryRecvError::Empty) {
                moves += 1;
                for lane in &lanes {
                    routes.set_inline(*lane, moves % 3 != 0).unwrap();
                    if moves % 7 == 0 {
                        routes.pause(*lane).unwrap();
                        thread::yield_now();
                        routes.resume(*lane).unwrap();
                    }
                }
                thread::sleep(Duration::from_micros(moves % 200));
            }
            moves
        });
        for number in 0..50_000 {
            publish(&mut dispatcher, Class::Critical, number);
        }
        drop(end);
        assert!(mover.join().unwrap() > 10, "it was moved");
        let stats = dispatcher.stats();
        let failed: Vec<_> = stats.lanes.iter().map(|lane| lane.failed).collect();
        assert!(dispatcher.shutdown(Duration::from_secs(60)).is_clean());
        assert_eq!(failed, [0, 0]);
        for (_, next) in seen {
            assert_eq!(next.load(Relaxed), 50_000);
        }
    }
}
