//! What is left to chance in an endurance run, and is the same for the same seed.

/// 64 bits that look random, of a number.
pub(crate) const fn draw(number: u64, seed: u64) -> u64 {
    // The finalizer of SplitMix64, which sends no two numbers to one.
    let mut bits =
        number.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ seed.wrapping_mul(0xD1B5_4A32_D192_ED03);
    bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ bits >> 31
}

/// For which messages a consumer panics, and which one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lot {
    /// Of 2³² messages, for how many somebody panics.
    panicking: u64,
    consumers: u64,
    seed: u64,
}

impl Lot {
    /// For a share of `rate` of all messages, from 0 to 1, one of so many consumers panics.
    pub(crate) fn new(rate: f64, consumers: usize, seed: u64) -> Self {
        // Other numbers than those by which the traffic is drawn.
        let seed = draw(seed, 1);
        Self { panicking: (rate * (1u64 << 32) as f64) as u64, consumers: consumers as u64, seed }
    }

    /// The consumer, from 0, on whom the message of this number in this stream falls.
    pub(crate) fn falls_on(&self, stream: usize, number: u64) -> Option<usize> {
        let bits = draw((stream as u64) << 48 ^ number, self.seed);
        let (high, low) = (bits >> 32, bits & 0xFFFF_FFFF);
        (high < self.panicking).then_some(((low * self.consumers) >> 32) as usize)
    }
}

#[cfg(test)]
mod tests;
