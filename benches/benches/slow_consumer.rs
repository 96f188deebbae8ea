//! What do nine consumers lose when a tenth sleeps 10 ms over every event?
//!
//! Ten consumers of pooled messages of 128 bytes; the clock runs from the first publish until the
//! nine have handled every event. Rounds with and without the sleeper take turns, and the answer is
//! the ratio of neighbours. Beside: one bounded channel per consumer, whose publisher waits for the
//! sleeper as soon as that channel is full.
//! `cargo bench -p meltica-benches --bench slow_consumer`

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use crossbeam_channel::bounded;
use meltica_benches::spread;
use meltica_dispatcher::{Class, Delivery, Dispatcher, Protocol, Route, Subscription};
use meltica_recycler::{Lease, Pool};

const NINE: usize = 9;
const SLEEP: Duration = Duration::from_millis(10);
const EVENTS: usize = 20_000;
/// The channels' publisher is held up by the sleeper, so it gets fewer: 10 ms for each above this.
const CHANNEL_CAPACITY: usize = 1_024;
const CHANNEL_EVENTS: usize = CHANNEL_CAPACITY + 200;
const ROUNDS: usize = 11;

type Object = [u64; 16];

enum Bench {}

impl Protocol for Bench {
    type Message = Lease<Object>;
    type Key = u8;
    type Fault = ();

    fn key(_: &Lease<Object>) -> u8 {
        0
    }

    fn class(_: &Lease<Object>) -> Class {
        Class::Sequential
    }

    fn duplicate(message: &Lease<Object>, _: Class) -> Option<Lease<Object>> {
        message.try_duplicate().ok()
    }
}

/// Nanoseconds per event until the nine are done.
fn dispatcher(pool: &Pool<Object>, with_sleeper: bool) -> f64 {
    let mut dispatcher = Dispatcher::<Bench>::builder().build().expect("valid settings");
    let routes = dispatcher.routes();
    let done = Arc::new(AtomicU64::new(0));
    for index in 0..NINE {
        let done = Arc::clone(&done);
        let quick = move |delivery: Delivery<Lease<Object>>| {
            black_box(delivery[0]);
            done.fetch_add(1, Relaxed);
        };
        let subscription = Subscription::new(format!("quick-{index}"), quick).to(Route::All);
        // Room for all, so that nothing is dropped and all nine do the same work in every round.
        routes.subscribe(subscription.capacity(EVENTS)).expect("a name of its own");
    }
    let tenth = move |delivery: Delivery<Lease<Object>>| {
        black_box(delivery[0]);
        if with_sleeper {
            thread::sleep(SLEEP);
        }
    };
    let subscription = Subscription::new("tenth", tenth).to(Route::All);
    routes.subscribe(subscription.capacity(1_024)).expect("a name of its own");

    let start = Instant::now();
    for number in 0..EVENTS {
        let mut object = pool.try_lease().expect("large enough");
        object[0] = number as u64;
        dispatcher.publish(object, start).expect("not cancelled");
    }
    while done.load(Relaxed) < (EVENTS * NINE) as u64 {
        thread::yield_now();
    }
    let nanos = start.elapsed().as_nanos() as f64 / EVENTS as f64;
    drop(dispatcher);
    nanos
}

/// The same through one bounded channel of boxes per consumer.
fn channels(with_sleeper: bool) -> f64 {
    let events = if with_sleeper { CHANNEL_EVENTS } else { EVENTS };
    let done = Arc::new(AtomicU64::new(0));
    let mut senders = vec![];
    let mut threads = vec![];
    for index in 0..=NINE {
        let (sender, receiver) = bounded::<Box<Object>>(CHANNEL_CAPACITY);
        senders.push(sender);
        let done = Arc::clone(&done);
        let (sleeps, counts) = (with_sleeper && index == NINE, index < NINE);
        let consume = move || {
            for object in receiver {
                black_box(object[0]);
                if sleeps {
                    thread::sleep(SLEEP);
                }
                if counts {
                    done.fetch_add(1, Relaxed);
                }
            }
        };
        let thread = thread::Builder::new().name(format!("channel-{index}"));
        threads.push(thread.spawn(consume).expect("a thread"));
    }
    let start = Instant::now();
    for number in 0..events {
        for sender in &senders {
            let mut object = Box::new(Object::default());
            object[0] = number as u64;
            sender.send(object).expect("it is received");
        }
    }
    while done.load(Relaxed) < (events * NINE) as u64 {
        thread::yield_now();
    }
    let nanos = start.elapsed().as_nanos() as f64 / events as f64;
    // What is left for the sleeper takes it ten seconds: it is left to itself.
    drop(senders);
    if !with_sleeper {
        threads.into_iter().for_each(|thread| thread.join().expect("it does not panic"));
    }
    nanos
}

fn main() {
    let capacity = EVENTS * (NINE + 1) + 4_096;
    let pool = Pool::new(capacity, Object::default, |object| object[0] = 0);
    dispatcher(&pool, false);
    let (mut without, mut with, mut ratios) = (vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let (quiet, slept) = (dispatcher(&pool, false), dispatcher(&pool, true));
        // Throughput is what the nine keep: the inverse of their time.
        ratios.push(quiet / slept);
        without.push(quiet);
        with.push(slept);
    }
    let row = |name: &str, unit: &str, figures: Vec<f64>| {
        let (middle, least, greatest) = spread(figures);
        println!("{name:<52} {middle:>12.4} [{least:.4} to {greatest:.4}] {unit}");
    };
    row("dispatcher, ten quick", "ns per event", without);
    row("dispatcher, nine quick and a sleeper", "ns per event", with);
    row("dispatcher, throughput the nine keep", "x", ratios);
    let quiet = channels(false);
    let slept = channels(true);
    row("Box over bounded channels, ten quick", "ns per event", vec![quiet]);
    row("Box over bounded channels, nine quick and a sleeper", "ns per event", vec![slept]);
    row("Box over bounded channels, throughput the nine keep", "x", vec![quiet / slept]);
}
