//! Storage: one slot an object, and one word a slot that says who may touch it. All unsafe code of the
//! crate is here.
//!
//! ```text
//!            lease                      share, clone
//!   free ───────────▶ leased (1) ◀──────────────────────▶ shared (n handles)
//!    ▲                 │  │  ▲        drop, until one
//!    ├───── put ───────┘  │  │
//!    │                    │  └── redeem ── ticketed
//!    │                    ├────── ticket ──────▲
//!    └ (by way of)        ├────── retire ─────▶ retired (for ever)
//!      poisoned ◀─ put ───┘
//! ```
//!
//! The word is `generation << 24 | state`; the state is 0 (free), the number of handles, or one of three
//! marks. Only these moves exist:
//!
//! - *free → leased*, and *poisoned → leased* by healing: a store by [`Slots::claim`], whose caller has
//!   the slot's index from the desk. The desk hands out each index of a free slot once, so nobody else
//!   is at that slot. (This is what `stack`, `depot` and `magazine` are trusted with, and their loom
//!   models are about; a slot that is neither free nor poisoned is refused all the same.)
//! - *leased → free*, *→ poisoned*, *→ ticketed*, *→ retired*: a store by the one [`Exclusive`], which it
//!   consumes. Going free adds one to the generation.
//! - *ticketed → leased*: compare-exchange of the whole word by [`Slots::redeem`], so a ticket of another
//!   generation cannot win, and of two equal ones only one does.
//! - *shared*: a handle is added only by a holder of one, so the count never leaves zero by itself;
//!   the holder that finds itself alone is exclusive again.
//!
//! The value may be read by any handle, and written only while there is exactly one. While a slot is
//! *poisoned* (free in debug mode), its value lies in `aside` and its bytes are the pattern.
//!
//! A handle is a pointer to its slot, and from there to the [`Room`] that the slots are part of. The room
//! outlives every handle: it lives while there is a `Pool`, and a desk that closes keeps it until as many
//! returns and tickets are counted as takings (see `Desk::close`). So a return may use slot and room until it is
//! counted, and not afterwards: [`Returning`] is consumed by what counts. A heap object's slot is a box of
//! its own, freed by the handle that ends it.

use std::{
    mem::{ManuallyDrop, MaybeUninit},
    ops::Deref,
    ptr::NonNull,
    sync::{
        Arc,
        atomic::{AtomicU64 as Record, Ordering as RecordOrdering},
    },
};

use crate::{
    contain::contained,
    magazine,
    room::{self, Room},
    sync::{
        AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
        UnsafeCell,
    },
};

const STATE_BITS: u32 = 24;
const STATE: u64 = (1 << STATE_BITS) - 1;
const GENERATION: u64 = 1 << STATE_BITS;
const FREE: u64 = 0;
const LEASED: u64 = 1;
const TICKETED: u64 = STATE;
const RETIRED: u64 = STATE - 1;
const POISONED: u64 = STATE - 2;
/// Far below the marks, so that clones racing past the check still cannot reach them.
const MAX_HANDLES: u64 = 1 << 23;

/// The index of a slot that is a heap object's.
const HEAP: u32 = u32::MAX;

/// What a returned value's place is filled with in debug mode.
const POISON: [u8; 8] = 0xDEAD_BEEF_DEAD_BEEFu64.to_be_bytes();

/// A slot has its cache lines to itself, so that neighbours in use by two threads do not meet.
#[repr(C, align(128))]
struct Slot<T> {
    cell: UnsafeCell<Contents<T>>,
    word: AtomicU64,
    /// Where it is one of the slots, or where a heap object's pool is.
    room: *const Room<T>,
    /// What the ledger calls the present lease, if it was recorded; zero if not. A hint for whoever lists
    /// what is out: what it says counts only if the generation is right.
    record: Record,
    /// Its place among the slots, or `HEAP`.
    index: u32,
}

#[repr(C)]
struct Contents<T> {
    /// Initialised exactly when `aside` is empty.
    value: MaybeUninit<T>,
    /// The value, while its place is poisoned.
    aside: Option<Box<T>>,
}

