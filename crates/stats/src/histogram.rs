use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Each power of two is cut into this many equal buckets (as a power of two itself).
const SUB_BITS: u32 = 5;
const SUB: usize = 1 << SUB_BITS;
/// Values below `SUB` have a bucket each; above, every one of the 59 remaining powers has `SUB`.
const BUCKETS: usize = SUB + (64 - SUB_BITS as usize) * SUB;

/// How often each magnitude of a `u64` occurred: log-linear buckets, exact below 32 and within
/// 1/32 (3.1 %) of the value above, over the whole range of `u64`.
///
/// One writer at a time, as with [`Counter`](crate::Counter): an update is four loads and stores.
/// Any thread may take a [`snapshot`](Self::snapshot). 15 KiB, allocated once.
pub struct Histogram {
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
    max: AtomicU64,
}

impl Histogram {
    /// An empty histogram.
    pub fn new() -> Self {
        let buckets: Box<[_]> = (0..BUCKETS).map(|_| AtomicU64::new(0)).collect();
        // Zeros are had from the system unwritten. Written to, they are there before the first long wait is counted.
        buckets.iter().for_each(|bucket| bucket.store(0, Relaxed));
        Self { buckets, sum: AtomicU64::new(0), max: AtomicU64::new(0) }
    }

    /// Counts one occurrence of `value`.
    #[inline]
    pub fn record(&self, value: u64) {
        // Relaxed throughout, and load-then-store: one writer, and readers who accept that a
        // snapshot may be torn by the update in progress.
        let bucket = &self.buckets[bucket_of(value)];
        bucket.store(bucket.load(Relaxed) + 1, Relaxed);
        self.sum.store(self.sum.load(Relaxed).wrapping_add(value), Relaxed);
        if value > self.max.load(Relaxed) {
            self.max.store(value, Relaxed);
        }
    }

    /// A copy to compute with. Costs a pass over the buckets; an update in progress may be seen
    /// half done (a count without its sum), never worse.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            buckets: self.buckets.iter().map(|bucket| bucket.load(Relaxed)).collect(),
            sum: u128::from(self.sum.load(Relaxed)),
            max: self.max.load(Relaxed),
        }
    }
}

/// A [`Histogram`] that any thread may write to, at the price of two atomic additions an update
/// (some 10 ns alone, more when contended).
#[derive(Debug, Default)]
pub struct SharedHistogram(Histogram);

impl SharedHistogram {
    /// An empty histogram.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one occurrence of `value`; nothing is lost whoever else counts.
    #[inline]
    pub fn record(&self, value: u64) {
        let Self(histogram) = self;
        histogram.buckets[bucket_of(value)].fetch_add(1, Relaxed);
        histogram.sum.fetch_add(value, Relaxed);
        if value > histogram.max.load(Relaxed) {
            histogram.max.fetch_max(value, Relaxed);
        }
    }

    /// A copy to compute with: see [`Histogram::snapshot`].
    pub fn snapshot(&self) -> Snapshot {
        self.0.snapshot()
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Histogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Histogram").field("max", &self.max).finish_non_exhaustive()
    }
}

/// What a [`Histogram`] held at one moment. Snapshots of several histograms add up.
#[derive(Clone, PartialEq, Eq)]
pub struct Snapshot {
    buckets: Box<[u64]>,
    sum: u128,
    max: u64,
}

impl Snapshot {
    /// A snapshot of nothing, to add others to.
    pub fn empty() -> Self {
        Self { buckets: vec![0; BUCKETS].into(), sum: 0, max: 0 }
    }

    /// How many values were recorded.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The sum of all values, modulo 2⁶⁴ per histogram (584 years, if they are nanoseconds).
    pub fn sum(&self) -> u128 {
        self.sum
    }

    /// The greatest value, exactly; `None` if nothing was recorded.
    pub fn max(&self) -> Option<u64> {
        (self.count() > 0).then_some(self.max)
    }

    /// The value that a share `q` of all values (0 to 1, clamped) does not exceed, to within 1/32
    /// of it: the upper end of its bucket, but never more than the maximum. `None` if nothing was
    /// recorded.
    pub fn quantile(&self, q: f64) -> Option<u64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let wanted = ((q.clamp(0.0, 1.0) * count as f64).ceil() as u64).clamp(1, count);
        let mut seen = 0;
        for (index, in_bucket) in self.buckets.iter().enumerate() {
            seen += in_bucket;
            if seen >= wanted {
                return Some(upper_end(index).min(self.max));
            }
        }
        Some(self.max)
    }

    /// How many values were at most `value`, to within a bucket: those within 1/32 of it may count as
    /// above.
    pub fn count_at_most(&self, value: u64) -> u64 {
        let whole = value.checked_add(1).map_or(BUCKETS, bucket_of);
        self.buckets[..whole].iter().sum()
    }

    /// Adds what another snapshot holds.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.sum += other.sum;
        self.max = self.max.max(other.max);
    }

    /// Every bucket that is not empty, as (greatest value it takes, occurrences), in order.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.buckets
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
            .map(|(index, count)| (upper_end(index), *count))
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot")
            .field("count", &self.count())
            .field("sum", &self.sum)
            .field("max", &self.max)
            .finish_non_exhaustive()
    }
}

#[inline]
fn bucket_of(value: u64) -> usize {
    if value < SUB as u64 {
        return value as usize;
    }
    let power = 63 - value.leading_zeros();
    let sub = (value >> (power - SUB_BITS)) as usize & (SUB - 1);
    SUB + (power - SUB_BITS) as usize * SUB + sub
}

/// The greatest value that falls into bucket `index`.
fn upper_end(index: usize) -> u64 {
    if index < SUB {
        return index as u64;
    }
    let power = (index - SUB) / SUB + SUB_BITS as usize;
    let sub = (index - SUB) % SUB;
    let width = 1u64 << (power - SUB_BITS as usize);
    // In this order the topmost bucket does not overflow.
    (1u64 << power) + (width - 1) + sub as u64 * width
}

#[cfg(test)]
mod tests;
