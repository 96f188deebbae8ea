use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

/// A place for each stream, and which of them have something to be taken, in the order in which they got it. However
/// fast what comes, and however slow who takes: there are as many places as streams.
pub(crate) struct Slots<K, S> {
    index: HashMap<K, usize>,
    slots: Vec<Slot<S>>,
    ready: VecDeque<usize>,
}

struct Slot<S> {
    state: S,
    is_ready: bool,
}

impl<K: Eq + Hash, S> Slots<K, S> {
    pub(crate) fn new() -> Self {
        Self { index: HashMap::new(), slots: vec![], ready: VecDeque::new() }
    }

    /// The place of this stream, made now if there is none.
    pub(crate) fn entry(&mut self, key: K, make: impl FnOnce() -> S) -> (usize, &mut S) {
        let slots = &mut self.slots;
        let index = *self.index.entry(key).or_insert_with(|| {
            slots.push(Slot { state: make(), is_ready: false });
            slots.len() - 1
        });
        (index, &mut self.slots[index].state)
    }

    /// This one has something to be taken; whether none had before.
    pub(crate) fn mark(&mut self, index: usize) -> bool {
        let slot = &mut self.slots[index];
        if slot.is_ready {
            return false;
        }
        slot.is_ready = true;
        self.ready.push_back(index);
        self.ready.len() == 1
    }

    /// The one that has had something to be taken for longest. It is to be [marked](Self::mark) again if that is not all.
    pub(crate) fn next(&mut self) -> Option<(usize, &mut S)> {
        let index = self.ready.pop_front()?;
        let slot = &mut self.slots[index];
        slot.is_ready = false;
        Some((index, &mut slot.state))
    }

    /// The place with this number.
    pub(crate) fn get(&mut self, index: usize) -> &mut S {
        &mut self.slots[index].state
    }

    /// The place of this stream, if there is one.
    pub(crate) fn find(&self, key: &K) -> Option<usize> {
        self.index.get(key).copied()
    }

    /// How many streams there are.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// How many have something to be taken.
    pub(crate) fn ready(&self) -> usize {
        self.ready.len()
    }
}
