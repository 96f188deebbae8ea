//! What waits for one lane, and what gives way when it is too much (LM-04).
//!
//! Two queues, so that nothing a consumer neglects can cost it a critical message:
//!
//! - *critical*: everything, in order, however much it is;
//! - *market*: up to `capacity` conflatable and `capacity` sequential messages, in order. At
//!   capacity a conflatable message is folded into the last one of its stream that waits (one whose
//!   stream has none is added all the same, so there are at most `capacity` plus the number of
//!   streams), and a sequential one drops the oldest sequential one.
//!
//! The two are merged by the number of the newest message in each front, so that as long as nothing
//! is folded a lane sees the order in which it was published, and never anything published after a
//! critical message before it.

use std::collections::VecDeque;

use rustc_hash::{FxHashMap, FxHashSet};

use self::places::Places;
use crate::{Class, Protocol, Skipped, watch::Watch};

mod places;

/// The most market data of a class, and the most critical messages, for which a lane has room from the beginning. Beyond
/// that it gets some when they come.
const MOST_MADE: usize = 4_096;
const MOST_CRITICAL_MADE: usize = 1_024;

/// A message on its way to a lane.
pub(crate) struct Entry<P: Protocol> {
    pub(crate) message: P::Message,
    pub(crate) class: Class,
    pub(crate) stream: P::Key,
    pub(crate) skipped: Skipped,
    pub(crate) watch: Watch,
    /// The number, within the lane, of the newest message in it.
    newest: u64,
}

/// What is known of a message beside itself, on its way to a lane.
#[derive(Clone, Copy)]
pub(crate) struct About<K> {
    pub(crate) class: Class,
    pub(crate) stream: K,
    /// How many of its stream before it never came.
    pub(crate) missing: u64,
    pub(crate) watch: Watch,
}

/// What had to give way for a message.
pub(crate) enum Pushed<M> {
    /// Nothing.
    Added,
    /// It was folded into an earlier one; whoever watched that one watches no more.
    Folded { watch: Watch },
    /// An earlier one was displaced, to be dropped outside of any lock; whoever watched it watches no
    /// more.
    Dropped { displaced: M, watch: Watch },
}

pub(crate) struct Backlog<P: Protocol> {
    capacity: usize,
    pushed: u64,
    critical: Places<P>,
    market: Places<P>,
    conflatable: usize,
    /// Positions of the sequential entries, oldest first.
    sequential: VecDeque<u64>,
    /// By stream: the position of its last conflatable entry.
    last: FxHashMap<P::Key, u64>,
    /// Streams whose next message does not follow what waits of them.
    sealed: FxHashSet<P::Key>,
    /// By stream: what could not be had since its last entry was pushed; told by the next pushed.
    missed: FxHashMap<P::Key, Skipped>,
    /// By stream: what was dropped from its front; told by the next popped.
    displaced: FxHashMap<P::Key, Skipped>,
}

impl<P: Protocol> Entry<P> {
    /// One that never waited in a backlog.
    pub(crate) fn new(message: P::Message, about: About<P::Key>) -> Self {
        let About { class, stream, missing, watch } = about;
        let skipped = Skipped { missing, ..Skipped::default() };
        Self { message, class, stream, skipped, watch, newest: 0 }
    }
}

impl<P: Protocol> Backlog<P> {
    pub(crate) fn new(capacity: usize) -> Self {
        let made = capacity.min(MOST_MADE);
        let mut sequential = VecDeque::with_capacity(made);
        // Touched, so that the process does not grow when a lane is further behind than ever before.
        sequential.resize(made, 0);
        sequential.clear();
        Self {
            capacity,
            pushed: 0,
            critical: Places::new((4 * made).min(MOST_CRITICAL_MADE)),
            market: Places::new(2 * made),
            conflatable: 0,
            sequential,
            last: FxHashMap::default(),
            sealed: FxHashSet::default(),
            missed: FxHashMap::default(),
            displaced: FxHashMap::default(),
        }
    }

    /// How many messages wait.
    pub(crate) fn len(&self) -> usize {
        self.critical.len() + self.market.len()
    }

    /// Whether so many more can wait before anything gives way; if nothing waits, in any case.
    pub(crate) fn has_room_for(&self, messages: usize) -> bool {
        self.len() <= self.capacity.saturating_sub(messages)
    }

    pub(crate) fn critical_len(&self) -> usize {
        self.critical.len()
    }

    /// Adds a message. What is known of it beside is copied word by word, since it has just been written so.
    #[inline]
    pub(crate) fn push(
        &mut self,
        message: P::Message,
        about: &About<P::Key>,
    ) -> Pushed<P::Message> {
        self.pushed += 1;
        match about.class {
            Class::Critical => {
                let entry = self.entry(message, about);
                self.critical.push(|| entry);
                Pushed::Added
            }
            Class::Conflatable => self.push_conflatable(message, about),
            Class::Sequential => {
                let is_full = self.sequential.len() >= self.capacity;
                let dropped = if is_full { Some(self.drop_oldest()) } else { None };
                let position = self.add(message, about);
                self.sequential.push_back(position);
                match dropped {
                    Some((displaced, watch)) => Pushed::Dropped { displaced, watch },
                    None => Pushed::Added,
                }
            }
        }
    }

