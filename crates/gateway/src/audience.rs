//! The gateway's consumers, and what each of them saw.

use std::{
    collections::BTreeMap,
    hash::Hasher,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use hdrhistogram::Histogram;
use meltica::{
    Builder, Consumer, Delivery, Message, Select, Stats,
    event::{InstrumentId, Topic, VenueId},
};
use twox_hash::XxHash64;

use crate::{clock::Clock, ledger::Ledger, summary::Critical};

/// The longest latency told apart from longer ones, in nanoseconds: ten minutes.
const LONGEST_NS: u64 = 600_000_000_000;

/// Every consumer of a pipeline, to be asked when it is over.
pub(crate) struct Audience {
    members: Vec<(&'static str, Arc<Mutex<Seen>>)>,
}

/// What one consumer saw.
struct Seen {
    content: XxHash64,
    ledger: Ledger,
    /// Of the ledger, what it had not had when it was over.
    undelivered: u64,
    latency_ns: Histogram<u64>,
}

/// How a consumer behaves once it has noted a message.
#[derive(Clone, Copy)]
enum Manner {
    Quick,
    /// Sleeps over each market data message.
    Slow(Duration),
    /// Panics at every so many messages.
    Panicking(u64),
}

impl Audience {
    /// Ten consumers of everything that the run's local venues have; every one of them wants
    /// critical messages. One is slow, and one panics now and then.
    pub(crate) fn of_run(builder: Builder, clock: Clock) -> (Self, Builder) {
        let all = Select::all();
        let on = |topic| all.topic(topic);
        let slow = Manner::Slow(Duration::from_millis(1));
        Self::gather(
            builder,
            clock,
            &[
                ("quotes", on(Topic::TopOfBook), Manner::Quick),
                ("tape", on(Topic::Trades), Manner::Quick),
                ("books", on(Topic::Book), Manner::Quick),
                ("first-instrument", all.instrument(InstrumentId(1)), Manner::Quick),
                ("first-venue", all.venue(VenueId(1)), Manner::Quick),
                ("risk", Select::critical(), Manner::Quick),
                ("strategy", on(Topic::Merged).topic(Topic::MergedBook), Manner::Quick),
                ("recorder", all, Manner::Quick),
                ("slow", all, slow),
                ("unreliable", all, Manner::Panicking(1_000)),
            ],
        )
    }

    /// Well-behaved consumers of real venues.
    pub(crate) fn of_venues(builder: Builder, clock: Clock) -> (Self, Builder) {
        let all = Select::all();
        let on = |topic| all.topic(topic);
        Self::gather(
            builder,
            clock,
            &[
                ("quotes", on(Topic::TopOfBook), Manner::Quick),
                ("tape", on(Topic::Trades), Manner::Quick),
                ("books", on(Topic::Book), Manner::Quick),
                ("strategy", on(Topic::Merged).topic(Topic::MergedBook), Manner::Quick),
                ("recorder", all, Manner::Quick),
            ],
        )
    }

    /// Well-behaved consumers of a replay.
    pub(crate) fn of_replay(builder: Builder, clock: Clock) -> (Self, Builder) {
        let all = Select::all();
        let on = |topic| all.topic(topic);
        Self::gather(
            builder,
            clock,
            &[
                ("quotes", on(Topic::TopOfBook), Manner::Quick),
                ("tape", on(Topic::Trades), Manner::Quick),
                ("books", on(Topic::Book), Manner::Quick),
                ("recorder", all, Manner::Quick),
            ],
        )
    }

    fn gather(
        mut builder: Builder,
        clock: Clock,
        members: &[(&'static str, Select, Manner)],
    ) -> (Self, Builder) {
        let mut audience = Self { members: vec![] };
        for (name, select, manner) in members {
            let seen = Arc::new(Mutex::new(Seen::new()));
            audience.members.push((name, Arc::clone(&seen)));
            let consumer = Consumer::new(*name, member(seen, clock, *manner));
            builder = builder.consumer(consumer, [*select, Select::critical()]);
        }
        (audience, builder)
    }

    /// The hash of all that each consumer saw, in its order.
    pub(crate) fn content(&self) -> BTreeMap<String, String> {
        self.each(|name, seen| (name.to_owned(), format!("{:016x}", seen.content.finish())))
            .into_iter()
            .collect()
    }

    /// Notes that a consumer had not had this when it was over: it is not lost.
    pub(crate) fn undelivered(&self, consumer: &str, message: &Message) {
        if !matches!(message, Message::Execution(_)) {
            return;
        }
        self.each(|name, seen| {
            if name == consumer {
                seen.ledger.note(message.header().trace.0);
                seen.undelivered += 1;
            }
        });
    }

    /// Each consumer's ledger beside the publishers', added up; all of them want every critical
    /// message. Of one that was unsubscribed on the way nobody knows what it missed: only what it had is expected.
    pub(crate) fn critical(&self, mut published: Ledger, end: &Stats) -> Critical {
        let mut critical = Critical { published: published.len(), ..Critical::default() };
        let is_there = |name: &str| end.dispatcher.lanes.iter().any(|lane| &*lane.consumer == name);
        for (one, undelivered, is_there) in self.each(|name, seen| {
            (published.compare(&mut seen.ledger), seen.undelivered, is_there(name))
        }) {
            let lost = if is_there { one.lost } else { 0 };
            critical.delivered += one.delivered - undelivered;
            critical.lost += lost;
            critical.repeated += one.repeated;
            critical.expected += one.delivered + lost;
        }
        critical
    }

    /// Every latency that was measured.
    pub(crate) fn latency_ns(&self) -> Histogram<u64> {
        let mut sum = latencies();
        for one in self.each(|_, seen| seen.latency_ns.clone()) {
            // All have the same bounds.
            let _ = sum.add(one);
        }
        sum
    }

    fn each<R>(&self, mut ask: impl FnMut(&str, &mut Seen) -> R) -> Vec<R> {
        let lock = |(name, seen): &(&'static str, Arc<Mutex<Seen>>)| {
            ask(name, &mut seen.lock().unwrap_or_else(PoisonError::into_inner))
        };
        self.members.iter().map(lock).collect()
    }
}

/// A consumer's handler: notes what it gets on entry, then behaves in its manner.
fn member(seen: Arc<Mutex<Seen>>, clock: Clock, manner: Manner) -> impl FnMut(&Delivery) {
    let mut count = 0;
    move |delivery| {
        let now = clock.nanos();
        // Nobody else holds it while the pipeline runs, and nothing panics under it.
        seen.lock().unwrap_or_else(PoisonError::into_inner).note(delivery, now);
        count += 1;
        match manner {
            Manner::Slow(pause) if !delivery.is_critical() => thread::sleep(pause),
            Manner::Panicking(every) if count % every == 0 => {
                panic!("message {count} was one too many")
            }
            _ => {}
        }
    }
}

impl Seen {
    fn new() -> Self {
        Self {
            content: XxHash64::with_seed(0),
            ledger: Ledger::default(),
            undelivered: 0,
            latency_ns: latencies(),
        }
    }

    fn note(&mut self, delivery: &Delivery, now: u64) {
        let header = delivery.header();
        delivery.hash_content(&mut self.content);
        // Control events answer commands: whoever sends those hears of them, and no venue publishes them.
        if matches!(delivery.message, Message::Execution(_)) {
            self.ledger.note(header.trace.0);
        }
        if header.ingest_mono_ns > 0 {
            self.latency_ns.saturating_record(now.saturating_sub(header.ingest_mono_ns));
        }
    }
}

fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_NS, 3).expect("these bounds are valid")
}
