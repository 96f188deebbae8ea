//! The multicast ring: each message once, read in place by every lane that it is for. All unsafe code of
//! the crate is here.
//!
//! Messages are numbered from zero on. The [`Writer`] puts message `n` into the cell of slot `n % capacity`
//! and addresses it to lanes. A lane's [`Reader`], which belongs to whoever holds the lane's lock, claims
//! the next few that are for it; whoever has the [`Claim`] reads them in place, outside of any lock, for as
//! long as it likes, and releases it under the lock again.
//!
//! ```text
//!             put                address, publish             claim              release
//!   vacant ─────────▶ written ─────────────────▶ unread ─────────────▶ claimed ──────────▶ passed
//!     ▲                                            │                      │
//!     │                                            │ take over, skip      │ the lane left the ring:
//!     │                                            ▼                      ▼ pinned
//!     └──────────────── reclaim ◀─────────────── passed ◀────────────────┘
//! ```
//!
//! These are the states of one message *for one lane*. What is in a cell may be
//!
//! - **written or dropped** by the writer alone, and only while no lane has it unread, claimed or pinned;
//! - **read** by a lane that has it claimed, or that has it unread and holds its lock (`&mut Reader`), and by
//!   the writer;
//! - **taken out** by a lane that has it claimed, if it was put for one lane only, or by the writer, which
//!   takes over what is unread of a lane and sees that everybody else has passed.
//!
//! What makes that so:
//!
//! 1. A lane has unread what is set in its rows from `Reader::next` up to `upto`. The writer stores `upto` with
//!    Release after cell, slot and rows; the lane loads it with Acquire before it reads them.
//! 2. `done` is where the lane's claim begins, or, without one, `Reader::next`. It is only ever stored by who has
//!    `&mut Reader`, with Release, after the last look at what lies before; the writer loads it with Acquire
//!    before it touches what lies before. So nobody is at a message before `done`, and the lane that is
//!    furthest behind says how far the writer may reclaim.
//! 3. When the writer takes over a lane of which a claim is out, what that claim has is *pinned*: it is not
//!    passed until `done` has reached the claim's end. The writer does not wait for that. It puts a spare cell
//!    into the slot in place of the pinned one, which nobody reads by its slot any more: the claim has its
//!    address, and every other lane has passed it.
//! 4. Cells are freed with the ring alone, and every reader, claim and writer keeps the ring.
//!
//! A row is a word of 64 messages for one lane; it lies beside those of seven other lanes, so that handing a
//! message to many costs few cache lines. There are twice as many rows as messages need, so that the writer
//! can begin a row while a lane still has unread what is in the row that will be its last.

use std::{
    ptr,
    sync::{Arc, Mutex},
};

use crate::sync::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
    UnsafeCell, lock,
};

/// The most that a lane claims at a time, and so the most that one which does not return keeps.
pub(crate) const MOST_CLAIMED: usize = 64;

/// Lanes of a bank.
const LANES: usize = 8;
/// Messages of a row.
const ROW: u64 = 64;

/// What the writer and all readers share.
pub(crate) struct Ring<T> {
    slots: Box<[Slot<T>]>,
    /// Every cell there is, to go when the ring does.
    cells: Mutex<Vec<Box<[Cell<T>]>>>,
    /// Places for lanes, of banks that have some free.
    seats: Arc<Mutex<Vec<Seat>>>,
}

/// What is in a place, and how it is to be read.
struct Held<T> {
    cell: *const Cell<T>,
    /// It is claimed by itself.
    alone: bool,
    /// It is for one lane only, which may take it.
    sole: bool,
}

impl<T> Clone for Held<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Held<T> {}

type Slot<T> = UnsafeCell<Held<T>>;

/// A message, on cache lines of its own.
#[repr(align(64))]
struct Cell<T>(UnsafeCell<Option<T>>);

