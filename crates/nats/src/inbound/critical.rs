//! Critical messages on their way in: from the stream in order to the pipeline, and acknowledged when that is done with
//! them.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    pin::pin,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use async_nats::jetstream::{
    self, AckKind,
    consumer::{AckPolicy, DeliverPolicy, pull},
    message::Acker,
};
use futures_util::StreamExt;
use tokio::sync::watch;

use crate::{
    CRITICAL_STREAM, Decoder, Names, Received,
    connect::Link,
    identity,
    inbound::{
        InboundConfig, Known, Receipt, Settled,
        chains::{Came, ChainId, Chains, Place},
        versions::Versions,
    },
    positions::Positions,
    stream, subject,
};

/// How many identities are remembered.
const IDENTITIES: usize = 65_536;
/// How many messages of before a start are looked at for theirs.
const REMEMBERED: u64 = 4_096;
/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether a gap was waited for long enough.
const LOOK: Duration = Duration::from_millis(250);

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) frames: AtomicU64,
    pub(crate) handed_on: AtomicU64,
    pub(crate) acknowledged: AtomicU64,
    pub(crate) redelivered: AtomicU64,
    pub(crate) repeated: AtomicU64,
    pub(crate) known: AtomicU64,
    pub(crate) malformed: AtomicU64,
    pub(crate) gaps: AtomicU64,
    pub(crate) missing: AtomicU64,
    pub(crate) held: AtomicU64,
    pub(crate) in_progress: AtomicU64,
    pub(crate) restarts: AtomicU64,
}

/// What is on its way from the connection's thread to the one that hands it to the pipeline.
#[derive(Default)]
pub(crate) struct Handover {
    queue: Mutex<VecDeque<(Receipt, Received)>>,
    news: Condvar,
    stopped: AtomicBool,
    /// How many were taken, and then not by the pipeline.
    refused: AtomicU64,
}

impl Handover {
    fn put(&self, receipt: Receipt, received: Received) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push_back((receipt, received));
        self.news.notify_one();
    }

    /// The next; `None` when it has stopped.
    pub(crate) fn take(&self) -> Option<(Receipt, Received)> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if self.stopped.load(Relaxed) {
                return None;
            }
            if let Some(next) = queue.pop_front() {
                return Some(next);
            }
            queue = self.news.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The one that was taken last has not come to the pipeline, and none will.
    pub(crate) fn refuse(&self) {
        if !self.stopped.load(Relaxed) {
            tracing::error!(
                "the pipeline takes no critical messages any more; they stay at the server"
            );
        }
        self.refused.fetch_add(1, Relaxed);
        self.stop();
    }

    /// How many will not come to the pipeline in this life.
    pub(crate) fn left(&self) -> u64 {
        if !self.stopped.load(Relaxed) {
            return 0;
        }
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.len() as u64 + self.refused.load(Relaxed)
    }

    /// Nothing more is handed on: what waits is not acknowledged, and so comes again.
    pub(crate) fn stop(&self) {
        let _queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        self.stopped.store(true, Relaxed);
        self.news.notify_all();
    }
}

/// The receiving side of the stream, for its task.
pub(crate) struct Critical {
    pub(crate) decoder: Decoder,
    pub(crate) names: Names,
    pub(crate) positions: Option<Positions>,
    pub(crate) chains: Chains<Held>,
    pub(crate) handover: Arc<Handover>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) versions: Arc<Mutex<Versions>>,
    pub(crate) settled: Settled,
    pub(crate) known: Option<Known>,
    pub(crate) config: Arc<InboundConfig>,
    pub(crate) open: HashMap<Receipt, (Place, Acker)>,
    /// Settled, while an earlier one of its outbox is not.
    pub(crate) done: HashMap<Place, Acker>,
    pub(crate) identities: Identities,
    pub(crate) next_receipt: u64,
    pub(crate) told_malformed: bool,
    /// Whether the identities of before this start are known.
    pub(crate) is_primed: bool,
}

/// A message whose turn has not come.
pub(crate) struct Held {
    received: Received,
    id: String,
    acker: Acker,
}

