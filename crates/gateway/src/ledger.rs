/// Which critical messages were published and which arrived, by trace id: counted at both ends, so
/// that what is lost or comes twice is seen, not assumed.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    traces: Vec<u64>,
}

/// Room for so many before a ledger has to allocate.
const ROOM: usize = 1 << 18;

impl Default for Ledger {
    fn default() -> Self {
        Self { traces: Vec::with_capacity(ROOM) }
    }
}

/// A consumer's ledger beside the publishers'.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// Arrived, each once.
    pub(crate) delivered: u64,
    /// Published, and never arrived.
    pub(crate) lost: u64,
    /// Arrived again.
    pub(crate) repeated: u64,
}

impl Ledger {
    pub(crate) fn note(&mut self, trace: u64) {
        self.traces.push(trace);
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.traces.extend(&other.traces);
    }

    pub(crate) fn len(&self) -> u64 {
        self.traces.len() as u64
    }

    /// Compares what arrived with what was published. What arrived and was never published would
    /// be a message from nowhere: it counts as repeated.
    pub(crate) fn compare(&mut self, arrived: &mut Self) -> Comparison {
        self.traces.sort_unstable();
        arrived.traces.sort_unstable();
        let mut comparison = Comparison::default();
        let mut arrivals = arrived.traces.iter().peekable();
        for published in &self.traces {
            while arrivals.next_if(|trace| *trace < published).is_some() {
                comparison.repeated += 1;
            }
            if arrivals.next_if_eq(&published).is_some() {
                comparison.delivered += 1;
            } else {
                comparison.lost += 1;
            }
        }
        comparison.repeated += arrivals.count() as u64;
        comparison
    }
}

#[cfg(test)]
mod tests;
