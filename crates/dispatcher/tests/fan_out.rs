//! Who gets a message, as which copy, and when the original goes home.

mod common;

use std::{
    sync::{Arc, Barrier, Mutex},
    time::{Duration, Instant},
};

use common::{Message, Test, message, recorder, run_all, stepped};
use meltica_dispatcher::{
    Cause, Class, Delivery, DispatchError, Dispatcher, Outcome, Published, Route, Subscription,
    Verdict,
};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn fr_001_fr_003_ten_consumers_are_inside_one_message_at_the_same_time() {
    let mut dispatcher = Dispatcher::<Test>::builder().workers(2).build().unwrap();
    let barrier = Arc::new(Barrier::new(10));
    for index in 0..10 {
        let barrier = Arc::clone(&barrier);
        let consumer = move |_: Delivery<Message>| {
            // Nobody passes before all ten are here: one after the other would wait for ever.
            barrier.wait();
        };
        let subscription = Subscription::new(format!("consumer-{index}"), consumer);
        dispatcher.routes().subscribe(subscription.to(Route::All)).unwrap();
    }
    let report =
        dispatcher.dispatch(message(1, Class::Sequential, 1), Instant::now(), None).unwrap();
    assert!(report.is_complete());
    assert_eq!(report.lanes.len(), 10);
    assert!(dispatcher.shutdown(SECOND).is_clean());
}

#[test]
fn fr_002_fr_008_with_several_consumers_each_gets_its_own_and_the_original_goes_home() {
    let mut dispatcher = stepped().build().unwrap();
    let (first, first_handler) = recorder();
    let (second, second_handler) = recorder();
    dispatcher.routes().subscribe(Subscription::new("a", first_handler).to(Route::All)).unwrap();
    dispatcher.routes().subscribe(Subscription::new("b", second_handler).to(Route::All)).unwrap();
    let original = message(1, Class::Sequential, 1);
    let alive = Arc::clone(&original.alive);
    let published = dispatcher.publish(original, Instant::now()).unwrap();
    assert_eq!(published, Published::Routed { lanes: 2 });
    run_all(&mut dispatcher);
    for seen in [first, second] {
        let seen: Vec<_> = seen.lock().unwrap().drain(..).collect();
        assert!(matches!(&seen[..], [delivery] if delivery.is_duplicate));
    }
    assert_eq!(Arc::strong_count(&alive), 1);
}

#[test]
fn fr_008_a_single_consumer_gets_the_message_itself_and_nobody_wants_it_goes_home() {
    let mut dispatcher = stepped().build().unwrap();
    let (seen, handler) = recorder();
    let lane =
        dispatcher.routes().subscribe(Subscription::new("a", handler).to(Route::Key(1))).unwrap();
    dispatcher.publish(message(1, Class::Sequential, 1), Instant::now()).unwrap();
    run_all(&mut dispatcher);
    assert!(!seen.lock().unwrap()[0].is_duplicate);

    let unwanted = message(2, Class::Critical, 2);
    let alive = Arc::clone(&unwanted.alive);
    let published = dispatcher.publish(unwanted, Instant::now()).unwrap();
    assert_eq!((published, Arc::strong_count(&alive)), (Published::Routed { lanes: 0 }, 1));
    let stats = dispatcher.stats();
    assert_eq!((stats.published, stats.routed, stats.unrouted), (2, 1, 1));
    dispatcher.routes().unsubscribe(lane).unwrap();
    assert!(dispatcher.routes().unsubscribe(lane).is_err());
}

#[test]
fn routes_are_keys_patterns_and_everything_and_a_message_comes_once_whatever_matches() {
    let mut dispatcher = stepped().build().unwrap();
    let (seen, handler) = recorder();
    let subscription =
        Subscription::new("a", handler).to(Route::Key(1)).to(Route::matching(|key| key % 2 == 1));
    assert!(format!("{subscription:?}").contains("[Key(1), Matching(..)]"));
    let lane = dispatcher.routes().subscribe(subscription).unwrap();
    let publish = |dispatcher: &mut Dispatcher<Test>| {
        for key in [1, 2, 3] {
            let message = message(key, Class::Sequential, u64::from(key));
            dispatcher.publish(message, Instant::now()).unwrap();
        }
        run_all(dispatcher);
    };
    publish(&mut dispatcher);
    assert_eq!(common::numbers(&seen), [[1], [3]]);
    dispatcher.routes().reroute(lane, [Route::All]).unwrap();
    publish(&mut dispatcher);
    assert_eq!(seen.lock().unwrap().len(), 5);
}

