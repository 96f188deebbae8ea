//! Who wants to know what becomes of a message at its lanes: a dispatch that waits for it, or the
//! statistics, which measure a sample.

use std::time::Instant;

/// What a message carries to a lane for those who want to know.
#[derive(Clone, Copy, Default)]
pub(crate) struct Watch {
    /// The joined dispatch that waits for it.
    pub(crate) join: Option<u64>,
    pub(crate) probe: Option<Probe>,
}

/// A message of the sample.
#[derive(Clone, Copy)]
pub(crate) struct Probe {
    /// When it was published.
    pub(crate) at: Instant,
    /// Its place among the fan-outs in progress, if there was one.
    pub(crate) fan_out: Option<u32>,
}

impl Watch {
    pub(crate) const NOBODYS: Self = Self { join: None, probe: None };

    pub(crate) fn joined(join: Option<u64>) -> Self {
        Self { join, probe: None }
    }

    /// Whether anybody wants to know.
    pub(crate) fn is_watched(&self) -> bool {
        self.join.is_some() || self.probe.is_some()
    }
}

/// Chooses one message in so many, on average and irregularly: what comes in turn (four instruments,
/// say) must not always fall on the same.
pub(crate) struct Sampler {
    one_in: u32,
    left: u64,
    random: u64,
}

impl Sampler {
    /// One in so many; zero chooses none.
    pub(crate) fn new(one_in: u32) -> Self {
        Self { one_in, left: 1, random: 0x9E37_79B9_7F4A_7C15 }
    }

    /// Whether the next message is chosen.
    #[inline]
    pub(crate) fn chooses(&mut self) -> bool {
        if self.one_in == 0 {
            return false;
        }
        self.left -= 1;
        if self.left > 0 {
            return false;
        }
        // Marsaglia's xorshift.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        // From 1 to twice the mean less one.
        self.left = 1 + self.random % (2 * u64::from(self.one_in) - 1);
        true
    }
}

#[cfg(test)]
mod tests;
