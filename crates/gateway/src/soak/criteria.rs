//! `--profile sc`: every success criterion that is a number, beside its bar.

use std::{
    fmt,
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use meltica::{
    Consumer, Delivery, End, Message, Pipeline, Select,
    event::{Event, EventKind, Header, InstrumentId, Level, Payload, Price, Quantity, TopOfBook},
};
use serde::Serialize;

use crate::{
    interrupt::Interrupt,
    say::say,
    soak::{
        SoakError,
        endurance::{Length, Plan, endure},
        endured::Endured,
        memory::BAR,
    },
};

/// The longest latency told apart from longer ones, in nanoseconds: a minute.
const LONGEST_NS: u64 = 60_000_000_000;
const SUBSCRIBERS: usize = 10;
/// The share of the events of an endurance run on which one of them panics.
const PANIC_RATE: f64 = 0.1;
/// Consumers that do real work at the same time.
const WORKERS: usize = 5;
/// Messages that each of them works on, for each second that a measurement is held; and how often that
/// is repeated.
const MESSAGES_A_SECOND: f64 = 400.0;
const ROUNDS: usize = 5;

/// What was measured, beside its bar.
#[derive(Debug, Serialize)]
pub(crate) struct Criteria {
    pub(crate) rows: Vec<Row>,
    /// How many cores there are.
    cores: usize,
}

#[derive(Debug, Serialize)]
pub(crate) struct Row {
    id: &'static str,
    what: String,
    unit: &'static str,
    /// What `measured` must stay below, or for an efficiency reach.
    bar: f64,
    measured: f64,
    /// Null if the measurement was not held for long enough to judge.
    pass: Option<bool>,
}

/// Runs every measurement of the success criteria.
pub(crate) fn measure(held: Duration) -> Result<Criteria, SoakError> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    say("SC-002, SC-004, SC-005, SC-006, SC-010: an endurance run, flips and panics in it");
    // First: what others leave to the allocator would hide that it grows.
    let plan = Plan {
        length: Length::Time(held),
        consumers: SUBSCRIBERS,
        panic_rate: PANIC_RATE,
        seed: 1,
    };
    // Nobody listens for Ctrl-C: it ends the program, here as in the other measurements.
    let endured = endure(&plan, &Interrupt::default())?;
    say("SC-001: 10,000 events a second to ten consumers");
    let slow = fan_out(10_000, held)?;
    say("SC-003: 100,000 events a second to ten consumers");
    let fast = fan_out(100_000, held)?;
    say("SC-009: five consumers that work");
    let efficiency = efficiency(cores, held)?;
    let mut rows = vec![
        row(
            "SC-001",
            &slow.what("p99 from publishing to the tenth consumer's entry"),
            "ms",
            1.0,
            slow.tenth_ms,
            slow.is_held().then_some(slow.tenth_ms < 1.0),
        ),
        row(
            "SC-003",
            &fast.what("peak use of the pool of events, to ten consumers"),
            "of its capacity",
            0.8,
            fast.peak,
            fast.is_held().then_some(fast.peak < 0.8),
        ),
        row(
            "SC-009",
            "five consumers' speed beside as many threads as there are cores, with no pipeline",
            "of it",
            0.9,
            efficiency,
            Some(efficiency >= 0.9),
        ),
    ];
    rows.extend(endurance_rows(&endured));
    // By their numbers.
    rows.sort_by_key(|row| row.id);
    Ok(Criteria { rows, cores })
}

fn row(
    id: &'static str,
    what: &str,
    unit: &'static str,
    bar: f64,
    measured: f64,
    pass: Option<bool>,
) -> Row {
    Row { id, what: what.to_owned(), unit, bar, measured, pass }
}

