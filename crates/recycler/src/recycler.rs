use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use meltica_stats::Snapshot;

use crate::{
    LeakReport, Outstanding, Pool, Stats, StrayWrite, Unrecorded, depot::Geometry, desk::Desk,
    room::Storage,
};

/// The pools of a program, and what is said about all of them at once: statistics, debug mode, what
/// is still out. Cloning gives another handle to the same one.
///
/// There is no way to put an object back but to drop its last handle, so whatever returns passes
/// through here and is counted; one or many makes no difference (drop a `Vec` of leases).
///
/// ```
/// use meltica_recycler::Recycler;
///
/// let recycler = Recycler::new();
/// let events = recycler.pool("event", 2, || [0u8; 64], |event| event.fill(0));
/// let held: Vec<_> = (0..2).map(|_| events.lease_or_heap()).collect();
/// assert_eq!(recycler.leak_report().count(), 2);
/// drop(held);
/// assert!(recycler.leak_report().is_clean());
/// ```
#[derive(Clone, Default)]
pub struct Recycler {
    pools: Arc<Mutex<Vec<Known>>>,
    debug: Arc<AtomicBool>,
}

/// One of the pools: what it counts, and its objects for as long as there are any.
#[derive(Clone)]
struct Known {
    desk: Arc<Desk>,
    storage: Weak<dyn Storage>,
}

impl Recycler {
    /// A recycler without pools, debug mode off.
    pub fn new() -> Self {
        Self::default()
    }

    /// A new pool. `capacity`, `make` and `reset` are as in [`Pool::new`]; the name stands in errors,
    /// statistics and reports.
    ///
    /// # Panics
    ///
    /// If `capacity` is zero or above 2²⁴ − 4,096.
    pub fn pool<T: Send + 'static>(
        &self,
        name: &str,
        capacity: usize,
        make: impl Fn() -> T + Send + Sync + 'static,
        reset: impl Fn(&mut T) + Send + Sync + 'static,
    ) -> Pool<T> {
        self.keep_watch(Pool::open(name, capacity, Geometry::with_magazines, make, reset))
    }

    /// A new pool with not an object more than `capacity`, as in [`Pool::exact`].
    ///
    /// # Panics
    ///
    /// If `capacity` is zero or above 2²⁴ − 4,096.
    pub fn exact_pool<T: Send + 'static>(
        &self,
        name: &str,
        capacity: usize,
        make: impl Fn() -> T + Send + Sync + 'static,
        reset: impl Fn(&mut T) + Send + Sync + 'static,
    ) -> Pool<T> {
        self.keep_watch(Pool::open(name, capacity, Geometry::exact, make, reset))
    }

    fn keep_watch<T>(&self, pool: Pool<T>) -> Pool<T> {
        let room = pool.room();
        let mut pools = self.lock();
        // Under the lock, with `set_debug_mode`: each pool hears of every change.
        room.desk.set_debug(self.is_debug_mode());
        pools.push(Known { desk: Arc::clone(&room.desk), storage: room.storage() });
        drop(pools);
        pool
    }

    /// Switches debug mode on for every pool, from now on: each lease records who takes it, where
    /// and when; each return fills the object's place with `0xDEADBEEFDEADBEEF`, so that the next
    /// lease finds out whether somebody wrote to it; a spent ticket panics. Costs microseconds a
    /// lease, and some kilobytes for each object that was used. Off, it costs one comparison a return.
    pub fn enable_debug_mode(&self) {
        self.set_debug_mode(true);
    }

    /// Switches debug mode off, from now on.
    pub fn disable_debug_mode(&self) {
        self.set_debug_mode(false);
    }

    fn set_debug_mode(&self, on: bool) {
        let pools = self.lock();
        self.debug.store(on, Relaxed);
        pools.iter().for_each(|pool| pool.desk.set_debug(on));
    }

    /// Whether debug mode is on.
    pub fn is_debug_mode(&self) -> bool {
        self.debug.load(Relaxed)
    }

    /// What each pool has done, in the order they were made.
    pub fn stats(&self) -> Vec<Stats> {
        self.known().iter().map(|pool| pool.desk.stats()).collect()
    }

    /// By pool, in the order they were made: how long a return took, in nanoseconds, the object's reset
    /// included. Of an object's returns one in 4,096 is measured, the first one included. Copies
    /// 15 KiB a pool: for whoever looks now and then.
    pub fn recycle_ns(&self) -> Vec<(Arc<str>, Snapshot)> {
        let timed =
            |Known { desk, .. }: &Known| (Arc::clone(&desk.name), desk.recycle_ns.snapshot());
        self.known().iter().map(timed).collect()
    }

    /// The leases that are out and were taken in debug mode, with their stacks; oldest first within a
    /// pool.
    pub fn outstanding(&self) -> Vec<Outstanding> {
        self.known().iter().flat_map(|pool| pool.out().0).collect()
    }

    /// The last 16 writes to objects that nobody held, of each pool, as debug mode found them. They are
    /// logged as errors as well.
    pub fn stray_writes(&self) -> Vec<StrayWrite> {
        self.known().iter().flat_map(|pool| pool.desk.ledger.strays()).collect()
    }

    /// What has not come home: to be asked when everything should have.
    pub fn leak_report(&self) -> LeakReport {
        let mut report = LeakReport::default();
        for pool in self.known() {
            let count = pool.desk.stats().outstanding();
            if count > 0 {
                let (outstanding, unrecorded) = pool.out();
                report.pools.push((Arc::clone(&pool.desk.name), count));
                report.outstanding.extend(outstanding);
                report.unrecorded.extend(unrecorded);
            }
        }
        report
    }

    fn known(&self) -> Vec<Known> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Known>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn out(&self) -> (Vec<Outstanding>, Vec<Unrecorded>) {
        // Without storage nothing is out but tickets that nobody can redeem.
        self.storage.upgrade().map(|storage| storage.out()).unwrap_or_default()
    }
}

impl fmt::Debug for Recycler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recycler")
            .field("debug_mode", &self.is_debug_mode())
            .field("pools", &self.stats())
            .finish()
    }
}
