//! What does it cost to be measured, and to be scraped?
//!
//! Tops of book through a whole pipeline to ten quick consumers, as fast as it goes: with nothing
//! timed; with one message in 16 timed, as is the default; so, and scraped every 50 ms, twenty times
//! as often as a Prometheus that asks every second; and with every message timed. Rounds take turns,
//! and each answer is the ratio to the round with nothing timed beside it.
//! `cargo bench -p meltica-benches --bench telemetry`

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use meltica::{
    Consumer, Delivery, Pipeline, Select,
    event::{Event, Header, InstrumentId, Level, Payload, Price, Quantity, TopOfBook},
};
use meltica_benches::spread;

const CONSUMERS: u64 = 10;
const EVENTS: u64 = 40_000;
const ROUNDS: usize = 15;
const SCRAPED_EVERY: Duration = Duration::from_millis(50);

/// Nanoseconds per event until all consumers are done.
fn round(time_one_in: u32, scraped: bool) -> f64 {
    let done = Arc::new(AtomicU64::new(0));
    // Room for all, so that nothing is folded and every round does the same work.
    let mut builder = Pipeline::builder().lane_capacity(EVENTS as usize).time_one_in(time_one_in);
    for index in 0..CONSUMERS {
        let done = Arc::clone(&done);
        let handle = move |delivery: &Delivery| {
            black_box(delivery.header());
            done.fetch_add(1, Relaxed);
        };
        let consumer = Consumer::new(format!("consumer-{index}"), handle);
        builder = builder.consumer(consumer, [Select::all()]);
    }
    let mut pipeline = builder.build().expect("valid settings");
    let (pools, metrics) = (pipeline.pools().clone(), pipeline.metrics());
    let over = Arc::new(AtomicBool::new(false));
    let scraper = scraped.then(|| {
        let over = Arc::clone(&over);
        let scrape = move || {
            while !over.load(Relaxed) {
                black_box(metrics.render());
                thread::park_timeout(SCRAPED_EVERY);
            }
        };
        thread::Builder::new().name("scraper".to_owned()).spawn(scrape).expect("a thread")
    });
    let start = Instant::now();
    for number in 0..EVENTS {
        let quantity = Quantity::from_units(number);
        let level = Level { price: Price::from_units(1), quantity };
        let header = Header { instrument: InstrumentId(1), ..Header::default() };
        let mut event = pools.events.try_lease().expect("large enough");
        *event = Event::new(header, Payload::TopOfBook(TopOfBook { bid: level, ask: level }));
        pipeline.push(event.into(), Instant::now()).expect("not cancelled");
    }
    while done.load(Relaxed) < EVENTS * CONSUMERS {
        thread::yield_now();
    }
    let nanos = start.elapsed().as_nanos() as f64 / EVENTS as f64;
    over.store(true, Relaxed);
    if let Some(scraper) = scraper {
        scraper.thread().unpark();
        scraper.join().expect("rendering does not panic");
    }
    nanos
}

fn main() {
    let cases = [
        ("one message in 16 timed (the default)", 16, false),
        ("the same, scraped every 50 ms", 16, true),
        ("every message timed", 1, false),
    ];
    round(0, false);
    let mut plain = vec![];
    let mut ratios = vec![vec![]; cases.len()];
    for _ in 0..ROUNDS {
        for ((_, time_one_in, scraped), ratios) in cases.iter().zip(&mut ratios) {
            // Before and after: a machine that grows slower must not blame the one in between.
            let before = round(0, false);
            let timed = round(*time_one_in, *scraped);
            let after = round(0, false);
            ratios.push(2.0 * timed / (before + after));
            plain.push(before);
        }
    }
    let row = |name: &str, unit: &str, figures: Vec<f64>| {
        let (middle, least, greatest) = spread(figures);
        println!("{name:<40} {middle:>10.3} [{least:.3} to {greatest:.3}] {unit}");
    };
    row("nothing timed", "ns per event", plain);
    for ((name, ..), ratios) in cases.iter().zip(ratios) {
        row(name, "x", ratios);
    }
}
