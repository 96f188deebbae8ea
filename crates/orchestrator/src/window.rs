use crate::{Merge, slot::Held};

/// A window that closed, as [`Merge::merge`] sees it: at least one partial, in order of source and,
/// within a source, of sequence. Those without a sequence stand in order of arrival.
pub struct Window<'a, M: Merge + ?Sized> {
    pub(crate) id: u64,
    pub(crate) key: M::Key,
    pub(crate) closed: Closed,
    pub(crate) missing: usize,
    pub(crate) partials: &'a [Held<M>],
}

impl<'a, M: Merge + ?Sized> Window<'a, M> {
    /// Its number, from 1 on: growing, over all keys of the orchestrator.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// What its partials are views of.
    pub fn key(&self) -> M::Key {
        self.key
    }

    /// Why it closed.
    pub fn closed(&self) -> Closed {
        self.closed
    }

    /// How many expected sources are not in it.
    pub fn missing(&self) -> usize {
        self.missing
    }

    /// How many partials are in it.
    pub fn len(&self) -> usize {
        self.partials.len()
    }

    /// Never: a window without a partial was never opened.
    pub fn is_empty(&self) -> bool {
        self.partials.is_empty()
    }

    /// Its partials.
    pub fn partials(&self) -> impl Iterator<Item = &'a M::Partial> + use<'a, M> {
        self.partials.iter().map(|held| &held.partial)
    }

    /// The partial that came last.
    pub fn last_to_come(&self) -> &'a M::Partial {
        let last = self.partials.iter().max_by_key(|held| held.arrival);
        &last.expect("a window without a partial was never opened").partial
    }
}

/// Why a window closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Closed {
    /// Every expected source is in.
    Complete,
    /// Its time was up.
    Time,
    /// It had taken as many partials as a window may.
    Count,
    /// A partial of a later period came.
    Period,
    /// By [`Orchestrator::flush`](crate::Orchestrator::flush).
    Flush,
}
