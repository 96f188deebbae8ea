//! Consumers that come and go, and the end of it all (FR-017, 021, 022).

mod common;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use common::{Message, Test, message, numbers, recorder, run_all, stepped};
use meltica_dispatcher::{
    BuildError, Cancel, Class, DeathCause, Delivery, DispatchError, Dispatcher, Outcome,
    PublishError, Route, Routes, SubscribeError, Subscription, Verdict, WhenIdle,
};

const MINUTE: Duration = Duration::from_secs(60);

fn threaded() -> Dispatcher<Test> {
    Dispatcher::builder().build().expect("valid settings")
}

type Letters = Arc<Mutex<Vec<(u64, DeathCause)>>>;

fn dead_letters() -> (Letters, impl Fn(meltica_dispatcher::DeadLetter<Message>) + Send + Sync) {
    let letters = Letters::default();
    let sink = Arc::clone(&letters);
    (letters, move |letter| {
        sink.lock().expect("no test panics here").push((letter.trace, letter.cause));
    })
}

#[test]
fn what_cannot_be_subscribed_says_why() {
    let dispatcher = stepped().build().unwrap();
    let routes = dispatcher.routes();
    let subscription = || Subscription::<Test>::new("a", |_: Delivery<Message>| ());
    let refused = |subscription| routes.subscribe(subscription).unwrap_err().to_string();
    assert_eq!(
        refused(subscription()),
        "consumer `a` has no route, and so would get nothing; give it one"
    );
    let nameless = Subscription::<Test>::new(" ", |_: Delivery<Message>| ()).to(Route::All);
    assert_eq!(refused(nameless), "the consumer has no name");
    let stateful = subscription().to(Route::All).with_current_state();
    assert!(refused(stateful).contains("keep_current_state(true)"));
    assert!(refused(subscription().to(Route::All).capacity(0)).contains("room for no message"));
    let lane = routes.subscribe(subscription().to(Route::All)).unwrap();
    assert_eq!(refused(subscription().to(Route::All)), "there is a consumer `a` already");
    assert_eq!(lane.to_string(), "lane 1");
    routes.unsubscribe(lane).unwrap();
    assert_eq!(routes.reroute(lane, []).unwrap_err().to_string(), "there is no lane 1");
    routes.subscribe(subscription().to(Route::All)).expect("the name is free again");
    assert!(format!("{routes:?}").starts_with("Routes { version: "));
    drop(dispatcher);
    assert!(matches!(
        routes.subscribe(subscription().to(Route::All)),
        Err(SubscribeError::Stopped)
    ));
}

#[test]
fn a_dispatcher_without_room_is_not_built() {
    let no_lanes = stepped().lane_capacity(0).build().err();
    assert_eq!(no_lanes, Some(BuildError::NoRoom { setting: "lane_capacity" }));
    let no_gaps = stepped().gap_capacity(0).gap_wait(MINUTE).build().err();
    assert!(no_gaps.is_some_and(|error| error.to_string().starts_with("gap_capacity is zero")));
}

