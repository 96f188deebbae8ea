//! Critical messages on their way out: into the outbox, and from there to the server until it has them.

use std::{
    future::IntoFuture,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use async_nats::jetstream::{self, context::PublishError as SendError, message::PublishMessage};
use futures_util::{StreamExt, stream::FuturesOrdered};
use tokio::sync::{Notify, watch};

use crate::{
    Encoder, Envelope, Names, OutboxError, View,
    connect::Link,
    identity,
    outbound::{OutboundConfig, PublishError},
    outbox::Outbox,
    stream, subject,
};

/// The outbox, and who is told that it has something.
pub(crate) struct Critical {
    state: Mutex<State>,
    news: Notify,
    pub(crate) counts: Counts,
}

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) published: AtomicU64,
    pub(crate) acknowledged: AtomicU64,
    pub(crate) repeated: AtomicU64,
    pub(crate) retries: AtomicU64,
}

struct State {
    outbox: Outbox,
    encoder: Encoder,
    envelope: Envelope,
    frame: Vec<u8>,
    id: String,
}

impl Critical {
    pub(crate) fn new(outbox: Outbox, names: Names, envelope: Envelope) -> Self {
        let envelope = Envelope { chain: outbox.chain(), ..envelope };
        let state = State {
            outbox,
            encoder: Encoder::new(names),
            envelope,
            frame: vec![],
            id: String::new(),
        };
        Self { state: Mutex::new(state), news: Notify::new(), counts: Counts::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a message; once this is over it is in the outbox.
    pub(crate) fn publish(&self, view: View<'_>) -> Result<(), PublishError> {
        let mut state = self.lock();
        let State { outbox, encoder, envelope, frame, id } = &mut *state;
        let envelope = Envelope { number: outbox.next_number(), ..*envelope };
        frame.clear();
        encoder.encode(view, &envelope, frame)?;
        id.clear();
        identity::place(&envelope, id);
        outbox.append(&subject::critical(envelope.origin, view.kind().topic()), id, frame)?;
        drop(state);
        self.counts.published.fetch_add(1, Relaxed);
        self.news.notify_one();
        Ok(())
    }

    /// How many messages the server does not have yet, and how large the file is.
    pub(crate) fn waiting(&self) -> (u64, u64) {
        let state = self.lock();
        (state.outbox.waiting(), state.outbox.size())
    }

    /// Sends what is in the outbox, in order, so many at a time, until it is told to stop. Whatever goes wrong, it begins
    /// again with the first that is not acknowledged: what the server has already it recognises.
    pub(crate) async fn send(
        self: Arc<Self>,
        jetstream: jetstream::Context,
        link: Arc<Link>,
        config: Arc<OutboundConfig>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut pause = FIRST_PAUSE;
        let mut has_stream = false;
        let mut changes = link.watch();
        loop {
            let sent = async {
                changes.wait_for(|change| change.connected).await.map_err(|_| Halt::Stopped)?;
                if !has_stream {
                    stream::ensure(&jetstream, &config.stream).await;
                    has_stream = true;
                }
                self.send_in_order(&jetstream, &link, config.in_flight, &mut pause).await
            };
            let halt = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                sent = sent => sent,
            };
            match halt {
                Err(Halt::Stopped) => return,
                Err(Halt::Outbox(error)) => {
                    tracing::error!(%error, "critical messages wait: the outbox cannot be read");
                    pause = LONGEST_PAUSE;
                }
                Err(Halt::Server(error)) => {
                    has_stream = false;
                    let waiting = self.waiting().0;
                    tracing::warn!(%error, waiting, "critical messages wait for the server");
                }
                Err(Halt::Cut) | Ok(()) => {
                    tracing::debug!("the connection was lost; critical messages are sent again");
                }
            }
            self.counts.retries.fetch_add(1, Relaxed);
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(pause) => pause = (2 * pause).min(LONGEST_PAUSE),
            }
        }
    }

    async fn send_in_order(
        &self,
        jetstream: &jetstream::Context,
        link: &Link,
        most: usize,
        pause: &mut Duration,
    ) -> Result<(), Halt> {
        let mut changes = link.watch();
        let losses = changes.borrow_and_update().losses;
        let mut at = self.lock().outbox.first_unsent();
        let mut flight = FuturesOrdered::new();
        loop {
            while flight.len() < most {
                let record = self.lock().outbox.message_at(at).map_err(Halt::Outbox)?;
                let Some(record) = record else { break };
                let (number, next) = (record.number, record.next);
                let message = PublishMessage::build()
                    .payload(record.frame.into())
                    .message_id(record.id.as_str());
                let sent = jetstream.send_publish(record.subject, message).await;
                let answer = sent.map_err(Halt::Server)?.into_future();
                flight.push_back(async move { (number, next, answer.await) });
                at = next;
            }
            tokio::select! {
                Some((number, next, answer)) = flight.next() => {
                    let answer = answer.map_err(Halt::Server)?;
                    self.lock().outbox.acknowledge(number, next).map_err(Halt::Outbox)?;
                    self.counts.acknowledged.fetch_add(1, Relaxed);
                    self.counts.repeated.fetch_add(u64::from(answer.duplicate), Relaxed);
                    *pause = FIRST_PAUSE;
                }
                // What was on its way may have come or not, and no answer will come.
                lost = changes.wait_for(|change| change.losses != losses) => {
                    lost.map_err(|_| Halt::Stopped)?;
                    return Err(Halt::Cut);
                }
                () = self.news.notified(), if flight.len() < most => {}
            }
        }
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Why sending begins again.
enum Halt {
    Stopped,
    /// The connection was lost.
    Cut,
    Server(SendError),
    Outbox(OutboxError),
}
