//! From the server to a pipeline.

mod chains;
mod config;
mod critical;
mod market;
mod settled;
mod stats;
mod versions;

use std::{
    collections::{HashMap, VecDeque},
    fmt, io,
    sync::{Arc, Mutex, atomic::Ordering::Relaxed},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use async_nats::{Client, jetstream};
use futures_util::StreamExt;
use tokio::sync::watch;

pub(crate) use self::chains::ChainId;
use self::{
    chains::Chains,
    critical::{Critical, Handover, Identities},
    market::{Market, Wish},
    versions::Versions,
};
pub use self::{
    config::InboundConfig,
    settled::{Receipt, Settled},
    stats::InboundStats,
};
use crate::{
    ConnectError, Decoder, Names, NatsPools, PositionsError, Received, View,
    connect::Link,
    positions::{Noted, Positions},
    subject,
};

/// How much is handed on before it is looked whether to stop.
const AT_A_TIME: usize = 64;
/// How many messages the client holds for the socket: acknowledgements, and wishes.
const QUEUE: usize = 512;

/// Takes what came, on threads of the [`Inbound`]'s: one for market data, one for critical messages. May block; while it
/// does, market data are folded, and critical messages wait at the server.
///
/// A message with a receipt is critical: once every consumer that wants it is done with it, [`Settled`] is to be told,
/// and not before. An error ends this half of the inbound for good; what it could not take comes again with the next
/// start.
pub trait Sink: Send + Sync + 'static {
    /// Takes a message.
    ///
    /// # Errors
    ///
    /// [`Stopped`]: nothing is taken any more.
    fn take(&self, message: Received, receipt: Option<Receipt>) -> Result<(), Stopped>;
}

impl<F> Sink for F
where
    F: Fn(Received, Option<Receipt>) -> Result<(), Stopped> + Send + Sync + 'static,
{
    fn take(&self, message: Received, receipt: Option<Receipt>) -> Result<(), Stopped> {
        self(message, receipt)
    }
}

/// Who was to take messages takes none any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pipeline has stopped")]
pub struct Stopped;