// SAFETY: through a shared slot, a `T` is reached by one `Exclusive` (which needs `T: Send` to move
// between threads) or by several `Counted` (which say for themselves that they need `T: Sync`).
unsafe impl<T: Send> Sync for Slot<T> {}

// SAFETY: sending it sends the `T`; the pointer only says where the room is, which is Send and Sync
// itself where `T` is Send.
unsafe impl<T: Send> Send for Slot<T> {}

impl<T> Drop for Contents<T> {
    fn drop(&mut self) {
        // Contained, since one of many whose drop panics must not cost the others theirs.
        contained(|| match self.aside.take() {
            Some(aside) => drop(aside),
            // SAFETY: initialised, since `aside` is empty; and never touched again.
            None => unsafe { self.value.assume_init_drop() },
        });
    }
}

impl<T> Slot<T> {
    fn new(value: T, index: u32, room: *const Room<T>) -> Self {
        let contents = Contents { value: MaybeUninit::new(value), aside: None };
        Self {
            word: AtomicU64::new(FREE),
            room,
            index,
            record: Record::new(0),
            cell: UnsafeCell::new(contents),
        }
    }
}

/// What is out, as one look at its word shows it.
pub(crate) struct Out {
    pub(crate) index: u32,
    pub(crate) generation: u64,
    /// How many; zero if it is ticketed.
    pub(crate) handles: u32,
    /// As the ledger calls it, if it was recorded.
    pub(crate) record: u64,
}

/// The slots of a pool.
pub(crate) struct Slots<T>(Box<[Slot<T>]>);

impl<T> Slots<T> {
    /// One free slot for each value.
    pub(crate) fn new(values: Vec<T>, room: *const Room<T>) -> Self {
        let slot = |(index, value)| Slot::new(value, index as u32, room);
        Self(values.into_iter().enumerate().map(slot).collect())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// *free → leased*: for a slot that the desk handed out; `None` if it is not free.
    #[inline(always)]
    pub(crate) fn claim(&self, index: u32) -> Option<Exclusive<T>> {
        let slot = &self.0[index as usize];
        // Relaxed: the index came from whoever freed the slot, by way of a magazine (the same thread) or
        // of the depot (which releases and acquires), so its word and value are seen as they were left.
        let word = slot.word.load(Relaxed);
        if word & STATE != FREE {
            return None;
        }
        slot.word.store(word | LEASED, Relaxed);
        Some(Exclusive { slot: NonNull::from(slot) })
    }

    /// *poisoned → leased*, for a slot that the desk handed out: moves the value that lies aside back into
    /// its place, and says whether the pattern held.
    ///
    /// # Panics
    ///
    /// If the slot is not poisoned: then this crate is wrong.
    pub(crate) fn heal(&self, index: u32) -> (Exclusive<T>, Found) {
        let slot = &self.0[index as usize];
        let word = slot.word.load(Relaxed);
        assert_eq!(word & STATE, POISONED, "the desk hands out free slots only, and each once");
        slot.word.store(word & !STATE | LEASED, Relaxed);
        let found = slot.cell.with_mut(|contents| {
            // SAFETY: now *leased*, and the handle does not exist yet: nobody else refers to the contents.
            let contents = unsafe { &mut *contents };
            let Some(value) = contents.aside.take() else { return Found::Sound };
            let mut found = Found::Sound;
            let bytes = bytes_mut(&mut contents.value).iter();
            for (offset, (byte, poison)) in bytes.zip(poison()).enumerate() {
                // SAFETY: `put_poisoned` wrote every byte of the place.
                let byte = unsafe { byte.assume_init() };
                if byte != poison {
                    match &mut found {
                        Found::Sound => found = Found::StrayWrite { bytes: 1, offset, found: byte },
                        Found::StrayWrite { bytes, .. } => *bytes += 1,
                    }
                }
            }
            contents.value.write(*value);
            found
        });
        (Exclusive { slot: NonNull::from(slot) }, found)
    }

    /// *ticketed → leased*, once: `None` unless it is still ticketed in this generation, and if there is no
    /// such slot.
    pub(crate) fn redeem(&self, index: u32, generation: u64) -> Option<Exclusive<T>> {
        let slot = self.0.get(index as usize)?;
        let tag = generation << STATE_BITS;
        // Acquire, with the Release in `ticket`: the value is seen as the ticket's maker left it.
        slot.word.compare_exchange(tag | TICKETED, tag | LEASED, Acquire, Relaxed).ok()?;
        Some(Exclusive { slot: NonNull::from(slot) })
    }

    /// What is out at about this moment.
    pub(crate) fn out(&self) -> Vec<Out> {
        let held = |slot: &Slot<T>| {
            let word = slot.word.load(Acquire);
            let handles = match word & STATE {
                FREE | POISONED | RETIRED => return None,
                TICKETED => 0,
                handles => handles as u32,
            };
            let record = slot.record.load(RecordOrdering::Acquire);
            Some(Out { index: slot.index, generation: word >> STATE_BITS, handles, record })
        };
        self.0.iter().filter_map(held).collect()
    }
}

/// What a claimed slot's bytes looked like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing to say.
    Sound,
    /// It was poisoned, and somebody wrote to it while it was free: how many bytes, from which on, and
    /// what the first of them is now.
    StrayWrite { bytes: usize, offset: usize, found: u8 },
}

