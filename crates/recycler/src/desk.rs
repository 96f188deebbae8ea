//! What is known of a pool whatever its objects are: where its free slots lie, who waits for them, and
//! what was done so far.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use meltica_stats::{SharedCounter, SharedHistogram};

use crate::{
    Exhausted, Stats, TimedOut, clock,
    contain::contained,
    depot::{Depot, Geometry},
    ledger::Ledger,
    magazine::{self, KEY_SHIFT, Magazine},
    room::Storage,
    sync::{
        AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Mutex,
        Ordering::{Acquire, Relaxed, Release, SeqCst},
        Thread, current, fence, fence_for_loom, lock, park_timeout,
    },
    tally::Tallies,
};

/// Always, but where it is counted what debug mode costs while it is off (`cargo xtask deep`).
pub(crate) const HAS_DEBUG: bool = cfg!(not(meltica_without_debug));

pub(crate) struct Desk {
    pub(crate) name: Arc<str>,
    /// What tickets call the pool: its number in the process, from 1 on.
    pub(crate) number: u32,
    /// Of no other pool of this process, and not zero.
    pub(crate) own_key: u64,
    /// `own_key` while threads may go by their magazines alone; zero while something asks for more: debug
    /// mode, somebody who waits, or that the pool is closed. Threads compare it with the key of their
    /// magazine, so that asking costs nothing.
    key: AtomicU64,
    pub(crate) depot: Depot,
    pub(crate) tallies: Tallies,
    /// How many more threads may have a magazine.
    magazines: AtomicU32,
    door: Mutex<Door>,
    /// How many wait: the length of the queue, to be read without its lock.
    waiting: AtomicUsize,
    debug: AtomicBool,
    closed: AtomicBool,
    pub(crate) ledger: Ledger,
    pub(crate) counts: Counts,
    /// How long a sample of returns took.
    pub(crate) recycle_ns: SharedHistogram,
}

/// What is rare, and makes the key zero.
#[derive(Default)]
struct Door {
    queue: VecDeque<Waiting>,
    /// How many ever stood in the queue: the next one's number.
    came: u64,
    /// The pool's storage, while there is no `Pool` any more but leases are out.
    kept: Option<Arc<dyn Storage>>,
}

struct Waiting {
    number: u64,
    thread: Thread,
    granted: Option<u32>,
}

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) heap_fallbacks: SharedCounter,
    /// See `Desk::is_home`.
    heap_returned: AtomicU64,
    tickets_made: AtomicU64,
    tickets_spent: AtomicU64,
    pub(crate) exhausted: SharedCounter,
    pub(crate) timed_out: SharedCounter,
    pub(crate) retired: SharedCounter,
    pub(crate) double_puts: SharedCounter,
    pub(crate) uses_after_put: SharedCounter,
    pub(crate) stray_writes: SharedCounter,
}