/// By what the last messages go, so that one which two senders have both sent is handed on once.
#[derive(Default)]
pub(crate) struct Identities {
    known: HashSet<Arc<str>>,
    order: VecDeque<Arc<str>>,
}

impl Identities {
    /// Whether it is new; now it is known.
    fn insert(&mut self, id: &str) -> bool {
        if self.known.contains(id) {
            return false;
        }
        let id: Arc<str> = id.into();
        self.known.insert(Arc::clone(&id));
        self.order.push_back(id);
        if self.order.len() > IDENTITIES
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

impl Critical {
    /// Receives until it is told to stop, and acknowledges until `finish`.
    pub(crate) async fn receive(
        mut self,
        context: jetstream::Context,
        link: Arc<Link>,
        mut stop: watch::Receiver<bool>,
        mut finish: watch::Receiver<bool>,
    ) {
        let mut pause = Duration::from_millis(20);
        let config = Arc::clone(&self.config);
        while !*stop.borrow() {
            let mut changes = link.watch();
            let opening = async {
                let _ = changes.wait_for(|change| change.connected).await;
                open(&context, &config).await
            };
            let Some(messages) = self.settling(opening, &mut stop).await else { break };
            match messages {
                Ok((messages, floor)) => {
                    pause = Duration::from_millis(20);
                    if let Some(floor) =
                        floor.filter(|_| !std::mem::replace(&mut self.is_primed, true))
                    {
                        self.remember(&context, floor).await;
                    }
                    let losses = changes.borrow_and_update().losses;
                    self.take_all(messages, &mut changes, losses, &mut stop).await;
                }
                Err(error) => tracing::warn!(%error, "critical messages cannot be had yet"),
            }
            self.counts.restarts.fetch_add(1, Relaxed);
            if self.settling(tokio::time::sleep(pause), &mut stop).await.is_none() {
                break;
            }
            pause = (2 * pause).min(Duration::from_secs(2));
        }
        loop {
            tokio::select! {
                biased;
                receipts = self.settled.next() => self.settle_all(receipts).await,
                _ = finish.wait_for(|finish| *finish) => return,
            }
        }
    }

    /// Waits for something, and notes meanwhile what the pipeline is done with; `None` if it is told to stop.
    async fn settling<T>(
        &mut self,
        work: impl Future<Output = T>,
        stop: &mut watch::Receiver<bool>,
    ) -> Option<T> {
        let mut work = pin!(work);
        let settled = self.settled.clone();
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return None,
                receipts = settled.next() => self.settle_all(receipts).await,
                done = &mut work => return Some(done),
            }
        }
    }

