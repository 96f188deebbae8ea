use std::{
    cell::{Cell, RefCell},
    mem::ManuallyDrop,
    sync::Arc,
};

use crate::{depot::MAGAZINE, desk::Desk, tally::Tally};

/// The free slots of one pool that one thread keeps at hand, most recently used on top, so that taking
/// and returning are mostly its own business. It fills and empties itself by halves.
///
/// A thread beyond those for which there are slots has an empty one, as every thread has in a pool
/// without magazines: then each slot comes from the depot and goes there, and the magazine only counts.
pub(crate) struct Magazine {
    desk: Arc<Desk>,
    tally: Arc<Tally>,
    /// How many slots it may hold, at most `MAGAZINE`.
    limit: u32,
    len: u32,
    slots: [u32; MAGAZINE],
}

impl Magazine {
    fn new(desk: &Arc<Desk>) -> Self {
        let tally = desk.tallies.open();
        let limit = desk.magazine_for_one_more();
        Self { desk: Arc::clone(desk), tally, limit, len: 0, slots: [0; MAGAZINE] }
    }

    /// A free slot that is at hand.
    #[inline(always)]
    fn pop(&mut self) -> Option<u32> {
        self.len = self.len.checked_sub(1)?;
        self.tally.count_taken();
        Some(self.slots[self.len as usize % MAGAZINE])
    }

    /// A free slot, from the depot if there is none at hand.
    pub(crate) fn take(&mut self) -> Option<u32> {
        self.pop().or_else(|| self.fetch())
    }

    /// Puts a slot that has become free, and makes room for it if there is none. Once it is counted, the
    /// pool's storage may be gone.
    #[inline(always)]
    fn put(&mut self, slot: u32) {
        if self.len == self.limit {
            return self.put_beyond(slot);
        }
        self.slots[self.len as usize % MAGAZINE] = slot;
        self.len += 1;
        self.tally.count_returned();
    }

    /// Gives all that is at hand to the depot, for those who wait.
    pub(crate) fn give_up(&mut self) {
        for slot in &self.slots[..self.len as usize] {
            self.desk.depot.put_one(*slot);
        }
        self.len = 0;
    }

    /// As [`put`](Self::put), but past the magazine while threads are waiting.
    pub(crate) fn put_in_turn(&mut self, slot: u32) {
        if self.desk.is_awaited() { self.put_beyond(slot) } else { self.put(slot) }
    }

    /// Counts a slot that the thread has from elsewhere.
    pub(crate) fn count_taken(&self) {
        self.tally.count_taken();
    }

    fn fetch(&mut self) -> Option<u32> {
        if self.limit == 0 {
            self.limit = self.desk.magazine_for_one_more();
        }
        let slot = if self.limit == 0 {
            self.desk.depot.take_one()?
        } else {
            let taken = self.desk.depot.take_some(&mut self.slots);
            self.len = (taken as u32).checked_sub(1)?;
            self.slots[self.len as usize]
        };
        self.tally.count_taken();
        Some(slot)
    }

    /// Puts a slot past the magazine if that holds none or threads are waiting, or else makes room in it.
    #[inline(never)]
    fn put_beyond(&mut self, slot: u32) {
        // Counted first, so that a slot is never seen to be out twice.
        self.tally.count_returned();
        if self.limit == 0 || self.desk.is_awaited() {
            self.desk.depot.put_one(slot);
        } else {
            if self.len == self.limit {
                // The lower half goes: the upper one was used more recently.
                let batch = self.limit as usize / 2;
                self.desk.depot.put_batch(&self.slots[..batch]);
                self.slots.copy_within(batch..self.limit as usize, 0);
                self.len -= batch as u32;
            }
            self.slots[self.len as usize] = slot;
            self.len += 1;
        }
        self.desk.serve();
    }
}

impl Drop for Magazine {
    fn drop(&mut self) {
        self.give_up();
        self.desk.tallies.close(&self.tally);
        if self.limit > 0 {
            self.desk.magazine_given_up();
        }
        self.desk.serve();
        self.desk.close_if_home();
    }
}

/// In how many places a thread finds a magazine at once.
const PLACES: usize = 16;

/// Keys are multiples of a place's size, so that their low bits are its distance from the first.
pub(crate) const KEY_SHIFT: u32 = 4;

/// The key of a place that no magazine ever had; no pool has it.
const NOBODYS: u64 = u64::MAX;

/// What the thread finds at once: the magazines in their places, by the low bits of their pool's key.
/// Nothing here is dropped by itself, so that finding it needs no look whether that has happened: the
/// rack does it.
struct Place {
    /// The key of the pool whose magazine is here.
    key: Cell<u64>,
    /// Empty while the magazine is in use, during which no foreign code runs but an allocator's.
    magazine: Cell<Option<ManuallyDrop<Box<Magazine>>>>,
}

type Places = [Place; PLACES];

#[cfg(not(meltica_loom))]
thread_local! {
    static AT_HAND: Places = const { [const { Place::new() }; PLACES] };
    static RACK: Rack = const { Rack::new() };
}