impl Desk {
    /// `slots` are how many objects could be made.
    pub(crate) fn new(name: &str, geometry: Geometry, slots: u32) -> Self {
        // From std also under loom: it is no part of any protocol.
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Relaxed);
        let own_key = number << KEY_SHIFT;
        let depot = Depot::new(geometry, slots);
        Self {
            name: name.into(),
            number: number as u32,
            own_key,
            key: AtomicU64::new(own_key),
            tallies: Tallies::default(),
            magazines: AtomicU32::new(geometry.magazines),
            depot,
            door: Mutex::default(),
            waiting: AtomicUsize::new(0),
            debug: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            ledger: Ledger::default(),
            counts: Counts::default(),
            recycle_ns: SharedHistogram::new(),
        }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.depot.geometry().capacity as usize
    }

    #[inline(always)]
    pub(crate) fn key(&self) -> u64 {
        // Relaxed: what the key keeps a thread from is decided again where it leads instead.
        self.key.load(Relaxed)
    }

    fn settle_key(&self, door: &Door) {
        let quiet = door.queue.is_empty() && !self.is_debug() && !self.is_closed();
        self.key.store(if quiet { self.own_key } else { 0 }, Relaxed);
    }

    pub(crate) fn is_debug(&self) -> bool {
        HAS_DEBUG && self.debug.load(Relaxed)
    }

    pub(crate) fn set_debug(&self, on: bool) {
        let door = lock(&self.door);
        self.debug.store(on, Relaxed);
        self.settle_key(&door);
    }

    /// Takes a slot, from this thread's magazine or the depot.
    pub(crate) fn take(self: &Arc<Self>) -> Option<u32> {
        if self.is_awaited() {
            // Those who wait come first.
            self.share_with_those_who_wait();
        }
        magazine::with(self, Magazine::take).unwrap_or_else(|| {
            let slot = self.depot.take_one()?;
            self.tallies.count_taken();
            Some(slot)
        })
    }

    /// Puts a slot that has become free. Once it is counted, the pool's storage may be gone.
    pub(crate) fn put(self: &Arc<Self>, slot: u32) {
        if magazine::with(self, |magazine| magazine.put_in_turn(slot)).is_none() {
            self.tallies.count_returned();
            self.depot.put_one(slot);
            self.serve();
        }
        self.close_if_home();
    }

    /// Counts an object that is never put again, as returned and retired.
    pub(crate) fn retire(self: &Arc<Self>) {
        self.counts.retired.add(1);
        self.tallies.count_returned();
        self.close_if_home();
    }

    pub(crate) fn heap_returned(&self) {
        // Release, with the Acquire in `is_home`.
        self.counts.heap_returned.fetch_add(1, Release);
        self.close_if_home();
    }

    /// How many slots the magazine of one more thread may hold; not zero if it must be
    /// [given up](Self::magazine_given_up) some time.
    pub(crate) fn magazine_for_one_more(&self) -> u32 {
        // Acquire, with the Release in `magazine_given_up`: the slots of that one are in the depot.
        let admitted = self.magazines.fetch_update(Acquire, Relaxed, |left| left.checked_sub(1));
        if admitted.is_ok() { self.depot.geometry().magazine() } else { 0 }
    }

    /// Another thread may have a magazine.
    pub(crate) fn magazine_given_up(&self) {
        // Release, with the Acquire in `magazine_for_one_more`.
        self.magazines.fetch_add(1, Release);
    }

    /// A lease has become a ticket. Once that is counted, the pool's storage may be gone.
    pub(crate) fn ticket_made(&self) {
        // Release, with the Acquire in `is_home`.
        self.counts.tickets_made.fetch_add(1, Release);
        self.close_if_home();
    }

    /// A ticket has become a lease.
    pub(crate) fn ticket_spent(&self) {
        // Relaxed: only with a `Pool`, whose end is seen before it is asked whether anything is out.
        self.counts.tickets_spent.fetch_add(1, Relaxed);
    }

    /// Whether somebody waits for a slot.
    pub(crate) fn is_awaited(&self) -> bool {
        // SeqCst: see `serve`.
        fence_for_loom();
        self.waiting.load(SeqCst) > 0
    }

    /// Gives free slots to those who wait, in the order in which they came.
    ///
    /// Whoever puts a slot into the depot calls this afterwards, and whoever waits calls it once its wait
    /// is counted. Both the count and the top of the depot's stack are changed and then the other one
    /// read with SeqCst, so at least one of the two sees what the other did, and no slot lies in the depot
    /// while somebody waits for it. (What lies behind a lock is seen by whoever locks later.)
    pub(crate) fn serve(&self) {
        if !self.is_awaited() {
            return;
        }
        let mut door = lock(&self.door);
        for waiting in door.queue.iter_mut().filter(|waiting| waiting.granted.is_none()) {
            let Some(slot) = self.depot.take_one() else { break };
            waiting.granted = Some(slot);
            waiting.thread.unpark();
        }
    }

    /// Gives what this thread has at hand to those who wait, and leaves the rest in the depot.
    fn share_with_those_who_wait(self: &Arc<Self>) {
        magazine::with(self, Magazine::give_up);
        self.serve();
    }

    /// Waits in the queue for a slot until `deadline`.
    pub(crate) fn wait_until(self: &Arc<Self>, deadline: Instant) -> Option<u32> {
        let number = {
            let mut door = lock(&self.door);
            let number = door.came;
            door.came += 1;
            door.queue.push_back(Waiting { number, thread: current(), granted: None });
            // SeqCst: see `serve`.
            self.waiting.fetch_add(1, SeqCst);
            self.settle_key(&door);
            number
        };
        // Others may have come first while this thread has some at hand.
        self.share_with_those_who_wait();
        let slot = loop {
            self.serve();
            let left = deadline.saturating_duration_since(clock::now());
            if let Some(outcome) = self.leave(number, left) {
                break outcome;
            }
            park_timeout(left);
        };
        if slot.is_some() && magazine::with(self, |magazine| magazine.count_taken()).is_none() {
            self.tallies.count_taken();
        }
        slot
    }

    /// Leaves the queue with what was granted, or with nothing if there is no time left; `None` to stay.
    fn leave(&self, number: u64, left: Duration) -> Option<Option<u32>> {
        let mut door = lock(&self.door);
        let mine = door.queue.iter().position(|waiting| waiting.number == number);
        let mine = mine.expect("whoever waits stands in the queue until it leaves");
        let granted = door.queue[mine].granted;
        if granted.is_none() && !left.is_zero() {
            return None;
        }
        door.queue.remove(mine);
        self.waiting.fetch_sub(1, Relaxed);
        self.settle_key(&door);
        Some(granted)
    }

    /// Whether there is no `Pool` any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Relaxed)
    }

    /// The last `Pool` is gone, unless by now there is one again. The storage stays until the last lease is
    /// home.
    pub(crate) fn close(&self, storage: Arc<dyn Storage>, handles: &AtomicUsize) {
        let mut door = lock(&self.door);
        if handles.load(Acquire) > 0 {
            return;
        }
        self.closed.store(true, Relaxed);
        self.settle_key(&door);
        door.kept = Some(storage);
        drop(door);
        // Its fence is the partner of that of whoever returns something meanwhile.
        self.close_if_home();
    }

    /// There is a `Pool` again, made by a lease.
    pub(crate) fn reopen(&self) {
        let mut door = lock(&self.door);
        self.closed.store(false, Relaxed);
        self.settle_key(&door);
        let kept = door.kept.take();
        drop(door);
        drop(kept);
    }

    /// Drops the storage of a closed pool if everything is home.
    ///
    /// Called by whoever returns something past its magazine, and when a thread gives its magazine up. A
    /// return into a magazine that does not see yet that the pool is closed, at the same moment in which it
    /// closes, is thus found when its thread ends, or next gets a magazine, at the latest.
    pub(crate) fn close_if_home(&self) {
        // SeqCst, with itself, as `close` calls it: either this sees that the pool is closed, or that sees what was
        // counted before.
        fence(SeqCst);
        if !self.is_closed() {
            return;
        }
        let mut door = lock(&self.door);
        let kept = if self.is_closed() && self.is_home() { door.kept.take() } else { None };
        drop(door);
        // This drops objects, so foreign code runs: nothing is locked, and its panics end here, since it may
        // be another pool's return, or the end of a thread, that has led here.
        contained(|| drop(kept));
    }

    /// Whether nothing is out that could still come home: without a `Pool` no ticket can be redeemed. A
    /// return is read before the taking of what it returned, so what is out is never overlooked.
    fn is_home(&self) -> bool {
        let counts = &self.counts;
        // Acquire, with the Release of whoever counts: what was done to the object comes first.
        let heap_returned = counts.heap_returned.load(Acquire);
        let ticketed = counts.tickets_made.load(Acquire);
        let ended = self.tallies.returned() + ticketed;
        self.tallies.taken() + counts.tickets_spent.load(Relaxed) == ended
            && counts.heap_fallbacks.get() == heap_returned
    }

    /// Counts that nothing was free.
    #[cold]
    pub(crate) fn exhausted(&self) -> Exhausted {
        self.counts.exhausted.add(1);
        Exhausted { pool: Arc::clone(&self.name), capacity: self.capacity() }
    }

    /// Counts that nothing became free in time.
    #[cold]
    pub(crate) fn timed_out(&self) -> TimedOut {
        self.counts.timed_out.add(1);
        TimedOut { pool: Arc::clone(&self.name), capacity: self.capacity() }
    }

    pub(crate) fn stats(&self) -> Stats {
        let counts = &self.counts;
        // Returned first: a lease between the two reads must not make more come home than went.
        let heap_returned = counts.heap_returned.load(Acquire);
        let returned = self.tallies.returned();
        let heap_fallbacks = counts.heap_fallbacks.get();
        let leases = self.tallies.taken();
        Stats {
            pool: Arc::clone(&self.name),
            capacity: self.capacity(),
            objects: self.depot.geometry().slots() as usize,
            leased: leases.saturating_sub(returned) as usize,
            peak: self.depot.peak() as usize,
            waiting: self.waiting.load(Relaxed),
            heap_leased: heap_fallbacks.saturating_sub(heap_returned),
            leases,
            heap_fallbacks,
            exhausted: counts.exhausted.get(),
            timed_out: counts.timed_out.get(),
            returned: returned + heap_returned,
            retired: counts.retired.get(),
            double_puts: counts.double_puts.get(),
            uses_after_put: counts.uses_after_put.get(),
            stray_writes: counts.stray_writes.get(),
        }
    }
}

#[cfg(all(test, not(meltica_loom)))]
mod tests;