    fn push_conflatable(
        &mut self,
        message: P::Message,
        about: &About<P::Key>,
    ) -> Pushed<P::Message> {
        let About { stream, missing, watch, .. } = *about;
        let follows = missing == 0 && !self.sealed.remove(&stream);
        let is_full = self.conflatable >= self.capacity;
        if let Some(position) = self.last.get(&stream).filter(|_| is_full) {
            let held = self.market.get_mut(*position).expect("`last` points at entries that wait");
            held.newest = self.pushed;
            let watch = std::mem::replace(&mut held.watch, watch);
            // What could not be had since then is missing from the fold, and told with it.
            held.skipped.add(self.missed.remove(&stream).unwrap_or_default());
            held.skipped.missing += missing;
            if !follows && !P::starts_state(&message) {
                // What lies between the two is not here, so together they would be wrong.
                let displaced = std::mem::replace(&mut held.message, message);
                held.skipped.dropped += 1 + std::mem::take(&mut held.skipped.folded);
                return Pushed::Dropped { displaced, watch };
            }
            P::conflate(&mut held.message, message);
            held.skipped.folded += 1;
            return Pushed::Folded { watch };
        }
        self.conflatable += 1;
        let position = self.add(message, about);
        self.last.insert(stream, position);
        Pushed::Added
    }

    /// The streams of which conflatable messages wait, and the keys of the last of each.
    pub(crate) fn waiting(&self) -> Vec<(P::Key, P::Key)> {
        let last = self.last.iter();
        let last = last.filter_map(|(stream, at)| Some((*stream, self.market.get(*at)?)));
        last.map(|(stream, entry)| (stream, P::key(&entry.message))).collect()
    }

    /// What comes next of these streams does not follow what waits of them: a part of it is not for this
    /// lane, and never will be.
    pub(crate) fn seal(&mut self, streams: impl IntoIterator<Item = P::Key>) {
        self.sealed.extend(streams);
    }

    /// A message of this stream could not be had, and so many before it never came: the next of its
    /// stream is to say so.
    pub(crate) fn miss(&mut self, stream: P::Key, missing: u64) {
        self.missed.entry(stream).or_default().add(Skipped { folded: 0, dropped: 1, missing });
    }

    /// What the next message of some streams is to tell, where it does not come by way of this backlog. To be
    /// asked when nothing waits.
    pub(crate) fn take_tales(&mut self, tales: &mut Vec<(P::Key, Skipped)>) {
        self.sealed.clear();
        if !(self.missed.is_empty() && self.displaced.is_empty()) {
            tales.extend(self.missed.drain().chain(self.displaced.drain()));
        }
    }

    /// The next message, unless none waits.
    pub(crate) fn pop(&mut self) -> Option<Entry<P>> {
        self.market.trim();
        let critical_first = match (self.critical.front(), self.market.front()) {
            (Some(critical), Some(market)) => critical.newest < market.newest,
            (critical, _) => critical.is_some(),
        };
        if critical_first {
            return self.critical.pop();
        }
        let position = self.market.front_position();
        let mut entry = self.market.pop()?;
        if let Some(displaced) = self.displaced.remove(&entry.stream) {
            entry.skipped.add(displaced);
        }
        match entry.class {
            Class::Conflatable => {
                self.conflatable -= 1;
                if self.last.get(&entry.stream) == Some(&position) {
                    self.last.remove(&entry.stream);
                }
            }
            _ => {
                self.sequential.pop_front();
            }
        }
        Some(entry)
    }

    /// Adds an entry to the market data. Answers its position.
    #[inline]
    fn add(&mut self, message: P::Message, about: &About<P::Key>) -> u64 {
        if self.market.is_cramped() {
            self.close_up();
        }
        let skipped = self.untold(about);
        let About { class, stream, ref watch, .. } = *about;
        let newest = self.pushed;
        self.market.push(|| {
            let watch = if watch.is_watched() { *watch } else { Watch::NOBODYS };
            Entry { message, class, stream, skipped, watch, newest }
        })
    }

    fn entry(&mut self, message: P::Message, about: &About<P::Key>) -> Entry<P> {
        let skipped = self.untold(about);
        let About { class, stream, watch, .. } = *about;
        Entry { message, class, stream, skipped, watch, newest: self.pushed }
    }

    /// What a new entry is to tell.
    #[inline]
    fn untold(&mut self, about: &About<P::Key>) -> Skipped {
        let mut skipped = match self.missed.is_empty() {
            true => Skipped::default(),
            false => self.missed.remove(&about.stream).unwrap_or_default(),
        };
        skipped.missing += about.missing;
        skipped
    }

    /// Displaces the oldest sequential entry, and has the next of its stream say so.
    #[inline]
    fn drop_oldest(&mut self) -> (P::Message, Watch) {
        let position = self.sequential.pop_front().expect("there are as many as the capacity");
        let gone = self.market.get(position).expect("`sequential` points at entries that wait");
        let (watch, skipped) = (gone.watch, gone.skipped);
        let told = self.displaced.entry(gone.stream).or_default();
        if !skipped.is_nothing() {
            told.add(skipped);
        }
        told.dropped += 1;
        let gone = self.market.take(position).expect("it was there just now");
        self.market.trim();
        if self.market.is_loose() {
            self.close_up();
        }
        (gone.message, watch)
    }

    /// Closes up the empty places, and notes where everything lies now.
    #[cold]
    fn close_up(&mut self) {
        let Self { market, sequential, last, .. } = self;
        sequential.clear();
        last.clear();
        market.close_up(|position, entry| {
            if entry.class == Class::Sequential {
                sequential.push_back(position);
            } else {
                last.insert(entry.stream, position);
            }
        });
    }
}