#[test]
fn consumers_come_and_go_from_any_thread_while_messages_flow() {
    let mut dispatcher = threaded();
    let churn = |routes: Routes<Test>, name: usize| {
        move || {
            for round in 0..50 {
                let (_, handler) = recorder();
                let name = format!("{name}-{round}");
                let lane = routes.subscribe(Subscription::new(name, handler).to(Route::All));
                routes.unsubscribe(lane.expect("a name of its own")).expect("it is there");
            }
        }
    };
    let (seen, handler) = recorder();
    dispatcher.routes().subscribe(Subscription::new("stays", handler).to(Route::All)).unwrap();
    let threads = [1, 2].map(|name| {
        let thread = std::thread::Builder::new().name("churn".to_owned());
        thread.spawn(churn(dispatcher.routes(), name)).unwrap()
    });
    for number in 0..2_000 {
        dispatcher.publish(message(1, Class::Critical, number), Instant::now()).unwrap();
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(dispatcher.shutdown(MINUTE).is_clean());
    assert_eq!(numbers(&seen), (0..2_000).map(|number| vec![number]).collect::<Vec<_>>());
}

#[test]
fn unsubscribing_discards_what_waits_and_saves_critical_messages() {
    let (letters, sink) = dead_letters();
    let mut dispatcher = stepped().dead_letter_sink(sink).build().unwrap();
    let dropped = Arc::new(());
    let token = Arc::clone(&dropped);
    let handler = move |_: Delivery<Message>| {
        let _token = &token;
    };
    let lane =
        dispatcher.routes().subscribe(Subscription::new("a", handler).to(Route::All)).unwrap();
    dispatcher.publish(message(1, Class::Critical, 1), Instant::now()).unwrap();
    dispatcher.publish(message(1, Class::Sequential, 2), Instant::now()).unwrap();
    dispatcher.routes().unsubscribe(lane).unwrap();
    assert_eq!(*letters.lock().unwrap(), [(1, DeathCause::Unsubscribed)]);
    assert_eq!(Arc::strong_count(&dropped), 1, "the handler is gone");
    assert!(!dispatcher.run_once());
}

#[test]
fn a_consumer_may_unsubscribe_itself_from_within() {
    for workers in [0, 2] {
        let mut dispatcher = Dispatcher::<Test>::builder().workers(workers).build().unwrap();
        let routes = dispatcher.routes();
        let lane = Arc::new(Mutex::new(None));
        let calls = Arc::new(());
        let (mine, token) = (Arc::clone(&lane), Arc::clone(&calls));
        let handler = move |_: Delivery<Message>| {
            let _token = &token;
            let lane = mine.lock().unwrap().take().expect("called once");
            routes.unsubscribe(lane).unwrap();
        };
        let mut place = lane.lock().unwrap();
        let subscription = Subscription::new("a", handler).to(Route::All);
        *place = Some(dispatcher.routes().subscribe(subscription).unwrap());
        drop(place);
        for number in 0..3 {
            dispatcher.publish(message(1, Class::Sequential, number), Instant::now()).unwrap();
        }
        run_all(&mut dispatcher);
        assert!(dispatcher.shutdown(MINUTE).stuck.is_empty());
        assert_eq!(Arc::strong_count(&calls), 1, "the handler is gone");
    }
}

#[test]
fn a_new_consumer_has_the_current_state_before_its_first_message() {
    let mut dispatcher = stepped().keep_current_state(true).build().unwrap();
    let publish = |dispatcher: &mut Dispatcher<Test>, key, class, number| {
        dispatcher.publish(message(key, class, number), Instant::now()).unwrap();
    };
    publish(&mut dispatcher, 1, Class::Conflatable, 10);
    publish(&mut dispatcher, 2, Class::Conflatable, 20);
    publish(&mut dispatcher, 3, Class::Sequential, 30);
    publish(&mut dispatcher, 1, Class::Conflatable, 11);
    let (seen, handler) = recorder();
    let (bare, bare_handler) = recorder();
    let subscription =
        Subscription::new("a", handler).to(Route::matching(|key| *key != 2)).with_current_state();
    dispatcher.routes().subscribe(subscription).unwrap();
    dispatcher.routes().subscribe(Subscription::new("b", bare_handler).to(Route::All)).unwrap();
    publish(&mut dispatcher, 1, Class::Conflatable, 12);
    run_all(&mut dispatcher);
    assert_eq!(numbers(&seen), [vec![10, 11], vec![12]]);
    assert_eq!(numbers(&bare), [[12]]);
    let versions: Vec<_> = seen.lock().unwrap().iter().map(|d| d.version).collect();
    assert_eq!(versions, [dispatcher.stats().version; 2], "stamped by what routed it to the lane");

    // An idle publisher sends it at its next poll; a hole in the state is not passed on.
    let mut poor = message(1, Class::Conflatable, 13);
    poor.pool_is_empty = true;
    dispatcher.publish(poor, Instant::now()).unwrap();
    let (late, handler) = recorder();
    let subscription = Subscription::new("c", handler).to(Route::All).with_current_state();
    dispatcher.routes().subscribe(subscription).unwrap();
    dispatcher.poll(Instant::now());
    run_all(&mut dispatcher);
    assert_eq!(numbers(&late), [[20]]);
}

#[test]
fn fr_017_fr_021_a_shutdown_delivers_what_waits_and_joins_every_thread() {
    let mut dispatcher = threaded();
    let (seen, handler) = recorder();
    let ended = Arc::new(());
    let token = Arc::clone(&ended);
    let mut handler = handler;
    let keeping = move |delivery: Delivery<Message>| {
        let _token = &token;
        handler(delivery);
    };
    dispatcher.routes().subscribe(Subscription::new("a", keeping).to(Route::All)).unwrap();
    for number in 0..500 {
        dispatcher.publish(message(1, Class::Sequential, number), Instant::now()).unwrap();
    }
    let end = dispatcher.shutdown(MINUTE);
    assert!(end.is_clean(), "{end:?}");
    assert_eq!(seen.lock().unwrap().len(), 500);
    assert_eq!(Arc::strong_count(&ended), 1, "the thread is gone, and its handler with it");
}

#[test]
fn a_consumer_that_has_gone_to_sleep_is_woken_by_its_next_message() {
    let mut dispatcher = threaded();
    let subscription = Subscription::new("a", |_: Delivery<Message>| ()).to(Route::All);
    dispatcher.routes().subscribe(subscription).unwrap();
    for number in 0..20 {
        // Far longer than an idle worker looks around before it sleeps.
        (0..20_000).for_each(|_| std::thread::yield_now());
        let message = message(1, Class::Critical, number);
        let report = dispatcher.dispatch(message, Instant::now(), Some(MINUTE / 4)).unwrap();
        assert!(report.is_complete(), "message {number} was left lying");
    }
    assert!(dispatcher.shutdown(MINUTE).is_clean());
}

#[test]
fn fr_022_a_thread_that_will_not_return_is_named_and_what_it_left_is_handed_back() {
    let mut dispatcher = Dispatcher::<Test>::builder().name("test").build().unwrap();
    let (let_go, held) = crossbeam_channel::bounded::<()>(0);
    let (entered, has_entered) = crossbeam_channel::bounded(1);
    let stubborn = move |_: Delivery<Message>| {
        entered.send(()).unwrap();
        let _ = held.recv();
    };
    dispatcher.routes().subscribe(Subscription::new("stubborn", stubborn).to(Route::All)).unwrap();
    dispatcher.publish(message(1, Class::Sequential, 1), Instant::now()).unwrap();
    has_entered.recv().unwrap();
    dispatcher.publish(message(1, Class::Sequential, 2), Instant::now()).unwrap();
    dispatcher.publish(message(1, Class::Critical, 3), Instant::now()).unwrap();
    let end = dispatcher.shutdown(Duration::from_millis(5));
    let names: Vec<_> = end.stuck.iter().map(|name| &**name).collect();
    assert_eq!(names, ["test-worker-1"]);
    let kept_by: Vec<_> = end.kept_by.iter().map(|name| &**name).collect();
    assert_eq!(kept_by, ["stubborn"]);
    let left: Vec<_> = end.undelivered.iter().map(|u| (u.class, u.message.numbers[0])).collect();
    assert_eq!(left, [(Class::Critical, 3), (Class::Sequential, 2)], "critical first");
    assert!(format!("{end:?}").contains("consumer: \"stubborn\""));
    drop(let_go);
}

#[test]
fn fr_017_a_cancellation_ends_waits_and_deliveries_and_hands_messages_back() {
    let cancel = Cancel::new();
    let mut dispatcher = Dispatcher::<Test>::builder().cancel(cancel.clone()).build().unwrap();
    let canceller = cancel.clone();
    let (let_go, held) = crossbeam_channel::bounded::<()>(0);
    let consumer = move |_: Delivery<Message>| {
        canceller.cancel();
        let _ = held.recv();
    };
    dispatcher.routes().subscribe(Subscription::new("a", consumer).to(Route::All)).unwrap();
    let (idle, handler) = recorder();
    dispatcher.routes().subscribe(Subscription::new("idle", handler).to(Route::Key(2))).unwrap();
    // The dispatch waits for a consumer that cancels, and then does not return.
    let report = dispatcher.dispatch(message(1, Class::Critical, 1), Instant::now(), None).unwrap();
    assert!(report.cut_short && matches!(report.lanes[0].outcome, Outcome::Pending));
    assert!(format!("{cancel:?}").contains("true"));

    let refused = dispatcher.publish(message(1, Class::Critical, 2), Instant::now()).unwrap_err();
    assert_eq!(format!("{refused} {refused:?}"), "the dispatcher was cancelled Cancelled(..)");
    let PublishError::Cancelled(back) = refused else { panic!("handed back") };
    let refused = dispatcher.dispatch(back, Instant::now(), None).unwrap_err();
    assert_eq!(format!("{refused:?}"), "Cancelled(..)");
    assert!(matches!(refused, DispatchError::Cancelled(message) if message.numbers == [2]));
    let subscription = Subscription::new("b", |_: Delivery<Message>| ()).to(Route::All);
    assert!(matches!(dispatcher.routes().subscribe(subscription), Err(SubscribeError::Stopped)));
    drop(let_go);
    assert!(dispatcher.shutdown(MINUTE).is_clean());
    assert!(idle.lock().unwrap().is_empty());
}

#[test]
fn a_cancellations_callback_that_panics_keeps_nobody_from_hearing_of_it() {
    let cancel = Cancel::new();
    let heard = Arc::new(Mutex::new(false));
    let mine = Arc::clone(&heard);
    cancel.on_cancel(|| panic!("on purpose"));
    cancel.on_cancel(move || *mine.lock().unwrap() = true);
    cancel.cancel();
    assert!(*heard.lock().unwrap());
}

#[test]
fn a_message_that_panics_when_it_is_dropped_ends_nothing_but_itself() {
    enum Traps {}
    struct Trap(u32, bool);
    impl Drop for Trap {
        fn drop(&mut self) {
            assert!(!self.1 || std::thread::panicking(), "sprung");
        }
    }
    impl meltica_dispatcher::Protocol for Traps {
        type Message = Trap;
        type Key = ();
        type Fault = ();
        fn key(_: &Trap) {}
        fn class(_: &Trap) -> Class {
            Class::Sequential
        }
        fn duplicate(trap: &Trap, _: Class) -> Option<Trap> {
            Some(Trap(trap.0, trap.1))
        }
    }
    let mut dispatcher = Dispatcher::<Traps>::builder().build().unwrap();
    let (tell, told) = crossbeam_channel::bounded(8);
    let handler = move |trap: Delivery<Trap>| {
        tell.send(trap.0).unwrap();
        Verdict::Refused(trap.into_message())
    };
    dispatcher.routes().subscribe(Subscription::new("a", handler).to(Route::All)).unwrap();
    dispatcher.publish(Trap(1, true), Instant::now()).unwrap();
    let report = dispatcher.dispatch(Trap(2, true), Instant::now(), Some(MINUTE)).unwrap();
    assert!(matches!(report.lanes[0].outcome, Outcome::Refused), "told before it sprang");
    dispatcher.publish(Trap(3, false), Instant::now()).unwrap();
    assert!(dispatcher.shutdown(MINUTE).is_clean());
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn routes_are_changed_by_iterators_and_dropped_with_patterns_that_look_at_the_routes() {
    struct Looks(Routes<Test>);
    impl Drop for Looks {
        fn drop(&mut self) {
            let _ = self.0.stats();
            let _ = self.0.flip();
        }
    }
    let mut dispatcher = stepped().build().unwrap();
    let routes = dispatcher.routes();
    let looks = Looks(dispatcher.routes());
    let pattern = Route::matching(move |_: &u32| {
        let _looks = &looks;
        true
    });
    let subscription = Subscription::new("a", |_: Delivery<Message>| ()).to(pattern);
    let lane = routes.subscribe(subscription).unwrap();
    let reads = dispatcher.routes();
    let lazily = (0..3).map(|key| {
        assert_eq!(reads.stats().lanes.len(), 1);
        Route::Key(key)
    });
    routes.reroute(lane, lazily).unwrap();
    dispatcher.publish(message(2, Class::Critical, 1), Instant::now()).unwrap();
    routes.unsubscribe(lane).unwrap();
    dispatcher.poll(Instant::now());
    assert!(dispatcher.shutdown(MINUTE).is_clean());
}

#[test]
fn a_critical_message_taken_at_the_last_moment_is_delivered_or_handed_back() {
    for round in 0..300 {
        let (letters, sink) = dead_letters();
        let builder = Dispatcher::<Test>::builder().dead_letter_sink(sink);
        let mut dispatcher = builder.build().unwrap();
        let (seen, handler) = recorder();
        dispatcher.routes().subscribe(Subscription::new("a", handler).to(Route::All)).unwrap();
        for number in 0..4 {
            dispatcher.publish(message(1, Class::Critical, number), Instant::now()).unwrap();
        }
        let end = dispatcher.shutdown(Duration::from_micros(round % 60));
        let back = end.undelivered.len();
        // The call in progress goes on, should its thread not have had its turn within the grace.
        while !end.stuck.is_empty() && seen.lock().unwrap().len() + back < 4 {
            std::thread::yield_now();
        }
        assert_eq!(seen.lock().unwrap().len() + back, 4, "round {round}");
        assert!(letters.lock().unwrap().is_empty());
    }
}

#[test]
fn after_a_hole_a_state_begins_again_only_with_what_can_stand_alone() {
    let mut dispatcher = stepped().keep_current_state(true).build().unwrap();
    let (first, handler) = recorder();
    let (_, other) = recorder();
    dispatcher.routes().subscribe(Subscription::new("a", handler).to(Route::All)).unwrap();
    dispatcher.routes().subscribe(Subscription::new("b", other).to(Route::All)).unwrap();
    let publish = |dispatcher: &mut Dispatcher<Test>, number, is_delta, pool_is_empty| {
        let message = Message { is_delta, pool_is_empty, ..message(1, Class::Conflatable, number) };
        dispatcher.publish(message, Instant::now()).unwrap();
    };
    let late = |dispatcher: &mut Dispatcher<Test>, name: &str| {
        let (seen, handler) = recorder();
        let subscription = Subscription::new(name, handler).to(Route::All).with_current_state();
        dispatcher.routes().subscribe(subscription).unwrap();
        dispatcher.poll(Instant::now());
        run_all(dispatcher);
        numbers(&seen)
    };
    publish(&mut dispatcher, 1, false, false);
    publish(&mut dispatcher, 2, true, true);
    publish(&mut dispatcher, 3, true, false);
    assert!(late(&mut dispatcher, "after the hole").is_empty());
    publish(&mut dispatcher, 4, false, false);
    publish(&mut dispatcher, 5, true, false);
    assert_eq!(late(&mut dispatcher, "after a snapshot"), [[4, 5]]);
    assert_eq!(numbers(&first)[..3], [vec![1], vec![3], vec![4]], "which starts everybody again");
}

#[test]
fn a_lane_that_missed_a_quote_still_gets_its_critical_messages() {
    let mut dispatcher = stepped().keep_current_state(true).build().unwrap();
    let (seen, handler) = recorder();
    let (_, other) = recorder();
    dispatcher.routes().subscribe(Subscription::new("a", handler).to(Route::All)).unwrap();
    dispatcher.routes().subscribe(Subscription::new("b", other).to(Route::All)).unwrap();
    let mut publish = |class, number, pool_is_empty| {
        let message = Message { pool_is_empty, ..message(1, class, number) };
        dispatcher.publish(message, Instant::now()).unwrap();
    };
    publish(Class::Conflatable, 1, false);
    publish(Class::Conflatable, 2, true);
    publish(Class::Conflatable, 3, false);
    publish(Class::Conflatable, 4, true);
    publish(Class::Critical, 5, false);
    publish(Class::Conflatable, 6, false);
    run_all(&mut dispatcher);
    assert_eq!(numbers(&seen), [[1], [3], [5], [6]]);
}

#[test]
fn what_a_consumer_filtered_is_told_with_the_next_of_its_stream() {
    let mut dispatcher = stepped().build().unwrap();
    let told = Arc::new(Mutex::new(vec![]));
    let mine = Arc::clone(&told);
    let picky = move |delivery: Delivery<Message>| -> Verdict<Message, String> {
        if delivery.numbers[0] % 2 == 0 {
            return Verdict::Filtered;
        }
        mine.lock().unwrap().push((delivery.numbers[0], delivery.skipped.dropped));
        Verdict::Handled
    };
    dispatcher.routes().subscribe(Subscription::new("a", picky).to(Route::All)).unwrap();
    for number in [1, 2, 4, 5, 7] {
        dispatcher.publish(message(1, Class::Conflatable, number), Instant::now()).unwrap();
    }
    run_all(&mut dispatcher);
    assert_eq!(*told.lock().unwrap(), [(1, 0), (5, 2), (7, 0)]);
}

#[test]
fn a_pattern_that_panics_takes_nothing_and_ends_nothing() {
    let mut dispatcher = stepped().build().unwrap();
    let (seen, handler) = recorder();
    let (none, other) = recorder();
    let panics = Route::matching(|_: &u32| panic!("on purpose"));
    dispatcher.routes().subscribe(Subscription::new("bad", other).to(panics)).unwrap();
    dispatcher.routes().subscribe(Subscription::new("good", handler).to(Route::All)).unwrap();
    dispatcher.publish(message(1, Class::Critical, 1), Instant::now()).unwrap();
    run_all(&mut dispatcher);
    assert_eq!((numbers(&seen).len(), numbers(&none).len()), (1, 0));
}

#[test]
fn a_refused_subscription_drops_its_patterns_where_they_may_look_at_the_routes() {
    struct Looks(Routes<Test>);
    impl Drop for Looks {
        fn drop(&mut self) {
            let _ = self.0.flip();
        }
    }
    let dispatcher = stepped().build().unwrap();
    let subscribe = || {
        let looks = Looks(dispatcher.routes());
        let pattern = Route::matching(move |_: &u32| {
            let _looks = &looks;
            true
        });
        let subscription = Subscription::new("a", |_: Delivery<Message>| ()).to(pattern);
        dispatcher.routes().subscribe(subscription)
    };
    subscribe().unwrap();
    assert!(matches!(subscribe(), Err(SubscribeError::NameTaken { .. })));
}

#[test]
fn a_fault_that_panics_when_dropped_does_not_cost_the_message_its_dead_letter() {
    enum Nasties {}
    struct Nasty;
    impl Drop for Nasty {
        fn drop(&mut self) {
            assert!(std::thread::panicking(), "dropped");
        }
    }
    impl meltica_dispatcher::Protocol for Nasties {
        type Message = u32;
        type Key = ();
        type Fault = Nasty;
        fn key(_: &u32) {}
        fn class(_: &u32) -> Class {
            Class::Critical
        }
        fn duplicate(message: &u32, _: Class) -> Option<u32> {
            Some(*message)
        }
    }
    let letters = Arc::new(Mutex::new(vec![]));
    let mine = Arc::clone(&letters);
    let builder = Dispatcher::<Nasties>::builder().workers(0);
    let sink = move |letter: meltica_dispatcher::DeadLetter<u32>| {
        mine.lock().unwrap().push(letter.message);
    };
    let mut dispatcher = builder.dead_letter_sink(sink).build().unwrap();
    let failing = |delivery: Delivery<u32>| Verdict::Failed {
        fault: Nasty,
        message: Some(delivery.into_message()),
    };
    dispatcher.routes().subscribe(Subscription::new("a", failing).to(Route::All)).unwrap();
    for number in [1, 2] {
        dispatcher.publish(number, Instant::now()).unwrap();
    }
    while dispatcher.run_once() {}
    assert_eq!(*letters.lock().unwrap(), [1, 2]);
}

#[test]
fn a_thread_can_be_named_after_anything() {
    let dispatcher = threaded();
    let (_, handler) = recorder();
    dispatcher.routes().subscribe(Subscription::new("a\0b", handler).to(Route::All)).unwrap();
}

#[test]
fn a_token_cancelled_before_is_noticed_at_once() {
    let cancel = Cancel::new();
    cancel.cancel();
    let (seen, told) = (Arc::new(Mutex::new(0)), cancel.clone());
    let count = Arc::clone(&seen);
    told.on_cancel(move || *count.lock().unwrap() += 1);
    cancel.cancel();
    assert_eq!(*seen.lock().unwrap(), 1);
    let mut dispatcher = stepped().cancel(cancel).build().unwrap();
    assert!(dispatcher.publish(message(1, Class::Critical, 1), Instant::now()).is_err());
}

#[test]
fn a_dispatcher_that_is_dropped_joins_its_threads_and_saves_critical_messages() {
    let (letters, sink) = dead_letters();
    let mut dispatcher = stepped().dead_letter_sink(sink).build().unwrap();
    let (seen, handler) = recorder();
    dispatcher.routes().subscribe(Subscription::new("a", handler).to(Route::All)).unwrap();
    dispatcher.publish(message(1, Class::Critical, 1), Instant::now()).unwrap();
    dispatcher.publish(message(1, Class::Sequential, 2), Instant::now()).unwrap();
    drop(dispatcher);
    assert!(seen.lock().unwrap().is_empty());
    assert_eq!(*letters.lock().unwrap(), [(1, DeathCause::Abandoned)]);
}

#[test]
fn fr_021_the_threads_are_joined_also_when_the_owner_panics() {
    let alive = Arc::new(());
    let token = Arc::clone(&alive);
    let owner = std::thread::Builder::new().name("owner".to_owned()).spawn(move || {
        let mut dispatcher = threaded();
        let handler = move |_: Delivery<Message>| {
            let _token = &token;
        };
        dispatcher.routes().subscribe(Subscription::new("a", handler).to(Route::All)).unwrap();
        dispatcher.publish(message(1, Class::Critical, 1), Instant::now()).unwrap();
        std::panic::resume_unwind(Box::new("the owner fails"));
    });
    assert!(owner.unwrap().join().is_err());
    assert_eq!(Arc::strong_count(&alive), 1);
}

#[test]
fn a_critical_message_that_a_consumer_could_not_handle_goes_to_the_dead_letter_sink() {
    let (letters, sink) = dead_letters();
    let mut dispatcher = stepped().dead_letter_sink(sink).build().unwrap();
    let failing = |delivery: Delivery<Message>| {
        let message = delivery.into_message();
        if message.numbers[0] % 2 == 0 {
            Verdict::Failed { fault: "no".to_owned(), message: Some(message) }
        } else {
            Verdict::Refused(message)
        }
    };
    dispatcher.routes().subscribe(Subscription::new("a", failing).to(Route::All)).unwrap();
    for number in 0..2 {
        dispatcher.publish(message(1, Class::Critical, number), Instant::now()).unwrap();
        dispatcher.publish(message(1, Class::Sequential, number), Instant::now()).unwrap();
    }
    run_all(&mut dispatcher);
    let expected = [(0, DeathCause::Failed), (1, DeathCause::Refused)];
    assert_eq!(*letters.lock().unwrap(), expected);
}

#[test]
fn a_handler_that_panics_when_it_is_dropped_is_contained() {
    struct Nasty;
    impl Drop for Nasty {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    let dispatcher = stepped().build().unwrap();
    let nasty = Nasty;
    let handler = move |_: Delivery<Message>| {
        let _nasty = &nasty;
    };
    let lane =
        dispatcher.routes().subscribe(Subscription::new("a", handler).to(Route::All)).unwrap();
    dispatcher.routes().unsubscribe(lane).unwrap();
    assert!(dispatcher.shutdown(MINUTE).is_clean());
}

#[test]
fn a_refused_consumers_handler_that_panics_when_it_is_dropped_is_contained() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new("dropped"));
        }
    }
    let dispatcher = stepped().build().unwrap();
    let routes = dispatcher.routes();
    routes.subscribe(Subscription::new("a", |_: Delivery<Message>| ()).to(Route::All)).unwrap();
    for name in ["a", ""] {
        let bomb = Bomb;
        let handler = move |_: Delivery<Message>| {
            let _ = &bomb;
        };
        assert!(routes.subscribe(Subscription::new(name, handler).to(Route::All)).is_err());
    }
}

