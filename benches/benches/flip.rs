//! What does a flip cost?
//!
//! By itself, on the pipeline's own thread, with ten and with a hundred consumers, with twelve merge
//! windows open, and by command with both of its answers delivered to ten consumers; and what it costs
//! the messages around it: tops of book of twelve streams to ten consumers, stepped, with one flip in a
//! hundred messages beside none; and deltas of a book of a thousand levels a side to ten consumers,
//! with the state kept, each after a flip, so that it comes whole, beside none. Between flips
//! everything is delivered, so that nothing is filtered and both sides do the same work. Rounds take
//! turns. `cargo bench -p meltica-benches --bench flip`

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use meltica::{
    Builder, Consumer, Delivery, Incomplete, MergeRule, Pipeline, Select,
    event::{
        Event, EventKind, Header, InstrumentId, Level, Payload, Price, Quantity, TopOfBook, VenueId,
    },
};
use meltica_benches::spread;

const ROUNDS: usize = 15;
const FLIPS: u64 = 20_000;
const EVENTS: u64 = 200_000;
const DELTAS: u64 = 20_000;
const STREAMS: u64 = 12;
/// Messages from one delivery of all to the next.
const BURST: u64 = 100;

fn stepped(consumers: usize) -> Builder {
    let mut builder = Pipeline::builder().workers(0).debug_mode(false);
    for index in 0..consumers {
        let handle = |delivery: &Delivery| {
            black_box(delivery.header());
        };
        let consumer = Consumer::new(format!("consumer-{index}"), handle);
        builder = builder.consumer(consumer, [Select::all()]);
    }
    builder
}

fn push(pipeline: &mut Pipeline, number: u64, now: Instant) {
    let level = Level { price: Price::from_units(1), quantity: Quantity::from_units(number) };
    let instrument = InstrumentId(1 + (number % STREAMS) as u32);
    let header = Header { instrument, venue: VenueId(1), ..Header::default() };
    let mut event = pipeline.pools().events.try_lease().expect("large enough");
    *event = Event::new(header, Payload::TopOfBook(TopOfBook { bid: level, ask: level }));
    pipeline.push(event.into(), now).expect("not cancelled");
}

/// Nanoseconds a flip.
fn flips(mut pipeline: Pipeline) -> f64 {
    let start = Instant::now();
    for _ in 0..FLIPS {
        black_box(pipeline.flip());
    }
    start.elapsed().as_nanos() as f64 / FLIPS as f64
}

/// The same, with a window of every stream open: opening them again is not counted.
fn flips_of_windows() -> f64 {
    let venues = [VenueId(1), VenueId(2)];
    let rule = MergeRule::view("view", venues).incomplete(Incomplete::Mark);
    let mut pipeline = stepped(10).merge(rule).build().expect("valid settings");
    let now = Instant::now();
    let mut took = Duration::ZERO;
    for _ in 0..FLIPS / 20 {
        (0..STREAMS).for_each(|stream| push(&mut pipeline, stream, now));
        while pipeline.run_once() {}
        let start = Instant::now();
        black_box(pipeline.flip());
        took += start.elapsed();
        while pipeline.run_once() {}
    }
    took.as_nanos() as f64 / (FLIPS / 20) as f64
}

/// The same by command, until all consumers have both answers.
fn commanded() -> f64 {
    let mut pipeline = stepped(10).build().expect("valid settings");
    let control = pipeline.control();
    let start = Instant::now();
    for _ in 0..FLIPS {
        let pending = control.flip().expect("there is room");
        pipeline.poll(start);
        while pipeline.run_once() {}
        black_box(pending.wait(Duration::ZERO));
    }
    start.elapsed().as_nanos() as f64 / FLIPS as f64
}

/// Nanoseconds an event, with a flip after each burst or without.
fn events(flips: bool) -> f64 {
    let mut pipeline = stepped(10).build().expect("valid settings");
    let now = Instant::now();
    let start = Instant::now();
    for number in 0..EVENTS {
        push(&mut pipeline, number, now);
        if number % BURST == BURST - 1 {
            while pipeline.run_once() {}
            if flips {
                pipeline.flip();
            }
        }
    }
    start.elapsed().as_nanos() as f64 / EVENTS as f64
}

/// Nanoseconds a delta of a large book, each after a flip or none.
fn deltas(flips: bool) -> f64 {
    const LEVELS: i64 = 1_000;
    let mut pipeline = stepped(10).keep_current_state(true).build().expect("valid settings");
    let pools = pipeline.pools().clone();
    let now = Instant::now();
    let level = |price, quantity| {
        let (price, quantity) = (Price::from_units(price), Quantity::from_units(quantity));
        Level { price, quantity }
    };
    let mut start = now;
    for number in 0..=DELTAS {
        let mut book = pools.books.try_lease().expect("large enough");
        let kind = if number == 0 { EventKind::BookSnapshot } else { EventKind::BookDelta };
        book.header = Header { kind, sequence: number, venue: VenueId(1), ..Header::default() };
        for price in 0..if number == 0 { LEVELS } else { 5 } {
            book.bids.set(level(price, 1 + number));
            book.asks.set(level(LEVELS + price, 1 + number));
        }
        if number == 1 {
            start = Instant::now();
        }
        if flips {
            pipeline.flip();
        }
        pipeline.push(book.into(), now).expect("not cancelled");
        while pipeline.run_once() {}
    }
    start.elapsed().as_nanos() as f64 / DELTAS as f64
}

fn main() {
    let of = |consumers| stepped(consumers).build().expect("valid settings");
    let cases: [(&str, &dyn Fn() -> f64); 4] = [
        ("a flip, 10 consumers", &|| flips(of(10))),
        ("a flip, 100 consumers", &|| flips(of(100))),
        ("a flip, 10 consumers, 12 windows open", &flips_of_windows),
        ("a flip by command, both answers at 10 consumers", &commanded),
    ];
    let mut figures = vec![vec![]; cases.len()];
    let (mut plain, mut ratios) = (vec![], vec![]);
    let (mut parts, mut wholes) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        for ((_, case), figures) in cases.iter().zip(&mut figures) {
            figures.push(case());
        }
        // Before and after: a machine that grows slower must not blame the one in between.
        let before = events(false);
        let flipped = events(true);
        let after = events(false);
        plain.push(before);
        ratios.push(2.0 * flipped / (before + after));
        let before = deltas(false);
        let flipped = deltas(true);
        let after = deltas(false);
        parts.push(before);
        wholes.push(2.0 * flipped / (before + after));
    }
    let row = |name: &str, unit: &str, figures: Vec<f64>| {
        let (middle, least, greatest) = spread(figures);
        println!("{name:<50} {middle:>10.3} [{least:.3} to {greatest:.3}] {unit}");
    };
    for ((name, _), figures) in cases.iter().zip(figures) {
        row(name, "ns", figures);
    }
    row("an event to 10 consumers, no flips", "ns", plain);
    row("the same, a flip every 100 events", "x", ratios);
    row("a delta of a large book to 10 consumers", "ns", parts);
    row("the same, a flip before each", "x", wholes);
}
