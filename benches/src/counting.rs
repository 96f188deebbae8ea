//! How often is memory allocated?

use std::{
    alloc::{GlobalAlloc, Layout},
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

static COUNTS: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

/// Tells the counter of an allocation, if somebody counts.
#[inline]
pub fn tell() {
    if COUNTS.load(Relaxed) {
        ALLOCATIONS.fetch_add(1, Relaxed);
    }
}

/// Runs something, and says how often any thread allocated meanwhile.
pub fn allocations<R>(run: impl FnOnce() -> R) -> (R, u64) {
    COUNTS.store(true, Relaxed);
    let before = ALLOCATIONS.load(Relaxed);
    let result = run();
    let after = ALLOCATIONS.load(Relaxed);
    COUNTS.store(false, Relaxed);
    (result, after - before)
}

/// An allocator, with a look at a flag before each allocation. To be the global one of a bench.
pub struct Counting<A>(pub A);

// SAFETY: every call is passed on as it is.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Counting<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        tell();
        // SAFETY: passed on.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: passed on.
        unsafe { self.0.dealloc(memory, layout) }
    }
}