#[test]
fn fr_014_a_message_carries_the_version_of_the_snapshot_that_routed_it() {
    let mut dispatcher = stepped().build().unwrap();
    let routes = dispatcher.routes();
    let (seen, handler) = recorder();
    routes.subscribe(Subscription::new("a", handler).to(Route::All)).unwrap();
    let before = routes.version();
    dispatcher.publish(message(1, Class::Sequential, 1), Instant::now()).unwrap();
    assert_eq!(routes.flip(), before + 1);
    dispatcher.publish(message(1, Class::Critical, 2), Instant::now()).unwrap();
    run_all(&mut dispatcher);
    let versions: Vec<_> = seen.lock().unwrap().iter().map(|d| d.version).collect();
    assert_eq!(versions, [before, before + 1]);
}

#[test]
fn fr_018_fr_019_fr_020_a_joined_report_has_every_failure_with_its_cause() {
    let mut dispatcher = Dispatcher::<Test>::builder().name("test").build().unwrap();
    let routes = dispatcher.routes();
    type Consumer = fn(Delivery<Message>) -> Verdict<Message, String>;
    let consumers: [(&str, Consumer); 5] = [
        ("fine", |_| Verdict::Handled),
        ("broken", |_| Err("no disk".to_owned()).into()),
        ("panicking", |d| panic!("at {}", d.numbers[0])),
        ("picky", |_| Verdict::Filtered),
        ("gone", |d| Verdict::Refused(d.into_message())),
    ];
    for (name, handler) in consumers {
        routes.subscribe(Subscription::new(name, handler).to(Route::All)).unwrap();
    }
    let report =
        dispatcher.dispatch(message(1, Class::Sequential, 77), Instant::now(), None).unwrap();
    assert_eq!((report.trace, report.lanes.len(), report.cut_short), (77, 5, false));
    assert!(!report.is_complete());
    let mut failures: Vec<_> = report.failures().collect();
    failures.sort_by_key(|fault| Arc::clone(&fault.consumer));
    assert_eq!(failures.len(), 2, "all of them, not the first");
    assert_eq!((&*failures[0].consumer, failures[0].trace), ("broken", 77));
    assert_eq!(failures[0].cause, Cause::Failed("no disk".to_owned()));
    assert_eq!(failures[1].cause, Cause::Panicked("at 77".to_owned()));
    assert_eq!(&*failures[1].worker, "test-worker-1");
    assert_eq!(
        failures[1].to_string(),
        "consumer `panicking` on test-worker-1, trace 000000000000004d: panicked: at 77"
    );
    assert_eq!(failures[0].to_string().rsplit(": ").next(), Some("no disk"));
    let text = format!("{report:?}");
    for word in ["Handled", "Failed(panicked)", "Filtered", "Refused"] {
        assert!(text.contains(word), "{text}");
    }
    let stats = dispatcher.stats();
    let of = |name: &str| stats.lanes.iter().find(|lane| &*lane.consumer == name).unwrap().clone();
    assert_eq!((of("panicking").panicked, of("panicking").failed, of("broken").failed), (1, 1, 1));
    assert_eq!((of("picky").filtered, of("gone").refused, of("fine").delivered), (1, 1, 1));
    assert!(dispatcher.shutdown(SECOND).is_clean());
}

#[test]
fn fr_018_a_failure_that_nobody_waits_for_reaches_the_fault_sink_even_if_that_panics() {
    let faults = Arc::new(Mutex::new(vec![]));
    let sink = Arc::clone(&faults);
    let mut dispatcher = stepped()
        .fault_sink(move |fault| {
            sink.lock().unwrap().push((fault.trace, fault.cause.clone()));
            std::panic::resume_unwind(Box::new("a sink should not"));
        })
        .build()
        .unwrap();
    let failing = |_: Delivery<Message>| -> Result<(), String> { Err("no".to_owned()) };
    dispatcher.routes().subscribe(Subscription::new("a", failing).to(Route::All)).unwrap();
    for number in 1..=3 {
        dispatcher.publish(message(1, Class::Sequential, number), Instant::now()).unwrap();
    }
    run_all(&mut dispatcher);
    let faults = faults.lock().unwrap();
    let traces: Vec<_> = faults.iter().map(|(trace, _)| *trace).collect();
    assert_eq!(traces, [1, 2, 3]);
}

