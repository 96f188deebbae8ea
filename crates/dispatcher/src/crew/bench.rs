//! Where the workers for all sleep, and how they are woken.
//!
//! Who sleeps says so, and then looks once more whether there is something to do; who has something to do says what, and
//! then looks whether anybody is awake. With a fence between each two, one of both sees what the other said. It takes
//! nobody more to be woken while somebody is awake: that one looks again before it sleeps.

use crate::sync::{
    AtomicBool, AtomicUsize, Condvar, Mutex,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
    fence, lock, wait,
};

pub(super) struct Bench {
    /// How many workers for all are awake, or about to be.
    awake: AtomicUsize,
    /// Nothing more will come: who finds nothing ends.
    is_draining: AtomicBool,
    sleepers: Mutex<Sleepers>,
    wake: Condvar,
}

#[derive(Default)]
struct Sleepers {
    sleeping: usize,
    /// How many of the sleepers are to wake.
    called: usize,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self {
            awake: AtomicUsize::new(0),
            is_draining: AtomicBool::new(false),
            sleepers: Mutex::new(Sleepers::default()),
            wake: Condvar::new(),
        }
    }

    /// One more is awake.
    pub(super) fn join(&self) {
        self.awake.fetch_add(1, Relaxed);
    }

    /// One that was awake is not among them any more.
    pub(super) fn leave(&self) {
        self.awake.fetch_sub(1, Relaxed);
    }

    #[inline]
    pub(super) fn all_sleep(&self) -> bool {
        self.awake.load(Relaxed) == 0
    }

    /// Wakes up to so many.
    #[cold]
    pub(super) fn call(&self, most: usize) {
        let mut sleepers = lock(&self.sleepers);
        let called = sleepers.sleeping.min(most);
        if called == 0 {
            return;
        }
        sleepers.sleeping -= called;
        sleepers.called += called;
        // In their name, so that nobody else is woken for the same.
        self.awake.fetch_add(called, Relaxed);
        drop(sleepers);
        for _ in 0..called {
            self.wake.notify_one();
        }
    }

    /// Sleeps until called, unless there is something to do after all.
    pub(super) fn sleep(&self, is_idle: impl Fn() -> bool) {
        let mut sleepers = lock(&self.sleepers);
        sleepers.sleeping += 1;
        self.awake.fetch_sub(1, Relaxed);
        fence(SeqCst);
        if !is_idle() {
            sleepers.sleeping -= 1;
            self.awake.fetch_add(1, Relaxed);
            return;
        }
        while sleepers.called == 0 {
            sleepers = wait(&self.wake, sleepers);
        }
        sleepers.called -= 1;
    }

    /// Nothing more will come: the workers end when they have run through what there is.
    pub(super) fn drain(&self) {
        // Release: who sees it sees what was published before.
        self.is_draining.store(true, Release);
        fence(SeqCst);
        self.call(usize::MAX);
    }

    /// For a worker that is about to look at the lanes: whether it is to end if it finds nothing there.
    pub(super) fn is_last_round(&self) -> bool {
        let is_last = self.is_draining();
        if is_last {
            // Who gives a lane back looks at this then, after a fence. One of both sees the other's.
            fence(SeqCst);
        }
        is_last
    }

    pub(super) fn is_draining(&self) -> bool {
        self.is_draining.load(Acquire)
    }
}
