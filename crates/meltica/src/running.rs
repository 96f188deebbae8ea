use std::{
    fmt, io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender, bounded, select_biased};

use meltica_consumer::Gate;
use meltica_dispatcher::Timings;
use meltica_recycler::Recycler;

use crate::{
    Control, End, Feed, Message, Pipeline, Pools, PushError, Stats, feed::State,
    pipeline::StatsSource,
};

/// A pipeline on a thread of its own. A pipeline without workers runs its consumers on that thread too.
///
/// Dropped without a [`shutdown`](Self::shutdown), it stops at once: what waits is not delivered, and
/// critical messages go to the dead-letter sink.
pub struct Running {
    feed: Feed,
    control: Control,
    /// Says when to stop, and until when to deliver; without a limit, what waits is buried.
    stop: Sender<Option<Duration>>,
    /// `None` once it was joined.
    core: Option<JoinHandle<Option<End>>>,
    pools: Pools,
    stats: StatsSource,
}

impl Running {
    pub(crate) fn start(pipeline: Pipeline, capacity: usize) -> io::Result<Self> {
        assert!(capacity > 0, "a queue without room takes nothing");
        let (sender, messages) = bounded(capacity);
        let (stop, stopped) = bounded(1);
        let state = Arc::new(State::default());
        let feed = Feed::new(sender, Arc::clone(&state));
        let pools = pipeline.pools().clone();
        let control = pipeline.control();
        let stats = pipeline.stats_source();
        let core = thread::Builder::new()
            .name("meltica-core".to_owned())
            .spawn(move || serve(pipeline, &messages, &stopped, &state))?;
        Ok(Self { feed, control, stop, core: Some(core), pools, stats })
    }

    /// A way in.
    pub fn feed(&self) -> Feed {
        self.feed.clone()
    }

    /// The pools to lease messages from.
    pub fn pools(&self) -> &Pools {
        &self.pools
    }

    /// The owner of the pools.
    pub fn recycler(&self) -> &Recycler {
        &self.stats.recycler
    }

    /// A handle by which it is changed while it runs: consumers, merge rules, flips.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    #[cfg(feature = "telemetry")]
    pub(crate) fn stats_source(&self) -> StatsSource {
        self.stats.clone()
    }

    /// How long messages took so far: see [`Pipeline::timings`].
    pub fn timings(&self) -> Timings {
        self.stats.routes.timings()
    }

    /// What has been done so far. Read while it goes on: a part may be ahead of its whole.
    pub fn stats(&self) -> Stats {
        self.stats.read()
    }

    /// The gate of the consumer of this name; the latest, if there were several. `None` if there
    /// never was one.
    pub fn gate(&self, consumer: &str) -> Option<Gate> {
        self.stats.consumers.gate(consumer)
    }

    /// Stops: feeds are refused from now on, what they handed over is delivered until `limit` is
    /// over, every thread is joined. `None` if the core thread panicked, which is a bug here.
    pub fn shutdown(mut self, limit: Duration) -> Option<End> {
        self.stop(Some(limit))
    }

    fn stop(&mut self, limit: Option<Duration>) -> Option<End> {
        let core = self.core.take()?;
        // The core thread may be gone already.
        let _ = self.stop.send(limit);
        core.join().ok().flatten()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop(None);
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("feed", &self.feed).finish_non_exhaustive()
    }
}

/// How many messages are taken before the core thread looks for commands and for the end again; without
/// workers, also how many of each consumer's are run before it looks for messages.
const BURST: usize = 64;
/// A wait that a command or a message ends.
const LONG: Duration = Duration::from_secs(3_600);

/// The core thread: the one writer of the pipeline.
fn serve(
    mut pipeline: Pipeline,
    messages: &Receiver<Message>,
    stopped: &Receiver<Option<Duration>>,
    state: &State,
) -> Option<End> {
    let mut refused = vec![];
    let woken = pipeline.orders.woken();
    let limit = loop {
        // A channel that tells the time would be allocated anew for each wait.
        let mut pause = match pipeline.next_deadline() {
            Some(deadline) => {
                let now = Instant::now();
                if deadline <= now {
                    pipeline.poll(now);
                }
                deadline.saturating_duration_since(now)
            }
            None => LONG,
        };
        if (0..BURST).all(|_| pipeline.run_once()) {
            pause = Duration::ZERO;
        }
        select_biased! {
            recv(stopped) -> limit => break limit.ok().flatten(),
            recv(woken) -> _ => pipeline.poll(Instant::now()),
            recv(messages) -> message => {
                let burst = message.into_iter().chain(messages.try_iter()).take(BURST);
                burst.for_each(|message| push(&mut pipeline, message, state, &mut refused));
            }
            default(pause) => pipeline.poll(Instant::now()),
        }
    };
    state.stop();
    // Whatever a feed has taken is still to come: it sends, or sees that we have stopped.
    while !state.is_quiet() {
        if let Ok(message) = messages.recv_timeout(Duration::from_micros(50)) {
            push(&mut pipeline, message, state, &mut refused);
        }
    }
    messages.try_iter().for_each(|message| push(&mut pipeline, message, state, &mut refused));
    let Some(limit) = limit else {
        refused.into_iter().for_each(|message| pipeline.dispatcher.bury(message));
        // Dropping it buries what waits: critical messages go to the dead-letter sink.
        return None;
    };
    let mut end = pipeline.shutdown(limit);
    end.refused = refused;
    Some(end)
}

/// After a cancellation the feeds are refused, and what they have handed over already is handed back.
fn push(pipeline: &mut Pipeline, message: Message, state: &State, refused: &mut Vec<Message>) {
    if let Err(PushError::Cancelled(message)) = pipeline.push(message, Instant::now()) {
        state.stop();
        refused.push(message);
    }
}
