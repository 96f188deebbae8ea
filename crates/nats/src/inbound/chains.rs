//! In which order critical messages are handed on, and which of them may be acknowledged.
//!
//! Each outbox numbers its messages without a gap, so the next number of a chain is known. What comes before its turn is
//! held until the missing ones come: they were lost with a connection, and come again. What comes again is recognised.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
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

/// All outboxes that were heard of.
pub(crate) struct Chains<M> {
    chains: HashMap<ChainId, Chain<M>>,
    /// How long a chain of which nothing is known waits for earlier messages.
    start_wait: Duration,
    /// How long a missing message is waited for.
    gap_wait: Duration,
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
    /// Before `start`, and handed on late.
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

impl<M> Chains<M> {
    pub(crate) fn new(start_wait: Duration, gap_wait: Duration) -> Self {
        Self { chains: HashMap::new(), start_wait, gap_wait }
    }

    /// Up to this number all of a chain were settled before this process began.
    pub(crate) fn known(&mut self, id: ChainId, done: u64) {
        let chain = self.chains.entry(id).or_insert_with(Chain::new);
        // What was settled then is settled, and not late.
        (chain.next, chain.start, chain.done) = (Some(done + 1), 1, done);
    }

    /// A message came, for the first time or again.
    pub(crate) fn came(&mut self, place: Place, message: M, now: Instant) -> Came<M> {
        let Place { id, number } = place;
        let chain = self.chains.entry(id).or_insert_with(Chain::new);
        if chain.next.is_none() && number == 1 {
            (chain.next, chain.start) = (Some(1), 1);
        }
        match chain.next {
            Some(_) if number < chain.start => {
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
            chain.next = Some(next + 1);
            chain.held_since = (!chain.held.is_empty()).then_some(now);
        }
        Some((Place { id, number: first }, message))
    }

    /// Gives up what was waited for long enough: answers the chains that go on, and how many messages of each are missing.
    pub(crate) fn give_up(&mut self, now: Instant) -> Vec<(ChainId, u64)> {
        let mut gone_on = vec![];
        for (id, chain) in &mut self.chains {
            let wait = if chain.next.is_none() { self.start_wait } else { self.gap_wait };
            let is_over = |since: Instant| now.saturating_duration_since(since) >= wait;
            let Some((&first, _)) = chain.held.first_key_value() else { continue };
            if !chain.held_since.is_some_and(is_over) {
                continue;
            }
            match chain.next {
                None => {
                    (chain.next, chain.start, chain.done) = (Some(first), first, first - 1);
                    gone_on.push((*id, 0));
                }
                Some(next) if first > next => {
                    // They count as settled: nobody will settle them.
                    chain.settled.extend(next..first);
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
    /// their chain before them are settled too, and up to where the chain is done.
    pub(crate) fn settle(&mut self, place: Place) -> (Vec<Place>, Option<u64>) {
        let Place { id, number } = place;
        let Some(chain) = self.chains.get_mut(&id) else { return (vec![], None) };
        chain.settled.insert(number);
        if number < chain.start {
            return (vec![place], None);
        }
        let before = chain.done;
        chain.advance();
        let places = (before + 1..=chain.done).map(|number| Place { id, number }).collect();
        (places, (chain.done > before).then_some(chain.done))
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
            late: BTreeSet::new(),
            held: BTreeMap::new(),
            held_since: None,
        }
    }

    fn advance(&mut self) {
        while self.settled.remove(&(self.done + 1)) {
            self.done += 1;
        }
    }
}

#[cfg(test)]
mod tests;
