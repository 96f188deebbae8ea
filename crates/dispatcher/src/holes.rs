use std::{
    hash::Hash,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use rustc_hash::FxHashSet;

use crate::sync::lock;

/// The streams of which a lane's handler is without a part: a conflatable message was filtered, so that
/// what follows it may be worth nothing alone.
///
/// While a handler filters, sending it whole states would be for nothing. So a stream is lost only when a
/// part of it is handled after others were filtered, and not when it comes whole by itself.
pub(crate) struct Holes<K> {
    streams: Mutex<Streams<K>>,
    /// Hints for whoever does not hold the lock.
    has_filtered: AtomicBool,
    has_lost: AtomicBool,
}

struct Streams<K> {
    /// The last message of these was filtered.
    filtered: FxHashSet<K>,
    /// Of these, a part was handled after that, and the publisher has yet to hear of it.
    lost: FxHashSet<K>,
}

impl<K: Copy + Eq + Hash> Holes<K> {
    pub(crate) fn new() -> Self {
        let streams = Streams { filtered: FxHashSet::default(), lost: FxHashSet::default() };
        let (has_filtered, has_lost) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { streams: Mutex::new(streams), has_filtered, has_lost }
    }

    /// Whether the last message of any stream was filtered; if not, what is handled needs no note.
    #[inline]
    pub(crate) fn has_filtered(&self) -> bool {
        self.has_filtered.load(Relaxed)
    }

    /// A message of this stream came to the handler, which filtered it or not.
    pub(crate) fn note(&self, stream: K, filtered: bool, is_whole: bool) {
        if !filtered && !self.has_filtered() {
            return;
        }
        let mut streams = lock(&self.streams);
        if filtered {
            streams.filtered.insert(stream);
        } else if streams.filtered.remove(&stream) && !is_whole {
            streams.lost.insert(stream);
            self.has_lost.store(true, Relaxed);
        }
        self.has_filtered.store(!streams.filtered.is_empty(), Relaxed);
    }

    /// A message of this stream could not be had.
    pub(crate) fn lose(&self, stream: K) {
        lock(&self.streams).lost.insert(stream);
        self.has_lost.store(true, Relaxed);
    }

    /// The streams that were lost since the last time.
    pub(crate) fn take_lost(&self) -> FxHashSet<K> {
        if !self.has_lost.load(Relaxed) {
            return FxHashSet::default();
        }
        let mut streams = lock(&self.streams);
        self.has_lost.store(false, Relaxed);
        std::mem::take(&mut streams.lost)
    }
}
