//! Locks, and the primitives whose ordering this crate relies on: std's, or loom's where a model runs.
//!
//! What a model is to see goes through here. Locks of std's are left to what holds them for a moment only, and meets no
//! primitive of these meanwhile.

use std::{sync::PoisonError, time::Duration};

#[cfg(not(meltica_loom))]
pub(crate) use std::{
    sync::{
        Condvar, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence},
    },
    thread,
};

#[cfg(meltica_loom)]
pub(crate) use loom::{
    cell::UnsafeCell,
    sync::{
        Condvar, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence},
    },
    thread,
};

/// Locks, and carries on where another thread panicked: only a user's `Protocol` can panic under
/// one of this crate's locks, and leaves at worst one message half folded.
#[cfg(not(meltica_loom))]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(meltica_loom)]
pub(crate) fn lock<L: Lock>(mutex: &L) -> L::Guard<'_> {
    mutex.guard()
}

/// A lock of std's or of loom's.
#[cfg(meltica_loom)]
pub(crate) trait Lock {
    type Guard<'a>
    where
        Self: 'a;

    fn guard(&self) -> Self::Guard<'_>;
}

#[cfg(meltica_loom)]
impl<T> Lock for Mutex<T> {
    type Guard<'a>
        = MutexGuard<'a, T>
    where
        T: 'a;

    fn guard(&self) -> MutexGuard<'_, T> {
        self.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(meltica_loom)]
impl<T> Lock for std::sync::Mutex<T> {
    type Guard<'a>
        = std::sync::MutexGuard<'a, T>
    where
        T: 'a;

    fn guard(&self) -> std::sync::MutexGuard<'_, T> {
        self.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(meltica_loom)]
impl<L: Lock> Lock for std::sync::Arc<L> {
    type Guard<'a>
        = L::Guard<'a>
    where
        L: 'a;

    fn guard(&self) -> L::Guard<'_> {
        (**self).guard()
    }
}

pub(crate) fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    condvar.wait(guard).unwrap_or_else(PoisonError::into_inner)
}

/// In loom no time passes: whoever waits is told, or the model says that nobody does.
pub(crate) fn wait_for<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    limit: Duration,
) -> MutexGuard<'a, T> {
    condvar.wait_timeout(guard, limit).unwrap_or_else(PoisonError::into_inner).0
}

/// How often who finds nothing looks again before it sleeps. In loom not at all: that would be so many interleavings
/// which differ in nothing.
pub(crate) const fn looks(looks: u32) -> u32 {
    if cfg!(meltica_loom) { 0 } else { looks }
}

/// std's cell behind the interface of loom's, so that one source serves both.
#[cfg(not(meltica_loom))]
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
