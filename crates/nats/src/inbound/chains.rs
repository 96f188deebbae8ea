//! In which order critical messages are handed on, and which of them may be acknowledged.
//!
//! Each outbox numbers its messages without a gap, so the next number of a chain is known. What comes before its turn is
//! held until the missing ones come: they were lost with a connection, and come again. What comes again is recognised.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    ops::Range,
    time::{Duration, Instant},
};

use crate::{Envelope, OriginName};

/// An outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ChainId {
    pub(crate) origin: OriginName,
    pub(crate) chain: u64,
}

impl ChainId {
    pub(crate) fn of(envelope: &Envelope) -> Self {
        Self { origin: envelope.origin, chain: envelope.chain }
    }
}

/// A message that is handed on, until it is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) id: ChainId,
    pub(crate) number: u64,
}

/// So many gaps are remembered; what comes from an older one is taken for settled.
const GAPS: usize = 1_024;

/// All outboxes that were heard of.
pub(crate) struct Chains<M> {
    chains: HashMap<ChainId, Chain<M>>,
    /// How long a chain of which nothing is known waits for earlier messages.
    start_wait: Duration,
    /// How long a missing message is waited for.
    gap_wait: Duration,
    /// How many messages may be here: the server sends no more before some are acknowledged.
    window: usize,
}

struct Chain<M> {
    /// The number that is handed on next; `None` before the first.
    next: Option<u64>,
    /// Below this, what comes was sent before this receiver first heard of the chain.
    start: u64,
    /// Up to this all are settled.
    done: u64,
    /// Settled, while an earlier one is not.
    settled: BTreeSet<u64>,
    /// Not waited for any longer, the oldest first. One that comes all the same is handed on then. Ranges, since a number may
    /// be anything.
    missing: VecDeque<Range<u64>>,
    /// Handed on late: from before `start`, or given up before.
    late: BTreeSet<u64>,
    /// Came before their turn.
    held: BTreeMap<u64, M>,
    held_since: Option<Instant>,
}

/// What is to be done with a message that came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Came<M> {
    /// It waits, or is with the pipeline already: nothing.
    Wait,
    /// It is settled: acknowledge it again.
    Settled(M),
    /// See what [`Chains::pop`] hands out.
    Ready,
}

/// What is to be noted of a chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct News {
    /// Up to where it is done now, if that is farther than before.
    pub(crate) done: Option<u64>,
    /// Whether its gaps are others than before.
    pub(crate) gaps: bool,
}

impl<M> Chains<M> {
    pub(crate) fn new(start_wait: Duration, gap_wait: Duration, window: usize) -> Self {
        Self { chains: HashMap::new(), start_wait, gap_wait, window }
    }

    /// Up to this number all of a chain were settled before this process began.
    pub(crate) fn known(&mut self, id: ChainId, done: u64) {
        let chain = self.chains.entry(id).or_insert_with(Chain::new);
        // What was settled then is settled, and not late.
        (chain.next, chain.start, chain.done) = (Some(done.saturating_add(1)), 1, done);
    }

    /// These were given up before this process began: one that comes all the same is handed on.
    pub(crate) fn missed(&mut self, id: ChainId, gap: Range<u64>) {
        self.chains.entry(id).or_insert_with(Chain::new).missing.push_back(gap);
    }

    /// What of a chain was given up and has not come since, the oldest first.
    pub(crate) fn gaps(&self, id: ChainId) -> impl Iterator<Item = &Range<u64>> {
        self.chains.get(&id).into_iter().flat_map(|chain| &chain.missing)
    }

    /// A message came, for the first time or again.
    pub(crate) fn came(&mut self, place: Place, message: M, now: Instant) -> Came<M> {
        let Place { id, number } = place;
        let chain = self.chains.entry(id).or_insert_with(Chain::new);
        if chain.next.is_none() && number == 1 {
            (chain.next, chain.start) = (Some(1), 1);
        }
        match chain.next {
            Some(_) if chain.is_late(number) => {
                if chain.settled.contains(&number) {
                    return Came::Settled(message);
                }
                if !chain.late.insert(number) {
                    return Came::Wait;
                }
                chain.held.insert(number, message);
                return Came::Ready;
            }
            Some(next) if number < next => {
                // One that is settled while an earlier one is not must not be acknowledged before that.
                return if number <= chain.done { Came::Settled(message) } else { Came::Wait };
            }
            _ => {}
        }
        chain.held.entry(number).or_insert(message);
        chain.held_since.get_or_insert(now);
        if chain.next == Some(number) { Came::Ready } else { Came::Wait }
    }