/// The one handle of a *leased* slot: reads and writes. Dropping it is the return.
pub(crate) struct Exclusive<T> {
    slot: NonNull<Slot<T>>,
}

// SAFETY: it is the one way to the value, as a `Box<T>` is; the rest of slot and room is for all threads.
unsafe impl<T: Send> Send for Exclusive<T> {}

// SAFETY: a reference to it gives references to the value, and access to the room, which is Sync.
unsafe impl<T: Sync> Sync for Exclusive<T> {}

impl<T> Exclusive<T> {
    /// A heap object, in a slot of its own.
    pub(crate) fn on_heap(value: T, room: &Room<T>) -> Self {
        let slot = Box::new(Slot::new(value, HEAP, room));
        slot.word.store(LEASED, Relaxed);
        Self { slot: NonNull::new(Box::into_raw(slot)).expect("a box is somewhere") }
    }

    fn slot(&self) -> &Slot<T> {
        // SAFETY: *leased*: slot and room outlive the handle.
        unsafe { self.slot.as_ref() }
    }

    #[inline]
    pub(crate) fn room(&self) -> &Room<T> {
        // SAFETY: *leased*: the room outlives the handle.
        unsafe { &*self.slot().room }
    }

    pub(crate) fn is_heap(&self) -> bool {
        self.slot().index == HEAP
    }

    pub(crate) fn index(&self) -> u32 {
        self.slot().index
    }

    pub(crate) fn generation(&self) -> u64 {
        // Relaxed: while leased, only this handle changes the word.
        self.slot().word.load(Relaxed) >> STATE_BITS
    }

    /// Where the ledger's name for this lease is kept.
    pub(crate) fn record(&self) -> &Record {
        &self.slot().record
    }

    #[inline]
    pub(crate) fn get(&self) -> &T {
        self.slot().cell.with(|contents| {
            // SAFETY: *leased*: this is the only handle, and it is borrowed for as long as the
            // result, so nothing writes meanwhile.
            let contents = unsafe { &*contents };
            // SAFETY: initialised: a claimed slot is healed, and poisoning consumes the handle.
            unsafe { contents.value.assume_init_ref() }
        })
    }

