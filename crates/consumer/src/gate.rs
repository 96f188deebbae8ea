use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// The least routing version of market data that a consumer accepts. Clones are handles to the same
/// gate, for any thread; a new one is at zero and lets everything pass.
///
/// A message's check is one atomic load, and that load is the start of its handling: a message
/// whose check comes after the gate has moved is judged by where it moved to, so no stale one starts
/// from then on. One that was let in before may still be running.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<AtomicU64>);

impl Gate {
    /// A gate at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves the gate up to `version`, never down: what a flip does. Answers where it was.
    pub fn raise(&self, version: u64) -> u64 {
        // SeqCst, with the load in `admits`: the mover's next step (telling somebody that stale
        // data is over) and the check must be seen in one order by everybody.
        self.0.fetch_max(version, Ordering::SeqCst)
    }

    /// Sets the gate by hand, down too. Answers where it was.
    pub fn set(&self, version: u64) -> u64 {
        self.0.swap(version, Ordering::SeqCst)
    }

    /// The least version accepted at this moment.
    pub fn version(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// Whether market data of this version may start now.
    #[inline]
    pub fn admits(&self, version: u64) -> bool {
        version >= self.0.load(Ordering::SeqCst)
    }
}
