//! Market data on their way in: the newest of each stream, until the pipeline takes it.

use std::{
    collections::VecDeque,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use meltica_event::{EventKind, Numbering};

use crate::{
    Decoder, Envelope, Frame, FrameError, OriginName, Received, inbound::versions::Versions,
    slots::Slots, stream_key::StreamKey,
};

/// What came, and the pipeline has not taken yet. However fast it comes: as much as there are streams.
pub(crate) struct Market {
    state: Mutex<State>,
    news: Condvar,
    stopped: AtomicBool,
    pub(crate) counts: Counts,
    trades_waiting: usize,
    owner_silence: Duration,
}

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) frames: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) handed_on: AtomicU64,
    pub(crate) malformed: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) again: AtomicU64,
    pub(crate) baseless: AtomicU64,
    pub(crate) foreign: AtomicU64,
    pub(crate) folded: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) pool_empty: AtomicU64,
}

struct State {
    slots: Slots<StreamKey, Incoming>,
    decoder: Decoder,
    /// Senders that were heard of, each with its last start.
    heard: Vec<(OriginName, u64)>,
    told_malformed: bool,
}

/// A stream's part.
struct Incoming {
    owner: OriginName,
    incarnation: u64,
    heard: Instant,
    /// The number of the last frame.
    number: u64,
    /// Whether what comes next can be made sense of: always, but for deltas of a book of which something is missing.
    is_based: bool,
    /// When the sender was last asked for the whole book.
    asked: Option<Instant>,
    waiting: VecDeque<Received>,
}

/// What the sender is to be asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Everything it has, since it is new here.
    All(OriginName),
    /// What goes by this frame's subject.
    Stream(OriginName),
}

/// Whoever misses a whole book asks for it no more often than that.
const BETWEEN_WISHES: Duration = Duration::from_millis(500);

