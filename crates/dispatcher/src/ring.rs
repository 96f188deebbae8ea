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
//!     │                                            │ take over, spill,    │ the lane left the ring,
//!     │                                            ▼ skip                 ▼ or was spilled: pinned
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
//! 1. A lane has unread what its [bank](bank) says is for it, from `Reader::next` up to `upto`. The writer stores
//!    `upto` with Release after cell, slot and the bank's words; the lane loads it with Acquire before it reads them.
//! 2. `done` is where the lane's claim begins, or, without one, `Reader::next`. It is only ever stored by who has
//!    `&mut Reader`, with Release, after the last look at what lies before; the writer loads it with Acquire
//!    before it touches what lies before. So nobody is at a message before `done`, and the lane that is
//!    furthest behind says how far the writer may reclaim.
//! 3. When the writer takes over a lane of which a claim is out, wholly or in part, what that claim has is *pinned*: it
//!    is not passed until `done` has reached the claim's end. The lane may be in the ring meanwhile, again or still; then
//!    it has passed all but that up to the `floor` that the writer remembers, whatever `done` says. The writer does not wait for that. It puts a spare cell
//!    into the slot in place of the pinned one, which nobody reads by its slot any more: the claim has its
//!    address, and every other lane has passed it.
//! 4. Cells are freed with the ring alone, and every reader, claim and writer keeps the ring.

use std::{
    ptr,
    sync::{Arc, Mutex},
};

use self::bank::{OUT, Seats, Teller};
use crate::sync::{UnsafeCell, lock};

mod bank;

pub(crate) use self::bank::Post;

/// The most that a lane claims at a time, and so the most that one which does not return keeps.
pub(crate) const MOST_CLAIMED: usize = 64;

/// What the writer and all readers share.
pub(crate) struct Ring<T> {
    slots: Box<[Slot<T>]>,
    /// Every cell there is, to go when the ring does.
    cells: Mutex<Vec<Box<[Cell<T>]>>>,
    seats: Seats,
}

/// What is in a place, and how it is to be read: a cell's address, and in its lowest bits whether the message is to be
/// claimed by itself, and whether it is for one lane only, which may take it. One word, since moving several costs a
/// stall.
struct Held<T>(*const Cell<T>);

const ALONE: usize = 1;
const SOLE: usize = 2;

impl<T> Held<T> {
    fn new(cell: *const Cell<T>) -> Self {
        Self(cell)
    }

    fn with(self, alone: bool, sole: bool) -> Self {
        let how = if alone { ALONE } else { 0 } | if sole { SOLE } else { 0 };
        Self(self.cell().map_addr(|cell| cell | how))
    }

    #[inline]
    fn cell(self) -> *const Cell<T> {
        self.0.map_addr(|cell| cell & !(ALONE | SOLE))
    }

    #[inline]
    fn is_alone(self) -> bool {
        self.0.addr() & ALONE != 0
    }

