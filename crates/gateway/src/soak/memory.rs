//! Whether resident memory grows (SC-002).

use std::time::Duration;

use serde::Serialize;

use crate::process::resident;

/// How many samples a run takes, evenly.
const SAMPLES: usize = 400;
/// How many of them are told.
const TOLD: usize = 100;
/// What it takes to be judged: this many samples, so that a tenth of them has a mean, and this long a
/// run, so that its second tenth is not part of warming up.
const LEAST_SAMPLES: usize = 100;
const LEAST_TIME: Duration = Duration::from_secs(60);
/// What the difference of the last tenth's mean from the second tenth's must stay below, as a share.
pub(crate) const BAR: f64 = 0.01;

/// Resident memory over a run, in room that was made before.
pub(crate) struct Samples {
    bytes: Vec<u64>,
    /// How many were due so far.
    due: usize,
}

impl Samples {
    pub(crate) fn new() -> Self {
        Self { bytes: Vec::with_capacity(SAMPLES), due: 0 }
    }

    /// Takes a sample if one is due when so much of the run, from 0 to 1, is over.
    pub(crate) fn take(&mut self, over: f64) {
        let due = ((over * SAMPLES as f64) as usize).min(SAMPLES);
        if due > self.due {
            self.due = due;
            self.bytes.extend(resident());
        }
    }

    /// What they say; `None` if there is not one for each tenth.
    pub(crate) fn memory(&self, elapsed: Duration) -> Option<Memory> {
        Memory::of(&self.bytes, elapsed)
    }

    /// No more than a hundred of them, evenly.
    pub(crate) fn thinned(&self) -> Vec<u64> {
        let step = self.bytes.len().div_ceil(TOLD).max(1);
        self.bytes.iter().copied().step_by(step).collect()
    }
}

/// How resident memory went.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Memory {
    samples: usize,
    /// The mean of the second tenth of the samples.
    second_tenth_bytes: f64,
    last_tenth_bytes: f64,
    /// The one beside the other: 0.01 is a hundredth more.
    pub(crate) growth: f64,
    /// Whether it stayed within the bar; null if the run was too short to tell.
    pub(crate) flat: Option<bool>,
}

impl Memory {
    pub(crate) fn of(bytes: &[u64], elapsed: Duration) -> Option<Self> {
        let (second, last) = (tenth(bytes, 1)?, tenth(bytes, 9)?);
        let growth = last / second - 1.0;
        let judged = bytes.len() >= LEAST_SAMPLES && elapsed >= LEAST_TIME;
        Some(Self {
            samples: bytes.len(),
            second_tenth_bytes: second,
            last_tenth_bytes: last,
            growth,
            flat: judged.then_some(growth.abs() < BAR),
        })
    }
}

/// The mean of one tenth, from 0 to 9; `None` if nothing is in it.
fn tenth(bytes: &[u64], index: usize) -> Option<f64> {
    let at = |tenths| bytes.len() * tenths / 10;
    let tenth = &bytes[at(index)..at(index + 1)];
    let sum: u64 = tenth.iter().sum();
    (!tenth.is_empty()).then(|| sum as f64 / tenth.len() as f64)
}

#[cfg(test)]
mod tests;
