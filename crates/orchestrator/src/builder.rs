use std::time::Duration;

use crate::{Merge, Orchestrator};

/// The most windows an orchestrator can have open, and the most partials one can take.
const MOST: usize = 1 << 24;

/// What becomes of a window that closes with expected sources missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Incomplete {
    /// It is dropped and counted.
    #[default]
    Suppress,
    /// It is merged, and [`Window::missing`](crate::Window::missing) says how many are: the merge is
    /// to mark what it makes.
    Mark,
}

/// How an [`Orchestrator`] is to be. Every setting has a default.
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder<M> {
    pub(crate) merge: M,
    pub(crate) window: Duration,
    pub(crate) partials: usize,
    pub(crate) windows: usize,
    pub(crate) incomplete: Incomplete,
}

impl<M: Merge> Builder<M> {
    pub(crate) fn new(merge: M) -> Self {
        Self {
            merge,
            window: Duration::from_millis(100),
            partials: 64,
            windows: 1_024,
            incomplete: Incomplete::Suppress,
        }
    }

    /// How long a window stays open, by the time given to `push` and `poll`, counted from its first
    /// partial. [`Duration::MAX`] is without end. By default 100 ms.
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// How many partials a window takes before it closes, those included that newer ones took the
    /// place of. By default 64.
    pub fn partials(mut self, partials: usize) -> Self {
        self.partials = partials;
        self
    }

    /// How many windows may be open at a time, one for each key. As many keys are remembered; beyond
    /// that, the key whose window closed longest ago gives way, and with it what is known about late
    /// partials of it. By default 1,024.
    pub fn windows(mut self, windows: usize) -> Self {
        self.windows = windows;
        self
    }

    /// What becomes of a window that closes with expected sources missing. By default it is
    /// suppressed.
    pub fn incomplete(mut self, incomplete: Incomplete) -> Self {
        self.incomplete = incomplete;
        self
    }

    /// The orchestrator.
    ///
    /// # Errors
    ///
    /// [`BuildError`] for a setting that cannot be.
    pub fn build(self) -> Result<Orchestrator<M>, BuildError> {
        self.check()?;
        Ok(Orchestrator::new(self))
    }

    pub(crate) fn check(&self) -> Result<(), BuildError> {
        for (setting, value) in [("partials", self.partials), ("windows", self.windows)] {
            if value == 0 {
                return Err(BuildError::NoRoom { setting });
            }
            if value > MOST {
                return Err(BuildError::TooMuch { setting, value });
            }
        }
        Ok(())
    }
}

/// Why there is no orchestrator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A bound of zero.
    #[error(
        "{setting} is zero, so that nothing could ever be merged; give it room for one at least"
    )]
    NoRoom {
        /// Which setting.
        setting: &'static str,
    },
    /// A bound beyond what can be addressed.
    #[error("{setting} is {value} where 16,777,216 is the most")]
    TooMuch {
        /// Which setting.
        setting: &'static str,
        /// What it is.
        value: usize,
    },
}