    #[inline]
    fn is_sole(self) -> bool {
        self.0.addr() & SOLE != 0
    }
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

impl<T> Ring<T> {
    /// A ring of so many messages, rounded up to a power of two, and its one writer.
    pub(crate) fn with_writer(capacity: usize) -> Writer<T> {
        let capacity = capacity.next_power_of_two();
        let cells: Box<[Cell<T>]> = (0..capacity).map(|_| Cell::vacant()).collect();
        let ring = Self {
            slots: cells.iter().map(|cell| UnsafeCell::new(Held::new(cell))).collect(),
            cells: Mutex::new(vec![cells]),
            seats: Seats::default(),
        };
        Writer {
            ring: Arc::new(ring),
            next: 0,
            tail: 0,
            gate: 0,
            gating: 0,
            tracks: vec![],
            addressed: vec![],
            tellers: vec![],
            fresh: vec![],
            changes: 1,
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
        let post = Arc::new(self.seats.take(self.capacity()));
        Reader {
            ring: Arc::clone(self),
            post,
            next: OUT,
            seen: 0,
            is_known: false,
            claimed: false,
            told: 0,
        }
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
    /// What lies before is not unread; `OUT` while the lane is not in the ring.
    next: u64,
    /// What lies before was told when that was last looked at: the writer is at it with every message, so it is left to
    /// the writer as long as there is enough to read.
    seen: u64,
    /// The message `next` is the lane's, and unread.
    is_known: bool,
    /// A claim is out.
    claimed: bool,
    /// How many messages before `next` were for the lane.
    told: u64,
}

impl<T> Reader<T> {
    pub(crate) fn post(&self) -> &Arc<Post> {
        &self.post
    }

    /// Whether a claim is out.
    pub(crate) fn is_claimed(&self) -> bool {
        self.claimed
    }

    /// How many are unread.
    pub(crate) fn len(&self) -> usize {
        let mut unread = 0;
        self.post.each(self.next, self.post.upto(), |_| {
            unread += 1;
            true
        });
        unread
    }

    /// How many messages the lane was told of so far.
    pub(crate) fn told(&self) -> u64 {
        self.told + self.len() as u64
    }

    /// Claims the next messages, at most so many, and one that is to be alone, alone. Answers whether there are any.
    ///
    /// # Panics
    ///
    /// If a claim is out.
    #[inline]
    pub(crate) fn claim(&mut self, most: usize, claim: &mut Claim<T>) -> bool {
        assert!(!self.claimed && ptr::eq(&*claim.post, &*self.post), "one claim at a time");
        let slots = &*self.ring.slots;
        let (held, mask) = (&mut claim.held, slots.len() - 1);
        let (mut len, mut most) = (0, most.clamp(1, MOST_CLAIMED));
        let (mut next, mut is_known) = (self.next, self.is_known);
        loop {
            if !is_known {
                self.seen = self.post.upto();
            }
            // What is claimed stays unread, for the writer, until it is released.
            let is_sure = is_known || len > 0;
            next = self.post.each_from(next, is_sure, self.seen, |number| {
                // SAFETY: it is unread, so the writer is not at its slot; its store of slot and cell came before
                // that of `upto`.
                let next = slots[number as usize & mask].with(|slot| unsafe { *slot });
                if len >= most || (next.is_alone() && len > 0) {
                    return false;
                }
                held[len % MOST_CLAIMED] = next;
                len += 1;
                if next.is_alone() {
                    most = len;
                }
                true
            });
            let has_more = next < self.seen;
            // All that was told by then is read: there may be more by now.
            let looks_again = is_known && !has_more && len < most;
            is_known = has_more;
            if !looks_again {
                break;
            }
        }
        self.is_known = is_known;
        claim.len = len;
        self.claimed = len > 0;
        self.told += len as u64;
        if self.next != OUT {
            self.next = next;
        }
        self.post.hint(self.next, self.is_known);
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
        (claim.at, claim.len) = (0, 0);
        self.claimed = false;
        self.post.pass(self.next);
    }

    /// Passes over what is unread, and shows it.
    pub(crate) fn skip(&mut self, mut show: impl FnMut(&T)) {
        let upto = self.post.upto();
        self.post.each(self.next, upto, |number| {
            // SAFETY: it is unread, and this is the lane, so its slot is not written to meanwhile.
            let held = self.ring.slot(number).with(|slot| unsafe { *slot });
            // SAFETY: cells live as long as the ring.
            let cell = unsafe { &*held.cell() };
            // SAFETY: it is unread, so it is not written to or taken meanwhile.
            cell.0.with(|message| unsafe { (*message).as_ref() }.map(&mut show));
            self.told += 1;
            true
        });
        self.leave_behind(self.next.max(upto));
    }

    /// Nothing before this is unread.
    fn leave_behind(&mut self, next: u64) {
        self.next = next;
        self.is_known = false;
        self.post.hint(next, false);
        if !self.claimed {
            self.post.pass(next);
        }
    }
}

/// Messages that a lane has claimed, to be read one after the other. Whoever has it for writing runs the lane. On lines
/// of its own: it is written with every message.
#[repr(align(128))]
pub(crate) struct Claim<T> {
    /// Keeps the cells.
    _ring: Arc<Ring<T>>,
    post: Arc<Post>,
    /// The first `len` of these.
    held: [Held<T>; MOST_CLAIMED],
    len: usize,
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
            held: [Held::new(ptr::null()); MOST_CLAIMED],
            len: 0,
            at: 0,
        }
    }

