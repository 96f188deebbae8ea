//! Foreign code that panics where nobody can be told: its panic ends here.

use std::{
    any::Any,
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Runs it; what it panics with, if it does, is dropped.
#[inline(always)]
pub(crate) fn contained<R>(foreign: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(foreign)) {
        Ok(result) => Some(result),
        Err(payload) => {
            drop_payload(payload);
            None
        }
    }
}

/// Drops a panic's payload, which may panic in turn, and so on: what still does after a few rounds
/// is left alone.
#[cold]
fn drop_payload(mut payload: Box<dyn Any + Send>) {
    for _ in 0..4 {
        match catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            Ok(()) => return,
            Err(again) => payload = again,
        }
    }
    let _ = ManuallyDrop::new(payload);
}
