//! Connections to venues: what the sans-IO adapters leave to somebody with sockets and clocks.
//!
//! A [`Connection`] drives one venue's adapter on one thread. It connects by TLS and WebSocket, hands
//! what comes to a [`Tap`], does what the adapter wishes within the venue's limits, watches over two
//! kinds of silence (of the transport, which ends the connection, and of a book, which is asked for
//! again alone), and connects again after a pause that grows until a connection has proved itself.
//!
//! Between socket and pipeline nothing is queued: the tap takes a frame before the next is read. While
//! the pipeline's queue is full, the socket is not read, the venue's bytes wait where TCP has them, and
//! a venue that loses patience ends the connection, after which every book begins anew. So nothing is
//! ever dropped in between without being noticed.
//!
//! Nothing outlives it: requests for snapshots are its own tasks and end with the connection.

mod backoff;
mod book_watch;
mod counts;
mod endpoint;
mod fetch;
mod pacing;
mod patience;

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use futures_util::{SinkExt, StreamExt};
use hyper::body::Bytes;
use meltica::event::{Book, Instrument, InstrumentId};
use meltica_venue::{DecodeCause, DecodeError, Happened, Ingest, Rhythm, Session, Wish};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep_until, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{self, Message, protocol::WebSocketConfig},
};

use crate::{
    clock::{self, Clock},
    say::say,
};

use self::{
    backoff::Backoff,
    book_watch::BookWatch,
    endpoint::{ConnectError, Stream},
    fetch::FetchError,
    pacing::Pacing,
};

pub(crate) use self::{
    counts::{BookCounts, CAUSES, Counts, Ended},
    endpoint::{Endpoint, EndpointError, Trust, TrustError},
    patience::Patience,
};

/// Who takes what happens on a connection: has the session take it, and does with the outcome what it
/// likes.
pub(crate) trait Tap {
    /// Takes it before anything else happens. [`Halt`] ends the connection, and all further ones.
    fn happened(
        &mut self,
        session: &mut dyn Session,
        ingest: Ingest,
        what: Happened<'_>,
    ) -> Result<Result<(), DecodeError>, Halt>;

    /// Some time has passed, and perhaps nothing has happened.
    fn pass(&mut self) -> Result<(), Halt> {
        Ok(())
    }
}

/// Why nothing more can be taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Halt {
    /// The pipeline has stopped.
    Stopped,
    /// This went wrong.
    Failed(String),
}

/// A venue's connections, one after the other.
pub(crate) struct Connection {
    pub(crate) venue: &'static str,
    pub(crate) session: Box<dyn Session>,
    pub(crate) instruments: Vec<(Instrument, InstrumentId)>,
    pub(crate) endpoint: Endpoint,
    /// Where snapshots are fetched, if they are.
    pub(crate) rest: Option<Endpoint>,
    pub(crate) patience: Patience,
    pub(crate) counts: Arc<Counts>,
    pub(crate) clock: Clock,
    /// Whether each end of a connection is told, and each attempt: to a local venue nobody minds.
    pub(crate) told: bool,
}

/// What is left of a venue's connections.
pub(crate) struct Outcome {
    pub(crate) session: Box<dyn Session>,
    /// Each book just before the last connection was given up, where it could be trusted.
    pub(crate) books: Vec<(InstrumentId, Option<Book>)>,
    /// What the venue said when it refused something; each once.
    pub(crate) refusals: Vec<String>,
    /// Why there is no connection, where there never was one.
    pub(crate) never: Option<String>,
    /// What went wrong here.
    pub(crate) failed: Option<String>,
}

impl Connection {
    /// Connects, and connects again, until it is told to stop or the tap halts.
    pub(crate) async fn run(self, tap: &mut dyn Tap, mut stop: watch::Receiver<bool>) -> Outcome {
        let rhythm = self.patience.rhythm.unwrap_or_else(|| self.session.rhythm());
        let Patience { backoff, most_backoff, .. } = self.patience;
        let watch = BookWatch::new(rhythm.book_silence, self.patience.snapshot);
        let mut driver = Driver {
            rhythm,
            watch,
            tap,
            backoff: Backoff::new(backoff, most_backoff),
            sends: VecDeque::new(),
            fetches: VecDeque::new(),
            gets: Pacing::gap(rhythm.fetch_gap),
            banned: Instant::now(),
            reconnect: None,
            known: HashSet::new(),
            refusals: vec![],
            books: vec![],
            of: self,
        };
        let halt = driver.run(&mut stop).await.err();
        let never = (driver.of.counts.opened.load(Relaxed) == 0)
            .then(|| driver.known.iter().next().cloned())
            .flatten();
        let failed = match halt {
            Some(Halt::Failed(why)) => Some(why),
            Some(Halt::Stopped) | None => None,
        };
        let Driver { refusals, books, of, .. } = driver;
        Outcome { session: of.session, books, refusals, never, failed }
    }
}

