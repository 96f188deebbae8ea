use std::{fmt, sync::Arc};

use crate::LaneId;

/// A failure of one consumer with one message. None is lost: it stands in the report of the joined
/// dispatch that waited for it, or else reaches the fault sink.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault<F> {
    /// The message's trace number.
    pub trace: u64,
    /// The lane.
    pub lane: LaneId,
    /// The consumer's name.
    pub consumer: Arc<str>,
    /// The thread that ran it.
    pub worker: Arc<str>,
    /// What went wrong.
    pub cause: Cause<F>,
}

/// What went wrong in a consumer.
#[derive(Clone, PartialEq, Eq)]
pub enum Cause<F> {
    /// The handler said so.
    Failed(F),
    /// The handler panicked, with this message.
    Panicked(String),
}

impl<F: fmt::Display> fmt::Display for Fault<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "consumer `{}` on {}, trace {:016x}: ", self.consumer, self.worker, self.trace)?;
        match &self.cause {
            Cause::Failed(fault) => write!(f, "{fault}"),
            Cause::Panicked(message) => write!(f, "panicked: {message}"),
        }
    }
}

impl<F> fmt::Debug for Fault<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fault")
            .field("trace", &self.trace)
            .field("consumer", &self.consumer)
            .field("worker", &self.worker)
            .field("cause", &self.cause)
            .finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for Cause<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(_) => f.write_str("Failed(..)"),
            Self::Panicked(message) => f.debug_tuple("Panicked").field(message).finish(),
        }
    }
}

/// A critical message that a consumer should have had and will not: the last chance to keep it.
#[non_exhaustive]
pub struct DeadLetter<M> {
    /// The message; dropping it sends it home.
    pub message: M,
    /// Its trace number.
    pub trace: u64,
    /// The consumer's name; the dispatcher's, of what it could not take.
    pub consumer: Arc<str>,
    /// Why it was not handled.
    pub cause: DeathCause,
}

/// Why a critical message was not handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeathCause {
    /// The handler failed, and handed it back.
    Failed,
    /// The handler takes no more.
    Refused,
    /// The consumer unsubscribed before its turn.
    Unsubscribed,
    /// The dispatcher was dropped without a shutdown that could have handed it back; or its owner
    /// [buried](crate::Dispatcher::bury) it, under the dispatcher's name.
    Abandoned,
}

impl<M> fmt::Debug for DeadLetter<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("trace", &self.trace)
            .field("consumer", &self.consumer)
            .field("cause", &self.cause)
            .finish_non_exhaustive()
    }
}