#[cfg(meltica_loom)]
loom::thread_local! {
    static AT_HAND: Places = [const { Place::new() }; PLACES];
    static RACK: Rack = Rack::new();
}

/// A free slot of the pool with this key from this thread's magazine, if there is one at hand. A `key` of
/// zero, as a pool has while it asks for attention, is that of no magazine.
#[inline(always)]
pub(crate) fn pop(key: u64) -> Option<u32> {
    let pop = |places: &Places| {
        let (place, mut magazine) = Place::of(places, key).lift(key)?;
        let slot = magazine.pop();
        place.magazine.set(Some(magazine));
        slot
    };
    AT_HAND.try_with(pop).ok()?
}

/// Puts a slot that has become free, by way of this thread's magazine; then it is counted, and the pool's
/// storage may be gone. False if the magazine is not at hand.
#[inline(always)]
pub(crate) fn put(key: u64, slot: u32) -> bool {
    let put = |places: &Places| {
        let (place, mut magazine) = Place::of(places, key).lift(key)?;
        magazine.put(slot);
        place.magazine.set(Some(magazine));
        Some(())
    };
    AT_HAND.try_with(put).ok().flatten().is_some()
}

/// Does something with this thread's magazine of a pool, which is made if need be: `None` if the
/// thread's own storage is gone already, because it is ending.
pub(crate) fn with<R>(desk: &Arc<Desk>, use_it: impl FnOnce(&mut Magazine) -> R) -> Option<R> {
    let with = |places: &Places, rack: &Rack| {
        rack.bring(places, desk);
        let (place, mut magazine) = Place::of(places, desk.own_key).lift(desk.own_key)?;
        let result = use_it(&mut magazine);
        place.magazine.set(Some(magazine));
        Some(result)
    };
    RACK.try_with(|rack| AT_HAND.try_with(|places| with(places, rack)).ok()?).ok()?
}

impl Place {
    const fn new() -> Self {
        Self { key: Cell::new(NOBODYS), magazine: Cell::new(None) }
    }

    #[inline(always)]
    fn of(places: &Places, key: u64) -> &Self {
        &places[(key >> KEY_SHIFT) as usize % PLACES]
    }

    /// The magazine with this key, to be set back when it was used.
    #[inline(always)]
    fn lift(&self, key: u64) -> Option<(&Self, ManuallyDrop<Box<Magazine>>)> {
        if self.key.get() != key {
            return None;
        }
        Some((self, self.magazine.take()?))
    }

    /// Whose the magazine here is, and the magazine, unless it is in use.
    fn clear(&self) -> Option<(u64, Box<Magazine>)> {
        let magazine = ManuallyDrop::into_inner(self.magazine.take()?);
        Some((self.key.replace(NOBODYS), magazine))
    }

    fn set(&self, magazine: Box<Magazine>) {
        self.key.set(magazine.desk.own_key);
        self.magazine.set(Some(ManuallyDrop::new(magazine)));
    }
}

/// A thread's magazines beyond those in their places, and the end of them all.
struct Rack {
    /// Those whose place another one took, by their pool's key.
    rest: RefCell<Vec<(u64, Box<Magazine>)>>,
}

impl Rack {
    const fn new() -> Self {
        Self { rest: RefCell::new(Vec::new()) }
    }

    /// Sees to it that the magazine is in its place, unless the one there is in use.
    fn bring(&self, places: &Places, desk: &Arc<Desk>) {
        let place = Place::of(places, desk.own_key);
        if place.key.get() == desk.own_key {
            return;
        }
        let there = place.clear();
        if place.key.get() != NOBODYS {
            return;
        }
        let mut rest = self.rest.borrow_mut();
        rest.extend(there);
        let kept = rest.iter().position(|(key, _)| *key == desk.own_key);
        let kept = kept.map(|index| rest.swap_remove(index).1);
        drop(rest);
        let mut gone = vec![];
        let magazine = kept.unwrap_or_else(|| {
            gone = self.clear_out(places, |magazine| magazine.desk.is_closed());
            Box::new(Magazine::new(desk))
        });
        place.set(magazine);
        // The last magazine of a pool that is gone drops its objects, and what these do may bring others: the
        // place is taken by now, and nothing is borrowed.
        drop(gone);
    }

    /// Takes some magazines out, such as those of pools that are gone.
    fn clear_out(
        &self,
        places: &Places,
        which: impl Fn(&Magazine) -> bool,
    ) -> Vec<(u64, Box<Magazine>)> {
        let rest = self.rest.take().into_iter();
        let (mut out, kept): (Vec<_>, Vec<_>) = rest.partition(|(_, magazine)| which(magazine));
        self.rest.replace(kept);
        for place in places {
            match place.clear() {
                Some((_, magazine)) if !which(&magazine) => place.set(magazine),
                cleared => out.extend(cleared),
            }
        }
        out
    }
}

impl Drop for Rack {
    fn drop(&mut self) {
        // A thread's end that returns something from here on finds no rack, and does without magazines.
        drop(AT_HAND.try_with(|places| self.clear_out(places, |_| true)));
    }
}

#[cfg(all(test, not(meltica_loom)))]
mod tests;
