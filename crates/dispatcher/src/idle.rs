//! What threads do that find nothing to do.

use std::{hint, thread};

/// What the dispatcher's threads do while nothing waits for their consumers: the price of a quick start is a core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenIdle {
    /// They look again for some microseconds, then give their cores away now and then, and then sleep. The publisher wakes
    /// one, which costs it some microseconds, and the message some tens.
    #[default]
    Sleep,
    /// They give their cores to whoever wants them, and look again: a core each, as long as nobody else wants it.
    Yield,
    /// They look again at once: a core each. The quickest where there are as many cores as threads, and the slowest where
    /// there are not.
    Spin,
}

impl WhenIdle {
    /// What is done between two looks by who does not sleep; what who sleeps does before that.
    #[inline]
    pub(crate) fn pause(self) {
        match self {
            Self::Spin => hint::spin_loop(),
            Self::Yield | Self::Sleep => thread::yield_now(),
        }
    }
}