/// What an endurance run says about the criteria that it can break.
fn endurance_rows(run: &Endured) -> Vec<Row> {
    // Of what must not be at all, there must be less than one.
    let none = |id, what: &str, unit, count: u64| {
        let what = format!("{what}, over {} events with {} flips", run.events, run.flips);
        row(id, &what, unit, 1.0, count as f64, Some(count == 0))
    };
    // Where the system does not say how many threads there are, it cannot be judged.
    let mut left_behind = none(
        "SC-005",
        "threads and leases left behind where consumers panic on one event in ten",
        "of them",
        run.leases_outstanding + run.threads_leaked.unwrap_or(0),
    );
    left_behind.pass = left_behind.pass.filter(|pass| run.threads_leaked.is_some() || !pass);
    let critical = run.critical.lost + run.critical.repeated;
    let mut rows = vec![
        none(
            "SC-004",
            "critical messages not delivered exactly once to each of ten consumers",
            "messages",
            critical,
        ),
        left_behind,
        none(
            "SC-006",
            "panics that the fault sink was not told exactly once, with their trace id",
            "panics",
            run.panics.amiss(),
        ),
        none(
            "SC-010",
            "market data started although the gate had moved past their version",
            "messages",
            run.stale,
        ),
    ];
    match run.memory {
        Some(memory) => {
            let growth = memory.growth.abs();
            let what = "change of resident memory from the second to the last tenth of the run";
            rows.push(row("SC-002", what, "of it", BAR, growth, memory.flat));
        }
        None => {
            let what = "not measured: the system does not say, or the run was too short";
            rows.push(row("SC-002", what, "of it", BAR, 0.0, None));
        }
    }
    rows
}

/// What came of holding a rate.
struct FanOut {
    rate: u64,
    /// Events a second that were really published.
    reached: f64,
    /// The p99 from publishing to the last consumer's entry.
    tenth_ms: f64,
    /// Of the pool, as a share of its capacity.
    peak: f64,
}

impl FanOut {
    /// Whether the rate was reached, so that what was measured is what was asked.
    fn is_held(&self) -> bool {
        self.reached >= 0.99 * self.rate as f64
    }

    fn what(&self, what: &str) -> String {
        format!("{what}, at {:.0} of {} events a second", self.reached, self.rate)
    }
}

/// Holds a rate.
fn fan_out(rate: u64, held: Duration) -> Result<FanOut, SoakError> {
    let events = (rate as f64 * held.as_secs_f64()).max(1.0) as u64;
    // How many consumers have entered each message, and when the last one did.
    let entered: Arc<[AtomicU8]> = (0..events).map(|_| AtomicU8::new(0)).collect();
    let last: Arc<[AtomicU64]> = (0..events).map(|_| AtomicU64::new(0)).collect();
    let start = Instant::now();
    let mut builder = Pipeline::builder();
    for index in 0..SUBSCRIBERS {
        let (entered, last) = (Arc::clone(&entered), Arc::clone(&last));
        let note = move |delivery: &Delivery| {
            let number = delivery.header().sequence as usize;
            if usize::from(entered[number].fetch_add(1, Relaxed)) == SUBSCRIBERS - 1 {
                last[number].store(start.elapsed().as_nanos() as u64, Relaxed);
            }
        };
        builder =
            builder.consumer(Consumer::new(format!("consumer-{index}"), note), [Select::all()]);
    }
    let mut pipeline = builder.build()?;
    let pools = pipeline.pools().clone();
    let mut published = Vec::with_capacity(events as usize);
    let begin = Instant::now();
    let pace = held.as_nanos() as u64 / events;
    for number in 0..events {
        let due = Duration::from_nanos(number * pace);
        loop {
            let ahead = due.saturating_sub(begin.elapsed());
            if ahead.is_zero() {
                break;
            }
            // The cores are the consumers' while nothing is due.
            thread::sleep(ahead.min(Duration::from_millis(1)));
        }
        let mut event = pools.events.lease_or_heap();
        *event = quote(number);
        let now = Instant::now();
        published.push((now - start).as_nanos() as u64);
        pipeline.push(Message::from(event), now)?;
    }
    let reached = events as f64 / begin.elapsed().as_secs_f64();
    all_delivered(pipeline.shutdown(Duration::from_secs(20)))?;
    let mut latency =
        Histogram::<u64>::new_with_bounds(1, LONGEST_NS, 3).expect("these bounds are valid");
    for (last, published) in last.iter().zip(published) {
        let last = last.load(Relaxed);
        // Where some consumer was given less than all, it lagged: that is as late as can be.
        latency.saturating_record(if last == 0 { LONGEST_NS } else { last - published });
    }
    let stats = pools.events.stats();
    let peak = stats.peak as f64 + stats.heap_fallbacks as f64;
    let tenth_ms = latency.value_at_quantile(0.99) as f64 / 1e6;
    Ok(FanOut { rate, reached, tenth_ms, peak: peak / stats.capacity as f64 })
}

