//! What the stages count arrives under its name, and only what is there.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use meltica_consumer::{Consumer, Inspect};
use meltica_dispatcher::{Class, Delivery, Dispatcher, Protocol, Route, Subscription, Verdict};
use meltica_orchestrator::{Merge, Orchestrator, Window};
use meltica_recycler::Recycler;
use meltica_stats::Histogram;
use meltica_telemetry::{Kind, Metrics, families};

enum Numbers {}

impl Protocol for Numbers {
    type Message = u64;
    type Key = ();
    type Fault = String;

    fn key(_: &u64) {}

    fn class(number: &u64) -> Class {
        if *number == 0 { Class::Critical } else { Class::Sequential }
    }

    fn duplicate(number: &u64, _: Class) -> Option<u64> {
        Some(*number)
    }
}

impl Inspect for Numbers {
    type Message = u64;

    fn version(_: &u64) -> u64 {
        0
    }

    fn is_critical(_: &u64) -> bool {
        false
    }
}

struct Sum;

impl Merge for Sum {
    type Partial = u64;
    type Key = ();
    type Source = u64;
    type Merged = u64;

    fn key(&self, _: &u64) {}

    fn source(&self, number: &u64) -> u64 {
        *number
    }

    fn expected(&self, (): ()) -> &[u64] {
        &[1, 2]
    }

    fn merge(&mut self, window: Window<'_, Self>) -> Option<u64> {
        Some(window.partials().sum())
    }
}

#[track_caller]
fn has(text: &str, line: &str) {
    assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
}

#[test]
fn the_recycler_is_told_pool_by_pool() {
    let recycler = Recycler::new();
    let pool = recycler.pool("event", 2, || 0u64, |event| *event = 0);
    let metrics = Metrics::new().recycler(recycler.clone());
    let ticket = pool.try_lease().unwrap().into_ticket().unwrap();
    let _held = pool.try_lease().unwrap();
    drop(pool.lease_or_heap());
    assert!(pool.try_lease().is_err() && pool.lease_until(Instant::now()).is_err());
    pool.recycle(ticket).unwrap();
    assert!(pool.recycle(ticket).is_err() && pool.redeem(ticket).is_err());
    recycler.pool("later", 1, || 0u64, |_| ());
    let text = metrics.render();
    for line in [
        "recycler_events_total{event_kind=\"event\"} 2",
        "recycler_leases_total{event_kind=\"event\"} 2",
        "recycler_heap_fallbacks_total{event_kind=\"event\"} 1",
        "recycler_exhausted_total{event_kind=\"event\"} 1",
        "recycler_lease_timeouts_total{event_kind=\"event\"} 1",
        "recycler_double_puts_total{event_kind=\"event\"} 1",
        "recycler_uses_after_put_total{event_kind=\"event\"} 1",
        "recycler_pool_capacity{event_kind=\"event\"} 2",
        "recycler_pool_leased{event_kind=\"event\"} 1",
        "recycler_pool_leased_peak{event_kind=\"event\"} 2",
        "recycler_pool_heap_leased{event_kind=\"event\"} 0",
        "recycler_pool_capacity{event_kind=\"later\"} 1",
        "recycler_pool_objects{event_kind=\"event\"} 2",
        "recycler_pool_waiting{event_kind=\"event\"} 0",
        "recycler_recycle_duration_seconds_count{event_kind=\"event\"} 2",
        "recycler_debug_mode 0",
    ] {
        has(&text, line);
    }
}

#[test]
fn fr_004_fr_025_fr_026_a_dispatcher_tells_its_fan_out_and_each_lane() {
    let built = Dispatcher::<Numbers>::builder().workers(0).lane_capacity(2).time_one_in(1).build();
    let mut dispatcher = built.unwrap();
    let routes = dispatcher.routes();
    let refuse = |number: Delivery<u64>| match number.message {
        0 => Verdict::Refused(0),
        _ => Verdict::Handled,
    };
    routes.subscribe(Subscription::new("refuses", refuse).to(Route::All)).unwrap();
    routes.subscribe(Subscription::new("b", |_: Delivery<u64>| ()).to(Route::All)).unwrap();
    for number in 0..5 {
        dispatcher.publish(number, Instant::now()).unwrap();
    }
    while dispatcher.run_once() {}
    let text = Metrics::new().dispatcher(routes).render();
    for line in [
        "dispatcher_published_total 5",
        "dispatcher_routed_total 5",
        "dispatcher_dead_letters_total 1",
        "dispatcher_lanes 2",
        "dispatcher_lane_published_total{consumer_id=\"b\"} 5",
        "dispatcher_lane_delivered_total{consumer_id=\"b\"} 3",
        "dispatcher_lane_depth{consumer_id=\"b\"} 0",
        "dispatcher_conflated_total{consumer_id=\"b\"} 0",
        "dispatcher_dropped_total{consumer_id=\"b\",reason=\"full\"} 2",
        "dispatcher_dropped_total{consumer_id=\"b\",reason=\"no_duplicate\"} 0",
        "dispatcher_dropped_total{consumer_id=\"b\",reason=\"closed\"} 0",
        "dispatcher_fan_out_duration_seconds_count 6",
        "dispatcher_fan_out_completion_seconds_count 3",
        "consumer_processing_duration_seconds_count{consumer_id=\"b\"} 3",
        "consumer_processing_duration_seconds_count{consumer_id=\"refuses\"} 2",
        "consumer_processing_duration_seconds_bucket{consumer_id=\"b\",le=\"+Inf\"} 3",
        "consumer_delivery_latency_seconds_count{consumer_id=\"refuses\"} 3",
    ] {
        has(&text, line);
    }
}

