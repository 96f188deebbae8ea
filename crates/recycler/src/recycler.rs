use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use meltica_stats::Snapshot;

use crate::{LeakReport, Outstanding, Pool, Stats, desk::AnyDesk};

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
    pools: Arc<Mutex<Vec<Arc<dyn AnyDesk>>>>,
    debug: Arc<AtomicBool>,
}

impl Recycler {
    /// A recycler without pools, debug mode off.
    pub fn new() -> Self {
        Self::default()
    }

    /// A new pool. `make` and `reset` are as in [`Pool::new`]; the name stands in errors, statistics
    /// and reports.
    ///
    /// # Panics
    ///
    /// If `capacity` is zero or above 2²⁴, or if `make` panics.
    pub fn pool<T: Send + 'static>(
        &self,
        name: &str,
        capacity: usize,
        make: impl Fn() -> T + Send + Sync + 'static,
        reset: impl Fn(&mut T) + Send + Sync + 'static,
    ) -> Pool<T> {
        let (pool, desk) = Pool::open(name, capacity, make, reset, Arc::clone(&self.debug));
        self.pools.lock().unwrap_or_else(PoisonError::into_inner).push(desk);
        pool
    }

    /// Switches debug mode on for every pool, from now on: each lease records who takes it, where
    /// and when; each return fills the object's place with `0xDEADBEEFDEADBEEF`, so that the next
    /// lease finds out whether somebody wrote to it; a spent ticket panics. Costs microseconds a
    /// lease. Off, it costs a branch.
    pub fn enable_debug_mode(&self) {
        self.debug.store(true, Relaxed);
    }

    /// Switches debug mode off, from now on.
    pub fn disable_debug_mode(&self) {
        self.debug.store(false, Relaxed);
    }

    /// Whether debug mode is on.
    pub fn is_debug_mode(&self) -> bool {
        self.debug.load(Relaxed)
    }

    /// What each pool has done, in the order they were made.
    pub fn stats(&self) -> Vec<Stats> {
        self.desks().iter().map(|desk| desk.stats()).collect()
    }

    /// By pool, in the order they were made: how long a return took, in nanoseconds, the object's reset
    /// included. One return in 256 is measured. Copies 15 KiB a pool: for whoever looks now and then.
    pub fn recycle_ns(&self) -> Vec<(Arc<str>, Snapshot)> {
        self.desks().iter().map(|desk| desk.recycle_ns()).collect()
    }

    /// The leases that are out and were taken in debug mode, with their stacks.
    pub fn outstanding(&self) -> Vec<Outstanding> {
        self.desks().iter().flat_map(|desk| desk.outstanding()).collect()
    }

    /// What has not come home: to be asked when everything should have.
    pub fn leak_report(&self) -> LeakReport {
        let out = |stats: Stats| {
            (stats.outstanding() > 0).then(|| (Arc::clone(&stats.pool), stats.outstanding()))
        };
        LeakReport {
            pools: self.stats().into_iter().filter_map(out).collect(),
            outstanding: self.outstanding(),
        }
    }

    fn desks(&self) -> Vec<Arc<dyn AnyDesk>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
