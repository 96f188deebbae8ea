//! The slots of keys, and two orders among them: open windows by when they opened, idle keys by when
//! their last window closed. Everything here takes the same time however many there are.

use std::hash::Hash;

use rustc_hash::FxHashMap;

/// Neither before nor after.
const NONE: u32 = u32::MAX;

/// Up to `capacity` slots, each found by its key. Every slot stands in one of the two lists.
pub(crate) struct Table<K, S> {
    slots: Vec<Entry<K, S>>,
    by_key: FxHashMap<K, u32>,
    open: List,
    idle: List,
    capacity: usize,
}

struct Entry<K, S> {
    key: K,
    slot: S,
    before: u32,
    after: u32,
}

struct List {
    first: u32,
    last: u32,
}

impl<K: Copy + Eq + Hash, S> Table<K, S> {
    pub(crate) fn new(capacity: usize) -> Self {
        let empty = || List { first: NONE, last: NONE };
        Self { slots: vec![], by_key: FxHashMap::default(), open: empty(), idle: empty(), capacity }
    }

    pub(crate) fn find(&self, key: &K) -> Option<u32> {
        self.by_key.get(key).copied()
    }

    /// A slot for a new key, which stands last among the idle ones: a new one made by `make`, or that
    /// of the key that has been idle for longest, made new by `clear`. `None` if all are open.
    pub(crate) fn add(
        &mut self,
        key: K,
        make: impl FnOnce() -> S,
        clear: impl FnOnce(&mut S),
    ) -> Option<u32> {
        let index = if self.slots.len() < self.capacity {
            let index = self.slots.len() as u32;
            self.slots.push(Entry { key, slot: make(), before: NONE, after: NONE });
            index
        } else {
            let index = self.idle.first;
            if index == NONE {
                return None;
            }
            self.unlink(index, false);
            let entry = &mut self.slots[index as usize];
            self.by_key.remove(&entry.key);
            entry.key = key;
            clear(&mut entry.slot);
            index
        };
        // Twice the room: else what is removed leaves marks, and long after the last new slot the map doubles.
        if self.by_key.capacity() < 2 * self.slots.len() {
            self.by_key.reserve(2 * self.slots.capacity() - self.by_key.len());
        }
        self.by_key.insert(key, index);
        self.link(index, false);
        Some(index)
    }

    pub(crate) fn get(&self, index: u32) -> &S {
        &self.slots[index as usize].slot
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> &mut S {
        &mut self.slots[index as usize].slot
    }

    pub(crate) fn key(&self, index: u32) -> K {
        self.slots[index as usize].key
    }

    /// The open slot that was opened first.
    pub(crate) fn first_open(&self) -> Option<u32> {
        (self.open.first != NONE).then_some(self.open.first)
    }

    /// Moves an idle slot to the end of the open ones.
    pub(crate) fn set_open(&mut self, index: u32) {
        self.unlink(index, false);
        self.link(index, true);
    }

    /// Moves an open slot to the end of the idle ones.
    pub(crate) fn set_idle(&mut self, index: u32) {
        self.unlink(index, true);
        self.link(index, false);
    }

    /// Forgets every key.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.capacity);
    }

    fn list(&mut self, open: bool) -> &mut List {
        if open { &mut self.open } else { &mut self.idle }
    }

    fn link(&mut self, index: u32, open: bool) {
        let list = self.list(open);
        let before = std::mem::replace(&mut list.last, index);
        if before == NONE {
            list.first = index;
        } else {
            self.slots[before as usize].after = index;
        }
        let entry = &mut self.slots[index as usize];
        (entry.before, entry.after) = (before, NONE);
    }

    fn unlink(&mut self, index: u32, open: bool) {
        let entry = &self.slots[index as usize];
        let (before, after) = (entry.before, entry.after);
        if before == NONE {
            self.list(open).first = after;
        } else {
            self.slots[before as usize].after = after;
        }
        if after == NONE {
            self.list(open).last = before;
        } else {
            self.slots[after as usize].before = before;
        }
    }
}

#[cfg(test)]
mod tests;
