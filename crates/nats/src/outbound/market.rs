//! Market data on their way out: what was not sent yet, folded by stream.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use async_nats::Subject;
use bytes::Bytes;
use meltica_event::{Book, Event, EventKind, Merged};
use tokio::sync::Notify;

use crate::{
    EncodeError, Encoder, Envelope, Names, View, slots::Slots, stream_key::StreamKey, subject,
};

/// How many of a stream's trades are sent before the next stream has its turn.
const TRADES_AT_A_TIME: usize = 16;

/// What waits to be sent. However slow the connection is, and however long there is none: as much as there are streams.
pub(crate) struct Market {
    state: Mutex<State>,
    /// There is something to send.
    pub(crate) news: Notify,
    pub(crate) counts: Counts,
    trades_waiting: usize,
    book_refresh: Duration,
}

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) published: AtomicU64,
    pub(crate) sent: AtomicU64,
    pub(crate) sent_bytes: AtomicU64,
    pub(crate) refreshed: AtomicU64,
    pub(crate) folded: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) baseless: AtomicU64,
}

struct State {
    slots: Slots<StreamKey, Outgoing>,
    encoder: Encoder,
    names: Names,
    envelope: Envelope,
    scratch: Vec<u8>,
}

/// A stream's part.
struct Outgoing {
    subject: Subject,
    /// That of the last frame sent.
    number: u64,
    content: Content,
    /// Somebody does not have what was sent, so it is to be sent again.
    again: bool,
}

enum Content {
    Trades(VecDeque<Event>),
    Latest { value: Latest, is_sent: bool },
    Book(Box<OutgoingBook>),
}

#[derive(Clone, Copy)]
enum Latest {
    Event(Event),
    Merged(Merged),
}

