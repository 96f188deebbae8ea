use std::ops::{Deref, DerefMut};

/// A message as it reaches a consumer: the consumer's own, and with word of what it missed. Reads
/// as the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery<M> {
    /// The message.
    pub message: M,
    /// What this consumer will not see of the message's stream, since the last delivery of it.
    pub skipped: Skipped,
}

impl<M> Delivery<M> {
    /// A delivery of everything: for tests, and for running a handler by hand.
    pub const fn new(message: M) -> Self {
        Self { message, skipped: Skipped { folded: 0, dropped: 0, missing: 0 } }
    }

    /// The message alone.
    pub fn into_message(self) -> M {
        self.message
    }
}

impl<M> Deref for Delivery<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.message
    }
}

impl<M> DerefMut for Delivery<M> {
    fn deref_mut(&mut self) -> &mut M {
        &mut self.message
    }
}

/// Messages of a stream that a consumer did not get one by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Folded into the message delivered: their effect is in it.
    pub folded: u64,
    /// Gone: for lack of room or of a duplicate, or filtered on purpose; or because what lies between them
    /// and the message delivered never came, so that they could not be folded.
    pub dropped: u64,
    /// Numbers of a dense stream that never came, and were not waited for any longer.
    pub missing: u64,
}

impl Skipped {
    /// Whether nothing was missed.
    pub const fn is_nothing(self) -> bool {
        self.folded == 0 && self.dropped == 0 && self.missing == 0
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.folded += other.folded;
        self.dropped += other.dropped;
        self.missing += other.missing;
    }
}

/// What a handler made of a delivery. Handlers may return `()`, a `Result` or this.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict<M, F> {
    /// Done.
    Handled,
    /// Not for this consumer at this time, on purpose.
    Filtered,
    /// It went wrong. A message that is handed back goes to the dead-letter sink if it is critical.
    Failed {
        /// How.
        fault: F,
        /// The message, if the handler still has it.
        message: Option<M>,
    },
    /// The handler takes no more: not a failure of this message. It goes to the dead-letter sink if
    /// it is critical.
    Refused(M),
}

impl<M, F> From<()> for Verdict<M, F> {
    fn from((): ()) -> Self {
        Self::Handled
    }
}

impl<M, F> From<Result<(), F>> for Verdict<M, F> {
    fn from(result: Result<(), F>) -> Self {
        match result {
            Ok(()) => Self::Handled,
            Err(fault) => Self::Failed { fault, message: None },
        }
    }
}