// SAFETY: what is in a cell is read by several threads at a time, which is what `T: Sync` allows, and moves
// in on one and out on another, which is what `T: Send` does. Who may do which when is said above. A slot is
// written by the writer while no lane has its message unread, and read by lanes that have.
unsafe impl<T: Send + Sync> Sync for Ring<T> {}
// SAFETY: as above; the pointers are to cells that the ring owns.
unsafe impl<T: Send + Sync> Send for Ring<T> {}

/// What the writer tells eight lanes.
struct Bank {
    upto: Line,
    /// How many messages each lane was told of before its present row.
    told: Line,
    rows: Box<[Line]>,
}

/// A word for each lane of a bank.
#[repr(align(64))]
struct Line([AtomicU64; LANES]);

impl Line {
    fn new() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

#[derive(Clone)]
struct Seat {
    bank: Arc<Bank>,
    index: usize,
}

/// A lane's place in the ring: what it and the writer tell one another.
pub(crate) struct Post {
    seat: Seat,
    told: Told,
    /// Where the seat goes when the lane has gone.
    seats: Arc<Mutex<Vec<Seat>>>,
}

/// Written by the lane: two lines, since processors fetch them in pairs.
#[repr(align(128))]
struct Told {
    done: AtomicU64,
    /// As `Reader::next`: a hint for whoever does not hold the lane's lock.
    next: AtomicU64,
}

impl Post {
    fn upto(&self) -> &AtomicU64 {
        &self.seat.bank.upto.0[self.seat.index]
    }

    /// How many messages the lane was told of so far.
    pub(crate) fn told(&self) -> u64 {
        let upto = self.upto().load(Acquire);
        let before = self.seat.bank.told.0[self.seat.index].load(Relaxed);
        let present = upto.checked_sub(1).map(|last| self.row(last / ROW).load(Relaxed));
        before + u64::from(present.map_or(0, u64::count_ones))
    }

    fn row(&self, row: u64) -> &AtomicU64 {
        let rows = &self.seat.bank.rows;
        &rows[row as usize & (rows.len() - 1)].0[self.seat.index]
    }

    /// Whether there may be something unread: a hint.
    #[inline]
    pub(crate) fn has_unread(&self) -> bool {
        // Acquire: who acts on the hint sees what was published with it.
        self.upto().load(Acquire) > self.told.next.load(Relaxed)
    }

    /// The numbers that are for the lane from one on and up to another, in order, until `visit` answers
    /// false. They must lie within a ring's capacity below `upto`, which was loaded with Acquire. Answers where
    /// it ended: at the number that was not wanted any more, or `upto`.
    fn each(&self, from: u64, upto: u64, mut visit: impl FnMut(u64) -> bool) -> u64 {
        let mut at = from;
        while at < upto {
            let bits = self.row(at / ROW).load(Relaxed) >> (at % ROW);
            if bits == 0 {
                at = (at / ROW + 1) * ROW;
                continue;
            }
            at += u64::from(bits.trailing_zeros());
            if at >= upto {
                break;
            }
            if !visit(at) {
                return at;
            }
            at += 1;
        }
        upto
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        lock(&self.seats).push(self.seat.clone());
    }
}

impl<T> Ring<T> {
    /// A ring of so many messages, rounded up to a power of two, and its one writer.
    pub(crate) fn with_writer(capacity: usize) -> Writer<T> {
        let capacity = capacity.next_power_of_two();
        let cells: Box<[Cell<T>]> = (0..capacity).map(|_| Cell::vacant()).collect();
        let slot =
            |cell| UnsafeCell::new(Held { cell: ptr::from_ref(cell), alone: false, sole: false });
        let ring = Self {
            slots: cells.iter().map(slot).collect(),
            cells: Mutex::new(vec![cells]),
            seats: Arc::default(),
        };
        Writer {
            ring: Arc::new(ring),
            next: 0,
            tail: 0,
            gate: 0,
            tracks: vec![],
            dirty: vec![],
            spare: vec![],
            limbo: vec![],
            pins: vec![],
            unpinned: vec![],
        }
    }

    fn capacity(&self) -> u64 {
        self.slots.len() as u64
    }

    fn slot(&self, number: u64) -> &Slot<T> {
        &self.slots[number as usize & (self.slots.len() - 1)]
    }

