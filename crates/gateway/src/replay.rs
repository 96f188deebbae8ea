//! `meltica replay`: recorded traffic through the same pipeline, one frame after the other.
//!
//! Each frame's events have reached every consumer before the next frame is decoded, on one thread,
//! and time is the recording's: the same file makes the same deliveries.

use std::{
    collections::HashSet,
    path::Path,
    time::{Duration, Instant},
};

use meltica::{
    BuildError, Pipeline, Pushed,
    event::{Catalog, CatalogError, Timestamp},
};
use meltica_venue::{Decode, Ingest, Recording, RecordingError, Session, Unsupported, VenuePools};
use meltica_venue_binance::BinanceSpot;

use crate::{
    allocations,
    audience::Audience,
    bridge::message,
    cli::{ReplayArgs, Venue},
    clock::Clock,
    ledger::Ledger,
    say::say,
    summary::Summary,
    threads,
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    #[error("{0}")]
    Recording(#[from] RecordingError),
    #[error("{0}")]
    Build(#[from] BuildError),
    #[error("{0}")]
    Catalog(#[from] CatalogError),
    #[error("{0}")]
    Unsupported(#[from] Unsupported),
    #[error(
        "{file}: none of its {frames} frames was understood as this symbol's; line {line}: {cause} \
         (a line is: nanoseconds since 1970, a blank, and the frame as JSON)"
    )]
    NothingUnderstood { file: String, frames: u64, line: u64, cause: String },
}

/// Replays a recording, and tells what happened.
pub(crate) fn replay(args: &ReplayArgs) -> Result<Summary, ReplayError> {
    let file: &Path = &args.file;
    // Read once to its end, so that a broken file is refused before anything is done.
    let frames = Recording::check(file)?.frames;
    let mut recording = Recording::open(file)?;
    let baseline = threads::Baseline::now();
    let clock = Clock::start();

    let builder = Pipeline::builder().workers(0);
    let (audience, builder) = Audience::of_replay(builder, clock);
    let mut pipeline = builder.build()?;
    let mut catalog = Catalog::new();
    let mut venue = match args.venue {
        Venue::Binance => {
            let pools = pipeline.pools();
            let pools = VenuePools {
                events: pools.events.clone(),
                books: pools.books.clone(),
                executions: pools.executions.clone(),
                controls: pools.controls.clone(),
            };
            let mut binance = BinanceSpot::new(catalog.venue("binance")?, pools);
            binance.add(args.symbol, catalog.instrument(args.symbol)?)?;
            binance
        }
    };

    let start = Instant::now();
    let mut time = RecordedTime::new(start);
    let mut published = Ledger::default();
    let mut faults = Faults::default();
    let (mut done, mut events, mut snapshots, mut warm) = (0, 0, 0, None);
    while let Some(frame) = recording.next_frame()? {
        if done == frames / 5 {
            warm = Some(allocations::count());
        }
        done += 1;
        let line = frame.line;
        let Some(received) = frame.received else {
            faults.note(
                file,
                line,
                ("frame", "no time"),
                "the line does not begin with a time in nanoseconds since 1970",
            );
            continue;
        };
        let now = time.at(received);
        let ingest = Ingest { time: received, mono_ns: clock.nanos() };
        let decoded = venue.decode(frame.bytes, ingest, &mut |decoded| {
            events += 1;
            let message = message(decoded);
            let (critical, trace) = (message.is_critical(), events);
            // Nobody cancels a replay, and whatever else becomes of a message is counted.
            if let Ok(Pushed::Routed { .. }) = pipeline.push(message, now)
                && critical
            {
                published.note(trace);
            }
        });
        match decoded {
            // A snapshot does not say what it is of: it does not make the symbol right.
            Ok(()) if venue.stats().books.snapshots == snapshots => faults.tell(),
            Ok(()) => snapshots = venue.stats().books.snapshots,
            Err(error) => faults.note(file, line, error.kind(), &error.to_string()),
        }
        pipeline.poll(now);
        while pipeline.run_once() {}
    }
    let allocations = warm.map(|warm| allocations::count() - warm);
    let elapsed = start.elapsed();
    let understood = faults.understood;
    if let Some((line, cause)) = faults.first.filter(|_| !understood) {
        let file = file.display().to_string();
        return Err(ReplayError::NothingUnderstood { file, frames, line, cause });
    }
    let book = venue.stats().into();
    // What waited for a snapshot that never came goes home with the venue.
    drop(venue);
    let end = pipeline.shutdown(Duration::from_secs(60));
    Ok(Summary {
        frames: Some(done),
        frames_malformed: Some(faults.count),
        critical: audience.critical(published),
        threads_leaked: baseline.leaked(),
        heap_allocations_after_warmup: allocations,
        book,
        content_hash: audience.content(),
        latency_ns: audience.latency_ns().into(),
        ..Summary::of(&end, events, elapsed)
    })
}

/// The recording's time on the clock that the pipeline waits by. It does not go back, whatever the
/// recording says.
struct RecordedTime {
    start: Instant,
    first: Option<i64>,
    latest: Instant,
}

impl RecordedTime {
    fn new(start: Instant) -> Self {
        Self { start, first: None, latest: start }
    }

    fn at(&mut self, received: Timestamp) -> Instant {
        let nanos = received.nanos().unwrap_or_default();
        let since = nanos.saturating_sub(*self.first.get_or_insert(nanos));
        let since = Duration::from_nanos(u64::try_from(since).unwrap_or_default());
        self.latest = self.latest.max(self.start.checked_add(since).unwrap_or(self.latest));
        self.latest
    }
}

/// What a faulty frame was taken for, and what is wrong with it.
type Kind = (&'static str, &'static str);

/// Frames that were not understood: the first of each kind is told, all are counted.
#[derive(Default)]
struct Faults {
    count: u64,
    kinds: HashSet<Kind>,
    first: Option<(u64, String)>,
    /// Not told yet: while nothing was understood, it may all be one mistake.
    untold: Vec<String>,
    understood: bool,
}

impl Faults {
    fn note(&mut self, file: &Path, line: u64, kind: Kind, cause: &str) {
        self.count += 1;
        self.first.get_or_insert_with(|| (line, cause.to_owned()));
        if self.kinds.insert(kind) {
            let file = file.display();
            self.untold
                .push(format!("{file}, line {line}: {cause} (skipped; told once, counted always)"));
        }
        if self.understood {
            self.tell();
        }
    }

    /// A frame was understood.
    fn tell(&mut self) {
        self.understood = true;
        self.untold.drain(..).for_each(say);
    }
}
