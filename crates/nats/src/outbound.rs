//! From a pipeline to the server.

mod config;
mod critical;
mod market;
mod stats;

use std::{
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use async_nats::{Client, jetstream};
use futures_util::StreamExt;
use tokio::{sync::watch, time::MissedTickBehavior};

pub use self::{config::OutboundConfig, stats::OutboundStats};
use self::{critical::Critical, market::Market};
use crate::{
    Commands, ConnectError, EncodeError, Envelope, Names, OriginName, OutboxError, View,
    connect::Link, control, outbox::Outbox, subject,
};

/// How many frames are taken out of their places at a time: no more than go at once, since who takes the next may take
/// something newer.
const FRAMES_AT_A_TIME: usize = 32;
/// How many messages the client holds for the socket.
const MARKET_QUEUE: usize = 64;
/// How often books are looked through for those that are due.
const LOOK: Duration = Duration::from_millis(250);
/// Who asks for what was sent gets it no more often than that.
const BETWEEN_REFRESHES: Duration = Duration::from_millis(200);

/// A pipeline's way to the server, on a thread of its own. What a consumer's handler reads is handed to
/// [`publish`](Self::publish) from any thread.
///
/// Market data are folded by stream while the connection is slow or away, and the newest is sent. A critical message is
/// in the outbox when `publish` returns, and is sent from there until the server has it, over however many connections
/// and starts of this program.
pub struct Outbound {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    market: Arc<Market>,
    critical: Arc<Critical>,
    links: [Arc<Link>; 2],
}

impl Outbound {
    /// Opens the outbox, and begins. A server that is not there yet is waited for in the background. `commands` is what
    /// operators may do from elsewhere: see [`Commands`].
    ///
    /// # Errors
    ///
    /// [`OutboundError`]: an outbox that cannot be used, a server that refuses us, no thread.
    pub fn start(
        config: OutboundConfig,
        names: Names,
        commands: Option<Arc<dyn Commands>>,
    ) -> Result<Self, OutboundError> {
        config.connect.check()?;
        let outbox = Outbox::open(&config.outbox, config.durability, config.outbox_limit)?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let envelope = Envelope {
            origin: config.origin,
            incarnation: since.as_nanos() as u64,
            chain: 0,
            number: 0,
        };
        let market =
            Market::new(names.clone(), envelope, config.trades_waiting, config.book_refresh);
        let shared = Arc::new(Shared {
            market: Arc::new(market),
            critical: Arc::new(Critical::new(outbox, names, envelope)),
            links: [Link::new("market data out"), Link::new("critical out")],
        });
        let (runtime, clients) = open(&config, &shared.links)?;
        let (stop, stopped) = watch::channel(false);
        let ours = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("nats-out".to_owned())
            .spawn(move || runtime.block_on(serve(ours, clients, config, commands, stopped)))?;
        Ok(Self { shared, stop, thread: Some(thread) })
    }

    /// Takes a message. Of market data it keeps what is newest; a critical message is in the outbox when this returns.
    /// `missed` says that something of the same stream before it never came here, as word of skipped messages does: a
    /// book goes on with its next snapshot then.
    ///
    /// Costs a lock and a copy of the message; a critical one also a write to the file.
    ///
    /// # Errors
    ///
    /// [`PublishError`]: the message was not taken. Of market data only if it has a venue or an instrument without a
    /// name.
    pub fn publish(&self, view: View<'_>, missed: bool) -> Result<(), PublishError> {
        if view.is_critical() {
            return self.shared.critical.publish(view);
        }
        Ok(self.shared.market.publish(view, missed)?)
    }

    /// What was sent so far.
    pub fn stats(&self) -> OutboundStats {
        self.shared.stats()
    }

    /// Where the statistics are read from, on any thread, also when this is gone.
    pub fn stats_handle(&self) -> impl Fn() -> OutboundStats + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move || shared.stats()
    }

    /// Stops: what waits is sent until `limit` is over. Critical messages that the server does not have then stay in the
    /// outbox, for the next start.
    pub fn shutdown(mut self, limit: Duration) -> OutboundStats {
        let end = Instant::now() + limit;
        let waits = |stats: &OutboundStats| stats.waiting > 0 || stats.streams_waiting > 0;
        while waits(&self.stats()) && Instant::now() < end {
            thread::sleep(Duration::from_millis(2));
        }
        self.stop();
        self.stats()
    }

    fn stop(&mut self) {
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that sends panicked, which is a bug");
        }
    }
}

impl Drop for Outbound {
    fn drop(&mut self) {
        self.stop();
    }
}