    /// The next message that has its turn; `None` if none has.
    pub(crate) fn pop(&mut self, id: ChainId, now: Instant) -> Option<(Place, M)> {
        let chain = self.chains.get_mut(&id)?;
        let next = chain.next?;
        let first = *chain.held.first_key_value()?.0;
        if first > next {
            return None;
        }
        let message = chain.held.remove(&first)?;
        if first == next {
            chain.next = Some(next.saturating_add(1));
            chain.held_since = (!chain.held.is_empty()).then_some(now);
        }
        Some((Place { id, number: first }, message))
    }

    /// Gives up what was waited for long enough: answers the chains that go on, and how many messages of each are missing.
    /// Where as many wait as may be here, no other can come but one that is sent again, and that comes soon.
    pub(crate) fn give_up(&mut self, now: Instant) -> Vec<(ChainId, u64)> {
        let is_full = self.held() >= self.window;
        let mut gone_on = vec![];
        for (id, chain) in &mut self.chains {
            let is_short = chain.next.is_none() || is_full;
            let wait = if is_short { self.start_wait } else { self.gap_wait };
            let is_over = |since: Instant| now.saturating_duration_since(since) >= wait;
            let Some((&first, _)) = chain.held.first_key_value() else { continue };
            if !chain.held_since.is_some_and(is_over) {
                continue;
            }
            match chain.next {
                None => {
                    (chain.next, chain.start, chain.done) =
                        (Some(first), first, first.saturating_sub(1));
                    gone_on.push((*id, 0));
                }
                Some(next) if first > next => {
                    chain.missing.push_back(next..first);
                    if chain.missing.len() > GAPS {
                        chain.missing.pop_front();
                    }
                    chain.next = Some(first);
                    chain.advance();
                    gone_on.push((*id, first - next));
                }
                Some(_) => {}
            }
        }
        gone_on
    }

    /// Every interested consumer is done with a message. Answers the places that may be acknowledged now, since all of
    /// their chain before them are settled too, and what is to be noted.
    pub(crate) fn settle(&mut self, place: Place) -> (Vec<Place>, News) {
        let Place { id, number } = place;
        let Some(chain) = self.chains.get_mut(&id) else { return (vec![], News::default()) };
        chain.settled.insert(number);
        if chain.is_late(number) {
            return (vec![place], News { done: None, gaps: chain.fill(number) });
        }
        let before = chain.done;
        let places = chain.advance().into_iter().map(|number| Place { id, number }).collect();
        (places, News { done: (chain.done > before).then_some(chain.done), gaps: false })
    }

    /// How many messages wait for their turn.
    pub(crate) fn held(&self) -> usize {
        self.chains.values().map(|chain| chain.held.len()).sum()
    }
}

impl<M> Chain<M> {
    fn new() -> Self {
        Self {
            next: None,
            start: 0,
            done: 0,
            settled: BTreeSet::new(),
            missing: VecDeque::new(),
            late: BTreeSet::new(),
            held: BTreeMap::new(),
            held_since: None,
        }
    }

    /// Whether it comes after its turn.
    fn is_late(&self, number: u64) -> bool {
        number < self.start || self.missing.iter().any(|gap| gap.contains(&number))
    }

    /// One that was missing has come and is settled; whether it was.
    fn fill(&mut self, number: u64) -> bool {
        let Some(index) = self.missing.iter().position(|gap| gap.contains(&number)) else {
            return false;
        };
        let Range { start, end } = self.missing[index];
        self.missing.remove(index);
        for gap in [number + 1..end, start..number] {
            if !gap.is_empty() {
                self.missing.insert(index, gap);
            }
        }
        self.late.remove(&number);
        if number <= self.done {
            self.settled.remove(&number);
        }
        true
    }

    /// Goes on to where the first is that is not settled; answers which were that it passes.
    fn advance(&mut self) -> Vec<u64> {
        let mut passed = vec![];
        loop {
            let next = self.done.saturating_add(1);
            // What is given up nobody will settle.
            match self.missing.iter().find(|gap| gap.contains(&next)) {
                Some(gap) => self.done = gap.end - 1,
                None if self.settled.remove(&next) => {
                    self.done = next;
                    passed.push(next);
                }
                None => return passed,
            }
        }
    }
}

#[cfg(test)]
mod tests;
