//! Who wants to know what becomes of a message at its lanes: a dispatch that waits for it, or the
//! statistics, which measure a sample.

use std::{num::NonZeroU32, time::Instant};

use crate::{clock::Moment, receipts::is_receipt};

/// What a message carries to a lane for those who want to know. Two words: it lies on the cache line that every lane
/// reads.
#[derive(Clone, Copy, Default)]
pub(crate) struct Watch {
    /// When it was published, if it is of the sample.
    published: Option<Moment>,
    /// The joined dispatch that waits for it, or its receipt.
    pub(crate) join: Option<NonZeroU32>,
    /// Its place among the fan-outs in progress, and one more; zero if it has none.
    place: u16,
}

impl Watch {
    pub(crate) const NOBODYS: Self = Self { published: None, join: None, place: 0 };

    pub(crate) fn joined(join: Option<NonZeroU32>) -> Self {
        Self { join, ..Self::NOBODYS }
    }

    /// The same, for a lane that will not be done with it: nobody is told that it was.
    pub(crate) fn without_receipt(self) -> Self {
        Self { join: self.join.filter(|join| !is_receipt(*join)), ..self }
    }

    /// It is of the sample, was published at this time, and has this place among the fan-outs in progress, or none.
    pub(crate) fn measure(&mut self, published: Instant, place: Option<u16>) {
        self.published = Some(Moment::of(published));
        self.place = place.map_or(0, |place| place + 1);
    }

    /// When it was published, if it is of the sample.
    pub(crate) fn published(&self) -> Option<Instant> {
        self.published.map(Moment::instant)
    }

    /// Its place among the fan-outs in progress, if it has one.
    pub(crate) fn fan_out(&self) -> Option<u16> {
        self.place.checked_sub(1)
    }

    /// Whether anybody wants to know.
    #[inline]
    pub(crate) fn is_watched(&self) -> bool {
        self.join.is_some() || self.published.is_some()
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
