//! Ten consumers, of which one sleeps over every message, or panics over every tenth: what do the nine keep?

use std::{
    fmt::Write as _,
    thread,
    time::{Duration, Instant},
};

use meltica_benches::spread;
use meltica_dispatcher::{Delivery, Route, Subscription};
use meltica_recycler::Lease;

use crate::{
    contenders::{CAPACITY, Load, NAP, Payload, Round},
    dispatcher::{Leases, builder, lease, pool},
    peers,
};

const CONSUMERS: usize = 10;
const EVENTS: u64 = 4_000_000;
/// With a sleeper a peer's publisher goes at the sleeper's pace, and gets fewer.
const EVENTS_WITH_SLEEPER: u64 = CAPACITY as u64 + 300;

/// What the tenth consumer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tenth {
    Well,
    Sleeps,
    Panics,
}

/// What the nine had.
struct Nine {
    nanos: f64,
    /// Messages that some of them did not get, being behind for a moment, of a million.
    missed: f64,
}

fn dispatcher(workers: usize, tenth: Tenth) -> Nine {
    let mut dispatcher = builder::<Leases<16>>().workers(workers).build().expect("valid settings");
    let routes = dispatcher.routes();
    for index in 0..CONSUMERS {
        let mut count = 0_u64;
        let handle = move |message: &Delivery<Lease<Payload<16>>>| {
            std::hint::black_box(message.read());
            count += 1;
            match tenth {
                Tenth::Sleeps if index == 0 => thread::sleep(NAP),
                Tenth::Panics if index == 0 && count % 10 == 9 => panic!("as every tenth time"),
                _ => {}
            }
        };
        let subscription = Subscription::borrowing(format!("consumer-{index}"), handle);
        routes.subscribe(subscription.to(Route::All)).expect("a name of its own");
    }
    let pool = pool::<16>(CONSUMERS);
    let now = Instant::now();
    for number in 0..EVENTS {
        assert!(dispatcher.publish(lease(&pool, number), now).is_ok());
    }
    let missed = loop {
        let lanes = routes.stats().lanes;
        if lanes[1..].iter().all(|lane| lane.delivered + lane.dropped == EVENTS) {
            break lanes[1..].iter().map(|lane| lane.dropped).sum::<u64>();
        }
        thread::sleep(Duration::from_micros(20));
    };
    let nanos = now.elapsed().as_nanos() as f64 / EVENTS as f64;
    // What the sleeper has not had is handed back.
    drop(dispatcher.shutdown(Duration::ZERO));
    Nine { nanos, missed: missed as f64 * 1e6 / (EVENTS * (CONSUMERS as u64 - 1)) as f64 }
}

pub(crate) struct Row {
    name: String,
    well: (f64, f64, f64),
    unwell: (f64, f64, f64),
    /// Of their throughput.
    kept: (f64, f64, f64),
    missed: Option<f64>,
}

/// A peer, by name.
type Peer = (&'static str, fn(Load) -> Round);

/// Of the contenders that are wanted, by name.
pub(crate) fn rows(rounds: usize, is_wanted: impl Fn(&str) -> bool) -> Vec<Row> {
    // Panics are caught, and of no interest.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let mut rows = vec![];
    for (tenth, what) in [(Tenth::Sleeps, "one sleeps"), (Tenth::Panics, "one panics")] {
        for workers in [1, 2] {
            let plural = if workers == 1 { "worker" } else { "workers" };
            let name = format!("meltica-dispatcher, {workers} {plural}, {what}");
            if !is_wanted(&name) {
                continue;
            }
            let (mut well, mut unwell, mut kept, mut missed) = (vec![], vec![], vec![], vec![]);
            dispatcher(workers, Tenth::Well);
            for _ in 0..rounds {
                let (good, bad) = (dispatcher(workers, Tenth::Well), dispatcher(workers, tenth));
                well.push(good.nanos);
                unwell.push(bad.nanos);
                kept.push(good.nanos / bad.nanos);
                missed.push(bad.missed);
            }
            rows.push(Row {
                name,
                well: spread(well),
                unwell: spread(unwell),
                kept: spread(kept),
                missed: Some(spread(missed).0),
            });
        }
    }
    std::panic::set_hook(hook);
    let peers: [Peer; 5] = [
        ("crossbeam-channel, an `Arc`, one sleeps", peers::crossbeam_arc::<16>),
        ("kanal, an `Arc`, one sleeps", peers::kanal_arc::<16>),
        ("tokio broadcast, one sleeps", peers::broadcast::<16>),
        ("bus, one sleeps", peers::bus::<16>),
        ("disruptor, one thread polls, one sleeps", peers::disruptor_polled::<16>),
    ];
    for (name, round) in peers.into_iter().filter(|(name, _)| is_wanted(name)) {
        let (mut well, mut unwell, mut kept) = (vec![], vec![], vec![]);
        for _ in 0..rounds.min(3) {
            let good = round(Load::of(CONSUMERS, EVENTS / 4)).pace.as_nanos() as f64;
            let sleeper = Load { sleeper: true, ..Load::of(CONSUMERS, EVENTS_WITH_SLEEPER) };
            let bad = round(sleeper).pace.as_nanos() as f64;
            well.push(good);
            unwell.push(bad);
            kept.push(good / bad);
        }
        rows.push(Row {
            name: name.to_owned(),
            well: spread(well),
            unwell: spread(unwell),
            kept: spread(kept),
            missed: None,
        });
    }
    rows
}

pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut text = String::from(
        "| | all well, ns per message | one unwell | throughput the nine keep | missed, of a million |\n\
         | --- | ---: | ---: | ---: | ---: |\n",
    );
    for Row { name, well, unwell, kept, missed } in rows {
        let percent = |share: f64| share * 100.0;
        let (kept, low, high) = (percent(kept.0), percent(kept.1), percent(kept.2));
        let digits = if kept < 1.0 { 2 } else { 0 };
        let missed = missed.map_or(String::new(), |missed| format!("{missed:.0}"));
        let _ = writeln!(
            text,
            "| {name} | {:.0} [{:.0} to {:.0}] | {:.0} [{:.0} to {:.0}] | {kept:.digits$} % \
             [{low:.digits$} to {high:.digits$}] | {missed} |",
            well.0, well.1, well.2, unwell.0, unwell.1, unwell.2
        );
    }
    text
}