    /// How many are left.
    pub(crate) fn len(&self) -> usize {
        self.len - self.at
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    fn next(&self) -> Held<T> {
        assert!(self.at < self.len, "nothing is left of it");
        self.held[self.at % MOST_CLAIMED]
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
        let cell = unsafe { &*self.next().cell() };
        // SAFETY: as above.
        cell.0.with(|message| read(unsafe { (*message).as_ref() }.expect("it was not taken")))
    }

    /// Takes the next message out, if it is for this lane only.
    ///
    /// # Panics
    ///
    /// If none is left.
    pub(crate) fn take(&mut self) -> Option<T> {
        let held = self.next();
        if !held.is_sole() {
            return None;
        }
        // SAFETY: cells live as long as the ring.
        let cell = unsafe { &*held.cell() };
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
    /// Among the tellers, its bank's.
    teller: usize,
    /// Up to where it had passed, when that was last looked at.
    seen: u64,
    /// It has passed what lies before, but for what is pinned: where it entered, or was last spilled up to.
    floor: u64,
    /// Up to where what it had claimed was pinned, the last time.
    pinned: u64,
}

impl Track {
    /// Where it is, if it is behind what was addressed to it.
    fn behind(&mut self, addressed: u64) -> Option<u64> {
        if self.in_ring && self.seen < addressed {
            self.seen = self.post.done().max(self.floor);
        }
        (self.in_ring && self.seen < addressed).then_some(self.seen)
    }
}

/// A lane, as the writer knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(usize);

/// Lanes that messages are put for, as they are found. Outdated when any lane has entered or left the ring since.
#[derive(Default)]
pub(crate) struct Address {
    places: Vec<Place>,
    /// By teller, its lanes' bits.
    banks: Vec<(usize, u64)>,
    /// When it was written; zero is never.
    changes: u64,
}

impl Address {
    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
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
    /// The lane that was last when that was found out.
    gating: usize,
    tracks: Vec<Option<Track>>,
    /// By lane, what lies after the last message addressed to it.
    addressed: Vec<u64>,
    tellers: Vec<Teller>,
    /// Which of them have something to tell.
    fresh: Vec<usize>,
    /// How many times a lane came or left, so that an address of before is known.
    changes: u64,
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
        self.gate = self.last().unwrap_or(self.next);
        if !self.pins.is_empty() {
            self.sweep(drop);
        }
    }

    /// The first number that any lane in the ring is at; `None` if all have passed everything.
    fn last(&mut self) -> Option<u64> {
        let lanes = self.tracks.iter_mut().zip(&self.addressed).enumerate();
        let behind = |(index, (track, addressed)): (_, (&mut Option<Track>, &u64))| {
            Some((track.as_mut()?.behind(*addressed)?, index))
        };
        let (last, gating) = lanes.filter_map(behind).min()?;
        self.gating = gating;
        Some(last)
    }

    /// Whether the lane that was last is still before a number. For who waits: to look at all lanes each time would take
    /// their lines away from those who write them.
    pub(crate) fn is_held_up(&mut self, number: u64) -> bool {
        let addressed = self.addressed[self.gating];
        let track = self.tracks[self.gating].as_mut();
        track.and_then(|track| track.behind(addressed)).is_some_and(|behind| behind < number)
    }

    /// The first number that any lane in the ring may still be at, as of the last [look](Self::look).
    pub(crate) fn slowest(&self) -> u64 {
        self.gate
    }

    /// The first number that a lane in the ring may still be at; `None` if it is at none.
    pub(crate) fn behind(&mut self, place: Place) -> Option<u64> {
        let addressed = self.addressed[place.0];
        self.track(place).behind(addressed)
    }

    fn track(&mut self, place: Place) -> &mut Track {
        self.tracks[place.0].as_mut().expect("a lane that is known")
    }

    /// Writes the address of those of these lanes that are in the ring.
    pub(crate) fn write_address(
        &self,
        address: &mut Address,
        places: impl IntoIterator<Item = Place>,
    ) {
        address.places.clear();
        address.banks.clear();
        address.changes = self.changes;
        for place in places {
            let Some(track) = self.tracks[place.0].as_ref().filter(|track| track.in_ring) else {
                continue;
            };
            address.places.push(place);
            match address.banks.iter_mut().find(|(teller, _)| *teller == track.teller) {
                Some((_, lanes)) => *lanes |= track.post.bit(),
                None => address.banks.push((track.teller, track.post.bit())),
            }
        }
    }

    /// Puts a message in for these lanes, to be claimed alone or not. Gives out what it displaces. They see it when
    /// it is [published](Self::publish).
    ///
    /// It is made in its cell. Made elsewhere, and moved, its words would be read back in larger pieces than they were
    /// written in; processors then wait until all that was written before is in the cache, other threads' lines too.
    ///
    /// # Panics
    ///
    /// If there is no [room](Self::has_room), or a lane has entered or left it since the address was written.
    #[inline]
    pub(crate) fn put(
        &mut self,
        alone: bool,
        address: &Address,
        make: impl FnOnce() -> T,
    ) -> Option<T> {
        assert!(address.changes == self.changes, "an address that is current");
        let is_full = self.next - self.tail >= self.capacity();
        let displaced = if is_full { self.reclaim_one() } else { None };
        self.ring.slot(self.next).with_mut(|slot| {
            // SAFETY: the message that was in this slot is reclaimed, so no lane has it, and none reads the slot;
            // the next one is not published yet.
            let held = unsafe { &mut *slot };
            let how = held.with(alone, address.places.len() == 1);
            // Mostly it is as before; then the line, where lanes read what is beside, is left to them.
            if held.0 != how.0 {
                *held = how;
            }
            // SAFETY: cells live as long as the ring.
            let cell = unsafe { &*held.cell() };
            // SAFETY: it is in this slot and vacant, so as above, and nothing is there to be dropped. If `make` panics it
            // stays vacant, and the number is the next message's.
            cell.0.with_mut(|cell| unsafe { cell.write(Some(make())) });
        });
        for (index, lanes) in &address.banks {
            if self.tellers[*index].address(self.next, *lanes) {
                self.fresh.push(*index);
            }
        }
        self.next += 1;
        for place in &address.places {
            self.addressed[place.0] = self.next;
        }
        displaced
    }

    /// Tells the lanes what was addressed to them. Answers whether there was anything to tell.
    #[inline]
    pub(crate) fn publish(&mut self) -> bool {
        let is_any = !self.fresh.is_empty();
        for index in self.fresh.drain(..) {
            self.tellers[index].publish();
        }
        is_any
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
        let cell = unsafe { &*held.cell() };
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
            std::mem::replace(unsafe { &mut *slot }, Held::new(vacant)).cell()
        });
        self.limbo.push((number, pinned));
    }

