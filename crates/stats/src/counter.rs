use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A count with one writer at a time and any number of readers.
///
/// Two threads that add at the same moment may lose one of the additions (never more, and never
/// anything unsound): whoever shares it sees to it that only one writes, by owning the stage or by
/// holding its lock. Wraps at 2⁶⁴.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// A counter at zero.
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Adds `n`: one load and one store, no locked instruction.
    #[inline]
    pub fn add(&self, n: u64) {
        // Relaxed: a count synchronises nothing; the single writer reads its own last store.
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// The count as last written; may lag behind the writer by a moment.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A count that any thread may add to, at the price of an atomic addition (some 5 ns alone, more
/// when contended).
#[derive(Debug, Default)]
pub struct SharedCounter(AtomicU64);

impl SharedCounter {
    /// A counter at zero.
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Adds `n`; nothing is lost whoever else adds.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// The count at this moment.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

#[cfg(test)]
mod tests;
