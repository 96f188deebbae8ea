/// Which critical messages were published and which arrived, by trace id: counted at both ends, so
/// that what is lost or comes twice is seen, not assumed.
///
/// It does not grow: beyond [`ROOM`] it knows how many there were and a digest of them all, whatever their order. Two that
/// differ are then told apart, but not message by message.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    /// Each of them, while there is room; nothing once there was not.
    traces: Vec<u64>,
    count: u64,
    digest: u64,
}

/// As many are kept one by one.
const ROOM: usize = 1 << 18;

impl Default for Ledger {
    fn default() -> Self {
        Self { traces: Vec::with_capacity(ROOM), count: 0, digest: 0 }
    }
}

/// A consumer's ledger beside the publishers'.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// Arrived, each once.
    pub(crate) delivered: u64,
    /// Published, and never arrived; of more than are kept one by one, at least so many.
    pub(crate) lost: u64,
    /// Arrived again; of more than are kept one by one, at least so many.
    pub(crate) repeated: u64,
}

impl Ledger {
    pub(crate) fn note(&mut self, trace: u64) {
        match self.is_whole() && self.traces.len() < ROOM {
            true => self.traces.push(trace),
            false => self.traces.clear(),
        }
        self.count += 1;
        self.digest = self.digest.wrapping_add(mixed(trace));
    }

    pub(crate) fn add(&mut self, other: &Self) {
        let is_whole = self.is_whole() && other.is_whole();
        match is_whole && self.traces.len() + other.traces.len() <= ROOM {
            true => self.traces.extend(&other.traces),
            false => self.traces.clear(),
        }
        self.count += other.count;
        self.digest = self.digest.wrapping_add(other.digest);
    }

    pub(crate) fn len(&self) -> u64 {
        self.count
    }

    /// Whether each of them is kept.
    fn is_whole(&self) -> bool {
        self.traces.len() as u64 == self.count
    }

    /// Compares what arrived with what was published. What arrived and was never published would
    /// be a message from nowhere: it counts as repeated.
    pub(crate) fn compare(&mut self, arrived: &mut Self) -> Comparison {
        if self.is_whole() && arrived.is_whole() {
            return self.compare_each(arrived);
        }
        let (lost, repeated) = match (self.count, arrived.count) {
            (published, arrived) if published > arrived => (published - arrived, 0),
            (published, arrived) if published < arrived => (0, arrived - published),
            _ if self.digest == arrived.digest => (0, 0),
            // As many, but others.
            _ => (1, 1),
        };
        Comparison { delivered: self.count - lost, lost, repeated }
    }

    fn compare_each(&mut self, arrived: &mut Self) -> Comparison {
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

/// Bits of which each depends on all of the trace's, so that sums of other traces are other sums: the finaliser of
/// splitmix64 (Steele, Lea and Flood, 2014).
fn mixed(trace: u64) -> u64 {
    let mut bits = trace.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests;