/// A book: as it is now, and what of that was not sent.
struct OutgoingBook {
    whole: Book,
    /// Whether `whole` is the book. It is not before the first snapshot, and after a delta that never came here.
    is_based: bool,
    delta: Book,
    unsent: Unsent,
    /// When it was last sent as a whole.
    sent_whole: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unsent {
    Nothing,
    Delta,
    Whole,
}

impl Market {
    pub(crate) fn new(
        names: Names,
        envelope: Envelope,
        trades_waiting: usize,
        book_refresh: Duration,
    ) -> Self {
        let state = State {
            slots: Slots::new(),
            encoder: Encoder::new(names.clone()),
            names,
            envelope,
            scratch: vec![],
        };
        Self {
            state: Mutex::new(state),
            news: Notify::new(),
            counts: Counts::default(),
            trades_waiting,
            book_refresh,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what is to be sent, and never waits. `missed` says that something of its stream before it never came here.
    pub(crate) fn publish(&self, view: View<'_>, missed: bool) -> Result<(), EncodeError> {
        let mut state = self.lock();
        let state = &mut *state;
        let key = StreamKey::of(view);
        if state.slots.find(&key).is_none() {
            // Before it has a place: what has no name cannot be sent, now or later.
            let subject = subject::market(&state.names, key.venue, key.instrument, key.topic)?;
            state.slots.entry(key, || Outgoing::new(subject.into(), view));
        }
        let (index, stream) = state.slots.entry(key, || unreachable!("it was made above"));
        self.counts.published.fetch_add(1, Relaxed);
        if stream.take(view, missed, self.trades_waiting, &self.counts) && state.slots.mark(index) {
            self.news.notify_one();
        }
        Ok(())
    }

    /// Everything that was sent is to be sent again, or that of one subject.
    pub(crate) fn send_again(&self, wanted: Option<&str>) {
        let mut state = self.lock();
        for index in 0..state.slots.len() {
            let stream = state.slots.get(index);
            if wanted.is_none_or(|wanted| *stream.subject == *wanted) {
                stream.again = true;
                state.slots.mark(index);
            }
        }
        self.news.notify_one();
    }

    /// Books that were not sent as a whole for long are to be.
    pub(crate) fn refresh_books(&self, now: Instant) {
        let mut state = self.lock();
        for index in 0..state.slots.len() {
            let stream = state.slots.get(index);
            let Content::Book(book) = &stream.content else { continue };
            let is_due = |sent: Instant| now.saturating_duration_since(sent) >= self.book_refresh;
            if book.is_based && book.sent_whole.is_some_and(is_due) {
                stream.again = true;
                state.slots.mark(index);
            }
        }
        self.news.notify_one();
    }

    /// Takes out at most so many frames, each with its subject, in order.
    pub(crate) fn take(&self, most: usize, now: Instant, into: &mut Vec<(Subject, Bytes)>) {
        let mut state = self.lock();
        let State { slots, encoder, envelope, scratch, .. } = &mut *state;
        while into.len() < most {
            let Some((index, stream)) = slots.next() else { break };
            let more = stream.send(now, &self.counts, |view, number, subject| {
                scratch.clear();
                let envelope = Envelope { number, ..*envelope };
                // Its names are there: it has a subject.
                match encoder.encode(view, &envelope, scratch) {
                    Ok(()) => into.push((subject.clone(), Bytes::copy_from_slice(scratch))),
                    Err(error) => tracing::error!(%error, "market data could not be encoded"),
                }
            });
            if more {
                slots.mark(index);
            }
        }
    }

    /// How many streams there are, and of how many something waits.
    pub(crate) fn streams(&self) -> (usize, usize) {
        let state = self.lock();
        (state.slots.len(), state.slots.ready())
    }
}

impl Outgoing {
    fn new(subject: Subject, view: View<'_>) -> Self {
        let content = match view {
            View::Event(_) if view.kind() == EventKind::Trade => Content::Trades(VecDeque::new()),
            View::Event(event) => Content::Latest { value: Latest::Event(*event), is_sent: true },
            View::Merged(merged) => {
                Content::Latest { value: Latest::Merged(*merged), is_sent: true }
            }
            _ => Content::Book(Box::new(OutgoingBook {
                whole: Book::with_capacity(64),
                is_based: false,
                delta: Book::with_capacity(64),
                unsent: Unsent::Nothing,
                sent_whole: None,
            })),
        };
        Self { subject, number: 0, content, again: false }
    }

    /// Whether there is something to send now.
    fn take(&mut self, view: View<'_>, missed: bool, most: usize, counts: &Counts) -> bool {
        match (&mut self.content, view) {
            (Content::Trades(waiting), View::Event(event)) => {
                if waiting.len() == most {
                    waiting.pop_front();
                    counts.dropped.fetch_add(1, Relaxed);
                }
                waiting.push_back(*event);
                true
            }
            (Content::Latest { value, is_sent }, View::Event(event)) => {
                counts.folded.fetch_add(u64::from(!*is_sent), Relaxed);
                let mut event = *event;
                if let (Latest::Event(held), false) = (&*value, *is_sent) {
                    event.header.numbering = held.header.numbering.folded(event.header.numbering);
                }
                (*value, *is_sent) = (Latest::Event(event), false);
                true
            }
            (Content::Latest { value, is_sent }, View::Merged(merged)) => {
                counts.folded.fetch_add(u64::from(!*is_sent), Relaxed);
                (*value, *is_sent) = (Latest::Merged(*merged), false);
                true
            }
            (Content::Book(book), View::Book(newer)) => book.take(newer, missed, counts),
            // A topic is one of these four, always the same.
            _ => false,
        }
    }

    /// Hands on what is to be sent next; whether there is more.
    fn send(
        &mut self,
        now: Instant,
        counts: &Counts,
        mut emit: impl FnMut(View<'_>, u64, &Subject),
    ) -> bool {
        let Self { subject, number, content, again } = self;
        let mut next = || {
            counts.sent.fetch_add(1, Relaxed);
            *number += 1;
            *number
        };
        match content {
            Content::Trades(waiting) => {
                // What was traded is not news any more.
                *again = false;
                let few = waiting.len().min(TRADES_AT_A_TIME);
                waiting.drain(..few).for_each(|e| emit(View::Event(&e), next(), subject));
                return !waiting.is_empty();
            }
            Content::Latest { value, is_sent } => {
                let number = match (*is_sent, *again) {
                    (false, _) => next(),
                    (true, true) if *number > 0 => {
                        counts.refreshed.fetch_add(1, Relaxed);
                        *number
                    }
                    _ => return false,
                };
                (*is_sent, *again) = (true, false);
                match value {
                    Latest::Event(event) => emit(View::Event(event), number, subject),
                    Latest::Merged(merged) => emit(View::Merged(merged), number, subject),
                }
            }
            Content::Book(book) => {
                let as_whole = book.unsent == Unsent::Whole || *again;
                *again = false;
                let number = match book.unsent {
                    _ if !book.is_based => return false,
                    Unsent::Nothing if !as_whole => return false,
                    Unsent::Nothing => {
                        counts.refreshed.fetch_add(1, Relaxed);
                        *number
                    }
                    Unsent::Delta | Unsent::Whole => next(),
                };
                book.unsent = Unsent::Nothing;
                if as_whole {
                    book.sent_whole = Some(now);
                    emit(View::Book(&book.whole), number, subject);
                } else {
                    emit(View::Book(&book.delta), number, subject);
                }
            }
        }
        false
    }
}

impl OutgoingBook {
    fn take(&mut self, newer: &Book, missed: bool, counts: &Counts) -> bool {
        let is_delta = newer.header.kind == EventKind::BookDelta;
        if is_delta && (missed || !self.is_based) {
            // Nobody can do anything with it, nor with what follows, before the next whole book.
            self.is_based = false;
            self.unsent = Unsent::Nothing;
            counts.baseless.fetch_add(1, Relaxed);
            return false;
        }
        counts.folded.fetch_add(u64::from(self.unsent != Unsent::Nothing), Relaxed);
        if !is_delta {
            self.whole.clone_from(newer);
            (self.is_based, self.unsent) = (true, Unsent::Whole);
            return true;
        }
        self.whole.fold(newer);
        match self.unsent {
            Unsent::Nothing => {
                self.delta.clone_from(newer);
                self.unsent = Unsent::Delta;
            }
            Unsent::Delta => {
                // What is stale in part must not pass as fresh.
                let older = self.delta.header.routing_version;
                self.delta.fold(newer);
                let version = &mut self.delta.header.routing_version;
                *version = older.min(*version);
                if levels(&self.delta) > levels(&self.whole) {
                    self.unsent = Unsent::Whole;
                }
            }
            Unsent::Whole => {}
        }
        true
    }
}

fn levels(book: &Book) -> usize {
    book.bids.len() + book.asks.len()
}