    /// A place for one more lane, for who holds the lane's lock. It is not in the ring before the writer has it
    /// [enter](Writer::enter).
    pub(crate) fn seat(self: &Arc<Self>) -> Reader<T> {
        let seat = {
            let mut seats = lock(&self.seats);
            if seats.is_empty() {
                let rows = 2 * self.capacity().div_ceil(ROW);
                let rows = (0..rows).map(|_| Line::new()).collect();
                let bank = Arc::new(Bank { upto: Line::new(), told: Line::new(), rows });
                seats.extend((0..LANES).rev().map(|index| Seat { bank: Arc::clone(&bank), index }));
            }
            seats.pop().expect("there are eight more")
        };
        seat.bank.upto.0[seat.index].store(0, Relaxed);
        seat.bank.told.0[seat.index].store(0, Relaxed);
        let told = Told { done: AtomicU64::new(0), next: AtomicU64::new(0) };
        let post = Arc::new(Post { seat, told, seats: Arc::clone(&self.seats) });
        Reader { ring: Arc::clone(self), post, next: 0, claimed: false }
    }
}

impl<T> Cell<T> {
    fn vacant() -> Self {
        Self(UnsafeCell::new(None))
    }
}

/// The lane's half of its place: whoever has it for writing holds the lane's lock.
pub(crate) struct Reader<T> {
    ring: Arc<Ring<T>>,
    post: Arc<Post>,
    next: u64,
    /// A claim is out.
    claimed: bool,
}

impl<T> Reader<T> {
    pub(crate) fn post(&self) -> &Arc<Post> {
        &self.post
    }

    /// Whether a claim is out.
    pub(crate) fn is_claimed(&self) -> bool {
        self.claimed
    }

    /// Where what is unread begins and ends.
    fn unread(&self) -> (u64, u64) {
        let upto = self.post.upto().load(Acquire);
        // A lane that had nothing for long finds its next long gone; what it has is within the last lap.
        (self.next.max(upto.saturating_sub(self.ring.capacity())), upto)
    }

    /// How many are unread.
    pub(crate) fn len(&self) -> usize {
        let (from, upto) = self.unread();
        let mut unread = 0;
        self.post.each(from, upto, |_| {
            unread += 1;
            true
        });
        unread
    }

    /// Claims the next messages, at most so many, and one that is to be alone, alone. Answers whether there are any.
    ///
    /// # Panics
    ///
    /// If a claim is out.
    #[inline]
    pub(crate) fn claim(&mut self, most: usize, claim: &mut Claim<T>) -> bool {
        assert!(!self.claimed && ptr::eq(&*claim.post, &*self.post), "one claim at a time");
        let (from, upto) = self.unread();
        if from >= upto {
            return false;
        }
        let (ring, held) = (&self.ring, &mut claim.held);
        let mut full = false;
        self.next = self.post.each(from, upto, |number| {
            // SAFETY: it is unread, so the writer is not at its slot; its store of slot and cell came before
            // that of `upto`.
            let next = ring.slot(number).with(|slot| unsafe { *slot });
            if full || (next.alone && !held.is_empty()) {
                return false;
            }
            held.push(next);
            full = next.alone || held.len() >= most;
            true
        });
        self.post.told.next.store(self.next, Relaxed);
        self.claimed = !held.is_empty();
        self.claimed
    }

    /// Gives a claim back: what it had is passed.
    ///
    /// # Panics
    ///
    /// If it is another lane's.
    #[inline]
    pub(crate) fn release(&mut self, claim: &mut Claim<T>) {
        assert!(ptr::eq(&*claim.post, &*self.post), "a lane's own claim");
        claim.held.clear();
        claim.at = 0;
        self.claimed = false;
        self.pass();
    }

