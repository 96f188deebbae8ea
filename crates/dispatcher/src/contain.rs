//! Where code that is not ours runs: a panic there ends nothing but itself.

use std::{
    any::Any,
    fmt,
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Runs what is not ours. If it panics, the log says `what` did, and there is no answer.
pub(crate) fn contain<R>(what: impl fmt::Display, call: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(answer) => Some(answer),
        Err(payload) => {
            let panic = message_of(payload);
            // Who listens to the log may panic too.
            let _ = catch_unwind(AssertUnwindSafe(|| tracing::error!(panic, "{what} panicked")));
            None
        }
    }
}

/// What a panic said; its payload is dropped here, and may panic again in doing so.
pub(crate) fn message_of(payload: Box<dyn Any + Send>) -> String {
    let message = match payload.downcast_ref::<&str>() {
        Some(text) => (*text).to_owned(),
        None => match payload.downcast_ref::<String>() {
            Some(text) => text.clone(),
            None => "a payload that is no text".to_owned(),
        },
    };
    drop_payload(payload);
    message
}

/// Drops a panic's payload, which may panic in turn, and so on: what still does after a few rounds
/// is left alone.
fn drop_payload(mut payload: Box<dyn Any + Send>) {
    for _ in 0..4 {
        match catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            Ok(()) => return,
            Err(again) => payload = again,
        }
    }
    let _ = ManuallyDrop::new(payload);
}