fn all_delivered(end: End) -> Result<(), SoakError> {
    match end.undelivered.len() {
        0 => Ok(()),
        undelivered => Err(SoakError::Undelivered(undelivered)),
    }
}

/// How much of the speed of plain threads, one a core, five consumers reach that share the same work.
/// The two take turns, and the middle of the ratios is the answer.
fn efficiency(cores: usize, held: Duration) -> Result<f64, SoakError> {
    let messages = (MESSAGES_A_SECOND * held.as_secs_f64()).max(1.0) as usize;
    let mut ratios = vec![];
    for _ in 0..ROUNDS {
        let threads = cores.min(WORKERS);
        let plain = plain(threads, messages)?;
        ratios.push(plain / consumers(messages)?);
    }
    ratios.sort_by(f64::total_cmp);
    Ok(ratios[ROUNDS / 2])
}

/// Seconds that so many threads take for the work of all consumers.
fn plain(threads: usize, messages: usize) -> Result<f64, SoakError> {
    let start = Instant::now();
    let all = WORKERS * messages;
    let mut joined = vec![];
    for index in 0..threads {
        let share = all / threads + usize::from(index < all % threads);
        let work = move || (0..share).for_each(|number| work(number as u64));
        joined.push(thread::Builder::new().name(format!("plain-{index}")).spawn(work)?);
    }
    // They do nothing that could panic.
    joined.into_iter().for_each(|thread| drop(thread.join()));
    Ok(start.elapsed().as_secs_f64())
}

/// Seconds that the consumers take for it.
fn consumers(messages: usize) -> Result<f64, SoakError> {
    let mut builder = Pipeline::builder().lane_capacity(messages + 1);
    for index in 0..WORKERS {
        let handle = |delivery: &Delivery| work(delivery.header().sequence);
        builder =
            builder.consumer(Consumer::new(format!("worker-{index}"), handle), [Select::all()]);
    }
    let mut pipeline = builder.build()?;
    let pools = pipeline.pools().clone();
    let start = Instant::now();
    for number in 0..messages as u64 {
        let mut event = pools.events.lease_or_heap();
        *event = quote(number);
        pipeline.push(Message::from(event), start)?;
    }
    all_delivered(pipeline.shutdown(Duration::from_secs(60)))?;
    Ok(start.elapsed().as_secs_f64())
}

/// Some 30 µs of computing.
fn work(seed: u64) {
    let mut hash = seed;
    for round in 0..20_000u64 {
        hash = (hash ^ round).wrapping_mul(0x0100_0000_01B3);
    }
    black_box(hash);
}

fn quote(number: u64) -> Event {
    let level = Level { price: Price::from_units(1), quantity: Quantity::from_units(1) };
    let top = Payload::TopOfBook(TopOfBook { bid: level, ask: level });
    let header = Header {
        kind: EventKind::TopOfBook,
        sequence: number,
        instrument: InstrumentId(1),
        ..Header::default()
    };
    Event::new(header, top)
}

impl Criteria {
    /// Which bars were missed.
    pub(crate) fn verdict(&self) -> Result<(), String> {
        let missed: Vec<_> = self
            .rows
            .iter()
            .filter(|row| row.pass == Some(false))
            .map(|row| format!("{} missed", row.id))
            .collect();
        if missed.is_empty() { Ok(()) } else { Err(missed.join(", ")) }
    }

    /// One JSON object.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).expect("numbers and text are always JSON")
    }
}

impl fmt::Display for Criteria {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} cores", self.cores)?;
        for Row { id, what, unit, bar, measured, pass } in &self.rows {
            let verdict = match pass {
                Some(true) => "pass",
                Some(false) => "MISSED",
                None => "too short to judge",
            };
            writeln!(f, "{id}  {verdict:<6}  {measured:.3} {unit}, bar {bar}: {what}")?;
        }
        Ok(())
    }
}
