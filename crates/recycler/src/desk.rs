//! Where objects are handed out and taken back: the one return path of a pool.

use std::{
    any::Any,
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use meltica_stats::{SharedCounter, SharedHistogram, Snapshot};

use crate::{
    Outstanding, Stats, clock,
    ledger::Ledger,
    slots::{Exclusive, Found, Slots},
    sync::{Condvar, Mutex, lock},
};

/// What every handle of a pool can reach: the desk itself, and for a heap object the pool's slots.
pub(crate) struct Home<T> {
    pub(crate) desk: Arc<Desk<T>>,
    /// `Some` for a heap object: where the pooled ones live.
    pub(crate) pooled: Option<Arc<Slots<T, Home<T>>>>,
}

pub(crate) type Room<T> = Slots<T, Home<T>>;
pub(crate) type Held<T> = Exclusive<T, Home<T>>;

pub(crate) struct Desk<T> {
    pub(crate) name: Arc<str>,
    pub(crate) id: u32,
    pub(crate) capacity: usize,
    pub(crate) make: Box<dyn Fn() -> T + Send + Sync>,
    reset: Box<dyn Fn(&mut T) + Send + Sync>,
    debug: Arc<AtomicBool>,
    pub(crate) free: Mutex<Free>,
    /// Told, under `free`'s lock, when an object came home and somebody waits.
    pub(crate) came_home: Condvar,
    pub(crate) ledger: Ledger,
    pub(crate) counts: Counts,
    /// How long a sample of returns took.
    recycle_ns: SharedHistogram,
}

/// One return in so many is measured: two readings of a clock cost more than the return itself.
const TIMED_ONE_IN: u64 = 256;

pub(crate) struct Free {
    pub(crate) slots: Vec<u32>,
    pub(crate) waiting: usize,
    leases: u64,
    peak: usize,
    retired: u64,
}

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) returned: SharedCounter,
    pub(crate) heap_fallbacks: SharedCounter,
    heap_returned: SharedCounter,
    pub(crate) exhausted: SharedCounter,
    pub(crate) timed_out: SharedCounter,
    pub(crate) double_puts: SharedCounter,
    pub(crate) uses_after_put: SharedCounter,
    stray_writes: SharedCounter,
}

impl<T> Desk<T> {
    pub(crate) fn new(
        name: Arc<str>,
        id: u32,
        capacity: usize,
        make: Box<dyn Fn() -> T + Send + Sync>,
        reset: Box<dyn Fn(&mut T) + Send + Sync>,
        debug: Arc<AtomicBool>,
    ) -> Self {
        let slots = (0..capacity as u32).rev().collect();
        Self {
            name,
            id,
            capacity,
            make,
            reset,
            debug,
            free: Mutex::new(Free { slots, waiting: 0, leases: 0, peak: 0, retired: 0 }),
            came_home: Condvar::new(),
            ledger: Ledger::default(),
            counts: Counts::default(),
            recycle_ns: SharedHistogram::new(),
        }
    }

    pub(crate) fn is_debug(&self) -> bool {
        self.debug.load(Relaxed)
    }

    /// Takes a slot off the list of free ones, for the caller to claim.
    pub(crate) fn take(&self, free: &mut Free) -> Option<u32> {
        let slot = free.slots.pop()?;
        free.leases += 1;
        free.peak = free.peak.max(self.capacity - free.slots.len() - free.retired as usize);
        Some(slot)
    }

    /// Claims the slot that [`take`](Self::take) took.
    pub(crate) fn claim(&self, room: &Arc<Room<T>>, slot: u32) -> Held<T> {
        let (held, found) =
            Exclusive::claim(room, slot).expect("a slot on the free list is free, and listed once");
        if found == Found::StrayWrite {
            self.counts.stray_writes.add(1);
            let history = self.ledger.end_of(slot, held.generation().wrapping_sub(1));
            tracing::error!(
                pool = &*self.name,
                slot,
                last_put = history.as_deref().map(tracing::field::display),
                "an object was written to while nobody held it"
            );
        }
        if self.is_debug() {
            self.ledger.taken(held.address(), held.generation(), false);
        }
        held
    }