    /// Passes over what is unread, and shows it.
    pub(crate) fn skip(&mut self, mut show: impl FnMut(&T)) {
        let (from, upto) = self.unread();
        self.post.each(from, upto, |number| {
            // SAFETY: it is unread, and this is the lane, so its slot is not written to meanwhile.
            let held = self.ring.slot(number).with(|slot| unsafe { *slot });
            // SAFETY: cells live as long as the ring.
            let cell = unsafe { &*held.cell };
            // SAFETY: it is unread, so it is not written to or taken meanwhile.
            cell.0.with(|message| unsafe { (*message).as_ref() }.map(&mut show));
            true
        });
        self.leave_behind(upto);
    }

    fn leave_behind(&mut self, upto: u64) {
        self.next = upto;
        self.post.told.next.store(upto, Relaxed);
        if !self.claimed {
            self.pass();
        }
    }

    /// What lies before `next` is passed.
    fn pass(&self) {
        // Release: what was read there was read before.
        self.post.told.done.store(self.next, Release);
    }
}

/// Messages that a lane has claimed, to be read one after the other. Whoever has it for writing runs the lane.
pub(crate) struct Claim<T> {
    /// Keeps the cells.
    _ring: Arc<Ring<T>>,
    post: Arc<Post>,
    held: Vec<Held<T>>,
    at: usize,
}

// SAFETY: it reads a `T` that others read too (`Sync`), and takes one out (`Send`).
unsafe impl<T: Send + Sync> Send for Claim<T> {}

impl<T> Claim<T> {
    /// The one claim of a lane, with nothing in it.
    pub(crate) fn new(reader: &Reader<T>) -> Self {
        Self {
            _ring: Arc::clone(&reader.ring),
            post: Arc::clone(&reader.post),
            held: Vec::with_capacity(MOST_CLAIMED),
            at: 0,
        }
    }

    /// How many are left.
    pub(crate) fn len(&self) -> usize {
        self.held.len() - self.at
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads the next message.
    ///
    /// # Panics
    ///
    /// If none is left, or it was taken.
    #[inline]
    pub(crate) fn read<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        // SAFETY: cells live as long as the ring; this one is claimed, so nobody writes to it or takes what is
        // in it before the claim is released, which takes `&mut self`.
        let cell = unsafe { &*self.held[self.at].cell };
        // SAFETY: as above.
        cell.0.with(|message| read(unsafe { (*message).as_ref() }.expect("it was not taken")))
    }

    /// Takes the next message out, if it is for this lane only.
    ///
    /// # Panics
    ///
    /// If none is left.
    pub(crate) fn take(&mut self) -> Option<T> {
        let held = self.held[self.at];
        if !held.sole {
            return None;
        }
        // SAFETY: cells live as long as the ring.
        let cell = unsafe { &*held.cell };
        // SAFETY: it is claimed, so the writer does not touch it; no other lane has it, and this one has one claim,
        // which is borrowed for writing.
        cell.0.with_mut(|message| unsafe { (*message).take() })
    }

    /// Goes on to the message after.
    #[inline]
    pub(crate) fn advance(&mut self) {
        self.at += 1;
    }
}

/// The writer's half of a lane's place.
struct Track {
    post: Arc<Post>,
    in_ring: bool,
    /// The row of the last message addressed, and what is set in it.
    row: u64,
    bits: u64,
    /// After the last message addressed.
    upto: u64,
    /// There are messages that the lane has not been told of.
    fresh: bool,
    /// `done`, when it was last looked at.
    seen: u64,
}

impl Track {
    fn behind(&mut self) -> Option<u64> {
        if self.in_ring && self.seen < self.upto {
            // Acquire: what the lane read there it has read.
            self.seen = self.post.told.done.load(Acquire);
        }
        (self.in_ring && self.seen < self.upto).then_some(self.seen)
    }

    /// Tells the lane what it has not been told.
    fn publish(&mut self) {
        self.fresh = false;
        self.post.row(self.row).store(self.bits, Relaxed);
        // Release: cells, slots and rows were written before.
        self.post.upto().store(self.upto, Release);
    }

