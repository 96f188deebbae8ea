use std::sync::Arc;

/// What a pool has done, and where it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The pool's name.
    pub pool: Arc<str>,
    /// How many objects can be out whatever threads keep at hand.
    pub capacity: usize,
    /// How many objects were to be made at the start: the capacity, and what threads may keep at hand.
    pub objects: usize,
    /// How many of them are out now, tickets included.
    pub leased: usize,
    /// The most that were ever out at once, heap objects not counted: exact in a pool whose `objects` are
    /// its capacity, else at most this, since objects that a thread has at hand are taken for out.
    pub peak: usize,
    /// How many threads wait for an object.
    pub waiting: usize,
    /// Heap objects that are out now.
    pub heap_leased: u64,
    /// Leases of pooled objects so far.
    pub leases: u64,
    /// Leases that were served from the heap because the pool was empty.
    pub heap_fallbacks: u64,
    /// Leases refused because the pool was empty.
    pub exhausted: u64,
    /// Leases whose deadline passed.
    pub timed_out: u64,
    /// Objects that came home, heap objects included.
    pub returned: u64,
    /// Objects whose `make` or `reset` panicked: they are not used (again).
    pub retired: u64,
    /// Tickets refused because they were recycled twice.
    pub double_puts: u64,
    /// Tickets refused because they were redeemed late.
    pub uses_after_put: u64,
    /// Writes, found in debug mode, to objects that nobody held.
    pub stray_writes: u64,
}

impl Stats {
    /// How many objects are out now, wherever they come from.
    pub fn outstanding(&self) -> u64 {
        self.leased as u64 + self.heap_leased
    }
}