    /// Makes an object that goes back to the allocator.
    pub(crate) fn from_heap(self: &Arc<Self>, pooled: &Arc<Room<T>>) -> Held<T> {
        let home = Home { desk: Arc::clone(self), pooled: Some(Arc::clone(pooled)) };
        let room = Arc::new(Slots::new(std::iter::once((self.make)()), home));
        // Counted once it exists: `make` may panic.
        self.counts.heap_fallbacks.add(1);
        let (held, _) = Exclusive::claim(&room, 0).expect("a new slot is free");
        if self.is_debug() {
            self.ledger.taken(held.address(), held.generation(), true);
        }
        held
    }

    pub(crate) fn stats(&self) -> Stats {
        let (leased, peak, leases, retired) = {
            let free = lock(&self.free);
            let leased = self.capacity - free.slots.len() - free.retired as usize;
            (leased, free.peak, free.leases, free.retired)
        };
        let counts = &self.counts;
        // Returned first: a lease between the two reads must not make more come home than went.
        let heap_returned = counts.heap_returned.get();
        let heap_fallbacks = counts.heap_fallbacks.get();
        Stats {
            pool: Arc::clone(&self.name),
            capacity: self.capacity,
            leased,
            peak,
            heap_leased: heap_fallbacks.saturating_sub(heap_returned),
            leases,
            heap_fallbacks,
            exhausted: counts.exhausted.get(),
            timed_out: counts.timed_out.get(),
            returned: counts.returned.get(),
            retired,
            double_puts: counts.double_puts.get(),
            uses_after_put: counts.uses_after_put.get(),
            stray_writes: counts.stray_writes.get(),
        }
    }
}

/// Takes an object back: every lease, share and ticket ends here, and nothing else can put.
pub(crate) fn give_back<T>(held: Held<T>) {
    let desk = Arc::clone(&held.slots().home.desk);
    let started = (desk.counts.returned.get() % TIMED_ONE_IN == 0).then(clock::now);
    put(held, &desk);
    if let Some(started) = started {
        desk.recycle_ns.record((clock::now() - started).as_nanos() as u64);
    }
}

fn put<T>(mut held: Held<T>, desk: &Desk<T>) {
    let is_heap = held.slots().home.pooled.is_some();
    let (address, slot, generation) = (held.address(), held.index(), held.generation());
    let reset = catch_unwind(AssertUnwindSafe(|| (desk.reset)(held.get_mut())));
    let was_reset = reset.is_ok();
    if let Err(payload) = reset {
        drop_payload(payload);
    }
    let debug = desk.is_debug();
    if debug {
        desk.ledger.returned(address, slot, generation, is_heap);
    } else {
        // Debug mode may have been switched off since it was taken.
        desk.ledger.forget(address);
    }
    desk.counts.returned.add(1);
    if is_heap {
        desk.counts.heap_returned.add(1);
        return;
    }
    if !was_reset {
        held.retire();
        lock(&desk.free).retired += 1;
        tracing::error!(pool = &*desk.name, slot, "a reset panicked: the object is retired");
        return;
    }
    let slot = if debug { held.release_poisoned() } else { held.release() };
    let mut free = lock(&desk.free);
    free.slots.push(slot);
    if free.waiting > 0 {
        desk.came_home.notify_one();
    }
}

/// Drops a panic's payload, which may panic in turn, and so on: what still does after a few rounds
/// is left alone.
fn drop_payload(mut payload: Box<dyn Any + Send>) {
    for _ in 0..4 {
        match catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            Ok(()) => return,
            Err(again) => payload = again,
        }
    }
    let _ = ManuallyDrop::new(payload);
}

/// A desk whose objects are of no matter: what a [`Recycler`](crate::Recycler) sees of its pools.
pub(crate) trait AnyDesk: Send + Sync {
    fn stats(&self) -> Stats;
    fn recycle_ns(&self) -> (Arc<str>, Snapshot);
    fn outstanding(&self) -> Vec<Outstanding>;
}

impl<T> AnyDesk for Desk<T> {
    fn stats(&self) -> Stats {
        Desk::stats(self)
    }

    fn recycle_ns(&self) -> (Arc<str>, Snapshot) {
        (Arc::clone(&self.name), self.recycle_ns.snapshot())
    }

    fn outstanding(&self) -> Vec<Outstanding> {
        self.ledger.outstanding(&self.name)
    }
}