    #[cold]
    fn begin_row(&mut self, row: u64, capacity: u64) {
        self.post.row(self.row).store(self.bits, Relaxed);
        let told = &self.post.seat.bank.told.0[self.post.seat.index];
        told.store(told.load(Relaxed) + u64::from(self.bits.count_ones()), Relaxed);
        // What lies between has nothing for it, but may say what it had some laps ago.
        let skipped = row.saturating_sub(capacity.div_ceil(ROW)).max(self.row + 1);
        for row in skipped..row {
            self.post.row(row).store(0, Relaxed);
        }
        (self.row, self.bits) = (row, 0);
    }
}

/// A lane, as the writer knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(usize);

impl Place {
    /// A small number of its own.
    pub(crate) fn index(self) -> usize {
        self.0
    }
}

/// What is taken over of a lane.
pub(crate) enum Taken<'a, T> {
    /// Nobody else wants it.
    Own(T),
    /// Others have yet to read it.
    Shared(&'a T),
}

/// What a claim that is out has of a lane that left.
struct Pin {
    post: Arc<Post>,
    numbers: Vec<u64>,
    until: u64,
}

/// The one who puts messages in.
pub(crate) struct Writer<T> {
    ring: Arc<Ring<T>>,
    /// The number of the next message.
    next: u64,
    /// What lies before is reclaimed.
    tail: u64,
    /// What lies before may be.
    gate: u64,
    tracks: Vec<Option<Track>>,
    /// The lanes that have not been told of their last message.
    dirty: Vec<Place>,
    /// Vacant cells that are in no slot.
    spare: Vec<*const Cell<T>>,
    /// Cells that are in no slot, and pinned.
    limbo: Vec<(u64, *const Cell<T>)>,
    pins: Vec<Pin>,
    /// Kept for their room.
    unpinned: Vec<Vec<u64>>,
}

// SAFETY: as for the ring, whose one writer it is.
unsafe impl<T: Send + Sync> Send for Writer<T> {}

impl<T> Writer<T> {
    pub(crate) fn ring(&self) -> &Arc<Ring<T>> {
        &self.ring
    }

    pub(crate) fn capacity(&self) -> u64 {
        self.ring.capacity()
    }

    /// The number of the next message.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Whether a message can be put: there is a place that is vacant, or may be reclaimed as far as is known.
    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        self.next - self.tail < self.capacity() || self.tail < self.gate
    }

    /// Looks how far everybody is. Gives out what was in limbo and is passed.
    pub(crate) fn look(&mut self, drop: impl FnMut(T)) {
        let behind = self.tracks.iter_mut().flatten().filter_map(Track::behind);
        self.gate = behind.min().unwrap_or(self.next);
        if !self.pins.is_empty() {
            self.sweep(drop);
        }
    }

    /// The first number that any lane in the ring may still be at, as of the last [look](Self::look).
    pub(crate) fn slowest(&self) -> u64 {
        self.gate
    }

    /// The first number that a lane in the ring may still be at; `None` if it is at none.
    pub(crate) fn behind(&mut self, place: Place) -> Option<u64> {
        self.track(place).behind()
    }

    fn track(&mut self, place: Place) -> &mut Track {
        self.tracks[place.0].as_mut().expect("a lane that is known")
    }

    /// Puts a message in for these lanes, to be claimed alone or not. Gives out what it displaces. They see it when
    /// it is [published](Self::publish).
    ///
    /// # Panics
    ///
    /// If there is no [room](Self::has_room), or one of them is not in the ring.
    #[inline]
    pub(crate) fn put(&mut self, message: T, alone: bool, lanes: &[Place]) -> Option<T> {
        let is_full = self.next - self.tail >= self.capacity();
        let displaced = if is_full { self.reclaim_one() } else { None };
        self.ring.slot(self.next).with_mut(|slot| {
            // SAFETY: the message that was in this slot is reclaimed, so no lane has it, and none reads the slot;
            // the next one is not published yet.
            let held = unsafe { &mut *slot };
            (held.alone, held.sole) = (alone, lanes.len() == 1);
            // SAFETY: cells live as long as the ring.
            let cell = unsafe { &*held.cell };
            // SAFETY: it is in this slot and vacant, so as above.
            cell.0.with_mut(|cell| unsafe { *cell = Some(message) });
        });
        self.next += 1;
        for place in lanes {
            self.address(*place);
        }
        displaced
    }

