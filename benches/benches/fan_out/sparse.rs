//! Every message is for three of many consumers: does the cost follow those it is for, or all that there are?

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use meltica_benches::{Figures, interleaved};
use meltica_dispatcher::{Class, Delivery, Protocol, Route, Subscription, WhenFull};
use meltica_recycler::Lease;

use crate::{
    contenders::{CAPACITY, Payload},
    dispatcher::{builder, lease, pool},
    peers::poll_channels,
};

/// Consumers of a message.
const EACH: usize = 3;
const EVENTS: u64 = 300_000;

/// Pooled messages, whose numbers say whom they are for.
enum Groups {}

impl Protocol for Groups {
    type Message = Lease<Payload<16>>;
    type Key = u64;
    type Fault = String;

    fn key(message: &Self::Message) -> u64 {
        message.read() >> 32
    }

    fn class(_: &Self::Message) -> Class {
        Class::Sequential
    }

    fn duplicate(message: &Self::Message, _: Class) -> Option<Self::Message> {
        message.try_duplicate().ok()
    }
}

/// The word of a message: the group that it is for, which looks random, and its number.
fn word(number: u64, groups: u64) -> u64 {
    let scattered = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    (scattered % groups) << 32 | number
}

fn dispatcher(consumers: usize, inline: bool) -> u64 {
    let groups = consumers / EACH;
    let sum = Arc::new(AtomicU64::new(0));
    let wait = WhenFull::Wait(Duration::from_secs(60));
    let mut dispatcher = builder::<Groups>().when_full(wait).build().expect("valid settings");
    for consumer in 0..groups * EACH {
        let (mut mine, all) = (0_u64, Arc::clone(&sum));
        let mut add = move |message: &Lease<Payload<16>>| {
            mine += 1;
            std::hint::black_box(message.read());
            // Once in a while, so that the sum is there at the end without costing much.
            if mine % 64 == 0 {
                all.fetch_add(64, Relaxed);
            }
        };
        let handle = move |message: &Delivery<Lease<Payload<16>>>| add(message);
        let subscription = Subscription::borrowing(format!("consumer-{consumer}"), handle);
        let subscription = if inline { subscription.inline() } else { subscription };
        let route = Route::Key((consumer / EACH) as u64);
        dispatcher.routes().subscribe(subscription.to(route)).expect("a name of its own");
    }
    let pool = pool::<16>(1);
    let now = Instant::now();
    for number in 0..EVENTS {
        let message = lease(&pool, word(number, groups as u64));
        assert!(dispatcher.publish(message, now).is_ok());
    }
    assert!(dispatcher.shutdown(Duration::from_secs(60)).is_clean());
    sum.load(Relaxed)
}

fn channels(consumers: usize) -> u64 {
    let groups = consumers / EACH;
    let channels = (0..groups * EACH).map(|_| crossbeam_channel::bounded(CAPACITY));
    let (senders, receivers): (Vec<_>, Vec<_>) = channels.unzip();
    let read = |message: Arc<Payload<16>>| {
        std::hint::black_box(message.read());
        1
    };
    let thread = poll_channels(receivers, read);
    for number in 0..EVENTS {
        let word = word(number, groups as u64);
        let first = (word >> 32) as usize * EACH;
        let message = Arc::new(Payload::new(word));
        for sender in &senders[first..first + EACH] {
            while sender.try_send(Arc::clone(&message)).is_err() {
                thread::yield_now();
            }
        }
    }
    drop(senders);
    thread.join().expect("no panic")
}

/// A contender, by name: answers how many deliveries there were.
type Contender = (&'static str, fn(usize) -> u64);

const CONTENDERS: [Contender; 3] = [
    ("meltica-dispatcher", |consumers| dispatcher(consumers, false)),
    ("meltica-dispatcher, inline", |consumers| dispatcher(consumers, true)),
    ("crossbeam-channel, an `Arc`, one thread polls", channels),
];

const CONSUMERS: [usize; 3] = [12, 99, 999];

pub(crate) struct Row {
    name: &'static str,
    figures: Vec<Figures>,
}

pub(crate) fn rows(rounds: usize) -> Vec<Row> {
    let mut rows: Vec<_> =
        CONTENDERS.iter().map(|(name, _)| Row { name, figures: vec![] }).collect();
    for consumers in CONSUMERS {
        let figures = interleaved(CONTENDERS.len(), rounds, |index| {
            let begun = Instant::now();
            let seen = (CONTENDERS[index].1)(consumers);
            let all = EVENTS * EACH as u64;
            // Up to 63 a consumer are not told.
            assert!(seen <= all && seen + 64 * consumers as u64 >= all, "all had theirs: {seen}");
            begun.elapsed().as_nanos() as f64 / EVENTS as f64
        });
        for (row, figures) in rows.iter_mut().zip(figures) {
            row.figures.push(figures);
        }
    }
    rows
}

pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut text = String::from("| |");
    for consumers in CONSUMERS {
        let _ = write!(text, " 3 of {consumers}, ns per message |");
    }
    text.push_str("\n| --- |");
    CONSUMERS.iter().for_each(|_| text.push_str(" ---: |"));
    text.push('\n');
    for Row { name, figures } in rows {
        let cell = |figures: &Figures| {
            let (middle, least, most) = figures.nanos;
            format!(" {middle:.0} [{least:.0} to {most:.0}] |")
        };
        let cells: String = figures.iter().map(cell).collect();
        let _ = writeln!(text, "| {name} |{cells}");
    }
    text
}