    #[cold]
    fn sweep(&mut self, mut drop: impl FnMut(T)) {
        let unpinned = &mut self.unpinned;
        self.pins.retain_mut(|pin| {
            let is_over = pin.post.done() >= pin.until;
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

    /// Gets to know a lane. It is not in the ring yet. Room is made for what it may pin, so that none is needed when it
    /// does.
    pub(crate) fn meet(&mut self, reader: &Reader<T>) -> Place {
        assert!(Arc::ptr_eq(&self.ring, &reader.ring), "a lane of this ring");
        self.pins.reserve(self.tracks.len() + 1);
        self.unpinned.reserve(self.tracks.len() + 1);
        if self.unpinned.len() + self.pins.len() <= self.tracks.len() {
            self.unpinned.push(Vec::with_capacity(MOST_CLAIMED));
        }
        let post = Arc::clone(&reader.post);
        let teller = self.tellers.iter().position(|teller| teller.is_of(post.bank()));
        let teller = teller.unwrap_or_else(|| {
            self.tellers.push(Teller::new(post.bank()));
            self.tellers.len() - 1
        });
        let track = Some(Track { post, in_ring: false, teller, seen: 0, floor: 0, pinned: 0 });
        match self.tracks.iter().position(Option::is_none) {
            Some(free) => {
                self.tracks[free] = track;
                self.addressed[free] = 0;
                Place(free)
            }
            None => {
                self.tracks.push(track);
                self.addressed.push(0);
                Place(self.tracks.len() - 1)
            }
        }
    }

    /// Has a lane be in the ring, from the next message on. What it has claimed from before stays claimed.
    ///
    /// # Panics
    ///
    /// If it is in the ring, or the lane is another one.
    pub(crate) fn enter(&mut self, place: Place, reader: &mut Reader<T>) {
        let next = self.next;
        self.changes += 1;
        let track = self.track(place);
        assert!(Arc::ptr_eq(&track.post, &reader.post), "a lane's own halves");
        assert!(!track.in_ring, "a lane out of the ring");
        track.in_ring = true;
        (track.seen, track.floor) = (next, next);
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
        take: impl FnMut(Taken<'_, T>),
    ) {
        let Some(others) = self.others(place, reader) else { return };
        let end = reader.post.upto();
        self.take_unread(place, reader, end, others, take);
        reader.leave_behind(OUT);
        self.track(place).in_ring = false;
        self.changes += 1;
    }

    /// Takes over what a lane has unread and nobody else is at, and at least what lies before a number. The lane stays in
    /// the ring, and goes on behind that. What it has claimed stays claimed.
    ///
    /// # Panics
    ///
    /// If the lane is another one.
    pub(crate) fn spill(
        &mut self,
        place: Place,
        reader: &mut Reader<T>,
        least: u64,
        take: impl FnMut(Taken<'_, T>),
    ) {
        let Some(others) = self.others(place, reader) else { return };
        // What it has claimed is to hold nobody up either.
        let end = others.max(least).min(reader.post.upto()).max(reader.next);
        self.take_unread(place, reader, end, others, take);
        reader.leave_behind(end);
        let track = self.track(place);
        track.floor = end;
        track.seen = track.seen.max(end);
    }

    /// The first number that any other lane in the ring is at, or what lies after all. What was addressed to this one is
    /// told. `None` if it is not in the ring itself.
    fn others(&mut self, place: Place, reader: &Reader<T>) -> Option<u64> {
        let track = self.track(place);
        assert!(Arc::ptr_eq(&track.post, &reader.post), "a lane's own halves");
        if !std::mem::take(&mut track.in_ring) {
            return None;
        }
        let teller = track.teller;
        self.tellers[teller].publish();
        let others = self.last().unwrap_or(self.next);
        self.track(place).in_ring = true;
        Some(others)
    }

    /// Takes out what a lane has unread before a number, and pins what it has claimed.
    fn take_unread(
        &mut self,
        place: Place,
        reader: &mut Reader<T>,
        end: u64,
        others: u64,
        mut take: impl FnMut(Taken<'_, T>),
    ) {
        let post = Arc::clone(&reader.post);
        post.each(reader.next, post.upto(), |number| {
            if number >= end {
                return false;
            }
            reader.told += 1;
            // SAFETY: nobody writes to a slot but the writer.
            let held = self.ring.slot(number).with(|slot| unsafe { *slot });
            // SAFETY: cells live as long as the ring.
            let cell = unsafe { &*held.cell() };
            let is_passed = number < others;
            if held.is_sole() || (is_passed && !is_pinned(&self.pins, number)) {
                // SAFETY: this lane has it unread, and is borrowed; the others never had it, or those in the ring have
                // passed it, and those that left or were spilled do not have it claimed.
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
        let (done, until) = (post.done(), reader.next);
        // What is claimed since before it entered is pinned already.
        if reader.claimed && done >= self.track(place).pinned {
            let mut numbers =
                self.unpinned.pop().unwrap_or_else(|| Vec::with_capacity(MOST_CLAIMED));
            post.each(done, until, |number| {
                numbers.push(number);
                true
            });
            self.track(place).pinned = until;
            self.pins.push(Pin { post, numbers, until });
        }
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
