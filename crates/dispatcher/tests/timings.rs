//! What is measured, of whom, and when nothing is.

mod common;

use std::{
    hint::spin_loop,
    sync::Barrier,
    time::{Duration, Instant},
};

use common::{Test, message, run_all, stepped};
use meltica_dispatcher::{Class, Delivery, Dispatcher, Route, Subscription, Verdict};

const MS: Duration = Duration::from_millis(1);

fn spin(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        spin_loop();
    }
}

fn busy(name: &str, time: Duration) -> Subscription<Test> {
    let handler = move |_: Delivery<common::Message>| spin(time);
    Subscription::new(name, handler).to(Route::All)
}

#[test]
fn fr_025_each_consumer_has_its_own_histogram_of_what_it_took() {
    let mut dispatcher = stepped().time_one_in(1).build().unwrap();
    let routes = dispatcher.routes();
    routes.subscribe(busy("slow", 2 * MS)).unwrap();
    routes.subscribe(busy("quick", Duration::ZERO)).unwrap();
    for number in 0..5 {
        dispatcher.publish(message(1, Class::Critical, number), Instant::now()).unwrap();
        run_all(&mut dispatcher);
    }
    let timings = dispatcher.timings();
    let [slow, quick] = &timings.lanes[..] else { panic!("{timings:?}") };
    assert_eq!((&*slow.consumer, slow.took_ns.count()), ("slow", 5));
    assert_eq!((&*quick.consumer, quick.took_ns.count()), ("quick", 5));
    // The least of the slow one's, to within a bucket.
    assert!(slow.took_ns.quantile(0.0) >= Some(1_900_000), "{slow:?}");
    // The quick one runs after the slow one on this one thread, and so waits for it.
    assert!(quick.waited_ns.quantile(0.0) >= Some(1_900_000), "{quick:?}");
    assert!(timings.lanes.iter().all(|lane| lane.waited_ns.count() == 5));
}

#[test]
fn fr_004_026_a_fan_out_is_measured_to_each_consumer_and_as_a_whole() {
    let mut dispatcher = Dispatcher::<Test>::builder().time_one_in(1).build().unwrap();
    let routes = dispatcher.routes();
    // All three are inside one message at the same time, each for a millisecond from then on.
    let together = std::sync::Arc::new(Barrier::new(3));
    for name in ["a", "b", "c"] {
        let together = std::sync::Arc::clone(&together);
        let handler = move |_: Delivery<common::Message>| {
            together.wait();
            std::thread::sleep(MS);
        };
        routes.subscribe(Subscription::new(name, handler).to(Route::All)).unwrap();
    }
    for number in 0..4 {
        let report = dispatcher.dispatch(message(1, Class::Critical, number), Instant::now(), None);
        assert!(report.unwrap().is_complete());
    }
    let timings = dispatcher.timings();
    assert_eq!((timings.reach_ns.count(), timings.completion_ns.count()), (12, 4));
    assert!(timings.completion_ns.quantile(0.0) >= Some(960_000), "{timings:?}");
    for q in [0.0, 0.5, 0.95, 0.99, 1.0] {
        assert!(timings.reach_ns.quantile(q) <= timings.completion_ns.max());
    }
    // Three at a time, but for when each of them begins.
    assert!(timings.parallelism_percent.max() > Some(100), "{timings:?}");
    assert!(timings.parallelism_percent.max() <= Some(300), "{timings:?}");
}

#[test]
fn one_in_so_many_is_measured_and_not_always_the_same() {
    let mut dispatcher = stepped().time_one_in(10).build().unwrap();
    let routes = dispatcher.routes();
    for key in 0..10 {
        let nothing = |_: Delivery<common::Message>| ();
        routes.subscribe(Subscription::new(format!("{key}"), nothing).to(Route::Key(key))).unwrap();
    }
    let now = Instant::now();
    for number in 0..20_000 {
        // In turn, as instruments often come.
        dispatcher.publish(message(number as u32 % 10, Class::Sequential, number), now).unwrap();
        run_all(&mut dispatcher);
    }
    let timings = dispatcher.timings();
    let counts: Vec<_> = timings.lanes.iter().map(|lane| lane.took_ns.count()).collect();
    assert!((1_800..2_200).contains(&counts.iter().sum::<u64>()), "{counts:?}");
    assert!(counts.iter().all(|count| (120..280).contains(count)), "{counts:?}");
}

#[test]
fn messages_that_do_not_come_to_their_turn_leave_no_fan_out_behind() {
    let mut dispatcher = stepped().time_one_in(1).lane_capacity(1).build().unwrap();
    let routes = dispatcher.routes();
    let refuses = |delivery: Delivery<common::Message>| Verdict::Refused(delivery.into_message());
    routes.subscribe(Subscription::new("refuses", refuses).to(Route::All)).unwrap();
    let filters = |_: Delivery<common::Message>| Verdict::Filtered;
    let gone = routes.subscribe(Subscription::new("filters", filters).to(Route::All)).unwrap();
    let now = Instant::now();
    for number in 0..3_000 {
        // Two of three are folded or dropped at each lane.
        let class = if number % 2 == 0 { Class::Conflatable } else { Class::Sequential };
        dispatcher.publish(message(1, class, number), now).unwrap();
        if number % 6 == 0 {
            run_all(&mut dispatcher);
        }
    }
    let timings = dispatcher.timings();
    // What was never run is not among what was taken; what was refused or filtered took nothing.
    assert!(timings.lanes.iter().all(|lane| lane.took_ns.count() == 0));
    assert!((1..1_500).contains(&timings.completion_ns.count()), "{timings:?}");
    routes.unsubscribe(gone).unwrap();
    run_all(&mut dispatcher);
    // If places had been left behind, there would be none for these.
    let before = dispatcher.timings().completion_ns.count();
    for number in 0..2_000 {
        dispatcher.publish(message(1, Class::Critical, number), now).unwrap();
        run_all(&mut dispatcher);
    }
    assert_eq!(dispatcher.timings().completion_ns.count(), before + 2_000);
    assert_eq!(dispatcher.stats().dead_letters, 2_000);
}

#[test]
fn by_default_nothing_is_measured() {
    let mut dispatcher = stepped().build().unwrap();
    dispatcher.routes().subscribe(busy("only", Duration::ZERO)).unwrap();
    dispatcher.publish(message(1, Class::Critical, 1), Instant::now()).unwrap();
    run_all(&mut dispatcher);
    let timings = dispatcher.timings();
    assert!(timings.lanes.is_empty());
    assert_eq!((timings.reach_ns.count(), timings.completion_ns.count()), (0, 0));
}

#[test]
fn what_is_dropped_for_lack_of_a_duplicate_is_told_apart() {
    let mut dispatcher = stepped().build().unwrap();
    for name in ["a", "b"] {
        dispatcher.routes().subscribe(busy(name, Duration::ZERO)).unwrap();
    }
    let mut poor = message(1, Class::Sequential, 1);
    poor.pool_is_empty = true;
    dispatcher.publish(poor, Instant::now()).unwrap();
    run_all(&mut dispatcher);
    let stats = dispatcher.stats();
    assert!(stats.lanes.iter().all(|lane| (lane.dropped, lane.without_duplicate) == (1, 1)));
}
