use std::collections::VecDeque;

use fastrand::Rng;

/// Of the frames of a venue that is to have faults, one in so many has one.
pub(crate) const ONE_IN: u32 = 32;

/// What happens to frames on their way, and to the connection they are on: by chance, from a seed, or
/// as planned.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    rng: Rng,
    /// By chance, one frame in so many; none for zero.
    one_in: u32,
    /// The number of a frame, from 0, and its fault; in order.
    planned: VecDeque<(u64, Fault)>,
    /// Whether a digit that was changed is noticed, for there is a checksum.
    notices_digits: bool,
    seen: u64,
    /// Frames that are delayed, each until so many have been seen.
    held: Vec<(u64, String)>,
    happened: u64,
}

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The frame is lost.
    Lost,
    /// It comes twice.
    Repeated,
    /// It comes after the next.
    Swapped,
    /// It comes after up to twenty others.
    Delayed,
    /// It ends too early.
    Cut,
    /// A byte is one that no JSON has, or, where there is a checksum, a digit is another.
    Corrupted,
    /// The connection ends, with a farewell.
    Closed,
    /// The connection ends without one.
    Dropped,
    /// Nothing comes any more, though the connection stands.
    #[cfg_attr(not(test), expect(dead_code, reason = "only tests have the time for it"))]
    Silent,
}

/// What is to be done with a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Send(String),
    Close,
    Drop,
    Silence,
}

impl Script {
    /// Nothing goes wrong.
    pub(crate) fn none() -> Self {
        Self::planned([])
    }

    /// One frame in so many has a fault, any but silence, as this seed has it.
    pub(crate) fn seeded(seed: u64, one_in: u32, notices_digits: bool) -> Self {
        Self { rng: Rng::with_seed(seed), one_in, notices_digits, ..Self::none() }
    }

    /// Frames of these numbers, from 0 and over all connections, have these faults.
    pub(crate) fn planned(faults: impl IntoIterator<Item = (u64, Fault)>) -> Self {
        Self {
            rng: Rng::with_seed(0),
            one_in: 0,
            planned: faults.into_iter().collect(),
            notices_digits: false,
            seen: 0,
            held: vec![],
            happened: 0,
        }
    }

    /// All is well from now on.
    pub(super) fn calm(&mut self) {
        self.one_in = 0;
        self.planned.clear();
    }

    /// How many faults there have been.
    pub(super) fn happened(&self) -> u64 {
        self.happened
    }

    /// Whether the answer to a request has a fault.
    pub(super) fn spoils_answer(&mut self) -> bool {
        let spoilt = self.one_in > 0 && self.rng.u8(..4) == 0;
        self.happened += u64::from(spoilt);
        spoilt
    }

    /// The connection is gone, and all that was delayed with it.
    pub(super) fn closed(&mut self) {
        self.held.clear();
    }

    /// What was delayed and need not be any more.
    pub(super) fn release(&mut self, out: &mut Vec<Act>) {
        out.extend(self.held.drain(..).map(|(_, frame)| Act::Send(frame)));
    }

    /// What becomes of a frame.
    pub(super) fn pass(&mut self, frame: &str, out: &mut Vec<Act>) {
        let number = self.seen;
        self.seen += 1;
        match self.fault(number) {
            None => out.push(Act::Send(frame.to_owned())),
            Some(fault) => {
                self.happened += 1;
                self.spoil(fault, frame, out);
            }
        }
        let seen = self.seen;
        let due = self.held.extract_if(.., |(until, _)| *until < seen);
        out.extend(due.map(|(_, frame)| Act::Send(frame)));
    }

    fn fault(&mut self, number: u64) -> Option<Fault> {
        if self.planned.front().is_some_and(|(planned, _)| *planned <= number) {
            return self.planned.pop_front().map(|(_, fault)| fault);
        }
        if self.one_in == 0 || self.rng.u32(..self.one_in) != 0 {
            return None;
        }
        const CHANCE: [Fault; 8] = [
            Fault::Lost,
            Fault::Repeated,
            Fault::Swapped,
            Fault::Delayed,
            Fault::Cut,
            Fault::Corrupted,
            Fault::Closed,
            Fault::Dropped,
        ];
        self.rng.choice(CHANCE)
    }

    fn spoil(&mut self, fault: Fault, frame: &str, out: &mut Vec<Act>) {
        match fault {
            Fault::Lost => {}
            Fault::Repeated => {
                out.extend([Act::Send(frame.to_owned()), Act::Send(frame.to_owned())]);
            }
            Fault::Swapped => self.held.push((self.seen, frame.to_owned())),
            Fault::Delayed => {
                let until = self.seen + self.rng.u64(2..20);
                self.held.push((until, frame.to_owned()));
            }
            Fault::Cut => {
                let end = self.rng.usize(..frame.len().max(1));
                let end = (0..=end).rev().find(|end| frame.is_char_boundary(*end)).unwrap_or(0);
                out.push(Act::Send(frame[..end].to_owned()));
            }
            Fault::Corrupted => out.push(Act::Send(self.corrupt(frame))),
            Fault::Closed => out.push(Act::Close),
            Fault::Dropped => out.push(Act::Drop),
            Fault::Silent => out.push(Act::Silence),
        }
    }

    fn corrupt(&mut self, frame: &str) -> String {
        let mut bytes = frame.as_bytes().to_vec();
        // What stands between is what the checksum is of.
        let covered = frame.find("\"bids\"").zip(frame.find("\"checksum\""));
        if let Some((start, end)) = covered.filter(|_| self.notices_digits && self.rng.bool()) {
            let digits = (start..end).filter(|at| bytes[*at].is_ascii_digit());
            let digits: Vec<_> = digits.collect();
            if let Some(at) = self.rng.choice(digits) {
                bytes[at] = b'0' + (bytes[at] - b'0' + self.rng.u8(1..10)) % 10;
                return String::from_utf8(bytes).unwrap_or_default();
            }
        }
        if !bytes.is_empty() {
            let at = self.rng.usize(..bytes.len());
            bytes[at] = 0x01;
        }
        // Where a letter of several bytes was hit, what is left is no text: then it is lost.
        String::from_utf8(bytes).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