    /// Has the message that was put last be for a lane.
    #[inline]
    fn address(&mut self, place: Place) {
        let (number, capacity) = (self.next - 1, self.capacity());
        let track = self.tracks[place.0].as_mut().expect("a lane that is known");
        assert!(track.in_ring, "a lane that is in the ring");
        let row = number / ROW;
        if row != track.row {
            track.begin_row(row, capacity);
        }
        track.bits |= 1 << (number % ROW);
        track.upto = self.next;
        if !std::mem::replace(&mut track.fresh, true) {
            self.dirty.push(place);
        }
    }

    /// Tells the lanes what was addressed to them, and says which these are.
    #[inline]
    pub(crate) fn publish(&mut self, mut told: impl FnMut(Place)) {
        for place in self.dirty.drain(..) {
            if let Some(track) = self.tracks[place.0].as_mut().filter(|track| track.fresh) {
                track.publish();
                told(place);
            }
        }
    }

    /// Reclaims what everybody has passed.
    pub(crate) fn reclaim(&mut self, mut drop: impl FnMut(T)) {
        while self.tail < self.gate {
            if let Some(message) = self.reclaim_one() {
                drop(message);
            }
        }
    }

    fn reclaim_one(&mut self) -> Option<T> {
        assert!(self.tail < self.gate, "there is room");
        let number = self.tail;
        self.tail += 1;
        if !self.pins.is_empty() && is_pinned(&self.pins, number) {
            self.set_aside(number);
            return None;
        }
        // SAFETY: nobody writes to a slot but the writer.
        let held = self.ring.slot(number).with(|slot| unsafe { *slot });
        // SAFETY: cells live as long as the ring.
        let cell = unsafe { &*held.cell };
        // SAFETY: every lane has passed it, by the load of its `done`, or has no bit set for it.
        cell.0.with_mut(|message| unsafe { (*message).take() })
    }

    /// Changes a pinned cell for a vacant one.
    #[cold]
    fn set_aside(&mut self, number: u64) {
        if self.spare.is_empty() {
            let cells: Box<[Cell<T>]> = (0..MOST_CLAIMED).map(|_| Cell::vacant()).collect();
            self.spare.extend(cells.iter().map(ptr::from_ref));
            lock(&self.ring.cells).push(cells);
        }
        let vacant = self.spare.pop().expect("there are some now");
        let pinned = self.ring.slot(number).with_mut(|slot| {
            // SAFETY: every lane that is in the ring has passed it, so nobody reads its slot; who pins it does not.
            std::mem::replace(unsafe { &mut (*slot).cell }, vacant)
        });
        self.limbo.push((number, pinned));
    }

    #[cold]
    fn sweep(&mut self, mut drop: impl FnMut(T)) {
        // Acquire: what the claim read it has read.
        let unpinned = &mut self.unpinned;
        self.pins.retain_mut(|pin| {
            let is_over = pin.post.told.done.load(Acquire) >= pin.until;
            if is_over {
                pin.numbers.clear();
                unpinned.push(std::mem::take(&mut pin.numbers));
            }
            !is_over
        });
        let mut at = 0;
        while let Some((number, cell)) = self.limbo.get(at).copied() {
            if is_pinned(&self.pins, number) {
                at += 1;
                continue;
            }
            self.limbo.swap_remove(at);
            self.spare.push(cell);
            // SAFETY: cells live as long as the ring.
            let cell = unsafe { &*cell };
            // SAFETY: it is in no slot, every lane had passed it when it was set aside, and every claim that pinned it
            // is released.
            let message = cell.0.with_mut(|message| unsafe { (*message).take() });
            message.into_iter().for_each(&mut drop);
        }
    }

