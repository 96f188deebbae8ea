use std::{fmt, sync::Arc};

use crate::Class;

/// How a dispatcher ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct Shutdown<M> {
    /// What was not delivered in time, critical messages first, each lane's in order.
    pub undelivered: Vec<Undelivered<M>>,
    /// The threads whose handler would not return. They are left behind: there is no way to end a
    /// thread from outside, and waiting for ever helps nobody.
    pub stuck: Vec<Arc<str>>,
    /// The consumers whose handlers these are.
    pub kept_by: Vec<Arc<str>>,
}

impl<M> Shutdown<M> {
    /// Whether everything was delivered and every thread is joined.
    pub fn is_clean(&self) -> bool {
        self.undelivered.is_empty() && self.stuck.is_empty()
    }
}

/// A message that its consumer did not get before the end. Dropping it sends it home.
#[non_exhaustive]
pub struct Undelivered<M> {
    /// The message.
    pub message: M,
    /// Its class.
    pub class: Class,
    /// The consumer that did not get it.
    pub consumer: Arc<str>,
}

impl<M> fmt::Debug for Undelivered<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Undelivered")
            .field("class", &self.class)
            .field("consumer", &self.consumer)
            .finish_non_exhaustive()
    }
}
