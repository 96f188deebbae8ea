use std::sync::{Arc, Mutex, PoisonError};

/// Which messages something happened to, as far as constant memory can tell: two that were told the
/// same trace ids, each as often, are equal, and others hardly ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traces {
    pub(crate) count: u64,
    sum: u64,
    xor: u64,
}

impl Traces {
    pub(crate) fn note(&mut self, trace: u64) {
        self.add(&Self { count: 1, sum: trace, xor: trace });
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.sum = self.sum.wrapping_add(other.sum);
        self.xor ^= other.xor;
    }
}

/// The same, told by many threads.
#[derive(Clone, Default)]
pub(crate) struct SharedTraces(Arc<Mutex<Traces>>);

impl SharedTraces {
    pub(crate) fn note(&self, trace: u64) {
        // Nothing panics under it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).note(trace);
    }

    pub(crate) fn read(&self) -> Traces {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
