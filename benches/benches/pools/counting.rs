use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

static COUNTS: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

/// Tells the counter of an allocation, if somebody counts.
#[inline]
pub(crate) fn tell() {
    if COUNTS.load(Relaxed) {
        ALLOCATIONS.fetch_add(1, Relaxed);
    }
}

/// Runs something, and says how often any thread allocated meanwhile.
pub(crate) fn allocations<R>(run: impl FnOnce() -> R) -> (R, u64) {
    COUNTS.store(true, Relaxed);
    let before = ALLOCATIONS.load(Relaxed);
    let result = run();
    let after = ALLOCATIONS.load(Relaxed);
    COUNTS.store(false, Relaxed);
    (result, after - before)
}

/// The system's allocator, with a look at a flag before each allocation.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: every call is passed on as it is.
#[expect(unsafe_code, reason = "an allocator is unsafe")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        tell();
        // SAFETY: passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: passed on.
        unsafe { System.dealloc(memory, layout) }
    }
}