impl std::fmt::Debug for Outbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbound").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl Shared {
    fn stats(&self) -> OutboundStats {
        let (market, critical) = (&self.market.counts, &self.critical.counts);
        let (streams, streams_waiting) = self.market.streams();
        let (waiting, outbox_bytes) = self.critical.waiting();
        OutboundStats {
            published: market.published.load(Relaxed),
            sent: market.sent.load(Relaxed),
            refreshed: market.refreshed.load(Relaxed),
            sent_bytes: market.sent_bytes.load(Relaxed),
            folded: market.folded.load(Relaxed),
            dropped: market.dropped.load(Relaxed),
            baseless: market.baseless.load(Relaxed),
            streams,
            streams_waiting,
            critical: critical.published.load(Relaxed),
            acknowledged: critical.acknowledged.load(Relaxed),
            repeated: critical.repeated.load(Relaxed),
            waiting,
            outbox_bytes,
            retries: critical.retries.load(Relaxed),
            market_link: self.links[0].stats(),
            critical_link: self.links[1].stats(),
        }
    }
}

/// One connection for what may be lost, another for what may not: what fills the one must not hold up the other.
fn open(
    config: &OutboundConfig,
    links: &[Arc<Link>; 2],
) -> Result<(tokio::runtime::Runtime, [Client; 2]), OutboundError> {
    crate::runtime::begin(async {
        let (connect, owner) = (&config.connect, config.origin.as_str());
        let market = connect.open(owner, MARKET_QUEUE, &links[0]).await?;
        let critical = connect.open(owner, 2 * config.in_flight, &links[1]).await?;
        Ok([market, critical])
    })
}

async fn serve(
    shared: Arc<Shared>,
    [market, critical]: [Client; 2],
    config: OutboundConfig,
    commands: Option<Arc<dyn Commands>>,
    stop: watch::Receiver<bool>,
) {
    let config = Arc::new(config);
    let [market_link, critical_link] = shared.links.clone();
    let context = jetstream::context::ContextBuilder::new()
        .ack_timeout(config.ack_timeout)
        .timeout(config.ack_timeout)
        .max_ack_inflight(config.in_flight)
        .build(critical.clone());
    let sending = Arc::clone(&shared.critical).send(
        context,
        critical_link,
        Arc::clone(&config),
        stop.clone(),
    );
    let sending = tokio::spawn(sending);
    let answering = commands.map(|commands| {
        tokio::spawn(control::answer(critical, config.origin, commands, stop.clone()))
    });
    let refreshing = tokio::spawn(refresh(
        market.clone(),
        Arc::clone(&shared.market),
        Arc::clone(&market_link),
        config.origin,
    ));
    send_market(&shared.market, &market, &market_link, stop).await;
    refreshing.abort();
    // What was handed to the client is on its way when this is over.
    let _ = tokio::time::timeout(Duration::from_secs(1), market.flush()).await;
    let _ = sending.await;
    if let Some(answering) = answering {
        let _ = answering.await;
    }
}

/// Sends the newest of each stream whenever the client has room, and nothing while there is no connection.
async fn send_market(
    market: &Market,
    client: &Client,
    link: &Link,
    mut stop: watch::Receiver<bool>,
) {
    let mut changes = link.watch();
    let mut frames = Vec::with_capacity(FRAMES_AT_A_TIME);
    let send = async {
        loop {
            if changes.wait_for(|change| change.connected).await.is_err() {
                return;
            }
            market.take(FRAMES_AT_A_TIME, Instant::now(), &mut frames);
            if frames.is_empty() {
                market.news.notified().await;
            }
            for (subject, frame) in frames.drain(..) {
                market.counts.sent_bytes.fetch_add(frame.len() as u64, Relaxed);
                if let Err(error) = client.publish(subject, frame).await {
                    tracing::warn!(%error, "market data could not be sent");
                }
            }
        }
    };
    tokio::select! {
        () = send => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

/// Has sent again what receivers ask for, what was on its way when the connection was lost, and books now and then.
async fn refresh(client: Client, market: Arc<Market>, link: Arc<Link>, origin: OriginName) {
    let Ok(mut requests) = client.subscribe(subject::refresh(origin)).await else {
        tracing::error!("no receiver will be heard that asks for what it missed");
        return;
    };
    let mut changes = link.watch();
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            request = requests.next() => {
                let Some(request) = request else { return };
                let wanted = std::str::from_utf8(&request.payload).unwrap_or_default();
                market.send_again((!wanted.is_empty()).then_some(wanted));
                tokio::time::sleep(BETWEEN_REFRESHES).await;
            }
            _ = look.tick() => market.refresh_books(Instant::now()),
            changed = changes.changed() => {
                if changed.is_err() {
                    return;
                }
                if changes.borrow_and_update().connected {
                    market.send_again(None);
                }
            }
        }
    }
}

/// Why nothing can be sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboundError {
    /// No connection.
    #[error("{0}")]
    Connect(#[from] ConnectError),
    /// No outbox.
    #[error("{0}")]
    Outbox(#[from] OutboxError),
    /// The system gave no thread or no socket.
    #[error("no thread or socket to send from: {0}")]
    System(#[from] io::Error),
}

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// It has no frame.
    #[error("{0}")]
    Encode(#[from] EncodeError),
    /// The outbox did not take it.
    #[error("{0}")]
    Outbox(#[from] OutboxError),
}
