use std::{
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender, bounded, select_biased};

use meltica_consumer::Gate;
use meltica_dispatcher::Timings;
use meltica_recycler::Recycler;

use crate::{
    Control, End, Feed, Message, Pipeline, Pools, Stats,
    feed::{Fed, State},
    pipeline::StatsSource,
};

/// A pipeline on a thread of its own. A pipeline without workers runs its consumers on that thread too.
///
/// Dropped without a [`shutdown`](Self::shutdown), it stops when the calls in progress are over: what
/// waits is not delivered, and critical messages go to the dead-letter sink.
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
        let core = thread::Builder::new().name("meltica-core".to_owned()).spawn(move || {
            state.set_core();
            serve(pipeline, &messages, &stopped, &state)
        })?;
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

    /// To read [`stats`](Self::stats) by, from any thread, also after the pipeline has stopped.
    pub fn stats_handle(&self) -> impl Fn() -> Stats + Send + Sync + 'static {
        let source = self.stats.clone();
        move || source.read()
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
        if core.thread().id() == thread::current().id() {
            // Dropped by one of its own consumers, without workers: it ends by itself.
            return None;
        }
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
    messages: &Receiver<Fed>,
    stopped: &Receiver<Option<Duration>>,
    state: &State,
) -> Option<End> {
    let mut refused = vec![];
    let driven = catch_unwind(AssertUnwindSafe(|| {
        drive(&mut pipeline, messages, stopped, state, &mut refused)
    }));
    state.stop();
    // Whatever a feed has taken is still to come: it sends, or sees that we have stopped.
    let mut left = vec![];
    while !state.is_quiet() {
        left.extend(messages.recv_timeout(Duration::from_micros(50)));
    }
    left.extend(messages.try_iter());
    match driven {
        Ok(Some(limit)) => {
            left.into_iter().for_each(|fed| push(&mut pipeline, fed, state, &mut refused));
            let mut end = pipeline.shutdown(limit);
            end.refused = refused;
            Some(end)
        }
        // Nobody waits for deliveries: critical messages go to the dead-letter sink, and so do those that
        // wait, when the pipeline is dropped.
        Ok(None) => {
            bury(&pipeline, refused, left);
            None
        }
        Err(panic) => {
            tracing::error!("the pipeline's thread panicked, which is a bug; what waits is buried");
            bury(&pipeline, refused, left);
            drop(pipeline);
            resume_unwind(panic)
        }
    }
}

/// Until it is told to stop; answers how long what waits is to be delivered, if it is.
fn drive(
    pipeline: &mut Pipeline,
    messages: &Receiver<Fed>,
    stopped: &Receiver<Option<Duration>>,
    state: &State,
    refused: &mut Vec<Message>,
) -> Option<Duration> {
    let woken = pipeline.orders.woken();
    loop {
        let quiet = || stopped.is_empty() && woken.is_empty();
        let ran = (0..BURST).all(|_| quiet() && pipeline.run_once());
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
        if ran {
            pause = Duration::ZERO;
        }
        let mut take = |pipeline: &mut Pipeline, first: Option<Fed>| {
            let burst = first.into_iter().chain(messages.try_iter()).take(BURST);
            burst.for_each(|fed| push(pipeline, fed, state, refused));
        };
        select_biased! {
            recv(stopped) -> limit => return limit.ok().flatten(),
            recv(woken) -> _ => {
                let now = Instant::now();
                pipeline.obey_waiting(now);
                pipeline.poll(now);
                // Whoever never stops commanding must not keep messages from their turn.
                take(pipeline, None);
            }
            recv(messages) -> message => take(pipeline, message.ok()),
            default(pause) => pipeline.poll(Instant::now()),
        }
    }
}

/// After a cancellation the feeds are refused, and what they have handed over already is handed back.
fn push(pipeline: &mut Pipeline, fed: Fed, state: &State, refused: &mut Vec<Message>) {
    let Fed { message, receipt } = fed;
    // A feed takes only critical ones for a receipt.
    if let Err(refusal) = pipeline.push_with(message, Instant::now(), receipt) {
        state.stop();
        refused.push(refusal.into_message());
    }
}

fn bury(pipeline: &Pipeline, refused: Vec<Message>, left: Vec<Fed>) {
    let left = left.into_iter().map(|fed| fed.message);
    refused.into_iter().chain(left).for_each(|message| pipeline.dispatcher.bury(message));
}
