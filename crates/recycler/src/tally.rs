use std::sync::Arc;

use crate::sync::{
    AtomicU64, Mutex,
    Ordering::{Acquire, Relaxed, Release},
    lock,
};

/// What one thread took and returned of one pool: written by that thread alone, read by any. It outlives
/// the thread, and the next one goes on with it.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Tally {
    taken: AtomicU64,
    returned: AtomicU64,
}

impl Tally {
    #[inline(always)]
    pub(crate) fn count_taken(&self) {
        self.taken.store(self.taken.load(Relaxed) + 1, Relaxed);
    }

    /// To be the last that is done on a return: whoever sees the count may drop the pool's storage.
    #[inline(always)]
    pub(crate) fn count_returned(&self) {
        // Release, with the Acquire in `Tallies::returned`.
        self.returned.store(self.returned.load(Relaxed) + 1, Release);
    }
}

/// What all threads took and returned of one pool.
#[derive(Default)]
pub(crate) struct Tallies {
    threads: Mutex<Threads>,
    /// Of threads without storage of their own, because they are ending.
    taken: AtomicU64,
    returned: AtomicU64,
}

#[derive(Default)]
struct Threads {
    tallies: Vec<Arc<Tally>>,
    /// Those of threads that are gone.
    idle: Vec<Arc<Tally>>,
}

impl Tallies {
    /// A tally for one more thread.
    pub(crate) fn open(&self) -> Arc<Tally> {
        let mut threads = lock(&self.threads);
        threads.idle.pop().unwrap_or_else(|| {
            let tally = Arc::<Tally>::default();
            threads.tallies.push(Arc::clone(&tally));
            tally
        })
    }

    /// The thread is gone.
    pub(crate) fn close(&self, tally: &Arc<Tally>) {
        lock(&self.threads).idle.push(Arc::clone(tally));
    }

    pub(crate) fn count_taken(&self) {
        self.taken.fetch_add(1, Relaxed);
    }

    pub(crate) fn count_returned(&self) {
        // Release, with the Acquire in `returned`.
        self.returned.fetch_add(1, Release);
    }

    /// How many were returned. What is counted here was counted as taken before, and whoever asks for
    /// [`taken`](Self::taken) afterwards sees it.
    pub(crate) fn returned(&self) -> u64 {
        // Acquire, with the Release of whoever counts.
        let by_threads = |tally: &Arc<Tally>| tally.returned.load(Acquire);
        let threads = lock(&self.threads);
        self.returned.load(Acquire) + threads.tallies.iter().map(by_threads).sum::<u64>()
    }

    /// How many were taken.
    pub(crate) fn taken(&self) -> u64 {
        let by_threads = |tally: &Arc<Tally>| tally.taken.load(Relaxed);
        let threads = lock(&self.threads);
        self.taken.load(Relaxed) + threads.tallies.iter().map(by_threads).sum::<u64>()
    }
}

#[cfg(all(test, not(meltica_loom)))]
mod tests;
