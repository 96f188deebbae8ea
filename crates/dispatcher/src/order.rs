//! Each stream's order, as its numbers allow (LM-03): the sequencer between publish and routing.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use rustc_hash::FxHashMap;

use crate::{Protocol, Sequence};

pub(crate) struct Sequencer<P: Protocol> {
    index: FxHashMap<P::Key, usize>,
    /// In order of each stream's first message, which is the order in which gaps are given up together.
    streams: Vec<Stream<P::Message>>,
    gap_wait: Duration,
    gap_capacity: usize,
    /// Not after the first moment at which some stream's gap is given up; `None` without gaps.
    next_deadline: Option<Instant>,
    pub(crate) counts: Counts,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Dropped because they were not newer than what had passed.
    pub(crate) late: u64,
    /// Times that a gap was given up.
    pub(crate) gaps: u64,
    /// Numbers that never came.
    pub(crate) missing: u64,
}

/// What may pass, in order; each with how many before it never came.
pub(crate) type Ready<M> = VecDeque<(M, u64)>;

struct Stream<M> {
    /// The last number that passed.
    last: u64,
    /// Dense messages that wait for a missing one; keys are above `last + 1`.
    pending: BTreeMap<u64, M>,
    /// When the present gap was found; set exactly while something is pending.
    gap_since: Option<Instant>,
}

/// What became of a message at the sequencer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Accepted<M> {
    /// It passes, and nothing with it.
    Alone(M),
    /// It is among the ready ones, at this place.
    Passed(usize),
    /// It waits for an earlier one.
    Held,
    /// It was not newer than what had passed, and was dropped.
    Late,
}

impl<P: Protocol> Sequencer<P> {
    pub(crate) fn new(gap_wait: Duration, gap_capacity: usize) -> Self {
        Self {
            index: FxHashMap::default(),
            streams: vec![],
            gap_wait,
            gap_capacity,
            next_deadline: None,
            counts: Counts::default(),
        }
    }

    /// Takes a message in. It passes at once if nothing waits in its stream; else whatever may pass now is put at the end
    /// of `ready`, in order.
    pub(crate) fn accept(
        &mut self,
        message: P::Message,
        now: Instant,
        ready: &mut Ready<P::Message>,
    ) -> Accepted<P::Message> {
        let sequence = P::sequence(&message);
        let number = match sequence {
            Sequence::Unsequenced => return Accepted::Alone(message),
            Sequence::Monotone(n) | Sequence::Dense(n) | Sequence::Rebase(n) => n,
        };
        let Some(index) = self.index.get(&P::stream(&message)) else {
            self.index.insert(P::stream(&message), self.streams.len());
            self.streams.push(Stream { last: number, pending: BTreeMap::new(), gap_since: None });
            return Accepted::Alone(message);
        };
        let stream = &mut self.streams[*index];
        match sequence {
            Sequence::Rebase(_) => {
                // What waited belongs before the new beginning.
                stream.release_all(&mut self.counts, ready);
            }
            _ if number <= stream.last => {
                self.counts.late += 1;
                return Accepted::Late;
            }
            Sequence::Monotone(_) => {
                // A stream that was dense before: what waited and is older goes first.
                stream.release_below(number, &mut self.counts, ready);
                if stream.pending.remove(&number).is_some() {
                    self.counts.late += 1;
                }
            }
            Sequence::Dense(_) if number - stream.last > 1 => {
                if stream.pending.insert(number, message).is_some() {
                    self.counts.late += 1;
                }
                stream.gap_since.get_or_insert(now);
                if stream.pending.len() >= self.gap_capacity {
                    stream.release_gap(now, &mut self.counts, ready);
                }
                if stream.last >= number {
                    // Numbers were released one by one up to `last`, this one among them.
                    return Accepted::Passed(ready.len() - 1 - (stream.last - number) as usize);
                }
                self.next_deadline = earlier(self.next_deadline, stream.deadline(self.gap_wait));
                return Accepted::Held;
            }
            _ => {}
        }
        stream.last = number;
        if ready.is_empty() && stream.pending.is_empty() {
            stream.gap_since = None;
            return Accepted::Alone(message);
        }
        ready.push_back((message, 0));
        let place = ready.len() - 1;
        stream.release_run(now, ready);
        self.next_deadline = earlier(self.next_deadline, stream.deadline(self.gap_wait));
        Accepted::Passed(place)
    }

    /// When [`release_due`](Self::release_due) next has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.next_deadline
    }

    /// Gives up the gaps that have been waited for long enough.
    pub(crate) fn release_due(&mut self, now: Instant, ready: &mut Ready<P::Message>) {
        if self.next_deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        self.next_deadline = None;
        for stream in &mut self.streams {
            if stream.deadline(self.gap_wait).is_some_and(|deadline| now >= deadline) {
                stream.release_gap(now, &mut self.counts, ready);
            }
            self.next_deadline = earlier(self.next_deadline, stream.deadline(self.gap_wait));
        }
    }

    /// Gives up every gap: at a shutdown, or a flip.
    pub(crate) fn release_all(&mut self, ready: &mut Ready<P::Message>) {
        self.next_deadline = None;
        for stream in &mut self.streams {
            stream.release_all(&mut self.counts, ready);
        }
    }
}

/// The earlier of two moments, where there are two.
fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

impl<M> Stream<M> {
    /// When the present gap is given up; `None` without one, or if it is waited for without end.
    fn deadline(&self, gap_wait: Duration) -> Option<Instant> {
        self.gap_since?.checked_add(gap_wait)
    }

    /// Lets everything below `number` pass.
    fn release_below(&mut self, number: u64, counts: &mut Counts, ready: &mut Ready<M>) {
        let later = self.pending.split_off(&number);
        for (number, message) in std::mem::replace(&mut self.pending, later) {
            self.pass(number, message, counts, ready);
        }
    }

    /// Lets one pass, and counts what is missing before it.
    fn pass(&mut self, number: u64, message: M, counts: &mut Counts, ready: &mut Ready<M>) {
        let missing = number - self.last - 1;
        counts.gaps += u64::from(missing > 0);
        counts.missing += missing;
        self.last = number;
        ready.push_back((message, missing));
    }

    /// Gives up the gap in front of the first pending message, and lets it and its run pass.
    fn release_gap(&mut self, now: Instant, counts: &mut Counts, ready: &mut Ready<M>) {
        let Some((number, message)) = self.pending.pop_first() else { return };
        self.pass(number, message, counts, ready);
        self.release_run(now, ready);
        // Whatever is left waits behind another gap, from now on.
        self.gap_since = (!self.pending.is_empty()).then_some(now);
    }

    /// Lets pass what follows the last number without a gap. If more is pending behind another
    /// gap, the wait for that one begins now.
    fn release_run(&mut self, now: Instant, ready: &mut Ready<M>) {
        let before = self.pending.len();
        while let Some(entry) = self.pending.first_entry() {
            // Everything up to `last` is gone already, so these numbers are above it.
            if entry.key() - self.last > 1 {
                break;
            }
            self.last = *entry.key();
            ready.push_back((entry.remove(), 0));
        }
        if self.pending.is_empty() {
            self.gap_since = None;
        } else if self.pending.len() < before {
            self.gap_since = Some(now);
        }
    }

    fn release_all(&mut self, counts: &mut Counts, ready: &mut Ready<M>) {
        self.gap_since = None;
        while let Some((number, message)) = self.pending.pop_first() {
            self.pass(number, message, counts, ready);
        }
    }
}
