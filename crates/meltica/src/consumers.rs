//! Who is subscribed, or once was: by name, for gates, commands and statistics.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use meltica_consumer::{Gate, Stats};
use meltica_dispatcher::LaneId;

use crate::{Consumer, ConsumerStats};

/// One handle of several to the same list, which grows with names, not with comings and goings.
#[derive(Clone, Default)]
pub(crate) struct Consumers(Arc<Mutex<Vec<Known>>>);

struct Known {
    consumer: Arc<str>,
    /// `None` once it has left.
    lane: Option<LaneId>,
    gate: Gate,
    stats: StatsHandle,
    /// What the last of this name that left has done: a call that ran then may still end.
    last: Option<StatsHandle>,
    /// What those of this name did who left before that.
    before: Stats,
}

type StatsHandle = Box<dyn Fn() -> Stats + Send + Sync>;

impl Known {
    /// What those of this name have done so far who left.
    fn left(&self) -> Stats {
        let last = self.last.as_ref().map_or_else(Stats::default, |stats| stats());
        sum(self.before, last)
    }
}

impl Consumers {
    /// Remembers what there is to know of a consumer, for when it is subscribed.
    pub(crate) fn meet(&self, consumer: &Consumer) -> Newcomer {
        let consumers = self.clone();
        let known = Known {
            consumer: Arc::clone(consumer.id()),
            lane: None,
            gate: consumer.gate(),
            stats: Box::new(consumer.stats_handle()),
            last: None,
            before: Stats::default(),
        };
        Newcomer { consumers, known }
    }

    /// The lane of the consumer of this name; `None` if none is subscribed.
    pub(crate) fn lane(&self, consumer: &str) -> Option<LaneId> {
        self.lock().iter().find(|known| &*known.consumer == consumer)?.lane
    }

    /// Its gate; of one that has left, what it was.
    pub(crate) fn gate(&self, consumer: &str) -> Option<Gate> {
        let list = self.lock();
        Some(list.iter().find(|known| &*known.consumer == consumer)?.gate.clone())
    }

    /// It has left.
    pub(crate) fn leave(&self, lane: LaneId) {
        let mut list = self.lock();
        if let Some(known) = list.iter_mut().find(|known| known.lane == Some(lane)) {
            known.lane = None;
        }
    }

    /// Raises the gates of all that are subscribed.
    pub(crate) fn raise_gates(&self, version: u64) {
        for known in self.lock().iter().filter(|known| known.lane.is_some()) {
            known.gate.raise(version);
        }
    }

    pub(crate) fn stats(&self) -> Vec<ConsumerStats> {
        let of = |known: &Known| ConsumerStats {
            consumer: Arc::clone(&known.consumer),
            min_version: known.gate.version(),
            stats: sum(known.left(), (known.stats)()),
        };
        self.lock().iter().map(of).collect()
    }

    /// Nothing panics while it is held.
    fn lock(&self) -> MutexGuard<'_, Vec<Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A consumer that is about to be subscribed.
pub(crate) struct Newcomer {
    consumers: Consumers,
    known: Known,
}

impl Newcomer {
    /// It is subscribed.
    pub(crate) fn came(self, lane: LaneId) {
        let known = Known { lane: Some(lane), ..self.known };
        let mut list = self.consumers.lock();
        match list.iter_mut().find(|other| other.consumer == known.consumer) {
            Some(other) => {
                let before = other.left();
                let left = std::mem::replace(other, Known { before, ..known });
                other.last = Some(left.stats);
            }
            None => list.push(known),
        }
    }
}

fn sum(mut one: Stats, other: Stats) -> Stats {
    one.invoked += other.invoked;
    one.handled += other.handled;
    one.failed += other.failed;
    one.panicked += other.panicked;
    one.filtered += other.filtered;
    one.quarantined += other.quarantined;
    one.refused += other.refused;
    one.last_failed = other.last_failed.or(one.last_failed);
    one
}
