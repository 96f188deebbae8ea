//! Storage: one slot an object, and one word a slot that says who may touch it.
//!
//! ```text
//!            claim                      share, clone
//!   free ───────────▶ leased (1) ◀──────────────────────▶ shared (n handles)
//!    ▲                 │  │  ▲        drop, until one
//!    └──── release ────┘  │  │
//!    └──── poison ─────┐  │  └── redeem ── ticketed
//!                      │  ├────── ticket ──────▲
//!                      │  └────── retire ─────▶ retired (for ever)
//! ```
//!
//! The word is `generation << 24 | state`; the state is 0 (free), the number of handles, or one of
//! two marks. Only these moves exist:
//!
//! - *free → leased*: compare-exchange by [`Exclusive::claim`]. Winning it is the exclusive right
//!   to the value. No free list is trusted for that: two claims of one slot cannot both win.
//! - *leased → free*, *→ ticketed*, *→ retired*: a store by the one `Exclusive`, which it consumes.
//!   Going free adds one to the generation.
//! - *ticketed → leased*: compare-exchange of the whole word by [`Exclusive::redeem`], so a ticket
//!   of another generation cannot win.
//! - *shared*: a handle is added only by a holder of one, so the count never leaves zero by itself;
//!   the holder that finds itself alone is exclusive again.
//!
//! The value may be read by any handle, and written only while there is exactly one. While a slot
//! is free and poisoned (debug mode), its value lies in `aside` and its bytes are the pattern.

use std::{
    mem::MaybeUninit,
    sync::{
        Arc,
        atomic::Ordering::{Acquire, Relaxed, Release},
    },
};

use crate::sync::{AtomicU64, UnsafeCell};

const STATE_BITS: u32 = 24;
const STATE: u64 = (1 << STATE_BITS) - 1;
const FREE: u64 = 0;
const LEASED: u64 = 1;
const TICKETED: u64 = STATE;
const RETIRED: u64 = STATE - 1;
/// Far below the marks, so that clones racing past the check still cannot reach them.
const MAX_HANDLES: u64 = 1 << 23;

/// What a returned value's place is filled with in debug mode.
const POISON: [u8; 8] = 0xDEAD_BEEF_DEAD_BEEFu64.to_be_bytes();

struct Slot<T> {
    word: AtomicU64,
    cell: UnsafeCell<Contents<T>>,
}

struct Contents<T> {
    /// Initialised exactly when `aside` is empty.
    value: MaybeUninit<T>,
    /// The value, while its place is poisoned.
    aside: Option<Box<T>>,
}

// SAFETY: through a shared slot, a `T` is reached by one `Exclusive` (which needs `T: Send` to move
// between threads) or by several `Counted` (which say for themselves that they need `T: Sync`).
unsafe impl<T: Send> Sync for Slot<T> {}

impl<T> Drop for Contents<T> {
    fn drop(&mut self) {
        if self.aside.is_none() {
            // SAFETY: initialised, since `aside` is empty; and never touched again.
            unsafe { self.value.assume_init_drop() }
        }
    }
}

/// A row of slots, with whatever its handles need to find beside it.
pub(crate) struct Slots<T, H> {
    slots: Box<[Slot<T>]>,
    pub(crate) home: H,
}

impl<T, H> Slots<T, H> {
    /// One free slot for each value.
    pub(crate) fn new(values: impl Iterator<Item = T>, home: H) -> Self {
        let slot = |value| Slot {
            word: AtomicU64::new(FREE),
            cell: UnsafeCell::new(Contents { value: MaybeUninit::new(value), aside: None }),
        };
        Self { slots: values.map(slot).collect(), home }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }
}

/// The one handle of a *leased* slot: reads and writes. Not cloned; consumed by every move out of
/// that state. Dropped without one, it would leave the slot leased for ever, so its owners do not.
pub(crate) struct Exclusive<T, H> {
    slots: Arc<Slots<T, H>>,
    index: u32,
}

/// What a claimed slot's bytes looked like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing to say.
    Sound,
    /// It was poisoned, and somebody wrote to it while it was free.
    StrayWrite,
}

impl<T, H> Exclusive<T, H> {
    /// Takes a free slot; `None` if it is not free, or there is no such slot.
    pub(crate) fn claim(slots: &Arc<Slots<T, H>>, index: u32) -> Option<(Self, Found)> {
        let slot = slots.slots.get(index as usize)?;
        let word = slot.word.load(Relaxed);
        if word & STATE != FREE {
            return None;
        }
        // Acquire, with the Release in `release`: the value is seen as `reset` left it.
        slot.word.compare_exchange(word, word | LEASED, Acquire, Relaxed).ok()?;
        let mut claimed = Self { slots: Arc::clone(slots), index };
        let found = claimed.heal();
        Some((claimed, found))
    }