/// What an application knows by itself: whether it has this critical message already, from before this start. It is
/// asked of each before it is handed on; one that it has is acknowledged, and goes no further.
///
/// With it, an application whose own records outlive it gets each message exactly once, whatever ends when. Without it
/// a message may come twice if this process ends in the instant between the handler's end and the note of it.
pub type Known = Box<dyn FnMut(View<'_>) -> bool + Send>;

/// A pipeline's way from the server, on threads of its own.
///
/// Of market data each stream's newest is handed on as soon as the pipeline takes it. Critical messages are handed on in
/// the order of their senders, each once, and acknowledged when the pipeline is done with them.
pub struct Inbound {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    finish: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    market: Arc<Market>,
    handover: Arc<Handover>,
    critical: Arc<critical::Counts>,
    links: [Arc<Link>; 2],
}

impl Inbound {
    /// Opens the positions, and begins. A server that is not there yet is waited for in the background.
    ///
    /// # Errors
    ///
    /// [`InboundError`]: positions that cannot be kept, a server that refuses us, no thread, a name that cannot be.
    pub fn start(
        config: InboundConfig,
        names: Names,
        pools: NatsPools,
        settled: Settled,
        known: Option<Known>,
        sink: impl Sink,
    ) -> Result<Self, InboundError> {
        config.check()?;
        let mut chains = Chains::new(
            config.ack_wait + Duration::from_secs(1),
            config.gap_wait,
            config.in_progress,
        );
        let positions = config.positions.as_deref().map(Positions::open).transpose()?;
        let positions = positions.map(|(positions, noted)| {
            for (id, noted) in noted {
                match noted {
                    Noted::Done(number) => chains.known(id, number),
                    Noted::Gap(gap) => chains.missed(id, gap),
                }
            }
            positions
        });
        let decoder = || Decoder::new(names.clone(), pools.clone());
        let market = Market::new(decoder(), config.trades_waiting, config.owner_silence);
        let shared = Arc::new(Shared {
            market: Arc::new(market),
            handover: Arc::default(),
            critical: Arc::default(),
            links: [Link::new("market data in"), Link::new("critical in")],
        });
        let config = Arc::new(config);
        let versions = Arc::new(Mutex::new(Versions::new(config.follow)));
        let critical = Critical {
            decoder: decoder(),
            names,
            positions,
            chains,
            handover: Arc::clone(&shared.handover),
            counts: Arc::clone(&shared.critical),
            versions: Arc::clone(&versions),
            settled,
            known,
            config: Arc::clone(&config),
            open: HashMap::new(),
            done: HashMap::new(),
            identities: Identities::default(),
            next_receipt: 0,
            told_malformed: false,
            is_primed: false,
        };
        let (runtime, clients) = open(&config, &shared.links)?;
        let (stop, stopped) = watch::channel(false);
        let (finish, finished) = watch::channel(false);
        let mut inbound = Self { shared: Arc::clone(&shared), stop, finish, threads: vec![] };
        let sink = Arc::new(sink);
        let (market, taker) = (Arc::clone(&shared.market), Arc::clone(&sink));
        inbound.spawn("nats-market", move || hand_on_market(&market, &*taker))?;
        let handover = Arc::clone(&shared.handover);
        inbound.spawn("nats-critical", move || hand_on_critical(&handover, &*sink))?;
        inbound.spawn("nats-in", move || {
            runtime.block_on(serve(shared, clients, config, critical, versions, stopped, finished));
        })?;
        Ok(inbound)
    }

    fn spawn(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.threads.push(thread::Builder::new().name(name.to_owned()).spawn(work)?);
        Ok(())
    }

    /// What came so far.
    pub fn stats(&self) -> InboundStats {
        self.shared.stats()
    }

    /// Where the statistics are read from, on any thread, also when this is gone.
    pub fn stats_handle(&self) -> impl Fn() -> InboundStats + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move || shared.stats()
    }

    /// Hands nothing on any more. What the pipeline has is still acknowledged when it is done with it.
    pub fn stop(&self) {
        let _ = self.stop.send(true);
        self.shared.market.stop();
        self.shared.handover.stop();
    }

    /// Ends, after [`stop`](Self::stop) and after the pipeline was shut down: acknowledges what is settled, until `limit`
    /// is over. What is not comes again with the next start.
    pub fn shutdown(mut self, limit: Duration) -> InboundStats {
        self.stop();
        let end = Instant::now() + limit;
        while self.stats().in_progress > 0 && Instant::now() < end {
            thread::sleep(Duration::from_millis(2));
        }
        self.join();
        self.stats()
    }

    fn join(&mut self) {
        self.stop();
        let _ = self.finish.send(true);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread that receives panicked, which is a bug");
            }
        }
    }
}

impl Drop for Inbound {
    fn drop(&mut self) {
        self.join();
    }
}

impl fmt::Debug for Inbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbound").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl Shared {
    fn stats(&self) -> InboundStats {
        let (market, critical) = (&self.market.counts, &self.critical);
        let (streams, streams_waiting) = self.market.streams();
        InboundStats {
            frames: market.frames.load(Relaxed),
            bytes: market.bytes.load(Relaxed),
            handed_on: market.handed_on.load(Relaxed),
            lost: market.lost.load(Relaxed),
            again: market.again.load(Relaxed),
            baseless: market.baseless.load(Relaxed),
            foreign: market.foreign.load(Relaxed),
            folded: market.folded.load(Relaxed),
            dropped: market.dropped.load(Relaxed),
            pool_empty: market.pool_empty.load(Relaxed),
            malformed: market.malformed.load(Relaxed),
            streams,
            streams_waiting,
            critical_frames: critical.frames.load(Relaxed),
            critical: critical.handed_on.load(Relaxed),
            acknowledged: critical.acknowledged.load(Relaxed),
            redelivered: critical.redelivered.load(Relaxed),
            repeated: critical.repeated.load(Relaxed),
            known: critical.known.load(Relaxed),
            critical_malformed: critical.malformed.load(Relaxed),
            gaps: critical.gaps.load(Relaxed),
            missing: critical.missing.load(Relaxed),
            held: critical.held.load(Relaxed),
            in_progress: critical.in_progress.load(Relaxed).saturating_sub(self.handover.left()),
            restarts: critical.restarts.load(Relaxed),
            market_link: self.links[0].stats(),
            critical_link: self.links[1].stats(),
        }
    }
}

