//! Lanes that have a thread of their own, and how that sleeps and is woken.

use crate::sync::{
    AtomicBool, AtomicU64, AtomicUsize, Condvar, Mutex, MutexGuard,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
    fence, lock, wait,
};

/// What the publisher has to know of all of them. On lines of its own: it looks at it with every flush.
#[repr(align(128))]
pub(crate) struct OwnThreads {
    /// How many of these threads sleep, or are about to.
    asleep: AtomicUsize,
    changes: AtomicU64,
}

impl OwnThreads {
    pub(super) fn new() -> Self {
        Self { asleep: AtomicUsize::new(0), changes: AtomicU64::new(0) }
    }

    /// Whether any of them sleeps.
    #[inline]
    pub(crate) fn are_asleep(&self) -> bool {
        self.asleep.load(Acquire) > 0
    }

    /// How many times a lane got or gave up a thread of its own.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Acquire)
    }
}

/// Of one lane. On a line of its own: every worker looks at it in passing, and hardly anybody writes to it.
#[repr(align(128))]
pub(crate) struct OwnThread {
    /// It sleeps, or is about to.
    asleep: AtomicBool,
    /// The lane has a thread of its own, for as long as it is slow, or for good.
    is_there: AtomicBool,
}

impl OwnThread {
    pub(crate) fn new() -> Self {
        Self { asleep: AtomicBool::new(false), is_there: AtomicBool::new(false) }
    }

    /// Whether the lane has one.
    pub(crate) fn is_there(&self) -> bool {
        self.is_there.load(Relaxed)
    }

    /// The lane is to have one; false if it has.
    pub(crate) fn take(&self, all: Option<&OwnThreads>) -> bool {
        let is_new = !self.is_there.swap(true, Relaxed);
        if let Some(all) = all {
            all.changes.fetch_add(1, Release);
        }
        is_new
    }

    /// Others may serve the lane again.
    pub(crate) fn give_up(&self, all: Option<&OwnThreads>) {
        // As `take` does it, so that one comes after the other: loom lets a plain store be overtaken for ever.
        self.is_there.swap(false, Relaxed);
        if let Some(all) = all {
            all.changes.fetch_add(1, Release);
        }
    }

    /// Sleeps until told, unless there is something to do after all.
    pub(crate) fn sleep<'a, T>(
        &self,
        all: Option<&OwnThreads>,
        wake: &Condvar,
        mut queue: MutexGuard<'a, T>,
        has_work: impl FnOnce(&T) -> bool,
    ) -> MutexGuard<'a, T> {
        self.asleep.store(true, Relaxed);
        if let Some(all) = all {
            // Release: who sees it sees that the lane has a thread of its own.
            all.asleep.fetch_add(1, Release);
        }
        // The publisher stores what it has published, and then looks whether anybody sleeps; here it is the other way
        // round. With a fence between each two, one of both sees the other's.
        fence(SeqCst);
        if !has_work(&queue) {
            queue = wait(wake, queue);
        }
        if let Some(all) = all {
            all.asleep.fetch_sub(1, Release);
        }
        self.asleep.store(false, Relaxed);
        queue
    }

    /// Wakes it if it sleeps over this queue, once something is published to it and a fence has followed.
    pub(crate) fn wake_if_asleep<T>(&self, queue: &Mutex<T>, wake: &Condvar) {
        if self.asleep.load(Relaxed) {
            // Under the lock, lest who is about to sleep does not yet.
            drop(lock(queue));
            wake.notify_one();
        }
    }
}
