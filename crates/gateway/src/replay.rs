//! `meltica replay`: recorded traffic through the same pipeline, one frame after the other.
//!
//! Whatever the pace, the pipeline's time is the recording's: the same file makes the same deliveries.

use std::{
    collections::HashSet,
    io::{self, IsTerminal},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use meltica::{
    BuildError,
    event::{Catalog, CatalogError, Timestamp},
};
use meltica_venue::{Happened, Recording, RecordingError, Unsupported};

use crate::{
    cli::{Pace, ReplayArgs},
    clock::Clock,
    interrupt::Interrupt,
    player::Player,
    say::say,
    summary::Summary,
    venues,
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
    #[error("Ctrl-C cannot be listened for: {0}")]
    Interrupt(#[from] ctrlc::Error),
    #[error(
        "{file}: none of its {frames} frames was understood as {symbols}; line {line}: {cause} \
         (a line is: nanoseconds since 1970, a blank, and the frame as JSON)"
    )]
    NothingUnderstood { file: String, frames: u64, symbols: String, line: u64, cause: String },
}

/// Replays a recording, and tells what happened.
pub(crate) fn replay(args: &ReplayArgs) -> Result<Summary, ReplayError> {
    let file: &Path = &args.file;
    // Read once to its end, so that a broken file is refused before anything is done.
    let checked = Recording::check(file)?;
    if checked.cut {
        let file = file.display();
        say(format_args!(
            "{file} ends in the middle of a block, as when its recorder was killed; what came \
             before is replayed. If it was copied, copy it again"
        ));
    }
    let mut recording = Recording::open(file)?;
    // Before threads are counted: it has one of its own.
    let mut pacer = match args.pace {
        Pace::Fast => None,
        Pace::Times(times) => Some(Pacer::new(times, Interrupt::listen()?)),
    };
    let mut player = Player::new(Clock::start())?;
    let mut catalog = Catalog::new();
    let instruments = venues::numbered(&mut catalog, &args.symbols)?;
    let id = catalog.venue(args.venue.name())?;
    let mut session = args.venue.session(id, player.pools(), &instruments)?;
    player.know(&instruments);

    let bar = Bar::new(checked.frames);
    let mut faults = Faults::default();
    let (mut done, mut snapshots, mut last) = (0, 0, Timestamp::ABSENT);
    while let Some(entry) = recording.next_entry()? {
        if let Some(pacer) = &mut pacer
            && !pacer.wait(entry.received)
        {
            say("interrupted; this is what was replayed until then");
            break;
        }
        if done >= checked.frames / 5 {
            player.warm();
        }
        let line = entry.line;
        if let Happened::Frame(_) | Happened::Fetched(..) = entry.what {
            done += 1;
            bar.at(done);
        }
        let json = |frame: &[u8]| matches!(frame.first(), Some(b'{' | b'['));
        if let (None, Happened::Frame(frame)) = (entry.received, entry.what)
            && !json(frame)
        {
            let cause = "the line does not begin with a time in nanoseconds since 1970";
            faults.note(file, line, ("frame", "no time"), cause);
            continue;
        }
        // A frame without a time is as late as the one before.
        last = entry.received.unwrap_or(last);
        let taken = player.play(&mut *session, last, entry.what);
        // Nobody is there to do what it wishes; what came of that is in the recording.
        while session.next_wish().is_some() {}
        match taken {
            Ok(()) if !matches!(entry.what, Happened::Frame(_)) => {}
            // A snapshot does not say what it is of: it does not make the symbol right.
            Ok(()) if session.stats().books.snapshots == snapshots => faults.tell(),
            Ok(()) => snapshots = session.stats().books.snapshots,
            Err(error) => faults.note(file, line, error.kind(), &error.to_string()),
        }
    }
    drop(bar);
    let understood = faults.understood;
    if let Some((line, cause)) = faults.first.filter(|_| !understood) {
        let symbols = args.symbols.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let (file, frames) = (file.display().to_string(), checked.frames);
        return Err(ReplayError::NothingUnderstood { file, frames, symbols, line, cause });
    }
    Ok(Summary {
        frames: Some(done),
        frames_malformed: Some(faults.count),
        ..player.finish(session)
    })
}

/// Has a replay keep the recording's time, or a multiple of it.
struct Pacer {
    times: f64,
    interrupt: Interrupt,
    /// When the first was received, and when it was replayed.
    first: Option<(i64, Instant)>,
}

impl Pacer {
    fn new(times: f64, interrupt: Interrupt) -> Self {
        Self { times, interrupt, first: None }
    }

    /// Waits until what was received then is due; answers whether to go on.
    fn wait(&mut self, received: Option<Timestamp>) -> bool {
        let Some(nanos) = received.and_then(Timestamp::nanos) else { return true };
        let (first, start) = *self.first.get_or_insert_with(|| (nanos, Instant::now()));
        let since = nanos.saturating_sub(first).max(0);
        // More than a clock can hold is as good as never; the user may interrupt.
        let due = Duration::try_from_secs_f64(since as f64 / 1e9 / self.times);
        let due = due.unwrap_or(Duration::MAX);
        loop {
            if self.interrupt.is_set() {
                return false;
            }
            let left = due.saturating_sub(start.elapsed());
            if left.is_zero() {
                return true;
            }
            thread::park_timeout(left.min(Duration::from_secs(3_600)));
        }
    }
}

/// How far a replay is, where somebody sees it.
struct Bar(Option<ProgressBar>);

impl Bar {
    fn new(frames: u64) -> Self {
        if !io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = ProgressBar::with_draw_target(Some(frames), ProgressDrawTarget::stderr());
        let style = "{wide_bar} {human_pos} of {human_len} frames, {per_sec}, {eta} left";
        Self(Some(bar.with_style(
            ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()),
        )))
    }

    fn at(&self, frame: u64) {
        if let Some(bar) = &self.0 {
            bar.set_position(frame);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
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
