use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What became of the messages that a consumer was given.
///
/// `invoked` = `handled` + `failed` + `filtered` + `refused`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Messages given to it.
    pub invoked: u64,
    /// Handled.
    pub handled: u64,
    /// Failed: errors and panics.
    pub failed: u64,
    /// Of the failed, panics.
    pub panicked: u64,
    /// Filtered: below the gate, or in quarantine.
    pub filtered: u64,
    /// Of the filtered, those in quarantine.
    pub quarantined: u64,
    /// Handed back because the consumer has stopped.
    pub refused: u64,
    /// The trace number of the last message that it failed on; `None` if there is none, or if its messages have no traces.
    pub last_failed: Option<u64>,
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) handled: meltica_stats::Counter,
    pub(crate) failed: meltica_stats::Counter,
    pub(crate) panicked: meltica_stats::Counter,
    pub(crate) filtered: meltica_stats::Counter,
    pub(crate) quarantined: meltica_stats::Counter,
    pub(crate) refused: meltica_stats::Counter,
    /// 0 if there is none.
    pub(crate) last_failed: AtomicU64,
}

impl Counts {
    pub(crate) fn read(&self) -> Stats {
        let (handled, failed) = (self.handled.get(), self.failed.get());
        let (filtered, refused) = (self.filtered.get(), self.refused.get());
        Stats {
            invoked: handled + failed + filtered + refused,
            handled,
            failed,
            panicked: self.panicked.get(),
            filtered,
            quarantined: self.quarantined.get(),
            refused,
            last_failed: Some(self.last_failed.load(Relaxed)).filter(|trace| *trace != 0),
        }
    }
}
