//! Ten thousand messages a second to ten consumers: how long does one take to get there, and what does waiting for it
//! cost?

use std::{
    fmt::Write as _,
    fs,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use disruptor::{Polling, Producer};
use hdrhistogram::Histogram;
use meltica_benches::spread;
use meltica_dispatcher::{Delivery, Route, Subscription, WhenIdle};
use meltica_recycler::Lease;

use crate::{
    contenders::{CAPACITY, Payload},
    dispatcher::{Leases, builder, lease, pool},
};

const CONSUMERS: usize = 10;
const A_SECOND: u64 = 10_000;
const EVENTS: u64 = 2 * A_SECOND;

/// When a round began, by which messages are stamped.
#[derive(Clone, Copy)]
struct Start(Instant);

impl Start {
    fn nanos(self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }

    /// Publishes at the pace. This thread spins in between: so its core does not sleep, and what is compared is how
    /// consumers wait.
    fn publish(self, mut publish: impl FnMut(u64)) {
        let gap = 1_000_000_000 / A_SECOND;
        for number in 1..=EVENTS {
            while self.nanos() < number * gap {
                std::hint::spin_loop();
            }
            publish(self.nanos());
        }
    }
}

type All = Arc<Mutex<Histogram<u64>>>;

/// What a consumer measures, which is added to what all do when it is dropped.
struct Seen {
    start: Start,
    mine: Histogram<u64>,
    all: All,
}

impl Seen {
    fn new(start: Start, all: &All) -> Self {
        Self { start, mine: histogram(), all: Arc::clone(all) }
    }

    #[inline]
    fn see(&mut self, message: &Payload<16>) {
        let took = self.start.nanos() - message.read();
        self.mine.record(took.max(1)).expect("any time fits");
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        let mut all = self.all.lock().expect("nobody panics");
        all.add(&self.mine).expect("they are alike");
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new(3).expect("three digits")
}

fn dispatcher(start: Start, all: &All, when_idle: WhenIdle, inline: bool) {
    let dispatcher = builder::<Leases<16>>().when_idle(when_idle);
    let mut dispatcher = dispatcher.build().expect("valid settings");
    for index in 0..CONSUMERS {
        let mut seen = Seen::new(start, all);
        let handle = move |message: &Delivery<Lease<Payload<16>>>| seen.see(message);
        let subscription = Subscription::borrowing(format!("consumer-{index}"), handle);
        let subscription = if inline { subscription.inline() } else { subscription };
        dispatcher.routes().subscribe(subscription.to(Route::All)).expect("a name of its own");
    }
    let pool = pool::<16>(CONSUMERS);
    start.publish(|stamp| {
        assert!(dispatcher.publish(lease(&pool, stamp), start.0).is_ok());
    });
    assert!(dispatcher.shutdown(Duration::from_secs(10)).is_clean());
}

fn threads<R: Send + 'static>(
    start: Start,
    all: &All,
    receivers: Vec<R>,
    run: fn(R, Seen),
) -> Vec<thread::JoinHandle<()>> {
    let spawn = |receiver| {
        let seen = Seen::new(start, all);
        thread::spawn(move || run(receiver, seen))
    };
    receivers.into_iter().map(spawn).collect()
}

macro_rules! channels {
    ($name:ident, $bounded:path, $receiver:ty) => {
        fn $name(start: Start, all: &All) {
            let channels = (0..CONSUMERS).map(|_| $bounded(CAPACITY));
            let (senders, receivers): (Vec<_>, Vec<_>) = channels.unzip();
            let threads = threads(start, all, receivers, |receiver: $receiver, mut seen| {
                while let Ok(message) = receiver.recv() {
                    seen.see(&message);
                }
            });
            start.publish(|stamp| {
                let message = Arc::new(Payload::new(stamp));
                for sender in &senders {
                    sender.send(Arc::clone(&message)).expect("consumers are there");
                }
            });
            drop(senders);
            threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        }
    };
}

channels!(crossbeam, crossbeam_channel::bounded, crossbeam_channel::Receiver<Arc<Payload<16>>>);
channels!(kanal, kanal::bounded, kanal::Receiver<Arc<Payload<16>>>);

fn broadcast(start: Start, all: &All) {
    let (sender, _) = tokio::sync::broadcast::channel::<Payload<16>>(CAPACITY);
    let receivers = (0..CONSUMERS).map(|_| sender.subscribe()).collect();
    let threads = threads(start, all, receivers, |mut receiver, mut seen| {
        while let Ok(message) = receiver.blocking_recv() {
            seen.see(&message);
        }
    });
    start.publish(|stamp| assert!(sender.send(Payload::new(stamp)).is_ok()));
    drop(sender);
    threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
}

fn disruptor(start: Start, all: &All, pause: fn()) {
    let wait = disruptor::BusySpin;
    let builder = disruptor::build_single_producer(CAPACITY, Payload::<16>::default, wait);
    let (first, builder) = builder.new_event_poller();
    let (second, mut builder) = builder.new_event_poller();
    let mut pollers = vec![first, second];
    while pollers.len() < CONSUMERS {
        let (poller, again) = builder.new_event_poller();
        pollers.push(poller);
        builder = again;
    }
    let mut producer = builder.build();
    let mut pollers: Vec<_> =
        pollers.into_iter().map(|poller| (poller, Seen::new(start, all))).collect();
    let thread = thread::spawn(move || {
        loop {
            let (mut idle, mut over) = (true, true);
            for (poller, seen) in &mut pollers {
                match poller.poll() {
                    Ok(mut messages) => {
                        (idle, over) = (false, false);
                        (&mut messages).for_each(|message| seen.see(message));
                    }
                    Err(Polling::NoEvents) => over = false,
                    Err(Polling::Shutdown) => {}
                }
            }
            if over {
                return;
            }
            if idle {
                pause();
            }
        }
    });
    start.publish(|stamp| {
        let published = producer.try_publish(|slot| *slot = Payload::new(stamp));
        assert!(published.is_ok(), "there is room at this pace");
    });
    drop(producer);
    thread.join().expect("no panic");
}

/// A contender, by name.
type Contender = (&'static str, fn(Start, &All));

const CONTENDERS: [Contender; 9] = [
    ("meltica-dispatcher, inline", |start, all| dispatcher(start, all, WhenIdle::Sleep, true)),
    ("meltica-dispatcher, spins", |start, all| dispatcher(start, all, WhenIdle::Spin, false)),
    ("meltica-dispatcher, yields", |start, all| dispatcher(start, all, WhenIdle::Yield, false)),
    ("meltica-dispatcher, sleeps", |start, all| dispatcher(start, all, WhenIdle::Sleep, false)),
    ("disruptor, one thread spins", |start, all| disruptor(start, all, std::hint::spin_loop)),
    ("disruptor, one thread yields", |start, all| disruptor(start, all, thread::yield_now)),
    ("crossbeam-channel, an `Arc`", crossbeam),
    ("kanal, an `Arc`", kanal),
    ("tokio broadcast", broadcast),
];

/// Ticks of 10 ms that this process had on any core, and this thread; `None` where the system does not say.
fn ticks() -> Option<(u64, u64)> {
    let of = |path| {
        let stat = fs::read_to_string(path).ok()?;
        // The name, in parentheses, may have spaces in it.
        let numbers = stat.rsplit_once(')')?.1;
        let mut numbers = numbers.split_whitespace().skip(11).map_while(|n| n.parse::<u64>().ok());
        Some(numbers.next()? + numbers.next()?)
    };
    Some((of("/proc/self/stat")?, of("/proc/thread-self/stat")?))
}

pub(crate) struct Row {
    name: &'static str,
    /// Microseconds: the median, and what one in a hundred and one in a thousand exceeds.
    quantiles: [(f64, f64, f64); 3],
    /// Cores' time that consumers took, of one core's.
    busy: Option<(f64, f64, f64)>,
}

pub(crate) fn rows(rounds: usize) -> Vec<Row> {
    let mut rows: Vec<_> = CONTENDERS.iter().map(|_| ([vec![], vec![], vec![]], vec![])).collect();
    for _ in 0..rounds {
        for ((_, run), (quantiles, busy)) in CONTENDERS.iter().zip(&mut rows) {
            let all = Arc::new(Mutex::new(histogram()));
            let (before, start) = (ticks(), Start(Instant::now()));
            run(start, &all);
            let (after, took) = (ticks(), start.0.elapsed());
            let all = all.lock().expect("nobody panics");
            assert_eq!(all.len(), EVENTS * CONSUMERS as u64, "all had all");
            for (quantile, at) in quantiles.iter_mut().zip([0.5, 0.99, 0.999]) {
                quantile.push(all.value_at_quantile(at) as f64 / 1e3);
            }
            if let (Some(before), Some(after)) = (before, after) {
                let others = (after.0 - before.0).saturating_sub(after.1 - before.1);
                busy.push(others as f64 / (100.0 * took.as_secs_f64()));
            }
        }
    }
    let row = |((name, _), (quantiles, busy)): (&Contender, ([Vec<f64>; 3], Vec<f64>))| Row {
        name,
        quantiles: quantiles.map(spread),
        busy: (!busy.is_empty()).then(|| spread(busy)),
    };
    CONTENDERS.iter().zip(rows).map(row).collect()
}

pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut text = String::from(
        "| | p50, µs | p99, µs | p99.9, µs | of a core |\n| --- | ---: | ---: | ---: | ---: |\n",
    );
    for Row { name, quantiles, busy } in rows {
        let cell = |(middle, least, most): &(f64, f64, f64)| {
            format!("{middle:.1} [{least:.1} to {most:.1}]")
        };
        let cells: Vec<_> = quantiles.iter().map(cell).collect();
        let busy = busy.map_or(String::new(), |(busy, ..)| format!("{:.0} %", busy * 100.0));
        let _ = writeln!(text, "| {name} | {} | {busy} |", cells.join(" | "));
    }
    text
}