type Socket = WebSocketStream<Stream>;

/// A connection's state beside the adapter's.
struct Driver<'a> {
    of: Connection,
    tap: &'a mut dyn Tap,
    rhythm: Rhythm,
    watch: BookWatch,
    backoff: Backoff,
    sends: VecDeque<String>,
    fetches: VecDeque<Fetch>,
    /// Limits that hold for an address, whatever becomes of its connections.
    gets: Pacing,
    /// A server has asked to be left alone until then.
    banned: Instant,
    /// Why another connection is wished for.
    reconnect: Option<String>,
    /// What was told already.
    known: HashSet<String>,
    refusals: Vec<String>,
    books: Vec<(InstrumentId, Option<Book>)>,
}

/// A snapshot that is to be fetched, not before some time.
struct Fetch {
    instrument: InstrumentId,
    path: String,
    due: Instant,
    backoff: Backoff,
}

type Fetched = (Fetch, Result<Bytes, FetchError>);

impl Driver<'_> {
    async fn run(&mut self, stop: &mut watch::Receiver<bool>) -> Result<(), Halt> {
        let mut attempts = Pacing::gap(self.rhythm.connect_gap);
        let mut due = Instant::now();
        loop {
            due = attempts.next(due.max(Instant::now()));
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
                () = self.wait(due) => {}
            }
            attempts.note(Instant::now());
            let connected = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
                connected = self.connect() => connected,
            };
            let why = match connected {
                Ok(socket) => {
                    let (ended, why) = self.converse(socket, stop).await?;
                    if ended == Ended::Stopped {
                        return Ok(());
                    }
                    why
                }
                Err(error) => {
                    self.of.counts.refused.fetch_add(1, Relaxed);
                    error.to_string()
                }
            };
            let pause = self.backoff.next();
            self.of.counts.backoff_ns.store(pause.as_nanos() as u64, Relaxed);
            if self.of.told || self.of.counts.opened.load(Relaxed) == 0 {
                self.tell(&why, pause);
            }
            due = Instant::now() + pause;
        }
    }

    /// Waits, and lets the tap know that time passes.
    async fn wait(&mut self, until: Instant) {
        while Instant::now() < until {
            let look = Instant::now() + self.of.patience.look;
            sleep_until(until.min(look).into()).await;
            // What halts it is found when something happens.
            let _ = self.tap.pass();
        }
    }

    /// Says why there is no connection; a reason that was told already, by the log alone.
    fn tell(&mut self, why: &str, pause: Duration) {
        let venue = self.of.venue;
        let pause = humantime::format_duration(Duration::from_millis(pause.as_millis() as u64));
        if self.known.len() < MAX_KNOWN && self.known.insert(why.to_owned()) {
            say(format_args!("{venue}: {why}; the next attempt is in {pause}"));
        } else {
            tracing::debug!(venue, why, %pause, "another attempt");
        }
    }

    async fn connect(&self) -> Result<Socket, ConnectError> {
        let Connection { endpoint, patience, .. } = &self.of;
        let host = endpoint.authority().to_owned();
        let stream = endpoint.dial(patience.handshake).await?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(patience.max_frame))
            .max_frame_size(Some(patience.max_frame));
        let upgrade = client_async_with_config(endpoint.url.as_str(), stream, Some(config));
        match timeout(patience.handshake, upgrade).await {
            Ok(Ok((socket, _))) => Ok(socket),
            Ok(Err(cause)) => Err(ConnectError::Upgrade { host, cause: cause.to_string() }),
            Err(_) => {
                let cause = format!("there was no answer within {:?}", patience.handshake);
                Err(ConnectError::Upgrade { host, cause })
            }
        }
    }

    /// All of one connection; answers why it ended.
    async fn converse(
        &mut self,
        mut socket: Socket,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<(Ended, String), Halt> {
        let url = self.of.endpoint.url.clone();
        self.of.counts.opened.fetch_add(1, Relaxed);
        self.of.counts.connected.store(true, Relaxed);
        if self.of.told {
            say(format_args!("{}: connected to {}", self.of.venue, self.of.endpoint.authority()));
        }
        self.watch.opened(self.of.clock.nanos());
        self.happened(Happened::Opened(&url))?;
        let ended = self.listen(&mut socket, stop).await;
        if let Ok((Ended::Stopped, _)) | Err(_) = &ended {
            let session = &self.of.session;
            self.books = self
                .of
                .instruments
                .iter()
                .map(|(_, id)| (*id, session.book(*id).cloned()))
                .collect();
        }
        let reason = ended.as_ref().map_or(Ended::Stopped, |(ended, _)| *ended);
        self.of.counts.end(reason);
        self.of.counts.connected.store(false, Relaxed);
        self.sends.clear();
        self.fetches.clear();
        self.reconnect = None;
        if let Ok((_, why)) = &ended {
            self.happened(Happened::Closed(why))?;
        } else {
            self.of.session.closed();
        }
        if reason != Ended::Stopped {
            self.look();
        }
        if !matches!(reason, Ended::Broken | Ended::Venue) {
            // A farewell is a courtesy: whoever does not take it has none.
            let _ = timeout(self.of.patience.send, socket.close(None)).await;
        }
        ended
    }

    async fn listen(
        &mut self,
        socket: &mut Socket,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<(Ended, String), Halt> {
        let Patience { handshake, proof, send, look, .. } = self.of.patience;
        let opened = Instant::now();
        let mut heard = opened;
        let mut active = opened;
        let mut next_look = opened;
        let mut sends = Pacing::new(self.rhythm.send_gap, self.rhythm.sends);
        let mut running = JoinSet::<Fetched>::new();
        let mut proved = false;
        loop {
            if let Some(reason) = self.reconnect.take() {
                return Ok((Ended::Useless, reason));
            }
            let now = Instant::now();
            if now >= heard + self.rhythm.transport_silence {
                let limit = humantime::format_duration(self.rhythm.transport_silence);
                return Ok((Ended::Silent, format!("nothing came for {limit}")));
            }
            if now >= next_look {
                next_look = now + look;
                self.look();
                self.tap.pass()?;
                let late = self.watch.late(self.of.clock.nanos(), &*self.of.session);
                for id in late {
                    if let Some((instrument, _)) = self.of.instruments.iter().find(|i| i.1 == id) {
                        let instrument = *instrument;
                        tracing::debug!(venue = self.of.venue, %instrument, "asked for again");
                        self.happened(Happened::Resync(instrument))?;
                    }
                }
            }
            let mut wake = (heard + self.rhythm.transport_silence).min(next_look);
            if let Some(text) = self.sends.front() {
                let due = sends.next(now);
                if due <= now {
                    let text = Message::text(text.clone());
                    self.sends.pop_front();
                    match timeout(send, socket.send(text)).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => return Ok(broken(&error)),
                        Err(_) => return Ok((Ended::Broken, SENT_IN_VAIN.to_owned())),
                    }
                    sends.note(now);
                    active = now;
                    continue;
                }
                wake = wake.min(due);
            } else if let Some((text, pause)) = self.rhythm.keep_alive {
                if now >= active + pause {
                    self.sends.push_back(text.to_owned());
                    continue;
                }
                wake = wake.min(active + pause);
            }
            // One at a time: their order is that of the wishes, and a venue counts them.
            if running.is_empty()
                && let Some(fetch) = self.fetches.front()
            {
                let due = self.gets.next(now.max(fetch.due).max(self.banned));
                if due <= now {
                    self.fetch(&mut running, handshake);
                    self.gets.note(now);
                } else {
                    wake = wake.min(due);
                }
            }
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => {
                    return Ok((Ended::Stopped, "the program stops".to_owned()));
                }
                Some(fetched) = running.join_next(), if !running.is_empty() => {
                    // Only this loop ends it, and what it runs does not panic.
                    if let Ok((fetch, body)) = fetched {
                        self.fetched(fetch, body)?;
                    }
                }
                message = socket.next() => {
                    heard = Instant::now();
                    active = heard;
                    let frame = match message {
                        Some(Ok(Message::Text(text))) => Bytes::from(text),
                        Some(Ok(Message::Binary(bytes))) => bytes,
                        Some(Ok(Message::Ping(_))) => {
                            // The answer is ready, and has to be sent.
                            match timeout(send, socket.flush()).await {
                                Ok(Ok(())) => continue,
                                Ok(Err(error)) => return Ok(broken(&error)),
                                Err(_) => return Ok((Ended::Broken, SENT_IN_VAIN.to_owned())),
                            }
                        }
                        Some(Ok(Message::Pong(_) | Message::Frame(_))) => continue,
                        Some(Ok(Message::Close(why))) => {
                            let why = why.map_or_else(String::new, |why| format!(": {why}"));
                            return Ok((Ended::Venue, format!("the venue closed{why}")));
                        }
                        Some(Err(error)) => return Ok(broken(&error)),
                        None => return Ok((Ended::Venue, "the venue closed".to_owned())),
                    };
                    self.of.counts.frames.fetch_add(1, Relaxed);
                    self.of.counts.bytes.fetch_add(frame.len() as u64, Relaxed);
                    let understood = self.happened(Happened::Frame(&frame))?;
                    if understood && !proved && heard >= opened + proof {
                        proved = true;
                        self.backoff.reset();
                    }
                }
                () = sleep_until(wake.into()) => {}
            }
        }
    }

    fn fetch(&mut self, running: &mut JoinSet<Fetched>, limit: Duration) {
        let Some(fetch) = self.fetches.pop_front() else { return };
        let Some(rest) = self.of.rest.clone() else { return };
        self.of.counts.fetches.fetch_add(1, Relaxed);
        running.spawn(async move {
            let body = fetch::get(rest, fetch.path.clone(), limit).await;
            (fetch, body)
        });
    }

    fn fetched(&mut self, mut fetch: Fetch, body: Result<Bytes, FetchError>) -> Result<(), Halt> {
        let pair = self.of.instruments.iter().find(|(_, id)| *id == fetch.instrument);
        let Some((instrument, _)) = pair.copied() else { return Ok(()) };
        match body {
            Ok(body) => {
                self.of.counts.bytes.fetch_add(body.len() as u64, Relaxed);
                self.happened(Happened::Fetched(instrument, &body))?;
            }
            Err(error) => {
                self.of.counts.fetches_failed.fetch_add(1, Relaxed);
                let mut pause = fetch.backoff.next();
                if let Some(alone) = error.leave_alone() {
                    pause = pause.max(alone);
                    self.banned = Instant::now() + alone;
                }
                if self.of.told {
                    let why = format!("the snapshot of {instrument} could not be fetched: {error}");
                    self.tell(&why, pause);
                }
                fetch.due = Instant::now() + pause;
                self.fetches.push_back(fetch);
            }
        }
        Ok(())
    }

    /// Hands it on, and takes down what the adapter wishes then. Answers whether it was understood.
    fn happened(&mut self, what: Happened<'_>) -> Result<bool, Halt> {
        let ingest = Ingest { time: clock::wall(), mono_ns: self.of.clock.nanos() };
        let taken = self.tap.happened(&mut *self.of.session, ingest, what)?;
        if let Err(error) = &taken {
            self.of.counts.error(error);
            self.misunderstood(error);
        }
        while let Some(wish) = self.of.session.next_wish() {
            match wish {
                // What waits already is said once, at its newer place.
                Wish::Send(text) => {
                    self.sends.retain(|waiting| *waiting != text);
                    self.sends.push_back(text);
                }
                Wish::Reconnect { reason } => self.reconnect = Some(reason),
                Wish::Fetch { instrument, path } => {
                    let Patience { backoff, most_backoff, .. } = self.of.patience;
                    let backoff = Backoff::new(backoff, most_backoff);
                    // A newer wish for the same is the same.
                    if self.fetches.iter().all(|fetch| fetch.instrument != instrument) {
                        let due = Instant::now();
                        self.fetches.push_back(Fetch { instrument, path, due, backoff });
                    }
                }
            }
        }
        Ok(taken.is_ok())
    }

    /// A refusal is told whatever it says, since the user has to do something about it; of other
    /// errors the first of each kind.
    fn misunderstood(&mut self, error: &DecodeError) {
        let venue = self.of.venue;
        if let DecodeCause::Refused { reason } = &error.cause {
            if self.refusals.len() < MAX_REFUSALS && !self.refusals.contains(reason) {
                say(format_args!("{venue}: what was asked for is refused: {reason}"));
                self.refusals.push(reason.clone());
            }
        } else {
            let (operation, cause) = error.kind();
            if self.of.told && self.known.insert(format!("{operation} {cause}")) {
                say(format_args!("{error} (told once, counted always)"));
            }
        }
    }

    /// Takes down how the books stand.
    fn look(&mut self) {
        let mut index = 0;
        let counts = &self.of.counts;
        self.of.session.books(&mut |status| {
            counts.book(index, &status);
            index += 1;
        });
    }
}

/// Refusals that are told and remembered; a venue that has more to say says the same.
const MAX_REFUSALS: usize = 16;

/// Reasons that are told and remembered; there are not that many, unless a venue makes them up.
const MAX_KNOWN: usize = 256;

const SENT_IN_VAIN: &str = "what was sent was not taken";

fn broken(error: &tungstenite::Error) -> (Ended, String) {
    let why = format!("the connection broke: {error}");
    match error {
        tungstenite::Error::Capacity(_) => (Ended::TooLarge, why),
        tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed => {
            (Ended::Venue, "the venue closed".to_owned())
        }
        _ => (Ended::Broken, why),
    }
}

#[cfg(test)]
mod tests;
