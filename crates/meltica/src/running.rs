use std::{
    fmt, io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender, bounded, select_biased};

use meltica_consumer::Gate;
use meltica_dispatcher::{Routes, Timings};
use meltica_recycler::Recycler;

use crate::{
    Consumer, End, Feed, Market, Message, Pipeline, Pools, PushError, Select, Stats, feed::State,
    pipeline::StatsSource,
};

/// A pipeline on a thread of its own.
///
/// Dropped without a [`shutdown`](Self::shutdown), it stops at once: what waits is not delivered, and
/// critical messages go to the dead-letter sink.
pub struct Running {
    feed: Feed,
    commands: Sender<Command>,
    /// `None` once it was joined.
    core: Option<JoinHandle<Option<End>>>,
    pools: Pools,
    recycler: Recycler,
    stats: StatsSource,
}

/// What the core thread is asked between two messages.
enum Command {
    Run(Box<dyn FnOnce(&mut Pipeline) + Send>),
    /// Delivers until the limit, then ends; without one, buries what waits.
    Stop(Option<Duration>),
}

impl Running {
    pub(crate) fn start(pipeline: Pipeline, capacity: usize) -> io::Result<Self> {
        assert!(capacity > 0, "a queue without room takes nothing");
        let (sender, messages) = bounded(capacity);
        let (commands, asked) = bounded(16);
        let state = Arc::new(State::default());
        let feed = Feed::new(sender, Arc::clone(&state));
        let pools = pipeline.pools().clone();
        let recycler = pipeline.recycler().clone();
        let stats = pipeline.stats_source();
        let core = thread::Builder::new()
            .name("meltica-core".to_owned())
            .spawn(move || serve(pipeline, &messages, &asked, &state))?;
        Ok(Self { feed, commands, core: Some(core), pools, recycler, stats })
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
        &self.recycler
    }

    /// The routes, to be changed from this thread.
    pub fn routes(&self) -> Routes<Market> {
        self.stats.routes.clone()
    }

    #[cfg(feature = "telemetry")]
    pub(crate) fn stats_source(&self) -> StatsSource {
        self.stats.clone()
    }

    /// How long messages took so far: see [`Pipeline::timings`].
    pub fn timings(&self) -> Timings {
        self.stats.routes.timings()
    }

    /// What has been done so far, as of between two messages. `None` if the core thread is gone.
    pub fn stats(&self) -> Option<Stats> {
        self.ask(|pipeline| pipeline.stats())
    }

    /// The gate of the consumer of this name.
    pub fn gate(&self, consumer: &str) -> Option<Gate> {
        let name = consumer.to_owned();
        self.ask(move |pipeline| pipeline.gate(&name)).flatten()
    }

    /// Flips between two messages: see [`Pipeline::flip`]. `None` if the core thread is gone.
    pub fn flip(&self) -> Option<u64> {
        self.ask(Pipeline::flip)
    }

    /// Adds a consumer: see [`Pipeline::subscribe`]. `None` if the core thread is gone.
    pub fn subscribe(
        &self,
        consumer: Consumer,
        selections: impl IntoIterator<Item = Select>,
    ) -> Option<Result<meltica_dispatcher::LaneId, meltica_dispatcher::SubscribeError>> {
        let selections: Vec<_> = selections.into_iter().collect();
        self.ask(move |pipeline| pipeline.subscribe(consumer, selections))
    }

    fn ask<R: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Pipeline) -> R + Send + 'static,
    ) -> Option<R> {
        let (answer, answered) = bounded(1);
        let ask = move |pipeline: &mut Pipeline| {
            // Whoever asked may be gone.
            let _ = answer.send(question(pipeline));
        };
        self.commands.send(Command::Run(Box::new(ask))).ok()?;
        answered.recv().ok()
    }

    /// Stops: feeds are refused from now on, what they handed over is delivered until `limit` is
    /// over, every thread is joined. `None` if the core thread panicked (then a
    /// question asked of it did).
    pub fn shutdown(mut self, limit: Duration) -> Option<End> {
        self.stop(Some(limit))
    }

    fn stop(&mut self, limit: Option<Duration>) -> Option<End> {
        let core = self.core.take()?;
        // The core thread may be gone already.
        let _ = self.commands.send(Command::Stop(limit));
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

/// How many messages are taken before the core thread looks for commands again.
const BURST: usize = 64;
/// A wait that a command or a message ends.
const LONG: Duration = Duration::from_secs(3_600);

/// The core thread: the one writer of the pipeline.
fn serve(
    mut pipeline: Pipeline,
    messages: &Receiver<Message>,
    commands: &Receiver<Command>,
    state: &State,
) -> Option<End> {
    let mut refused = vec![];
    let limit = loop {
        // A channel that tells the time would be allocated anew for each wait.
        let pause = match pipeline.next_deadline() {
            Some(deadline) => {
                let now = Instant::now();
                if deadline <= now {
                    pipeline.poll(now);
                }
                deadline.saturating_duration_since(now)
            }
            None => LONG,
        };
        select_biased! {
            recv(commands) -> command => match command {
                Ok(Command::Run(question)) => {
                    question(&mut pipeline);
                    pipeline.poll(Instant::now());
                }
                Ok(Command::Stop(limit)) => break limit,
                Err(_) => break None,
            },
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
        for message in refused.iter().filter(|message| message.is_critical()) {
            let trace = message.header().trace;
            tracing::warn!(%trace, "a critical message came after the cancellation");
        }
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
