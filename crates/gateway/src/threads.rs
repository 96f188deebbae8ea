use std::time::Duration;

use crate::process::threads as count;

/// Counts the threads that are left behind.
pub(crate) struct Baseline(Option<u64>);

impl Baseline {
    /// As many as there are now are not to be blamed.
    pub(crate) fn now() -> Self {
        Self(count())
    }

    /// How many more there are. A thread that was joined may be listed for another moment.
    pub(crate) fn leaked(&self) -> Option<u64> {
        let before = self.0?;
        for _ in 0..100 {
            if count()? <= before {
                return Some(0);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Some(count()?.saturating_sub(before))
    }
}
