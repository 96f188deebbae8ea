//! Consumers that are paused and resumed, and lanes stepped one by one.

mod common;

use std::time::{Duration, Instant};

use common::{Message, Test, message, numbers, recorder, run_all, stepped};
use meltica_dispatcher::{Class, Delivery, Dispatcher, Route, Subscription};

#[test]
fn a_paused_consumer_gets_nothing_and_loses_no_critical_message() {
    let mut dispatcher = stepped().lane_capacity(1).build().unwrap();
    let routes = dispatcher.routes();
    let (seen, handler) = recorder();
    let lane = routes.subscribe(Subscription::new("a", handler).to(Route::All)).unwrap();
    assert!(routes.pause(lane).unwrap());
    assert!(!routes.pause(lane).unwrap(), "it was paused already");
    assert!(dispatcher.stats().lanes[0].paused);
    for number in 0..3 {
        for class in [Class::Critical, Class::Sequential] {
            dispatcher.publish(message(1, class, number), Instant::now()).unwrap();
        }
    }
    assert!(!dispatcher.run_once());
    // A dispatch does not wait for it: nobody could resume it meanwhile.
    let report = dispatcher.dispatch(message(1, Class::Critical, 3), Instant::now(), None).unwrap();
    assert!(report.cut_short);
    assert_eq!(format!("{:?}", report.lanes[0].outcome), "Pending");
    assert!(routes.resume(lane).unwrap());
    run_all(&mut dispatcher);
    assert_eq!(numbers(&seen), [[0], [1], [2], [2], [3]]);
    routes.unsubscribe(lane).unwrap();
    assert!(routes.pause(lane).is_err());
    assert!(routes.resume(lane).is_err());
}

#[test]
fn a_shutdown_hands_back_what_waits_for_a_paused_consumer_without_waiting_for_it() {
    for threads in [0, 1] {
        let mut dispatcher = Dispatcher::<Test>::builder().workers(threads).build().unwrap();
        let routes = dispatcher.routes();
        let (seen, handler) = recorder();
        let lane = routes.subscribe(Subscription::new("a", handler).to(Route::All)).unwrap();
        routes.pause(lane).unwrap();
        for (class, number) in [(Class::Sequential, 1), (Class::Critical, 2)] {
            dispatcher.publish(message(1, class, number), Instant::now()).unwrap();
        }
        let end = dispatcher.shutdown(Duration::from_secs(600));
        let numbers: Vec<_> = end.undelivered.iter().map(|u| u.message.numbers[0]).collect();
        assert_eq!(numbers, [2, 1], "critical first");
        assert!(seen.lock().unwrap().is_empty());
    }
}

#[test]
fn a_sleeping_worker_goes_on_when_its_consumer_is_resumed() {
    let mut dispatcher = Dispatcher::<Test>::builder().build().unwrap();
    let routes = dispatcher.routes();
    let (told, heard) = crossbeam_channel::bounded(8);
    let handler = move |delivery: Delivery<Message>| told.send(delivery.numbers[0]).expect("heard");
    let lane = routes.subscribe(Subscription::new("a", handler).to(Route::All)).unwrap();
    routes.pause(lane).unwrap();
    dispatcher.publish(message(1, Class::Critical, 7), Instant::now()).unwrap();
    assert!(heard.recv_timeout(Duration::from_millis(50)).is_err());
    routes.resume(lane).unwrap();
    assert_eq!(heard.recv_timeout(Duration::from_secs(10)), Ok(7));
}

#[test]
fn one_lane_can_be_stepped_alone() {
    let mut dispatcher = stepped().build().unwrap();
    let routes = dispatcher.routes();
    let (first, handler) = recorder();
    routes.subscribe(Subscription::new("first", handler).to(Route::All)).unwrap();
    let (second, handler) = recorder();
    let lane = routes.subscribe(Subscription::new("second", handler).to(Route::All)).unwrap();
    dispatcher.publish(message(1, Class::Critical, 7), Instant::now()).unwrap();
    assert!(dispatcher.run_lane(lane));
    assert!(!dispatcher.run_lane(lane));
    assert_eq!((numbers(&first).len(), numbers(&second).len()), (0, 1));
    routes.unsubscribe(lane).unwrap();
    assert!(!dispatcher.run_lane(lane));
}

#[test]
fn a_dispatch_goes_on_when_the_consumer_that_it_waits_for_is_paused() {
    let mut dispatcher = Dispatcher::<Test>::builder().build().unwrap();
    let routes = dispatcher.routes();
    let (entered, has_entered) = crossbeam_channel::bounded(1);
    let (let_go, held) = crossbeam_channel::bounded::<()>(0);
    let busy = move |_: Delivery<Message>| {
        entered.send(()).expect("heard");
        let _ = held.recv();
    };
    let lane = routes.subscribe(Subscription::new("busy", busy).to(Route::All)).unwrap();
    routes.subscribe(Subscription::new("idle", |_: Delivery<Message>| ()).to(Route::All)).unwrap();
    dispatcher.publish(message(1, Class::Critical, 1), Instant::now()).unwrap();
    has_entered.recv().unwrap();
    let pauser = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        routes.pause(lane).unwrap();
    });
    let report = dispatcher.dispatch(message(1, Class::Critical, 2), Instant::now(), None).unwrap();
    assert!(report.cut_short);
    let outcomes: Vec<_> = report.lanes.iter().map(|row| format!("{:?}", row.outcome)).collect();
    assert_eq!(outcomes, ["Handled", "Pending"]);
    pauser.join().unwrap();
    drop(let_go);
}
