//! The objects of one pool, and what is done to each when it is taken and when it comes home.

use std::{
    sync::{
        Arc, Weak,
        atomic::Ordering::{
            Acquire as PlainAcquire, Relaxed as PlainRelaxed, Release as PlainRelease,
        },
    },
    time::Instant,
};

use crate::{
    DeedKind, Outstanding, StrayWrite, Unrecorded, clock,
    contain::contained,
    depot::Geometry,
    desk::{Desk, HAS_DEBUG},
    ledger::Record,
    magazine,
    slots::{Exclusive, Found, Out, Returning, Slots},
    sync::{AtomicUsize, Ordering::AcqRel},
};

/// One return in so many of an object is measured: two readings of a clock cost more than the return
/// itself.
const TIMED_ONE_IN: u64 = 4_096;

pub(crate) struct Room<T> {
    pub(crate) desk: Arc<Desk>,
    /// The desk's, one step nearer.
    own_key: u64,
    slots: Slots<T>,
    make: Box<dyn Fn() -> T + Send + Sync>,
    reset: Box<dyn Fn(&mut T) + Send + Sync>,
    /// How many `Pool`s there are.
    handles: AtomicUsize,
    this: Weak<Self>,
    /// The same.
    storage: Weak<dyn Storage>,
}

impl<T: Send + 'static> Room<T> {
    /// All objects, or as many as can be made.
    pub(crate) fn new(
        name: &str,
        geometry: Geometry,
        make: impl Fn() -> T + Send + Sync + 'static,
        reset: impl Fn(&mut T) + Send + Sync + 'static,
    ) -> Arc<Self> {
        let wanted = geometry.slots();
        let values: Vec<T> = (0..wanted).filter_map(|_| contained(&make)).collect();
        let desk = Arc::new(Desk::new(name, geometry, values.len() as u32));
        let failed = wanted as usize - values.len();
        if failed > 0 {
            desk.counts.retired.add(failed as u64);
            tracing::error!(
                pool = name,
                failed,
                of = wanted,
                "objects could not be made: `make` panicked"
            );
        }
        Arc::new_cyclic(|this| Self {
            own_key: desk.own_key,
            desk,
            slots: Slots::new(values, this.as_ptr()),
            make: Box::new(make),
            reset: Box::new(reset),
            handles: AtomicUsize::new(0),
            this: Weak::clone(this),
            storage: Weak::clone(this) as Weak<dyn Storage>,
        })
    }
}

impl<T> Room<T> {
    /// One more `Pool` of it.
    pub(crate) fn open(&self) -> Arc<Self> {
        let room = self.this.upgrade().expect("a room is there while anything refers to it");
        if self.handles.fetch_add(1, AcqRel) == 0 {
            self.desk.reopen();
        }
        room
    }

    /// One `Pool` less. The last one closes the desk.
    pub(crate) fn leave(&self) {
        // Release and Acquire among themselves: the last sees what was taken by way of the others.
        if self.handles.fetch_sub(1, AcqRel) == 1 {
            let room = self.storage.upgrade().expect("a room is there while anything refers to it");
            self.desk.close(room, &self.handles);
        }
    }

    /// The room for whoever keeps watch, and does not keep it.
    pub(crate) fn storage(&self) -> Weak<dyn Storage> {
        Weak::clone(&self.storage)
    }

    pub(crate) fn slots(&self) -> &Slots<T> {
        &self.slots
    }

    /// A free object.
    #[inline]
    pub(crate) fn take(&self) -> Option<Exclusive<T>> {
        match magazine::pop(self.desk.key()) {
            Some(slot) => Some(self.claim(slot)),
            None => self.take_at_desk(),
        }
    }

    #[inline(never)]
    fn take_at_desk(&self) -> Option<Exclusive<T>> {
        let held = self.claim(self.desk.take()?);
        self.record(&held);
        Some(held)
    }

    /// A free object, waiting for it in turn.
    #[cold]
    #[inline(never)]
    pub(crate) fn wait_until(&self, deadline: Instant) -> Option<Exclusive<T>> {
        let held = self.claim(self.desk.wait_until(deadline)?);
        self.record(&held);
        Some(held)
    }

    #[inline]
    fn claim(&self, slot: u32) -> Exclusive<T> {
        self.slots.claim(slot).unwrap_or_else(|| self.claim_with_care(slot))
    }

    #[cold]
    #[inline(never)]
    fn claim_with_care(&self, slot: u32) -> Exclusive<T> {
        let (held, found) = self.slots.heal(slot);
        self.report(&held, found);
        held
    }

    /// A free object, or one that goes back to the allocator.
    #[inline]
    pub(crate) fn take_or_make(&self) -> Exclusive<T> {
        self.take().unwrap_or_else(|| self.make_on_heap())
    }

