//! What happens on a connection, pushed through a pipeline one event after the other: the one path of
//! `record` and `replay`, so that both deliver the same.
//!
//! Each frame's events have reached every consumer before the next frame is decoded, on one thread,
//! and time is that of receipt: the same occurrences make the same deliveries.

use std::time::{Duration, Instant};

use meltica::{
    BuildError, Pipeline, Pools, Pushed,
    event::{Instrument, InstrumentId, Timestamp},
};
use meltica_venue::{DecodeError, Decoded, Happened, Ingest, Session};

use crate::{
    allocations, audience::Audience, bridge::message, clock::Clock, ledger::Ledger,
    summary::Summary, threads,
};

/// A pipeline without threads of its own, and the consumers of a replay.
pub(crate) struct Player {
    pipeline: Pipeline,
    audience: Audience,
    clock: Clock,
    instruments: Vec<(Instrument, InstrumentId)>,
    time: Time,
    start: Instant,
    baseline: threads::Baseline,
    published: Ledger,
    events: u64,
    /// How often the process had allocated when it was warm.
    warm: Option<u64>,
}

impl Player {
    pub(crate) fn new(clock: Clock) -> Result<Self, BuildError> {
        let baseline = threads::Baseline::now();
        let (audience, builder) = Audience::of_replay(Pipeline::builder().workers(0), clock);
        let start = Instant::now();
        Ok(Self {
            pipeline: builder.build()?,
            audience,
            clock,
            instruments: vec![],
            time: Time { start, first: None, latest: start },
            start,
            baseline,
            published: Ledger::default(),
            events: 0,
            warm: None,
        })
    }

    pub(crate) fn pools(&self) -> &Pools {
        self.pipeline.pools()
    }

    /// By what numbers the instruments go.
    pub(crate) fn know(&mut self, instruments: &[(Instrument, InstrumentId)]) {
        self.instruments = instruments.to_vec();
    }

    /// Allocations count from now on.
    pub(crate) fn warm(&mut self) {
        self.warm.get_or_insert_with(allocations::count);
    }

    /// Has the session take what happened, and delivers what comes of it.
    pub(crate) fn play(
        &mut self,
        session: &mut dyn Session,
        received: Timestamp,
        happened: Happened<'_>,
    ) -> Result<(), DecodeError> {
        let now = self.time.at(received);
        let ingest = Ingest { time: received, mono_ns: self.clock.nanos() };
        let taken = take(session, &self.instruments, ingest, happened, &mut |decoded| {
            self.events += 1;
            let message = message(decoded);
            let (critical, trace) = (message.is_critical(), self.events);
            // Nobody cancels it, and whatever else becomes of a message is counted.
            if let Ok(Pushed::Routed { .. }) = self.pipeline.push(message, now)
                && critical
            {
                self.published.note(trace);
            }
        });
        self.pipeline.poll(now);
        while self.pipeline.run_once() {}
        taken
    }

    /// Tells what became of all. What waits in the session for a snapshot that never came goes home
    /// with it.
    pub(crate) fn finish(self, session: Box<dyn Session>) -> Summary {
        let allocations = self.warm.map(|warm| allocations::count() - warm);
        let elapsed = self.start.elapsed();
        let book = session.stats().into();
        drop(session);
        let end = self.pipeline.shutdown(Duration::from_secs(60));
        Summary {
            critical: self.audience.critical(self.published, &end.stats),
            threads_leaked: self.baseline.leaked(),
            heap_allocations_after_warmup: allocations,
            book,
            content_hash: self.audience.content(),
            latency_ns: self.audience.latency_ns().into(),
            ..Summary::of(&end, self.events, elapsed)
        }
    }
}

/// Has a session take what happened on its connection.
pub(crate) fn take(
    session: &mut dyn Session,
    instruments: &[(Instrument, InstrumentId)],
    ingest: Ingest,
    happened: Happened<'_>,
    emit: &mut dyn FnMut(Decoded),
) -> Result<(), DecodeError> {
    // Of an instrument that is not listened to, nothing is known.
    let id = |of: Instrument| instruments.iter().find(|(known, _)| *known == of).map(|(_, id)| *id);
    match happened {
        Happened::Opened(_) => session.opened(),
        Happened::Closed(_) => session.closed(),
        Happened::Resync(instrument) => {
            if let Some(id) = id(instrument) {
                session.resync(id);
            }
        }
        Happened::Frame(frame) => return session.decode(frame, ingest, emit),
        Happened::Fetched(instrument, body) => {
            if let Some(id) = id(instrument) {
                return session.fetched(id, body, ingest, emit);
            }
        }
    }
    Ok(())
}

/// The time of receipt on the clock that the pipeline waits by. It does not go back, whatever is
/// received.
struct Time {
    start: Instant,
    first: Option<i64>,
    latest: Instant,
}

impl Time {
    fn at(&mut self, received: Timestamp) -> Instant {
        // Without a time, it is as late as what came before.
        let Some(nanos) = received.nanos() else { return self.latest };
        let since = nanos.saturating_sub(*self.first.get_or_insert(nanos));
        let since = Duration::from_nanos(u64::try_from(since).unwrap_or_default());
        self.latest = self.latest.max(self.start.checked_add(since).unwrap_or(self.latest));
        self.latest
    }
}
