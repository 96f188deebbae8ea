//! The primitives whose ordering this crate relies on: std's, or loom's where a model runs.

#[cfg(not(meltica_loom))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, atomic::AtomicU64};

#[cfg(meltica_loom)]
pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard, atomic::AtomicU64};

/// Locks, and carries on where another thread panicked: nothing behind these locks is ever left
/// half done, since no foreign code runs while one is held.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
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

    #[inline]
    pub(crate) fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        read(self.0.get())
    }

    #[inline]
    pub(crate) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        write(self.0.get())
    }
}
