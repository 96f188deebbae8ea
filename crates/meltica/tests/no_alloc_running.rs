//! Once warm, nothing is allocated on any thread of a pipeline that runs: with windows open, whose time
//! its core thread waits for.

use std::{
    alloc::System,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use meltica::{
    Consumer, Delivery, MergeRule, Pipeline, Select,
    event::{Event, Header, Level, Payload, Price, Quantity, TopOfBook, VenueId},
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn a_running_pipeline_allocates_nothing_once_warm() {
    let seen = Arc::new(AtomicU64::new(0));
    let mine = Arc::clone(&seen);
    let count = move |_: &Delivery| {
        mine.fetch_add(1, Relaxed);
    };
    let pipeline = Pipeline::builder()
        .debug_mode(false)
        .merge(MergeRule::view("view", [VenueId(1), VenueId(2)]))
        .consumer(Consumer::new("all", count), [Select::all()])
        .build()
        .expect("valid settings");
    let running = pipeline.spawn(64).expect("a thread");
    let (feed, pools) = (running.feed(), running.pools().clone());
    // The second venue is silent half of the time, so that a window is open after every message.
    let mut number = 0;
    let mut round = |messages: u64| {
        for _ in 0..messages {
            number += 1;
            let level = Level { price: Price::from_units(7), quantity: Quantity::from_units(1) };
            let venue = VenueId(if number % 4 == 0 { 2 } else { 1 });
            let mut event = pools.events.lease_or_heap();
            let top = TopOfBook { bid: level, ask: level };
            *event = Event::new(Header { venue, ..Header::default() }, Payload::TopOfBook(top));
            feed.push(event.into()).expect("it runs");
            if number % 50 == 0 {
                thread::sleep(Duration::from_micros(200));
            }
        }
        // Until nothing more comes: where the machine is busy, some fold.
        let mut before = u64::MAX;
        while before != seen.load(Relaxed) {
            before = seen.load(Relaxed);
            thread::sleep(Duration::from_millis(50));
        }
    };
    round(10_000);
    // On a machine that is busy elsewhere, what happens once may happen late: a worker that was starved is replaced, a queue
    // is as long as never before. What is allocated for messages, each round has.
    let warm = (0..20).any(|_| {
        let region = Region::new(ALLOCATOR);
        round(4_000);
        let change = region.change();
        change.allocations + change.reallocations == 0
    });
    assert!(warm, "it allocates over and over");
    assert!(running.shutdown(Duration::from_secs(5)).expect("it runs").is_clean());
}
