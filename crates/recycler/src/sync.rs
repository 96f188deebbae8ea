//! The primitives whose ordering this crate relies on: std's, or loom's where a model runs.

#[cfg(not(meltica_loom))]
pub(crate) use std::{
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence},
    },
    thread::{Thread, current, park_timeout},
};

#[cfg(meltica_loom)]
pub(crate) use loom::{
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence},
    },
    thread::{Thread, current},
};

/// Locks, and carries on where another thread panicked: nothing behind these locks is ever left
/// half done, since no foreign code runs while one is held.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Nothing, but in loom, which takes SeqCst accesses for acquire and release, a fence in their place.
#[inline(always)]
pub(crate) fn fence_for_loom() {
    #[cfg(meltica_loom)]
    loom::sync::atomic::fence(Ordering::SeqCst);
}

/// In loom no time passes: whoever parks is woken, or the model says that nobody does.
#[cfg(meltica_loom)]
pub(crate) fn park_timeout(_: std::time::Duration) {
    loom::thread::park();
}

#[cfg(meltica_loom)]
pub(crate) use loom::cell::UnsafeCell;

/// std's cell behind the interface of loom's, so that one source serves both.
#[cfg(not(meltica_loom))]
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(meltica_loom))]
impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    #[inline(always)]
    pub(crate) fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        read(self.0.get())
    }

    #[inline(always)]
    pub(crate) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        write(self.0.get())
    }
}
