use std::{
    collections::{HashMap, hash_map::Entry},
    num::NonZeroU32,
};

use crate::{
    contain::contain,
    sync::{Mutex, lock},
};

pub(crate) type ReceiptSink = Box<dyn Fn(u64) + Send + Sync>;

/// What tells a receipt's number from that of a joined dispatch.
const RECEIPT: u32 = 1 << 31;

/// Which messages with a receipt are still with a lane.
pub(crate) struct Receipts {
    state: Mutex<State>,
    sink: Option<ReceiptSink>,
}

struct State {
    open: HashMap<NonZeroU32, Open>,
    last: u32,
}

#[derive(Clone, Copy)]
struct Open {
    receipt: u64,
    /// Lanes that are done with it.
    reported: usize,
    /// Lanes that it went to; `None` while the publisher is at it.
    expected: Option<usize>,
}

/// Whether the number is one of these, and not of a joined dispatch.
pub(crate) fn is_receipt(number: NonZeroU32) -> bool {
    number.get() & RECEIPT != 0
}

impl Receipts {
    pub(crate) fn new(sink: Option<ReceiptSink>) -> Self {
        // Twice as many as are usual: else what is removed leaves marks until the table doubles.
        let open = HashMap::with_capacity(if sink.is_some() { 2_048 } else { 0 });
        Self { state: Mutex::new(State { open, last: 0 }), sink }
    }

    /// A message with this receipt is about to go to its lanes.
    pub(crate) fn begin(&self, receipt: u64) -> NonZeroU32 {
        let mut state = lock(&self.state);
        loop {
            state.last = state.last.wrapping_add(1);
            // The highest bit is set.
            let number = NonZeroU32::new(state.last | RECEIPT).unwrap_or(NonZeroU32::MAX);
            // After two billion of them they begin again, and an old one may still wait.
            if let Entry::Vacant(place) = state.open.entry(number) {
                place.insert(Open { receipt, reported: 0, expected: None });
                return number;
            }
        }
    }

    /// It went to so many lanes, of which some may be done with it already.
    pub(crate) fn went_to(&self, number: NonZeroU32, lanes: usize) {
        self.change(number, |open| open.expected = Some(lanes));
    }

    /// One more lane is done with it.
    pub(crate) fn report(&self, number: NonZeroU32) {
        self.change(number, |open| open.reported += 1);
    }

    fn change(&self, number: NonZeroU32, change: impl FnOnce(&mut Open)) {
        let mut state = lock(&self.state);
        let Some(open) = state.open.get_mut(&number) else { return };
        change(open);
        let Open { receipt, reported, expected } = *open;
        if expected != Some(reported) {
            return;
        }
        state.open.remove(&number);
        drop(state);
        self.tell(receipt);
    }

    pub(crate) fn tell(&self, receipt: u64) {
        if let Some(sink) = &self.sink {
            contain("the receipt sink", || sink(receipt));
        }
    }
}

#[cfg(test)]
mod tests;