#[test]
fn every_thread_says_its_name_before_it_begins_and_may_panic_over_it() {
    for queues in [false, true] {
        let (told, heard) = crossbeam_channel::bounded(16);
        let builder = Dispatcher::<Test>::builder().name("d").workers(1);
        let builder = if queues { builder.queues() } else { builder };
        let builder = builder.thread_start(move |name| {
            assert_eq!(std::thread::current().name(), Some(name));
            told.send(name.to_owned()).expect("heard");
            panic!("it has no say in what the thread does");
        });
        let mut dispatcher = builder.build().unwrap();
        let (seen, handler) = recorder();
        let own = Subscription::new("slow", handler).own_thread();
        dispatcher.routes().subscribe(own.to(Route::All)).unwrap();
        dispatcher.publish(message(1, Class::Critical, 1), Instant::now()).unwrap();
        assert!(dispatcher.shutdown(MINUTE).is_clean());
        assert_eq!(numbers(&seen), [[1]]);
        let mut names: Vec<_> = heard.try_iter().collect();
        names.sort();
        let ring = ["d-monitor", "d-slow", "d-worker-1"];
        assert_eq!(names, if queues { &["d-slow"][..] } else { &ring });
    }
}

#[test]
fn threads_that_never_sleep_see_everything_all_the_same() {
    for (when_idle, queues) in
        [(WhenIdle::Yield, false), (WhenIdle::Yield, true), (WhenIdle::Spin, false)]
    {
        let builder = Dispatcher::<Test>::builder().workers(1).when_idle(when_idle);
        let builder = if queues { builder.queues() } else { builder };
        let mut dispatcher = builder.build().unwrap();
        let (served, served_handler) = recorder();
        let (own, own_handler) = recorder();
        let routes = dispatcher.routes();
        let both = [
            routes.subscribe(Subscription::new("served", served_handler).to(Route::All)).unwrap(),
            routes
                .subscribe(Subscription::new("own", own_handler).own_thread().to(Route::All))
                .unwrap(),
        ];
        let say = |dispatcher: &mut Dispatcher<Test>, number| {
            let message = message(1, Class::Critical, number);
            dispatcher.dispatch(message, Instant::now(), Some(MINUTE)).unwrap()
        };
        assert!(say(&mut dispatcher, 1).is_complete());
        both.iter().for_each(|lane| assert!(routes.pause(*lane).unwrap()));
        assert!(say(&mut dispatcher, 2).cut_short, "nobody waits for who is paused");
        both.iter().for_each(|lane| assert!(routes.resume(*lane).unwrap()));
        assert!(say(&mut dispatcher, 3).is_complete());
        routes.unsubscribe(both[1]).unwrap();
        assert!(say(&mut dispatcher, 4).is_complete());
        assert!(dispatcher.shutdown(MINUTE).is_clean());
        assert_eq!(numbers(&served), [[1], [2], [3], [4]]);
        assert_eq!(numbers(&own), [[1], [2], [3]]);
    }
}