    #[cold]
    #[inline(never)]
    fn make_on_heap(&self) -> Exclusive<T> {
        let held = Exclusive::on_heap((self.make)(), self);
        // Counted once it exists: `make` may panic.
        self.desk.counts.heap_fallbacks.add(1);
        self.record(&held);
        held
    }

    /// In debug mode, who took it.
    fn record(&self, held: &Exclusive<T>) {
        if self.desk.is_debug() {
            let ledger = &self.desk.ledger;
            let slot = (!held.is_heap()).then(|| held.index());
            // What an earlier lease was called is still there if debug mode was off when that ended.
            ledger.strike_out(held.record().load(PlainRelaxed), held.is_heap());
            held.record().store(ledger.leased(slot, held.generation()), PlainRelease);
        }
    }

    #[cold]
    fn report(&self, held: &Exclusive<T>, found: Found) {
        let Found::StrayWrite { bytes, offset, found } = found else { return };
        let desk = &self.desk;
        desk.counts.stray_writes.add(1);
        let stray = StrayWrite {
            pool: Arc::clone(&desk.name),
            slot: held.index(),
            generation: held.generation(),
            bytes,
            offset,
            found,
            history: desk.ledger.deeds(held.index()),
        };
        tracing::error!("{stray}");
        desk.ledger.stray(stray);
    }
}

/// Takes an object back: every lease, share and ticket ends here, and nothing else can put.
#[inline]
pub(crate) fn take_back<T>(mut held: Returning<T>) {
    // A heap object's only generation is of the sample, so it goes that way as well.
    if held.generation() % TIMED_ONE_IN == 0 {
        return take_back_timed(held);
    }
    if !reset(&mut held) {
        return take_back_with_care(held, false);
    }
    // After the reset: what asks for attention may have begun during it.
    let room = held.room();
    // The same key unless it is zero, found sooner: the next lease waits for where this return puts its slot.
    let key = if room.desk.key() == 0 { 0 } else { room.own_key };
    // For other reasons than debug mode it would do to find no magazine with that key.
    if HAS_DEBUG && key == 0 {
        return take_back_with_care(held, true);
    }
    held.put(key);
}

#[cold]
#[inline(never)]
fn take_back_timed<T>(mut held: Returning<T>) {
    // Once the object is put, the room may be gone.
    let desk = Arc::clone(&held.room().desk);
    let started = clock::now();
    let was_reset = reset(&mut held);
    take_back_with_care(held, was_reset);
    desk.recycle_ns.record((clock::now() - started).as_nanos() as u64);
}

#[cold]
#[inline(never)]
fn take_back_with_care<T>(held: Returning<T>, was_reset: bool) {
    let desk = &held.room().desk;
    let record = held.record().swap(0, PlainAcquire);
    desk.ledger.strike_out(record, held.is_heap());
    let (debug, key) = (desk.is_debug(), desk.key());
    if debug && !held.is_heap() {
        desk.ledger.did(DeedKind::Returned, held.index(), held.generation());
    }
    if held.is_heap() {
        held.free_from_heap();
    } else if !was_reset {
        retire(held);
    } else if debug {
        held.put_poisoned();
    } else {
        held.put(key);
    }
}

#[inline]
fn reset<T>(held: &mut Returning<T>) -> bool {
    let (room, value) = held.room_and_value();
    contained(|| (room.reset)(value)).is_some()
}

#[cold]
fn retire<T>(held: Returning<T>) {
    let (pool, slot) = (&*held.room().desk.name, held.index());
    tracing::error!(pool, slot, "a reset panicked: the object is retired");
    held.retire();
}

/// A room whose objects are of no matter.
pub(crate) trait Storage: Send + Sync {
    /// What is out and was taken in debug mode, oldest first, and what is out besides.
    fn out(&self) -> (Vec<Outstanding>, Vec<Unrecorded>);
}

impl<T: Send> Storage for Room<T> {
    fn out(&self) -> (Vec<Outstanding>, Vec<Unrecorded>) {
        let now = clock::now();
        let ledger = &self.desk.ledger;
        let pool = &self.desk.name;
        let outstanding = |slot: Option<u32>, record: Record| Outstanding {
            pool: Arc::clone(pool),
            slot,
            generation: record.generation,
            heap: slot.is_none(),
            thread: record.thread,
            age: now.saturating_duration_since(record.taken),
            stack: record.stack,
        };
        let mut recorded: Vec<_> =
            ledger.on_heap().into_iter().map(|record| outstanding(None, record)).collect();
        let mut unrecorded = vec![];
        for Out { index: slot, generation, handles, record } in self.slots.out() {
            match ledger.record(record, generation) {
                Some(record) => recorded.push(outstanding(Some(slot), record)),
                None => unrecorded.push(Unrecorded {
                    pool: Arc::clone(pool),
                    slot,
                    generation,
                    handles,
                }),
            }
        }
        recorded.sort_by_key(|outstanding| std::cmp::Reverse(outstanding.age));
        (recorded, unrecorded)
    }
}
