use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The highest value ever seen, from any thread.
#[derive(Debug, Default)]
pub struct Peak(AtomicU64);

impl Peak {
    /// A peak of zero.
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Raises the peak to `value` where that is higher: one load, and a locked instruction only
    /// when there is a new peak.
    #[inline]
    pub fn raise(&self, value: u64) {
        if value > self.0.load(Relaxed) {
            self.0.fetch_max(value, Relaxed);
        }
    }

    /// The highest value so far; zero if there was none.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

#[cfg(test)]
mod tests;
