//! What a worker and the monitor tell one another: whether the worker is in a visit, and whether somebody is in its place.

use crate::sync::{
    AtomicU64,
    Ordering::{AcqRel, Relaxed},
};

/// Odd during a visit, even between; the next number each time. With `WRITTEN_OFF`, once somebody is in its place.
///
/// Whoever of both changes it first has decided: the worker that is back, or the monitor that has given it up.
pub(crate) struct Status(AtomicU64);

const WRITTEN_OFF: u64 = 1 << 63;

impl Status {
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// For the worker: begins a visit, after so many.
    pub(super) fn begin(&self, visits: u64) {
        self.0.store(2 * visits + 1, Relaxed);
    }

    /// For the worker: ends it. Answers whether it was written off meanwhile, and somebody is in its place.
    pub(super) fn end(&self, visits: u64) -> bool {
        self.0.swap(2 * visits + 2, AcqRel) & WRITTEN_OFF != 0
    }

    /// The visit that it is in, by number.
    pub(super) fn visit(&self) -> Option<u64> {
        let visit = self.0.load(Relaxed);
        (visit % 2 == 1).then_some(visit)
    }

    /// For the monitor: gives up a worker that is still in this visit. False if it is back.
    pub(super) fn write_off(&self, visit: u64) -> bool {
        self.0.compare_exchange(visit, visit | WRITTEN_OFF, AcqRel, Relaxed).is_ok()
    }

    /// For the monitor: nobody is in its place after all. False if it is back, and believes so.
    pub(super) fn take_back(&self, visit: u64) -> bool {
        self.0.compare_exchange(visit | WRITTEN_OFF, visit, AcqRel, Relaxed).is_ok()
    }
}
