//! `meltica run`: venues into consumers. Without a venue: local ones, served by this very program over
//! real sockets, into ten consumers, one of them slow and one unreliable.

use std::{
    collections::{HashSet, VecDeque},
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use meltica::{
    BuildError, Feed, MergeRule, Message, Pipeline, Running,
    event::{
        Catalog, CatalogError, ExecutionId, Instrument, InstrumentId, ParseInstrumentError,
        TraceId, VenueId,
    },
};
use meltica_nats::Names;
use meltica_telemetry::{Metrics, families};
use meltica_venue::{DecodeError, Happened, Ingest, Session, VenueStats};
use tokio::sync::watch;

use crate::{
    allocations,
    audience::Audience,
    bridge::message,
    cli::RunArgs,
    clock::Clock,
    connection::{Connection, Counts, Halt, Outcome, Tap},
    failures::{DeadLettersError, Failures},
    http::{Doors, ListenError},
    interrupt::Interrupt,
    ledger::Ledger,
    local::{LocalVenues, ONE_IN, Script},
    metering, player, process,
    reach::{Reach, ReachError},
    remote::{self, Publishing, RemoteError},
    say::{ProgressLine, say},
    summary::{BookCheck, OneVenue, Summary},
    threads,
    venues::{self, Venue},
};

/// What local venues trade.
const INSTRUMENTS: [&str; 4] = ["BTC-USDT", "ETH-USDT", "SOL-USDT", "XRP-USDT"];
/// Messages between the venues' threads and the pipeline's.
pub(crate) const FEED_CAPACITY: usize = 4_096;
/// Messages of a class that may wait for a consumer.
pub(crate) const LANE_CAPACITY: usize = 256;
/// How long consumers get to finish at the end.
pub(crate) const DRAIN: Duration = Duration::from_secs(20);
/// How many identities of reports are remembered: as many as the pipeline does by default.
const REMEMBERED: usize = 16_384;
/// Levels on each side of a consolidated book.
const DEPTH: usize = 10;
/// How long local venues' books may take to be well again once nothing goes wrong any more.
const RECOVERY: Duration = Duration::from_secs(10);
/// For so long all must be well, and then nothing move, before books are compared.
const REST: Duration = Duration::from_millis(300);

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
    #[error("{0}")]
    DeadLetters(#[from] DeadLettersError),
    #[error("{0}")]
    Reach(#[from] ReachError),
    #[error("{0}")]
    Remote(#[from] RemoteError),
    #[error("no thread or socket: {0}")]
    System(#[from] io::Error),
    #[error("Ctrl-C cannot be listened for: {0}")]
    Interrupt(#[from] ctrlc::Error),
    #[error("the pipeline's thread ended early; the log says why")]
    CoreGone,
    #[error("the thread of {0} ended early; the log says why")]
    VenueGone(&'static str),
}

/// Runs until the time is over or the user interrupts, and tells what happened.
pub(crate) fn run(args: &RunArgs) -> Result<Summary, RunError> {
    if let Some(url) = &args.remote.subscribe {
        return remote::subscribe(args, url);
    }
    let doors = Doors::open(args.listen, args.control)?;
    let interrupt = Interrupt::listen()?;
    meltica::consumer::install_panic_hook(Default::default());
    let baseline = threads::Baseline::now();
    let clock = Clock::start();

    let mut catalog = Catalog::new();
    let is_local = args.venues.is_empty();
    let mut names = if is_local { Venue::ALL.to_vec() } else { args.venues.clone() };
    names.sort_unstable();
    names.dedup();
    let symbols = match is_local {
        true => INSTRUMENTS.iter().map(|name| name.parse()).collect::<Result<_, _>>()?,
        false => args.symbols.clone(),
    };
    let instruments = venues::numbered(&mut catalog, &symbols)?;
    let mut ids = vec![];
    for venue in &names {
        ids.push(catalog.venue(venue.name())?);
    }
    let reach = Reach::new(&args.reach, args.venues.len())?;

    let mut builder =
        Pipeline::builder().lane_capacity(LANE_CAPACITY).follow_one_in(args.follow_one_in);
    if names.len() > 1 {
        let (all, windows) = (ids.iter().copied(), instruments.len());
        builder = builder
            .merge(MergeRule::view("view", all.clone()).windows(windows))
            .merge(MergeRule::depth("depth", all, DEPTH).windows(windows));
    }
    let (failures, builder) =
        Failures::heard(builder, args.dead_letters.as_deref(), &Names::new(catalog.clone()))?;
    let (audience, builder) = match is_local {
        true => Audience::of_run(builder, clock),
        false => Audience::of_venues(builder, clock),
    };
    let publishing = Publishing::new(&args.remote, &catalog)?;
    let builder = match &publishing {
        Some(publishing) => publishing.subscribe(builder),
        None => builder,
    };
    let running = builder.build()?.spawn(FEED_CAPACITY)?;
    if let Some(publishing) = &publishing {
        publishing.start(running.control())?;
    }

    let local = if is_local { Some(serve(args, &names, &instruments)?) } else { None };
    let mut connections = vec![];
    for (venue, id) in names.iter().zip(&ids) {
        let session =
            venue.session(*id, running.pools(), &instruments).map_err(ReachError::from)?;
        let connection = match &local {
            None => reach.connection(*venue, session, &instruments, clock)?,
            Some(local) => reach.local(*venue, session, &instruments, clock, local)?,
        };
        connections.push((*venue, *id, connection));
    }
    let counts: Vec<_> =
        connections.iter().map(|(.., connection)| Arc::clone(&connection.counts)).collect();

    let start = Instant::now();
    let mut metrics = counted(running.metrics(), start);
    for (venue, counts) in names.iter().zip(&counts) {
        metrics = metering::of_venue(metrics, venue.name(), counts);
    }
    if let Some(publishing) = &publishing {
        metrics = publishing.metrics(metrics);
    }
    let servers = doors.serve(metrics, &running, &interrupt)?;
    let (stopper, stop) = watch::channel(false);
    let mut threads = vec![];
    for (venue, id, connection) in connections {
        let tap = FeedTap {
            feed: running.feed(),
            instruments: instruments.clone(),
            counts: Arc::clone(&connection.counts),
            venue: id,
            sent: 0,
            ledger: Ledger::default(),
            executions: Recent::default(),
        };
        threads.push((venue, drive(connection, tap, stop.clone())?));
    }
    let allocations = watch(&running, args, start, &interrupt);
    interrupt.set();
    if let Some(local) = &local {
        settle(local, &counts);
    }
    let _ = stopper.send(true);

    let mut published = Ledger::default();
    let mut summary = Summary::default();
    let (mut events, mut stats) = (0, vec![]);
    let (mut compared, mut equal) = (0, 0);
    for ((venue, thread), counts) in threads.into_iter().zip(&counts) {
        let (outcome, tap) = thread.join().map_err(|_| RunError::VenueGone(venue.name()))?;
        events += tap.sent;
        published.add(&tap.ledger);
        stats.push(outcome.session.stats());
        summary.venues.push(OneVenue::new(venue.name(), counts, &outcome));
        for (id, book) in &outcome.books {
            let Some(theirs) = local.as_ref().and_then(|local| local.book(venue, *id)) else {
                continue;
            };
            compared += 1;
            let is_equal = |ours: &meltica::event::Book| {
                (&ours.bids, &ours.asks) == (&theirs.bids, &theirs.asks)
            };
            equal += u64::from(book.as_ref().is_some_and(is_equal));
        }
    }
    let elapsed = start.elapsed();
    let mut end = running.shutdown(DRAIN).ok_or(RunError::CoreGone)?;
    let nats = publishing.and_then(|publishing| publishing.finish(DRAIN));
    drop(servers);
    for name in &end.stuck {
        say(format_args!("{name} would not end and was left behind"));
    }
    let undelivered = failures.undelivered(&mut end, |name, left| audience.undelivered(name, left));
    let sum = |of: fn(&Counts) -> u64| counts.iter().map(|counts| of(counts)).sum::<u64>();
    let faults = local.as_ref().filter(|_| args.faults.is_some()).map(LocalVenues::faults);
    let is_local = local.is_some();
    drop(local);
    Ok(Summary {
        frames: Some(sum(|counts| counts.frames.load(Relaxed))),
        frames_malformed: Some(sum(Counts::all_errors)),
        critical: audience.critical(published, &end.stats),
        undelivered,
        dead_letters: failures.dead_letters(),
        threads_leaked: baseline.leaked(),
        heap_allocations_after_warmup: allocations,
        book: together(&stats),
        venues: summary.venues,
        books_compared: is_local.then_some(compared),
        books_equal: is_local.then_some(equal),
        faults,
        content_hash: audience.content(),
        latency_ns: audience.latency_ns().into(),
        nats: nats.map(Into::into),
        ..Summary::of(&end, events, elapsed)
    })
}

/// Serves local venues, with faults if there are to be any.
fn serve(
    args: &RunArgs,
    names: &[Venue],
    instruments: &[(Instrument, InstrumentId)],
) -> io::Result<LocalVenues> {
    let venues = names.iter().enumerate().map(|(index, venue)| {
        let script = args.faults.map_or_else(Script::none, |seed| {
            Script::seeded(seed ^ (index as u64) << 56, ONE_IN, venue.notices_digits())
        });
        (*venue, venue.local(instruments, args.seed), script)
    });
    LocalVenues::start(venues.collect(), f64::from(args.rate) / names.len() as f64, 0)
}

/// Waits until nothing goes wrong any more and every book can be trusted, and then until what was sent
/// has come.
fn settle(local: &LocalVenues, counts: &[Arc<Counts>]) {
    local.calm();
    let limit = Instant::now() + RECOVERY;
    let well = || counts.iter().all(|counts| counts.verified() == counts.books.len());
    let mut since = Instant::now();
    while since.elapsed() < REST && Instant::now() < limit {
        if !well() {
            since = Instant::now();
        }
        thread::sleep(Duration::from_millis(10));
    }
    local.rest();
    // What was sent and has not come is on its way for longer where the machine is busy.
    let frames = || counts.iter().map(|counts| counts.frames.load(Relaxed)).sum::<u64>();
    let (limit, mut since, mut before) = (Instant::now() + RECOVERY, Instant::now(), frames());
    while since.elapsed() < REST && Instant::now() < limit {
        thread::sleep(Duration::from_millis(10));
        let now = frames();
        if now != before {
            (since, before) = (Instant::now(), now);
        }
    }
}

/// What the program around the pipeline tells.
pub(crate) fn counted(metrics: Metrics, start: Instant) -> Metrics {
    let version = env!("CARGO_PKG_VERSION");
    let began = SystemTime::now().duration_since(UNIX_EPOCH).ok();
    let began = began.map(|now| now.saturating_sub(start.elapsed()));
    let metrics = metrics
        .number(&families::PROCESS_BUILD_INFO, [version], || 1)
        .number(&families::PROCESS_UPTIME, [""; 0], move || start.elapsed().as_secs())
        .time(&families::PROCESS_START_TIME, move || began);
    process::metrics(metrics)
}

/// All venues' books, added up.
fn together(stats: &[VenueStats]) -> BookCheck {
    let of =
        |field: fn(&VenueStats) -> Option<u64>| stats.iter().filter_map(field).reduce(|a, b| a + b);
    BookCheck {
        oracle_compared: of(|stats| stats.oracle_compared),
        oracle_equal: of(|stats| stats.oracle_equal),
        gaps: of(|stats| Some(stats.books.gaps)),
        resyncs: of(|stats| Some(stats.books.resyncs)),
        ..BookCheck::default()
    }
}

/// A venue's connections on a thread of their own.
fn drive(
    connection: Connection,
    mut tap: FeedTap,
    stop: watch::Receiver<bool>,
) -> io::Result<JoinHandle<(Outcome, FeedTap)>> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    thread::Builder::new().name(format!("venue-{}", connection.venue)).spawn(move || {
        let outcome = runtime.block_on(connection.run(&mut tap, stop));
        (outcome, tap)
    })
}

/// A venue's way into the pipeline. While that is full, whoever comes this way waits.
struct FeedTap {
    feed: Feed,
    instruments: Vec<(Instrument, InstrumentId)>,
    counts: Arc<Counts>,
    venue: VenueId,
    sent: u64,
    /// Critical messages, each once: what a venue sends again is recognised by its identity.
    ledger: Ledger,
    executions: Recent,
}

/// The identities of the last reports, as many of them as a venue could send again.
#[derive(Default)]
struct Recent {
    known: HashSet<ExecutionId>,
    order: VecDeque<ExecutionId>,
}

impl Recent {
    /// Whether it is new; now it is known.
    fn insert(&mut self, identity: ExecutionId) -> bool {
        let is_new = self.known.insert(identity);
        if is_new {
            self.order.push_back(identity);
        }
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        is_new
    }
}

impl FeedTap {
    fn push(&mut self, mut message: Message) -> Result<(), Halt> {
        let trace = u64::from(self.venue.0) << 48 | (self.sent + 1);
        message.header_mut().trace = TraceId(trace);
        let critical = message.is_critical();
        let identity = match &message {
            Message::Execution(report) => report.identity(),
            _ => None,
        };
        self.feed.push(message).map_err(|_| Halt::Stopped)?;
        self.sent += 1;
        if critical && identity.is_none_or(|identity| self.executions.insert(identity)) {
            self.ledger.note(trace);
        }
        Ok(())
    }
}

impl Tap for FeedTap {
    fn happened(
        &mut self,
        session: &mut dyn Session,
        ingest: Ingest,
        what: Happened<'_>,
    ) -> Result<Result<(), DecodeError>, Halt> {
        let mut halt = None;
        let instruments = std::mem::take(&mut self.instruments);
        let taken = player::take(session, &instruments, ingest, what, &mut |decoded| {
            if halt.is_none() {
                halt = self.push(message(decoded)).err();
            }
        });
        self.instruments = instruments;
        self.counts.events.store(self.sent, Relaxed);
        halt.map_or(Ok(taken), Err)
    }
}

/// Shows progress until it is time to stop. Answers how often the process has allocated since its
/// first fifth (without an end: since its fifth second), which is for warming up.
pub(crate) fn watch(
    running: &Running,
    args: &RunArgs,
    start: Instant,
    interrupt: &Interrupt,
) -> Option<u64> {
    let end = args.duration.map(|duration| start + duration);
    let warm = start + args.duration.map_or(Duration::from_secs(5), |duration| duration / 5);
    let mut baseline = None;
    let mut next = start + Duration::from_secs(1);
    let shown = ProgressLine::start();
    loop {
        let now = Instant::now();
        if interrupt.is_set() || end.is_some_and(|end| now >= end) {
            break;
        }
        if now >= next {
            next += Duration::from_secs(1);
            progress(running, start, &shown);
        }
        if baseline.is_none() && now >= warm {
            baseline = Some(allocations::count());
        }
        let wake = end.map_or(next, |end| end.min(next));
        let wake = if baseline.is_none() { wake.min(warm) } else { wake };
        thread::park_timeout(wake.saturating_duration_since(Instant::now()));
    }
    baseline.map(|before| allocations::count() - before)
}

fn progress(running: &Running, start: Instant, shown: &ProgressLine) {
    let stats = running.stats().dispatcher;
    let sum = |field: fn(&meltica::dispatcher::LaneStats) -> u64| -> u64 {
        stats.lanes.iter().map(field).sum()
    };
    shown.show(format_args!(
        "{:>4} s  {:>9} events  {:>10} deliveries  {:>8} conflated  {:>8} dropped  {:>5} failures",
        start.elapsed().as_secs(),
        stats.published,
        sum(|lane| lane.delivered),
        sum(|lane| lane.folded),
        sum(|lane| lane.dropped),
        sum(|lane| lane.failed),
    ));
}