/// One connection for what may be lost, another for what may not: however much of the one comes, the other's answers
/// come.
fn open(
    config: &InboundConfig,
    links: &[Arc<Link>; 2],
) -> Result<(tokio::runtime::Runtime, [Client; 2]), InboundError> {
    crate::runtime::begin(async {
        let market = config.connect.open(&config.durable, QUEUE, &links[0]).await?;
        // An acknowledgement for each that is in progress, also while the server is away: none is waited for.
        let queue = QUEUE + config.in_progress;
        let critical = config.connect.open(&config.durable, queue, &links[1]).await?;
        Ok([market, critical])
    })
}

async fn serve(
    shared: Arc<Shared>,
    [market, critical]: [Client; 2],
    config: Arc<InboundConfig>,
    receiver: Critical,
    versions: Arc<Mutex<Versions>>,
    stop: watch::Receiver<bool>,
    finish: watch::Receiver<bool>,
) {
    let context = jetstream::new(critical.clone());
    let link = Arc::clone(&shared.links[1]);
    for wanted in &config.market {
        let ours = (Arc::clone(&shared.market), Arc::clone(&versions), market.clone());
        tokio::spawn(drain(ours, wanted.clone(), stop.clone()));
    }
    receiver.receive(context, link, stop, finish).await;
    // Acknowledgements are on their way when this is over.
    let _ = tokio::time::timeout(Duration::from_secs(1), critical.flush()).await;
}

/// Empties a subscription as fast as it fills: what is not taken at once the client would keep, oldest first.
async fn drain(
    (market, versions, client): (Arc<Market>, Arc<Mutex<Versions>>, Client),
    wanted: String,
    mut stop: watch::Receiver<bool>,
) {
    let mut frames = match client.subscribe(wanted.clone()).await {
        Ok(frames) => frames,
        Err(error) => {
            tracing::error!(%error, wanted, "no market data");
            return;
        }
    };
    loop {
        let frame = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            frame = frames.next() => frame,
        };
        let Some(frame) = frame else { return };
        let (to, what) = match market.came(&frame.payload, &versions, Instant::now()) {
            Some(Wish::All(origin)) => (origin, String::new()),
            Some(Wish::Stream(origin)) => (origin, frame.subject.to_string()),
            None => continue,
        };
        if let Err(error) = client.publish(subject::refresh(to), what.into()).await {
            tracing::warn!(%error, "what was missed could not be asked for");
        }
    }
}

fn hand_on_market(market: &Market, sink: &impl Sink) {
    let mut messages = VecDeque::with_capacity(2 * AT_A_TIME);
    loop {
        market.take(AT_A_TIME, &mut messages);
        if messages.is_empty() {
            return;
        }
        for message in messages.drain(..) {
            if sink.take(message, None).is_err() {
                return;
            }
        }
    }
}

fn hand_on_critical(handover: &Handover, sink: &impl Sink) {
    while let Some((receipt, message)) = handover.take() {
        if sink.take(message, Some(receipt)).is_err() {
            handover.refuse();
            return;
        }
    }
}

/// Why nothing can be received.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InboundError {
    /// No connection.
    #[error("{0}")]
    Connect(#[from] ConnectError),
    /// No positions.
    #[error("{0}")]
    Positions(#[from] PositionsError),
    /// The server takes no such name.
    #[error(
        "`{0}` cannot be remembered by the server; write 1 to 64 letters, digits, - and _, as risk-1"
    )]
    Durable(String),
    /// It is no subject of market data.
    #[error(
        "`{0}` is no subject of market data; write meltica.md.VENUE.INSTRUMENT.TOPIC, with * for any one and > for all that follow"
    )]
    NoMarket(String),
    /// The system gave no thread or no socket.
    #[error("no thread or socket to receive with: {0}")]
    System(#[from] io::Error),
}