#[test]
fn a_panicking_consumer_hurts_nobody_and_goes_on() {
    let mut dispatcher = stepped().build().unwrap();
    let (seen, handler) = recorder();
    dispatcher.routes().subscribe(Subscription::new("good", handler).to(Route::All)).unwrap();
    struct Nasty;
    impl Drop for Nasty {
        fn drop(&mut self) {
            panic!("a payload that panics when dropped");
        }
    }
    let panicking = |_: Delivery<Message>| -> () { std::panic::panic_any(Nasty) };
    dispatcher.routes().subscribe(Subscription::new("bad", panicking).to(Route::All)).unwrap();
    let alive = Arc::new(());
    for number in 0..3 {
        let message = Message { alive: Arc::clone(&alive), ..message(1, Class::Critical, number) };
        dispatcher.publish(message, Instant::now()).unwrap();
    }
    run_all(&mut dispatcher);
    assert_eq!(common::numbers(&seen), [[0], [1], [2]]);
    seen.lock().unwrap().clear();
    assert_eq!(Arc::strong_count(&alive), 1, "what the panicking one held came home");
    assert_eq!(dispatcher.stats().lanes[1].panicked, 3);
}

#[test]
fn a_dispatch_from_inside_a_consumer_is_an_error_that_hands_the_message_back() {
    let inner = Arc::new(Mutex::new(Dispatcher::<Test>::builder().build().unwrap()));
    let mut outer = Dispatcher::<Test>::builder().build().unwrap();
    let nested = Arc::clone(&inner);
    let consumer = move |delivery: Delivery<Message>| {
        let mut inner = nested.lock().unwrap();
        match inner.dispatch(delivery.into_message(), Instant::now(), None) {
            Err(DispatchError::InsideConsumer(message)) => Err(format!("back: {}", message.key)),
            _ => Ok(()),
        }
    };
    outer.routes().subscribe(Subscription::new("a", consumer).to(Route::All)).unwrap();
    let report = outer.dispatch(message(5, Class::Critical, 1), Instant::now(), None).unwrap();
    let fault = report.failures().next().unwrap();
    assert_eq!(fault.cause, Cause::Failed("back: 5".to_owned()));
}

#[test]
fn a_dispatch_that_is_cut_short_names_who_is_not_done_and_their_failures_reach_the_sink() {
    let (tell, told) = crossbeam_channel::bounded(1);
    let (let_go, held) = crossbeam_channel::bounded::<()>(0);
    let mut dispatcher = Dispatcher::<Test>::builder()
        .fault_sink(move |fault| tell.send(fault.trace).unwrap())
        .build()
        .unwrap();
    let slow = move |_: Delivery<Message>| -> Result<(), String> {
        let _ = held.recv();
        Err("late".to_owned())
    };
    dispatcher.routes().subscribe(Subscription::new("slow", slow).to(Route::All)).unwrap();
    let limit = Some(Duration::from_millis(1));
    let report =
        dispatcher.dispatch(message(1, Class::Critical, 9), Instant::now(), limit).unwrap();
    assert!(report.cut_short && !report.is_complete());
    assert!(matches!(report.lanes[0].outcome, Outcome::Pending));
    drop(let_go);
    assert_eq!(told.recv(), Ok(9));
    assert!(dispatcher.shutdown(SECOND).is_clean());
}

#[test]
fn a_stepped_dispatch_runs_its_consumers_here() {
    let mut dispatcher = stepped().build().unwrap();
    let thread = std::thread::current().id();
    let consumer = move |_: Delivery<Message>| assert_eq!(std::thread::current().id(), thread);
    dispatcher.routes().subscribe(Subscription::new("a", consumer).to(Route::All)).unwrap();
    let report = dispatcher.dispatch(message(1, Class::Critical, 9), Instant::now(), None).unwrap();
    assert!(report.is_complete());
    assert!(format!("{dispatcher:?}").contains("delivered: 1"));
}
