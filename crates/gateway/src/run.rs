//! `meltica run`: synthetic venues into ten consumers.

use std::{
    collections::HashSet,
    io::{self, IsTerminal},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use meltica::{
    BuildError, Feed, MergeRule, Pipeline, Running,
    event::{Catalog, CatalogError, ParseInstrumentError, TraceId, VenueId},
};
use meltica_telemetry::{Metrics, families};
use meltica_venue::{Ingest, Synthetic, VenuePools};

use crate::{
    allocations,
    audience::Audience,
    bridge::message,
    cli::RunArgs,
    clock::{self, Clock},
    http::{Door, ListenError},
    interrupt::Interrupt,
    ledger::Ledger,
    say::{say, say_in_place},
    summary::Summary,
    threads,
};

const VENUES: [&str; 3] = ["alpha", "beta", "gamma"];
const INSTRUMENTS: [&str; 4] = ["BTC-USDT", "ETH-USDT", "SOL-USDT", "BTC-USDT-PERP"];
/// Messages between the venues' threads and the pipeline's.
const FEED_CAPACITY: usize = 4_096;
/// Messages of a class that may wait for a consumer.
const LANE_CAPACITY: usize = 256;
/// How long consumers get to finish at the end.
const DRAIN: Duration = Duration::from_secs(20);
/// Levels on each side of a consolidated book.
const DEPTH: usize = 10;
/// How often a venue wakes to send what is due.
const TICK: Duration = Duration::from_millis(1);

#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error("{0}")]
    Build(#[from] BuildError),
    #[error("{0}")]
    Catalog(#[from] CatalogError),
    #[error("{0}")]
    Instrument(#[from] ParseInstrumentError),
    #[error("{0}")]
    Listen(#[from] ListenError),
    #[error("no thread: {0}")]
    Thread(#[from] io::Error),
    #[error("Ctrl-C cannot be listened for: {0}")]
    Interrupt(#[from] ctrlc::Error),
    #[error("the pipeline's thread ended early; the log says why")]
    CoreGone,
    #[error("a venue's thread ended early; the log says why")]
    VenueGone,
}

/// Runs until the time is over or the user interrupts, and tells what happened.
pub(crate) fn run(args: &RunArgs) -> Result<Summary, RunError> {
    let door = Door::open(args.listen)?;
    let interrupt = Interrupt::listen()?;
    meltica::consumer::install_panic_hook(Default::default());
    let baseline = threads::Baseline::now();
    let clock = Clock::start();

    let mut catalog = Catalog::new();
    let mut venues = vec![];
    for name in VENUES {
        venues.push(catalog.venue(name)?);
    }
    let mut instruments = vec![];
    for name in INSTRUMENTS {
        instruments.push(catalog.instrument(name.parse()?)?);
    }
    let told = Mutex::new(HashSet::new());
    let dead_letters = Arc::new(AtomicU64::new(0));
    let dead = Arc::clone(&dead_letters);
    let builder = Pipeline::builder()
        .lane_capacity(LANE_CAPACITY)
        .follow_one_in(args.follow_one_in)
        .merge(MergeRule::view("view", venues.iter().copied()).windows(INSTRUMENTS.len()))
        .merge(MergeRule::depth("depth", venues.iter().copied(), DEPTH).windows(INSTRUMENTS.len()));
    let builder = builder.fault_sink(move |fault| {
        // Each consumer's first failure is told, all are counted.
        if told.lock().unwrap_or_else(PoisonError::into_inner).insert(Arc::clone(&fault.consumer)) {
            say(format_args!("{fault} (told once, counted always)"));
        }
    });
    let builder = builder.dead_letter_sink(move |_| {
        dead.fetch_add(1, Relaxed);
    });
    let (audience, builder) = Audience::of_run(builder, clock);
    let running = builder.build()?.spawn(FEED_CAPACITY)?;

    let start = Instant::now();
    let sent = VENUES.map(|_| Arc::new(AtomicU64::new(0)));
    let metrics = counted(running.metrics(), &sent, start);
    let flag = interrupt.clone();
    let address = door.address();
    let server = door.serve(metrics, move || !flag.is_set())?;
    if let Some(address) = address {
        say(format_args!("metrics at http://{address}/metrics"));
    }
    let mut feeds = vec![];
    for (venue, sent) in venues.into_iter().zip(&sent) {
        let pools = running.pools();
        let pools = VenuePools {
            events: pools.events.clone(),
            books: pools.books.clone(),
            executions: pools.executions.clone(),
            controls: pools.controls.clone(),
        };
        let synthetic = Synthetic::new(venue, instruments.iter().copied(), args.seed, pools);
        let rate = f64::from(args.rate) / VENUES.len() as f64;
        let pace = Pace { start, rate };
        let name = VENUES[usize::from(venue.0) - 1];
        let way = Way { feed: running.feed(), sent: Arc::clone(sent) };
        feeds.push(feed(name, venue, synthetic, way, pace, clock, interrupt.clone())?);
    }
    let allocations = watch(&running, args, start, &interrupt);
    interrupt.set();

    let mut published = Ledger::default();
    let mut events = 0;
    for feed in feeds {
        let (sent, ledger) = feed.join().map_err(|_| RunError::VenueGone)?;
        events += sent;
        published.add(&ledger);
    }
    let elapsed = start.elapsed();
    let end = running.shutdown(DRAIN).ok_or(RunError::CoreGone)?;
    drop(server);
    for name in &end.stuck {
        say(format_args!("{name} would not end and was left behind"));
    }
    Ok(Summary {
        critical: audience.critical(published),
        dead_letters: dead_letters.load(Relaxed),
        threads_leaked: baseline.leaked(),
        heap_allocations_after_warmup: allocations,
        content_hash: audience.content(),
        latency_ns: audience.latency_ns().into(),
        ..Summary::of(&end, events, elapsed)
    })
}

/// What the pipeline counts, and the program around it.
fn counted(metrics: Metrics, sent: &[Arc<AtomicU64>], start: Instant) -> Metrics {
    let version = env!("CARGO_PKG_VERSION");
    let metrics = metrics.number(&families::PROCESS_BUILD_INFO, [version], || 1).number(
        &families::PROCESS_UPTIME,
        [""; 0],
        move || start.elapsed().as_secs(),
    );
    VENUES.into_iter().zip(sent).fold(metrics, |metrics, (name, sent)| {
        let sent = Arc::clone(sent);
        metrics.number(&families::VENUE_EVENTS, [name], move || sent.load(Relaxed))
    })
}

/// A venue's way into the pipeline, and how many events it took.
struct Way {
    feed: Feed,
    sent: Arc<AtomicU64>,
}

/// So many events per second from a moment on.
#[derive(Clone, Copy)]
struct Pace {
    start: Instant,
    rate: f64,
}

impl Pace {
    /// How many are due by now.
    fn due(&self) -> u64 {
        (self.start.elapsed().as_secs_f64() * self.rate) as u64
    }
}

/// What a venue's thread leaves: how many events it sent, and which were critical.
type Sent = (u64, Ledger);

fn feed(
    name: &str,
    venue: VenueId,
    mut synthetic: Synthetic,
    way: Way,
    pace: Pace,
    clock: Clock,
    interrupt: Interrupt,
) -> io::Result<JoinHandle<Sent>> {
    thread::Builder::new().name(format!("venue-{name}")).spawn(move || {
        let mut ledger = Ledger::default();
        let mut sent = 0;
        while !interrupt.is_set() {
            // A machine that was asleep is not made to catch up all at once.
            for _ in 0..(pace.due() - sent).min(FEED_CAPACITY as u64) {
                let ingest = Ingest { time: clock::wall(), mono_ns: clock.nanos() };
                let mut message = message(synthetic.next(ingest));
                let trace = u64::from(venue.0) << 48 | (sent + 1);
                message.header_mut().trace = TraceId(trace);
                let critical = message.is_critical();
                if way.feed.push(message).is_err() {
                    return (sent, ledger);
                }
                sent += 1;
                way.sent.store(sent, Relaxed);
                if critical {
                    ledger.note(trace);
                }
            }
            thread::sleep(TICK);
        }
        (sent, ledger)
    })
}

/// Shows progress until it is time to stop. Answers how often the process has allocated since its
/// first fifth (without an end: since its fifth second), which is for warming up.
fn watch(running: &Running, args: &RunArgs, start: Instant, interrupt: &Interrupt) -> Option<u64> {
    let end = args.duration.map(|duration| start + duration);
    let warm = start + args.duration.map_or(Duration::from_secs(5), |duration| duration / 5);
    let mut baseline = None;
    let mut next = start + Duration::from_secs(1);
    let in_place = io::stderr().is_terminal();
    loop {
        let now = Instant::now();
        if interrupt.is_set() || end.is_some_and(|end| now >= end) {
            break;
        }
        if now >= next {
            next += Duration::from_secs(1);
            progress(running, start, in_place);
        }
        if baseline.is_none() && now >= warm {
            baseline = Some(allocations::count());
        }
        let wake = end.map_or(next, |end| end.min(next));
        let wake = if baseline.is_none() { wake.min(warm) } else { wake };
        thread::park_timeout(wake.saturating_duration_since(Instant::now()));
    }
    let after = baseline.map(|before| allocations::count() - before);
    if in_place {
        say("");
    }
    after
}

fn progress(running: &Running, start: Instant, in_place: bool) {
    let stats = running.stats().dispatcher;
    let sum = |field: fn(&meltica::dispatcher::LaneStats) -> u64| -> u64 {
        stats.lanes.iter().map(field).sum()
    };
    let line = format_args!(
        "{:>4} s  {:>9} events  {:>10} deliveries  {:>8} conflated  {:>8} dropped  {:>5} failures",
        start.elapsed().as_secs(),
        stats.published,
        sum(|lane| lane.delivered),
        sum(|lane| lane.folded),
        sum(|lane| lane.dropped),
        sum(|lane| lane.failed),
    );
    if in_place {
        say_in_place(format_args!("\r{line}"));
    } else {
        say(line);
    }
}