    #[inline]
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.slot().cell.with_mut(|contents| {
            // SAFETY: *leased*: this is the only handle, borrowed mutably for as long as the
            // result.
            let contents = unsafe { &mut *contents };
            // SAFETY: initialised, as in `get`.
            unsafe { contents.value.assume_init_mut() }
        })
    }

    /// *leased → ticketed*. Answers the slot and the generation by which it is redeemed.
    ///
    /// # Panics
    ///
    /// For a heap object, which no number finds.
    pub(crate) fn ticket(self) -> (u32, u64) {
        assert!(!self.is_heap(), "a heap object has no ticket");
        let (index, generation) = (self.index(), self.generation());
        // The room may be gone when the desk has counted: nobody can redeem the tickets of a closed pool.
        let desk = Arc::clone(&self.room().desk);
        // Without the return that the drop would be.
        let held = ManuallyDrop::new(self);
        // Release, with the Acquire in `redeem`.
        held.slot().word.store(generation << STATE_BITS | TICKETED, Release);
        desk.ticket_made();
        (index, generation)
    }

    /// *leased → shared* by one.
    pub(crate) fn share(self) -> Counted<T> {
        Counted(ManuallyDrop::new(self))
    }
}

impl<T> Drop for Exclusive<T> {
    #[inline]
    fn drop(&mut self) {
        room::take_back(Returning { held: ManuallyDrop::new(Self { slot: self.slot }) });
    }
}

/// An [`Exclusive`] whose drop has begun: to be ended in one of four ways. Dropped without, it would leave
/// the slot leased for ever.
pub(crate) struct Returning<T> {
    held: ManuallyDrop<Exclusive<T>>,
}

impl<T> Deref for Returning<T> {
    type Target = Exclusive<T>;

    #[inline]
    fn deref(&self) -> &Exclusive<T> {
        &self.held
    }
}

impl<T> Returning<T> {
    /// The value, and the room for as long as that is looked at.
    #[inline]
    pub(crate) fn room_and_value(&mut self) -> (&Room<T>, &mut T) {
        // SAFETY: *leased*: the room outlives the handle, which is borrowed for as long as the result. It
        // is reached through a pointer of its own, and not part of what `get_mut` borrows.
        let room = unsafe { &*self.slot().room };
        (room, self.held.get_mut())
    }

    /// *leased → free*, with the next generation, by this thread's magazine, if `key` is its pool's and it
    /// is at hand, or else by the desk.
    #[inline]
    pub(crate) fn put(self, key: u64) {
        let index = self.index();
        self.free(FREE);
        // The key is the pool's number or zero, and a magazine with that number is this pool's: it belongs
        // to the desk, which gives numbers once.
        if !magazine::put(key, index) {
            self.put_at_desk(index);
        }
    }

    /// *leased → poisoned*, with the value moved aside and its place filled with the pattern. Allocates.
    pub(crate) fn put_poisoned(self) {
        self.slot().cell.with_mut(|contents| {
            // SAFETY: *leased*, and the handle is consumed: no reference to the contents exists.
            let contents = unsafe { &mut *contents };
            // SAFETY: initialised, as in `get`; it moves into `aside` and is not used here again.
            let value = unsafe { contents.value.assume_init_read() };
            contents.aside = Some(Box::new(value));
            for (byte, poison) in bytes_mut(&mut contents.value).iter_mut().zip(poison()) {
                byte.write(poison);
            }
        });
        let index = self.index();
        self.free(POISONED);
        self.put_at_desk(index);
    }

    #[inline]
    fn free(&self, state: u64) {
        let word = &self.slot().word;
        // Relaxed: who claims the slot has its index by way of a magazine or the depot; see `claim`.
        let next = (word.load(Relaxed) & !STATE).wrapping_add(GENERATION);
        word.store(next | state, Relaxed);
    }

    #[cold]
    #[inline(never)]
    fn put_at_desk(self, index: u32) {
        // The slot is not counted as returned yet, so the room is there; it need not be when the desk has
        // counted.
        let desk = Arc::clone(&self.room().desk);
        desk.put(index);
    }

    /// *leased → retired*: never used again; the value stays until the slots are dropped.
    pub(crate) fn retire(self) {
        let desk = Arc::clone(&self.room().desk);
        // Relaxed: nobody takes a retired slot, so nobody needs to see its value.
        self.slot().word.store(self.generation() << STATE_BITS | RETIRED, Relaxed);
        desk.retire();
    }