    /// Takes back a ticketed slot, once: `None` unless it is still ticketed in this generation.
    pub(crate) fn redeem(slots: &Arc<Slots<T, H>>, index: u32, generation: u64) -> Option<Self> {
        let slot = slots.slots.get(index as usize)?;
        let tag = generation << STATE_BITS;
        // Acquire, with the Release in `ticket`: the value is seen as the ticket's maker left it.
        slot.word.compare_exchange(tag | TICKETED, tag | LEASED, Acquire, Relaxed).ok()?;
        Some(Self { slots: Arc::clone(slots), index })
    }

    fn slot(&self) -> &Slot<T> {
        &self.slots.slots[self.index as usize]
    }

    pub(crate) fn slots(&self) -> &Arc<Slots<T, H>> {
        &self.slots
    }

    pub(crate) fn index(&self) -> u32 {
        self.index
    }

    pub(crate) fn generation(&self) -> u64 {
        // Relaxed: while leased, only this handle changes the word.
        self.slot().word.load(Relaxed) >> STATE_BITS
    }

    /// A number that no other outstanding object has.
    pub(crate) fn address(&self) -> usize {
        std::ptr::from_ref(self.slot()).addr()
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

    /// *leased → free*, with the next generation. Answers which slot is free now.
    pub(crate) fn release(self) -> u32 {
        let next = self.generation().wrapping_add(1) << STATE_BITS;
        // Release, with the Acquire in `claim`.
        self.slot().word.store(next | FREE, Release);
        self.index
    }

    /// As [`release`](Self::release), with the value moved aside and its place filled with the
    /// pattern. Allocates.
    pub(crate) fn release_poisoned(self) -> u32 {
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
        self.release()
    }

    /// Moves a value that lies aside back into its place, and says whether the pattern held.
    fn heal(&mut self) -> Found {
        self.slot().cell.with_mut(|contents| {
            // SAFETY: *leased*, and this handle was not given out yet.
            let contents = unsafe { &mut *contents };
            let Some(value) = contents.aside.take() else { return Found::Sound };
            let intact =
                bytes_mut(&mut contents.value).iter().zip(poison()).all(|(byte, poison)| {
                    // SAFETY: `release_poisoned` wrote every byte of the place.
                    unsafe { byte.assume_init() == poison }
                });
            contents.value.write(*value);
            if intact { Found::Sound } else { Found::StrayWrite }
        })
    }

    /// *leased → retired*: never used again; the value stays until the slots are dropped.
    pub(crate) fn retire(self) {
        let tag = self.generation() << STATE_BITS;
        // Relaxed: nobody takes a retired slot, so nobody needs to see its value.
        self.slot().word.store(tag | RETIRED, Relaxed);
    }

    /// *leased → ticketed*. Answers the slot and the generation by which it is redeemed.
    pub(crate) fn ticket(self) -> (u32, u64) {
        let generation = self.generation();
        // Release, with the Acquire in `redeem`.
        self.slot().word.store(generation << STATE_BITS | TICKETED, Release);
        (self.index, generation)
    }

    /// *leased → shared* by one.
    pub(crate) fn share(self) -> Counted<T, H> {
        Counted(self)
    }
}

/// One of the handles of a *shared* slot: reads.
pub(crate) struct Counted<T, H>(Exclusive<T, H>);

impl<T, H> Counted<T, H> {
    pub(crate) fn slots(&self) -> &Arc<Slots<T, H>> {
        &self.0.slots
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
        let other = Exclusive { slots: Arc::clone(&self.0.slots), index: self.0.index };
        if word & STATE > MAX_HANDLES {
            self.0.slot().word.fetch_sub(1, Relaxed);
            panic!("more than {MAX_HANDLES} handles share one object");
        }
        Self(other)
    }

    /// Gives this handle up. Whoever gives up the last gets the object to itself.
    pub(crate) fn give_up(self) -> Option<Exclusive<T, H>> {
        let slot = self.0.slot();
        // Acquire, with the Release below: the last holder sees all that the others did.
        let mut word = slot.word.load(Acquire);
        while word & STATE != LEASED {
            // Release, with the Acquire above and below: what this holder did comes first.
            match slot.word.compare_exchange_weak(word, word - 1, Release, Acquire) {
                Ok(_) => return None,
                Err(now) => word = now,
            }
        }
        Some(self.0)
    }

    /// The object to itself, if this is the only handle.
    pub(crate) fn try_exclusive(self) -> Result<Exclusive<T, H>, Self> {
        if self.is_alone() { Ok(self.0) } else { Err(self) }
    }

    /// Alone is final for as long as this handle is borrowed: others come only from a handle.
    fn is_alone(&self) -> bool {
        // Acquire, with the Release in `give_up`.
        self.0.slot().word.load(Acquire) & STATE == LEASED
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