    /// Takes what comes, until that ends for one reason or another.
    async fn take_all(
        &mut self,
        mut messages: pull::Stream,
        changes: &mut watch::Receiver<crate::connect::Change>,
        losses: u64,
        stop: &mut watch::Receiver<bool>,
    ) {
        let mut look = tokio::time::interval(LOOK);
        let settled = self.settled.clone();
        loop {
            tokio::select! {
                message = messages.next() => match message {
                    Some(Ok(message)) => self.take(message).await,
                    Some(Err(error)) => {
                        tracing::debug!(%error, "the stream of critical messages begins again");
                        return;
                    }
                    None => return,
                },
                receipts = settled.next() => self.settle_all(receipts).await,
                _ = look.tick() => self.look(Instant::now()).await,
                // The server does not know what was asked of it any more.
                _ = changes.wait_for(|change| change.losses != losses) => return,
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Learns what the last messages were that were settled before this start: what another sender sends of the same
    /// events is a repeat.
    async fn remember(&mut self, context: &jetstream::Context, floor: u64) {
        let first = floor.saturating_sub(REMEMBERED) + 1;
        let name = subject::recall(&self.config.durable);
        let read = async {
            let mut at = first;
            while let Err(error) = self.recall(context, &name, &mut at, floor).await {
                tracing::debug!(%error, "what was settled before is asked for again");
                tokio::time::sleep(LOOK).await;
            }
        };
        match tokio::time::timeout(PATIENCE, read).await {
            Ok(()) => {}
            Err(_) => tracing::warn!("what was settled before is not known: no answer"),
        }
    }

    /// Reads again what the stream has from `at` to `floor`, by a consumer of our own that acknowledges nothing.
    async fn recall(
        &mut self,
        context: &jetstream::Context,
        name: &str,
        at: &mut u64,
        floor: u64,
    ) -> Result<(), async_nats::Error> {
        let stream = context.get_stream(CRITICAL_STREAM).await?;
        let there = &stream.cached_info().state;
        // What is too old is gone, and not waited for.
        *at = (*at).max(there.first_sequence);
        let floor = floor.min(there.last_sequence);
        if *at > floor {
            return Ok(());
        }
        // An earlier start's, which began elsewhere; mostly there is none.
        let _ = stream.delete_consumer(name).await;
        let plan = pull::Config {
            name: Some(name.to_owned()),
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: *at },
            ack_policy: AckPolicy::None,
            inactive_threshold: 3 * PATIENCE,
            memory_storage: true,
            num_replicas: 1,
            ..pull::Config::default()
        };
        let consumer = stream.create_consumer(plan).await?;
        let read = consumer.stream().max_messages_per_batch(256).heartbeat(Duration::from_secs(1));
        let mut messages = read.expires(PATIENCE).messages().await?;
        while *at <= floor
            && let Some(message) = messages.next().await
        {
            let message = message?;
            let sequence = message.info()?.stream_sequence;
            let mut id = String::new();
            if sequence <= floor
                && let Ok((_, received)) = self.decoder.decode(&message.payload)
                && identity::event(received.view(), &self.names, &mut id)
            {
                self.identities.insert(&id);
            }
            *at = sequence + 1;
        }
        drop(messages);
        let _ = stream.delete_consumer(name).await;
        Ok(())
    }

    async fn take(&mut self, message: jetstream::Message) {
        self.counts.frames.fetch_add(1, Relaxed);
        let (message, acker) = message.split();
        let (envelope, mut received) = match self.decoder.decode(&message.payload) {
            Ok(read) => read,
            Err(error) => {
                self.counts.malformed.fetch_add(1, Relaxed);
                if !std::mem::replace(&mut self.told_malformed, true) {
                    tracing::error!(
                        %error,
                        subject = %message.subject,
                        "a critical message was not understood, and stays in the stream (told once, counted always)"
                    );
                }
                // Not acknowledged: a newer program may understand it. It comes again, not at once.
                let later = AckKind::Nak(Some(Duration::from_secs(30)));
                let _ = acker.ack_with(later).await;
                return;
            }
        };
        // Whoever may send under another name can hide that one's messages behind it, and only the subject's is checked by
        // the server.
        let kind = received.view().kind();
        let subject = subject::critical(envelope.origin, kind.topic());
        if !kind.is_critical() || message.subject.as_str() != subject {
            self.counts.malformed.fetch_add(1, Relaxed);
            tracing::error!(
                subject = %message.subject,
                origin = %envelope.origin,
                %kind,
                "no critical message of whoever may send there: it is passed over, and comes no more"
            );
            let _ = acker.ack_with(AckKind::Term).await;
            return;
        }
        let mut id = String::new();
        identity::event(received.view(), &self.names, &mut id);
        let version = received.header().routing_version;
        received.header_mut().routing_version =
            self.versions.lock().unwrap_or_else(PoisonError::into_inner).here(&envelope, version);
        let place = Place { id: ChainId::of(&envelope), number: envelope.number };
        let now = Instant::now();
        let held = Held { received, id, acker };
        match self.chains.came(place, held, now) {
            Came::Ready => self.hand_on(place.id, now).await,
            Came::Settled(Held { acker, .. }) => {
                self.counts.redelivered.fetch_add(1, Relaxed);
                self.acknowledge(acker).await;
            }
            Came::Wait => {}
        }
        self.counts.held.store(self.chains.held() as u64, Relaxed);
    }

    /// Hands on what has its turn.
    async fn hand_on(&mut self, id: ChainId, now: Instant) {
        while let Some((place, held)) = self.chains.pop(id, now) {
            let Held { received, id, acker } = held;
            let is_known = self.known.as_mut().is_some_and(|known| known(received.view()));
            let is_repeat = !is_known && !id.is_empty() && !self.identities.insert(&id);
            if is_known || is_repeat {
                let count = if is_known { &self.counts.known } else { &self.counts.repeated };
                count.fetch_add(1, Relaxed);
                self.settle(place, acker).await;
                continue;
            }
            self.next_receipt += 1;
            let receipt = Receipt(self.next_receipt);
            self.open.insert(receipt, (place, acker));
            self.counts.in_progress.store(self.open.len() as u64, Relaxed);
            self.counts.handed_on.fetch_add(1, Relaxed);
            self.handover.put(receipt, received);
        }
    }

    async fn look(&mut self, now: Instant) {
        for (id, missing) in self.chains.give_up(now) {
            if missing > 0 {
                self.counts.gaps.fetch_add(1, Relaxed);
                self.counts.missing.fetch_add(missing, Relaxed);
                tracing::error!(
                    origin = %id.origin,
                    chain = id.chain,
                    missing,
                    "critical messages do not come: they are not in the stream any more, or an earlier start has had them \
                     and did not note it"
                );
                // Before anything behind it is noted, or it would be taken for settled at the next start.
                self.note_gaps(id);
            }
            self.hand_on(id, now).await;
        }
    }

    async fn settle_all(&mut self, receipts: Vec<Receipt>) {
        for receipt in receipts {
            if let Some((place, acker)) = self.open.remove(&receipt) {
                self.settle(place, acker).await;
            }
        }
        self.counts.in_progress.store(self.open.len() as u64, Relaxed);
    }

    async fn settle(&mut self, place: Place, acker: Acker) {
        self.done.insert(place, acker);
        let (places, news) = self.chains.settle(place);
        if news.gaps {
            self.note_gaps(place.id);
        }
        if let (Some(positions), Some(done)) = (&mut self.positions, news.done)
            && let Err(error) = positions.note(place.id, done)
        {
            // The server is told all the same; after a crash at this moment some might come twice.
            tracing::error!(%error, "a position could not be noted");
        }
        for place in places {
            if let Some(acker) = self.done.remove(&place) {
                self.acknowledge(acker).await;
            }
        }
    }

    fn note_gaps(&mut self, id: ChainId) {
        if let Some(positions) = &mut self.positions
            && let Err(error) = positions.note_gaps(id, self.chains.gaps(id))
        {
            tracing::error!(%error, "what is missing could not be noted");
        }
    }

    async fn acknowledge(&self, acker: Acker) {
        match acker.ack().await {
            Ok(()) => {
                self.counts.acknowledged.fetch_add(1, Relaxed);
            }
            // It comes again, and is recognised.
            Err(error) => tracing::debug!(%error, "not acknowledged"),
        }
    }
}

/// What comes, and the number in the stream up to which all was acknowledged; `None` if nothing was.
async fn open(
    context: &jetstream::Context,
    config: &InboundConfig,
) -> Result<(pull::Stream, Option<u64>), async_nats::Error> {
    if context.get_stream(CRITICAL_STREAM).await.is_err() {
        stream::ensure(context, &config.stream).await;
    }
    let stream = context.get_stream(CRITICAL_STREAM).await?;
    let plan = pull::Config {
        durable_name: Some(config.durable.clone()),
        deliver_policy: if config.from_now { DeliverPolicy::New } else { DeliverPolicy::All },
        ack_policy: AckPolicy::Explicit,
        ack_wait: config.ack_wait,
        max_ack_pending: config.in_progress as i64,
        ..pull::Config::default()
    };
    let mut consumer = stream.get_or_create_consumer(&config.durable, plan).await?;
    let floor = consumer.info().await?.ack_floor.stream_sequence;
    let messages = consumer
        .stream()
        .max_messages_per_batch(config.in_progress.min(256))
        .expires(Duration::from_secs(10))
        .heartbeat(Duration::from_secs(2))
        .messages();
    Ok((messages.await?, (floor > 0).then_some(floor)))
}