    /// Gets to know a lane. It is not in the ring yet.
    pub(crate) fn meet(&mut self, reader: &Reader<T>) -> Place {
        assert!(Arc::ptr_eq(&self.ring, &reader.ring), "a lane of this ring");
        let post = Arc::clone(&reader.post);
        let (row, bits, upto, seen) = (0, 0, 0, 0);
        let track = Some(Track { post, in_ring: false, row, bits, upto, fresh: false, seen });
        match self.tracks.iter().position(Option::is_none) {
            Some(free) => {
                self.tracks[free] = track;
                Place(free)
            }
            None => {
                self.tracks.push(track);
                Place(self.tracks.len() - 1)
            }
        }
    }

    /// Has a lane be in the ring, from the next message on.
    ///
    /// # Panics
    ///
    /// If it is in the ring, or a claim is out, or the lane is another one.
    pub(crate) fn enter(&mut self, place: Place, reader: &mut Reader<T>) {
        let next = self.next;
        let track = self.track(place);
        assert!(Arc::ptr_eq(&track.post, &reader.post), "a lane's own halves");
        assert!(!track.in_ring && !reader.claimed, "a lane out of the ring, and without a claim");
        track.in_ring = true;
        track.seen = next;
        reader.leave_behind(next);
    }

    /// Takes over what a lane has unread, in order; it is not in the ring any more. What nobody else is at is moved.
    /// What the lane has claimed stays claimed.
    ///
    /// # Panics
    ///
    /// If the lane is another one.
    pub(crate) fn take_over(
        &mut self,
        place: Place,
        reader: &mut Reader<T>,
        mut take: impl FnMut(Taken<'_, T>),
    ) {
        let track = self.track(place);
        assert!(Arc::ptr_eq(&track.post, &reader.post), "a lane's own halves");
        if !std::mem::take(&mut track.in_ring) {
            return;
        }
        track.publish();
        let post = Arc::clone(&track.post);
        // Without this one, which is not in the ring any more.
        let others = self.tracks.iter_mut().flatten().filter_map(Track::behind).min();
        let (from, upto) = reader.unread();
        let lap = upto.saturating_sub(self.capacity());
        post.each(from, upto, |number| {
            // SAFETY: nobody writes to a slot but the writer.
            let held = self.ring.slot(number).with(|slot| unsafe { *slot });
            // SAFETY: cells live as long as the ring.
            let cell = unsafe { &*held.cell };
            let is_passed = others.is_none_or(|others| number < others);
            if held.sole || (is_passed && !is_pinned(&self.pins, number)) {
                // SAFETY: this lane has it unread, and is borrowed; the others never had it, or those in the ring have
                // passed it, and those that left do not have it claimed.
                let message = cell.0.with_mut(|message| unsafe { (*message).take() });
                message.into_iter().for_each(|message| take(Taken::Own(message)));
            } else {
                cell.0.with(|message| {
                    // SAFETY: this lane has it unread, so it is not dropped or written to meanwhile.
                    unsafe { (*message).as_ref() }
                        .map(Taken::Shared)
                        .into_iter()
                        .for_each(&mut take);
                });
            }
            true
        });
        if reader.claimed {
            let done = post.told.done.load(Relaxed);
            let mut numbers =
                self.unpinned.pop().unwrap_or_else(|| Vec::with_capacity(MOST_CLAIMED));
            let until = reader.next;
            post.each(done.max(lap), until, |number| {
                numbers.push(number);
                true
            });
            self.pins.push(Pin { post, numbers, until });
        }
        reader.leave_behind(upto);
    }

    /// Forgets a lane; what it has unread is [taken over](Self::take_over).
    pub(crate) fn forget(
        &mut self,
        place: Place,
        reader: &mut Reader<T>,
        take: impl FnMut(Taken<'_, T>),
    ) {
        self.take_over(place, reader, take);
        self.tracks[place.0] = None;
    }
}

fn is_pinned(pins: &[Pin], number: u64) -> bool {
    pins.iter().any(|pin| pin.numbers.binary_search(&number).is_ok())
}

#[cfg(all(test, not(meltica_loom)))]
mod tests;

#[cfg(all(test, meltica_loom))]
mod models;
