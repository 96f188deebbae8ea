use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{contain::contain, sync::lock};

type Callback = Box<dyn FnOnce() + Send>;

/// A request to stop, made once, seen by everybody who has a clone.
///
/// A cancelled dispatcher takes no more messages (they are handed back), ends a dispatch that waits,
/// and lets each lane finish the call in progress and no other. What was not delivered is handed
/// back by [`Dispatcher::shutdown`](crate::Dispatcher::shutdown).
#[derive(Clone, Default)]
pub struct Cancel {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    cancelled: AtomicBool,
    callbacks: Mutex<Vec<Callback>>,
}

impl Cancel {
    /// Not cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels; again does nothing. Runs the callbacks on this thread.
    pub fn cancel(&self) {
        // Release, with the Acquire in `is_cancelled`: what the canceller did before is seen.
        self.inner.cancelled.store(true, Ordering::Release);
        let callbacks = std::mem::take(&mut *lock(&self.inner.callbacks));
        for callback in callbacks {
            // One that panics must not keep the others from hearing of it.
            contain("a cancellation's callback", callback);
        }
    }

    /// Whether it was cancelled.
    #[inline]
    pub fn is_cancelled(&self) -> bool {
        self.inner.cancelled.load(Ordering::Acquire)
    }

    /// Runs `callback` once, when cancelled, on the thread that cancels; at once and here if that
    /// was before.
    pub fn on_cancel(&self, callback: impl FnOnce() + Send + 'static) {
        let mut callbacks = lock(&self.inner.callbacks);
        // Under the lock: `cancel` sets the flag first, so it is either seen here, or `cancel` has
        // yet to take the list.
        if self.is_cancelled() {
            drop(callbacks);
            callback();
        } else {
            callbacks.push(Box::new(callback));
        }
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cancel").field("cancelled", &self.is_cancelled()).finish()
    }
}
