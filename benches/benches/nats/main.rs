//! What does it cost to have consumers on another machine, beside the client alone with JSON?
//!
//! - **meltica**: an `Outbound`, a server, an `Inbound`: frames, names, numbers that show a loss, folding under pressure; for
//!   critical messages the outbox on disk, order, and acknowledgement when the receiver is done;
//! - **client and JSON**: `async-nats` with `serde_json` and structs that own their texts: publish and subscribe; for
//!   critical messages JetStream publishes with their acknowledgements, a pull consumer, and an acknowledgement each.
//!
//! Over loopback, with a real nats-server. Contenders take turns within a round, and each figure is compared with meltica's
//! of the same round. Throughput keeps at most so many messages on their way, so that nothing is folded or lost; latency
//! is from before the call that sends to the receiver's handler, at a pace that leaves both idle.
//!
//! `cargo xtask nats-server` installs a server; `cargo bench -p meltica-benches --bench nats` prints the tables; with
//! `-- --write` they go into `docs/performance.md`. `-- --quick` takes three rounds in place of nine.

mod codec;
mod ours;
mod plain;
mod sync;

use std::{
    fmt::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use meltica_benches::{Figures, interleaved, page, spread};
use meltica_nats::testing::{Server, ServerOptions};

/// Both ways of a message: sent here, seen there.
pub(crate) trait Way {
    /// Sends the message of this number.
    fn send(&self, number: u64);
    /// What was seen.
    fn seen(&self) -> &Seen;
}

/// What the receiver has seen.
#[derive(Default)]
pub(crate) struct Seen {
    count: AtomicU64,
    /// Of the message of each number, modulo their number: when it was sent, and how long it took.
    sent: Vec<AtomicU64>,
    took: Vec<AtomicU64>,
}

/// So many messages may be on their way at a time.
const ON_THEIR_WAY: u64 = 256;
const ROOM: usize = 1 << 16;

impl Seen {
    pub(crate) fn new() -> Arc<Self> {
        let room = || (0..ROOM).map(|_| AtomicU64::new(0)).collect();
        Arc::new(Self { count: AtomicU64::new(0), sent: room(), took: room() })
    }

    pub(crate) fn note(&self, number: u64, clock: Instant) {
        let at = number as usize % ROOM;
        let took = (clock.elapsed().as_nanos() as u64).saturating_sub(self.sent[at].load(Relaxed));
        self.took[at].store(took, Relaxed);
        self.count.fetch_add(1, Relaxed);
    }
}

/// Sends so many messages as fast as they come; answers nanoseconds a message.
fn throughput(way: &dyn Way, messages: u64) -> f64 {
    let begin = way.seen().count.load(Relaxed);
    let start = Instant::now();
    for number in 0..messages {
        while number.saturating_sub(way.seen().count.load(Relaxed) - begin) >= ON_THEIR_WAY {
            thread::yield_now();
        }
        way.send(number);
    }
    let end = Instant::now() + Duration::from_secs(60);
    while way.seen().count.load(Relaxed) - begin < messages {
        assert!(Instant::now() < end, "what was sent does not come");
        thread::yield_now();
    }
    start.elapsed().as_nanos() as f64 / messages as f64
}

/// Sends so many messages at this pace; answers how long the middle one and the slowest of a hundred took, in
/// microseconds.
fn latency(way: &dyn Way, clock: Instant, messages: u64, pause: Duration) -> (f64, f64) {
    let begin = way.seen().count.load(Relaxed);
    for number in 0..messages {
        thread::sleep(pause);
        way.seen().sent[number as usize % ROOM].store(clock.elapsed().as_nanos() as u64, Relaxed);
        way.send(number);
    }
    while way.seen().count.load(Relaxed) - begin < messages {
        thread::sleep(Duration::from_millis(1));
    }
    let took = |number: u64| way.seen().took[number as usize % ROOM].load(Relaxed);
    let mut took: Vec<u64> = (0..messages).map(took).collect();
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize] as f64 / 1e3;
    (at(0.5), at(0.99))
}

/// One of the questions: both contenders, each with its own subjects.
fn table(
    title: &str,
    ways: [&dyn Way; 2],
    clock: Instant,
    rounds: usize,
    (messages, paced, pause): (u64, u64, Duration),
) -> String {
    let figures = interleaved(2, rounds, |index| throughput(ways[index], messages));
    let mut text = format!(
        "### {title}\n\n| | messages per second | ns per message | × meltica | p50 | p99 |\n\
         | --- | ---: | ---: | ---: | ---: | ---: |\n"
    );
    let mut delays = [vec![], vec![]];
    for round in 0..rounds {
        for turn in 0..2 {
            let index = (round + turn) % 2;
            delays[index].push(latency(ways[index], clock, paced, pause));
        }
    }
    let names = ["meltica", "client and JSON"];
    for ((name, Figures { nanos, ratio }), delays) in names.iter().zip(figures).zip(delays) {
        let (p50, p99): (Vec<_>, Vec<_>) = delays.into_iter().unzip();
        let (p50, p99) = (spread(p50).0, spread(p99).0);
        writeln!(
            text,
            "| {name} | {:.0} | {:.0} [{:.0} to {:.0}] | {:.2} [{:.2} to {:.2}] | {p50:.0} µs | {p99:.0} µs |",
            1e9 / nanos.0, nanos.0, nanos.1, nanos.2, ratio.0, ratio.1, ratio.2
        )
        .expect("a String takes all");
    }
    text
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let rounds = if has("--quick") { 3 } else { 9 };
    let server = Server::start(ServerOptions::default()).expect("a nats-server");
    let folder = std::env::temp_dir().join(format!("meltica-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let clock = Instant::now();
    let ours = ours::Ours::start(&server.url(), &folder, clock);
    let plain = plain::Plain::start(&server.url(), clock);
    let fast = (20_000, 1_000, Duration::from_micros(500));
    let careful = (2_000, 200, Duration::from_millis(3));
    let mut text = table(
        "Market data: trades of 16 instruments",
        [&ours.market(), &plain.market()],
        clock,
        rounds,
        fast,
    );
    text.push('\n');
    text.push_str(&table(
        "Critical messages: execution reports, with the server's usual sync",
        [&ours.critical(), &plain.critical()],
        clock,
        rounds,
        careful,
    ));
    text.push('\n');
    text.push_str(&codec::table(rounds));
    text.push('\n');
    text.push_str(&sync::table(rounds.min(3)));
    drop((ours, plain, server));
    // It is ours, and what is in it goes with it.
    let _ = std::fs::remove_dir_all(&folder);
    println!("{text}");
    if has("--write") {
        page::write("nats", &text).expect("the page can be written");
    }
}