    /// Gives a heap object back to the allocator.
    ///
    /// # Panics
    ///
    /// If it is one of the slots.
    pub(crate) fn free_from_heap(self) {
        assert!(self.is_heap(), "a slot of the pool's is no box");
        let desk = Arc::clone(&self.room().desk);
        // SAFETY: *leased*, so this is the only pointer; `on_heap` made it of a box.
        let slot = unsafe { Box::from_raw(self.held.slot.as_ptr()) };
        drop(slot);
        desk.heap_returned();
    }
}

/// One of the handles of a *shared* slot: reads. The last one to be dropped is the return.
pub(crate) struct Counted<T>(ManuallyDrop<Exclusive<T>>);

impl<T> Counted<T> {
    pub(crate) fn room(&self) -> &Room<T> {
        self.0.room()
    }

    #[inline]
    pub(crate) fn get(&self) -> &T {
        self.0.slot().cell.with(|contents| {
            // SAFETY: *shared*: while this handle lives no other is alone, so nothing writes.
            let contents = unsafe { &*contents };
            // SAFETY: initialised, as in `Exclusive::get`.
            unsafe { contents.value.assume_init_ref() }
        })
    }

    /// The value, for writing, if this is the only handle.
    pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
        self.is_alone().then(|| self.0.get_mut())
    }

    /// Adds a handle.
    ///
    /// # Panics
    ///
    /// With more than eight million handles of one object.
    pub(crate) fn another(&self) -> Self {
        // Relaxed: the new handle is made from one that exists, as with `Arc`.
        let word = self.0.slot().word.fetch_add(1, Relaxed);
        let other = Self(ManuallyDrop::new(Exclusive { slot: self.0.slot }));
        // With `other` dropped, the count is as it was.
        assert!(word & STATE <= MAX_HANDLES, "more than {MAX_HANDLES} handles share one object");
        other
    }

    /// Gives this handle up; says whether it was the last, which is left counted.
    fn was_last(&self) -> bool {
        let slot = self.0.slot();
        // Acquire, with the Release below: the last holder sees all that the others did.
        let mut word = slot.word.load(Acquire);
        while word & STATE != LEASED {
            // Release, with the Acquire above and below: what this holder did comes first.
            match slot.word.compare_exchange_weak(word, word - 1, Release, Acquire) {
                Ok(_) => return false,
                Err(now) => word = now,
            }
        }
        true
    }

    /// *shared → leased*, if this is the only handle.
    pub(crate) fn try_exclusive(self) -> Result<Exclusive<T>, Self> {
        if self.is_alone() {
            Ok(Exclusive { slot: ManuallyDrop::new(self).0.slot })
        } else {
            Err(self)
        }
    }

    /// Alone is final for as long as this handle is borrowed: others come only from a handle.
    fn is_alone(&self) -> bool {
        // Acquire, with the Release in `was_last`.
        self.0.slot().word.load(Acquire) & STATE == LEASED
    }
}

impl<T> Drop for Counted<T> {
    #[inline]
    fn drop(&mut self) {
        if self.was_last() {
            drop(Exclusive { slot: self.0.slot });
        }
    }
}

fn poison() -> impl Iterator<Item = u8> {
    POISON.into_iter().cycle()
}

/// The bytes of a place, padding and all, without a claim that they hold anything.
fn bytes_mut<T>(place: &mut MaybeUninit<T>) -> &mut [MaybeUninit<u8>] {
    let bytes = std::ptr::from_mut(place).cast::<MaybeUninit<u8>>();
    // SAFETY: `size_of::<T>()` bytes of one place that is borrowed mutably for as long as the
    // result; `MaybeUninit<u8>` has no alignment and may hold anything.
    unsafe { std::slice::from_raw_parts_mut(bytes, size_of::<T>()) }
}

#[cfg(all(test, not(meltica_loom)))]
mod tests;
