//! `meltica record`: what a venue sends, byte for byte into a file, and through a pipeline meanwhile.

use std::{
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use meltica::{
    BuildError,
    event::{Catalog, CatalogError},
};
use meltica_venue::{DecodeError, Happened, Ingest, Recorder, RecorderError, Session};
use tokio::sync::watch;

use crate::{
    cli::RecordArgs,
    clock::{self, Clock},
    connection::{Counts, Halt, Tap},
    interrupt::Interrupt,
    player::Player,
    reach::{Reach, ReachError},
    say::say,
    summary::{OneVenue, Summary},
    venues,
};

/// What a killed recorder may lose.
const BLOCK_AGE: Duration = Duration::from_secs(1);
/// How often the user's wish to stop is looked for.
const LOOK: Duration = Duration::from_millis(20);

#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("{0}")]
    Recorder(#[from] RecorderError),
    #[error("{0}")]
    Build(#[from] BuildError),
    #[error("{0}")]
    Catalog(#[from] CatalogError),
    #[error("{0}")]
    Reach(#[from] ReachError),
    #[error("Ctrl-C cannot be listened for: {0}")]
    Interrupt(#[from] ctrlc::Error),
    #[error("there is no way to wait for sockets: {0}")]
    Runtime(#[from] io::Error),
}

/// Records until the time is over or the user interrupts, and tells what happened.
pub(crate) fn record(args: &RecordArgs) -> Result<Summary, RecordError> {
    let interrupt = Interrupt::listen()?;
    let clock = Clock::start();
    let mut player = Player::new(clock)?;
    let mut catalog = Catalog::new();
    let instruments = venues::numbered(&mut catalog, &args.symbols)?;
    let id = catalog.venue(args.venue.name())?;
    let session = args.venue.session(id, player.pools(), &instruments).map_err(ReachError::from)?;
    player.know(&instruments);
    let reach = Reach::new(&args.reach, 1)?;
    let connection = reach.connection(args.venue, session, &instruments, clock)?;
    let counts: Arc<Counts> = Arc::clone(&connection.counts);
    let mut recorder = Recorder::open(&args.out, BLOCK_AGE)?;
    let cut = recorder.stats().cut;
    if cut > 0 {
        let file = args.out.display();
        say(format_args!("{file} ended in the middle of a block; its last {cut} bytes are gone"));
    }

    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let (stopper, stop) = watch::channel(false);
    let end = args.duration.map(|duration| Instant::now() + duration);
    let mut tape = Tape { recorder: &mut recorder, player: &mut player };
    let outcome = runtime.block_on(async {
        let until = async {
            while !interrupt.is_set() && end.is_none_or(|end| Instant::now() < end) {
                tokio::time::sleep(LOOK).await;
            }
            let _ = stopper.send(true);
        };
        tokio::join!(connection.run(&mut tape, stop), until).0
    });
    drop(runtime);
    let stats = recorder.finish()?;
    say(format_args!(
        "{}: {} frames, {} bytes in {} blocks of {} bytes",
        args.out.display(),
        stats.frames,
        stats.bytes,
        stats.blocks,
        stats.written
    ));
    let venue = OneVenue::new(args.venue.name(), &counts, &outcome);
    Ok(Summary {
        frames: Some(counts.frames.load(Relaxed)),
        frames_malformed: Some(counts.all_errors()),
        venues: vec![venue],
        ..player.finish(outcome.session)
    })
}

/// Writes what happens before it is played, so that what was delivered is in the file.
struct Tape<'a> {
    recorder: &'a mut Recorder,
    player: &'a mut Player,
}

impl Tap for Tape<'_> {
    fn happened(
        &mut self,
        session: &mut dyn Session,
        ingest: Ingest,
        what: Happened<'_>,
    ) -> Result<Result<(), DecodeError>, Halt> {
        let written = self.recorder.write(ingest.time, what);
        written.map_err(|error| Halt::Failed(error.to_string()))?;
        Ok(self.player.play(session, ingest.time, what))
    }

    fn pass(&mut self) -> Result<(), Halt> {
        self.recorder.poll(clock::wall()).map_err(|error| Halt::Failed(error.to_string()))
    }
}
