use std::time::Duration;

/// How long to wait before the next attempt: twice as long after each, with jitter, so that clients
/// that were cut off together don't come back together.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    most: Duration,
    failures: u32,
}

impl Backoff {
    /// Waits `first` after the first failure, and never longer than `most`.
    pub(crate) fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, failures: 0 }
    }

    /// Another attempt failed: how long to wait, between half of what is due and all of it.
    pub(crate) fn next(&mut self) -> Duration {
        let doubled = self.first.saturating_mul(1 << self.failures.min(20));
        self.failures = self.failures.saturating_add(1);
        let due = doubled.min(self.most);
        let half = u64::try_from((due / 2).as_nanos()).unwrap_or(u64::MAX);
        due / 2 + Duration::from_nanos(fastrand::u64(..=half))
    }

    /// An attempt has proved itself: the next failure is the first.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests;