#[test]
fn what_a_consumer_had_is_told_after_it_has_left_and_goes_on_when_it_comes_back() {
    let mut dispatcher = Dispatcher::<Numbers>::builder().workers(0).build().unwrap();
    let routes = dispatcher.routes();
    let comes = || Subscription::new("guest", |_: Delivery<u64>| ()).to(Route::All);
    for published in [2, 5] {
        let lane = routes.subscribe(comes()).unwrap();
        for number in 0..2 {
            dispatcher.publish(number, Instant::now()).unwrap();
        }
        dispatcher.run_once();
        routes.unsubscribe(lane).unwrap();
        if published == 5 {
            routes.pause(routes.subscribe(comes()).unwrap()).unwrap();
            dispatcher.publish(7, Instant::now()).unwrap();
        }
        let text = Metrics::new().dispatcher(routes.clone()).render();
        has(
            &text,
            &format!("dispatcher_lane_published_total{{consumer_id=\"guest\"}} {published}"),
        );
        let left = published / 2;
        has(&text, &format!("dispatcher_lane_delivered_total{{consumer_id=\"guest\"}} {left}"));
        let closed = "dispatcher_dropped_total{consumer_id=\"guest\",reason=\"closed\"}";
        has(&text, &format!("{closed} {left}"));
    }
    let text = Metrics::new().dispatcher(routes.clone()).render();
    has(&text, "dispatcher_lane_depth{consumer_id=\"guest\"} 1");
    has(&text, "dispatcher_lane_paused{consumer_id=\"guest\"} 1");
    assert_eq!(dispatcher.stats().left.len(), 1);
}

#[test]
fn consumers_and_merges_are_told_by_name() {
    let mut consumer = Consumer::<Numbers>::new("odd", |number| match number % 2 {
        0 => Err("even"),
        _ => Ok(()),
    });
    (0..3).for_each(|number| drop(consumer.invoke(number)));
    let read = consumer.stats_handle();
    let mut windows = Orchestrator::builder(Sum).window(Duration::from_secs(1)).build().unwrap();
    for number in [1, 2, 1] {
        windows.push(number, Instant::now()).unwrap();
    }
    let text = Metrics::new()
        .consumers(move || vec![(Arc::from("odd"), read())])
        .orchestrator("sum", windows.stats_handle())
        .render();
    for line in [
        "consumer_invocations_total{consumer_id=\"odd\"} 3",
        "consumer_failures_total{consumer_id=\"odd\"} 2",
        "consumer_panics_total{consumer_id=\"odd\"} 0",
        "consumer_filtered_events_total{consumer_id=\"odd\"} 0",
        "orchestrator_partials_total{rule=\"sum\",outcome=\"used\"} 2",
        "orchestrator_partials_held{rule=\"sum\"} 1",
        "orchestrator_windows_total{rule=\"sum\",outcome=\"complete\"} 1",
        "orchestrator_windows_open{rule=\"sum\"} 1",
    ] {
        has(&text, line);
    }
}

#[test]
fn what_others_count_is_told_beside() {
    let histogram = Histogram::new();
    histogram.record(2_000_000);
    let metrics = Metrics::new().number(&families::VENUE_EVENTS, ["alpha"], || 7).histogram(
        &families::CONSUMER_PROCESSING_DURATION,
        ["own"],
        move || histogram.snapshot(),
    );
    let text = metrics.render();
    has(&text, "venue_events_total{venue=\"alpha\"} 7");
    has(&text, "consumer_processing_duration_seconds_sum{consumer_id=\"own\"} 0.002");
    assert_eq!(text.matches("# TYPE").count(), 2, "what nobody counts is not there");
    assert_eq!(format!("{metrics:?}"), "Metrics { sources: 2 }");
}

#[test]
#[should_panic(expected = "venue_events_total has other labels")]
fn labels_that_are_not_the_familys_are_a_callers_mistake() {
    drop(Metrics::new().number(&families::VENUE_EVENTS, ["a", "b"], || 0));
}

#[test]
#[should_panic(expected = "is a histogram")]
fn a_number_for_a_histogram_is_a_callers_mistake() {
    drop(Metrics::new().number(&families::DISPATCHER_FAN_OUT_DURATION, [""; 0], || 0));
}

#[test]
fn the_page_of_metrics_lists_every_family_as_it_is() {
    let page = include_str!("../../../docs/metrics.md");
    let mut rows =
        String::from("| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n");
    for family in families::ALL {
        let labels: Vec<_> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        let (name, kind, help) = (family.name, family.kind.as_str(), family.help);
        rows += &format!("| `{name}` | {kind} | {} | {help} |\n", labels.join(", "));
    }
    assert!(page.contains(&rows), "docs/metrics.md should have this table:\n\n{rows}");
    assert!(families::ALL.iter().any(|family| matches!(family.kind, Kind::Gauge)));
}