impl Market {
    pub(crate) fn new(decoder: Decoder, trades_waiting: usize, owner_silence: Duration) -> Self {
        let state = State { slots: Slots::new(), decoder, heard: vec![], told_malformed: false };
        Self {
            state: Mutex::new(state),
            news: Condvar::new(),
            stopped: AtomicBool::new(false),
            counts: Counts::default(),
            trades_waiting,
            owner_silence,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a frame, and never waits; what its sender is to be asked for.
    pub(crate) fn came(
        &self,
        frame: &[u8],
        versions: &Mutex<Versions>,
        now: Instant,
    ) -> Option<Wish> {
        self.counts.frames.fetch_add(1, Relaxed);
        self.counts.bytes.fetch_add(frame.len() as u64, Relaxed);
        let mut state = self.lock();
        let state = &mut *state;
        let read = Frame::parse(frame)
            .and_then(|frame| Ok((*frame.envelope(), state.decoder.fill(&frame)?)))
            .and_then(|(envelope, received)| match received.view().kind() {
                // It has a stream, and does not come twice there; here anybody could make one up.
                kind if kind.is_critical() => Err(FrameError::Value {
                    field: "a kind of market data",
                    at: 3,
                    value: kind as u64,
                }),
                _ => Ok((envelope, received)),
            });
        let (envelope, received) = match read {
            Ok(read) => read,
            Err(FrameError::PoolEmpty { .. }) => {
                // As if it had been lost on the way: the next one shows it.
                self.counts.pool_empty.fetch_add(1, Relaxed);
                return None;
            }
            Err(error) => {
                self.counts.malformed.fetch_add(1, Relaxed);
                if !std::mem::replace(&mut state.told_malformed, true) {
                    tracing::warn!(%error, "a frame was not understood (told once, counted always)");
                }
                return None;
            }
        };
        let wish = state.is_new(&envelope).then_some(Wish::All(envelope.origin));
        wish.or(self.sort_in(state, &envelope, received, versions, now))
    }

    fn sort_in(
        &self,
        state: &mut State,
        envelope: &Envelope,
        mut received: Received,
        versions: &Mutex<Versions>,
        now: Instant,
    ) -> Option<Wish> {
        let counts = &self.counts;
        let key = StreamKey::of(received.view());
        let (index, stream) = state.slots.entry(key, || Incoming::new(envelope, now));
        let before = (stream.owner, stream.incarnation);
        if !stream.is_from(envelope, now, self.owner_silence) {
            counts.foreign.fetch_add(1, Relaxed);
            return None;
        }
        if before.0 == stream.owner && before.1 > stream.incarnation {
            versions.lock().unwrap_or_else(PoisonError::into_inner).go_back(envelope);
        }
        let is_delta = received.view().kind() == EventKind::BookDelta;
        match envelope.number.checked_sub(stream.number) {
            None => {
                counts.again.fetch_add(1, Relaxed);
                return None;
            }
            // What was sent is sent again, for those who missed it.
            Some(0) if stream.is_based || is_delta => {
                counts.again.fetch_add(1, Relaxed);
                return None;
            }
            Some(0 | 1) => {}
            Some(ahead) => {
                // Of a stream that is new here, nothing was lost.
                let lost = if stream.number == 0 { 0 } else { ahead - 1 };
                counts.lost.fetch_add(lost, Relaxed);
                stream.is_based = false;
            }
        }
        stream.number = envelope.number;
        if is_delta && !stream.is_based {
            counts.baseless.fetch_add(1, Relaxed);
            let is_due = |asked| now.saturating_duration_since(asked) >= BETWEEN_WISHES;
            if stream.asked.is_none_or(is_due) {
                stream.asked = Some(now);
                return Some(Wish::Stream(envelope.origin));
            }
            return None;
        }
        stream.is_based = true;
        let header = received.header_mut();
        header.routing_version = versions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .here(envelope, header.routing_version);
        if header.numbering == Numbering::Dense {
            // Some may have been folded or lost, and are not waited for: the order is that of the sender.
            header.numbering = Numbering::Monotone;
        }
        stream.put(received, self.trades_waiting, counts);
        if state.slots.mark(index) {
            self.news.notify_one();
        }
        None
    }

    /// Takes out what waits, at most so much, in order; waits for it. Empty when it has stopped.
    pub(crate) fn take(&self, most: usize, into: &mut VecDeque<Received>) {
        let mut state = self.lock();
        loop {
            while into.len() < most {
                let Some((_, stream)) = state.slots.next() else { break };
                into.append(&mut stream.waiting);
            }
            if !into.is_empty() || self.stopped.load(Relaxed) {
                self.counts.handed_on.fetch_add(into.len() as u64, Relaxed);
                return;
            }
            state = self.news.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Nothing is waited for any more.
    pub(crate) fn stop(&self) {
        let _state = self.lock();
        self.stopped.store(true, Relaxed);
        self.news.notify_all();
    }

    /// How many streams there are, and of how many something waits.
    pub(crate) fn streams(&self) -> (usize, usize) {
        let state = self.lock();
        (state.slots.len(), state.slots.ready())
    }
}

impl State {
    /// Whether this sender was not heard of since it started.
    fn is_new(&mut self, envelope: &Envelope) -> bool {
        let Envelope { origin, incarnation, .. } = *envelope;
        match self.heard.iter_mut().find(|(known, _)| *known == origin) {
            Some((_, known)) if *known >= incarnation => false,
            Some((_, known)) => {
                *known = incarnation;
                true
            }
            None => {
                self.heard.push((origin, incarnation));
                true
            }
        }
    }
}

impl Incoming {
    fn new(envelope: &Envelope, now: Instant) -> Self {
        Self {
            owner: envelope.origin,
            incarnation: envelope.incarnation,
            heard: now,
            number: 0,
            is_based: false,
            asked: None,
            waiting: VecDeque::new(),
        }
    }

    /// Whether this sender has the stream: one at a time does, and another only takes it over from one that is silent.
    fn is_from(&mut self, envelope: &Envelope, now: Instant, silence: Duration) -> bool {
        let is_owner = self.owner == envelope.origin;
        let is_silent = now.saturating_duration_since(self.heard) >= silence;
        // An earlier start is over; one that seems so for longer has a clock that went back.
        let is_earlier = envelope.incarnation < self.incarnation;
        if (!is_owner || is_earlier) && !is_silent {
            return false;
        }
        if !is_owner || envelope.incarnation != self.incarnation {
            let waiting = std::mem::take(&mut self.waiting);
            *self = Self { waiting, ..Self::new(envelope, now) };
        }
        self.heard = now;
        true
    }

    fn put(&mut self, received: Received, trades_waiting: usize, counts: &Counts) {
        if received.view().kind() == EventKind::Trade {
            if self.waiting.len() == trades_waiting {
                self.waiting.pop_front();
                counts.dropped.fetch_add(1, Relaxed);
            }
            self.waiting.push_back(received);
            return;
        }
        let Some(held) = self.waiting.front_mut() else {
            self.waiting.push_back(received);
            return;
        };
        counts.folded.fetch_add(1, Relaxed);
        match (held, received) {
            (Received::Book(held), Received::Book(newer))
                if newer.header.kind == EventKind::BookDelta =>
            {
                // What is stale in part must not pass as fresh.
                let version = held.header.routing_version.min(newer.header.routing_version);
                held.fold(&newer);
                held.header.routing_version = version;
            }
            (held, newer) => {
                let numbering = held.header_mut().numbering.folded(newer.view().header().numbering);
                *held = newer;
                held.header_mut().numbering = numbering;
            }
        }
    }
}
