//! What one consumer of an endurance run checks of each message on entry. Constant memory: of every
//! stream it knows the last number, and no more.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use meltica::{
    Delivery, Message,
    consumer::Gate,
    event::{EventKind, Header},
};

use crate::soak::{
    lot::Lot,
    traces::Traces,
    traffic::{STREAMS, critical_streams, stream},
};

/// One consumer's.
pub(crate) struct Checker {
    /// From 0.
    consumer: usize,
    lot: Lot,
    gate: Gate,
    /// Where the gate was when the last call ended: what starts afterwards must not be older.
    least_version: u64,
    /// By stream: its last number. Behind the traffic's, that of the answers to commands.
    last: [u64; STREAMS + 1],
    /// How many panics it has not thrown yet.
    owed: u64,
    seen: Seen,
}

/// The answers to commands have two numbers a command, the acknowledgement's first.
const ANSWERS: usize = STREAMS;

/// What came to light.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Messages that were checked.
    pub(crate) calls: u64,
    /// Of these, critical ones that came for the first time and in order.
    pub(crate) critical: u64,
    /// Critical messages whose successor came without them.
    pub(crate) lost: u64,
    /// Critical messages that came again, or after their successor.
    pub(crate) repeated: u64,
    /// Market data older than where the gate had been before.
    pub(crate) stale: u64,
    /// Market data that came again, or after their successor.
    pub(crate) out_of_order: u64,
    /// Market data that skipped more of their stream, or less, than they told.
    pub(crate) untold: u64,
    /// Messages that it panicked on.
    pub(crate) thrown: Traces,
    /// Of these, the critical ones.
    pub(crate) thrown_critical: Traces,
}

impl Seen {
    pub(crate) fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.critical += other.critical;
        self.lost += other.lost;
        self.repeated += other.repeated;
        self.stale += other.stale;
        self.out_of_order += other.out_of_order;
        self.untold += other.untold;
        self.thrown.add(&other.thrown);
        self.thrown_critical.add(&other.thrown_critical);
    }
}

impl Checker {
    pub(crate) fn new(consumer: usize, lot: Lot) -> Self {
        Self {
            consumer,
            lot,
            gate: Gate::new(),
            least_version: 0,
            last: [0; STREAMS + 1],
            owed: 0,
            seen: Seen::default(),
        }
    }

    /// The gate in front of the consumer, once there is one.
    pub(crate) fn watch(&mut self, gate: Gate) {
        self.gate = gate;
    }

    /// Checks a message, and answers whether the consumer is to panic now: once for each message that
    /// falls on it, also where it skipped that one.
    pub(crate) fn note(&mut self, delivery: &Delivery) -> bool {
        let header = delivery.header();
        let place = match &delivery.message {
            Message::Control(answer) => {
                let is_ack = header.kind == EventKind::ControlAck;
                Some((ANSWERS, 2 * answer.command - u64::from(is_ack)))
            }
            _ => stream(header).map(|stream| (stream, header.sequence)),
        };
        self.seen.calls += 1;
        if let Some((stream, number)) = place {
            let last = self.last[stream];
            if delivery.is_critical() {
                self.critical(number, last);
            } else {
                self.market(header, last, delivery.skipped.folded + delivery.skipped.dropped);
            }
            let mine = |number: &u64| self.lot.falls_on(stream, *number) == Some(self.consumer);
            self.owed += (last + 1..=number).filter(mine).count() as u64;
            self.last[stream] = last.max(number);
        } else {
            // Nobody pushed that.
            self.seen.untold += 1;
        }
        let panics = self.owed > 0;
        if panics {
            self.owed -= 1;
            self.seen.thrown.note(header.trace.0);
            if delivery.is_critical() {
                self.seen.thrown_critical.note(header.trace.0);
            }
        }
        self.least_version = self.gate.version();
        panics
    }

    /// What came to light until the end, when so many messages of each stream, and so many answers,
    /// had been published: critical ones of which none came afterwards are lost all the same.
    pub(crate) fn at_the_end(&self, by_stream: &[u64; STREAMS], answers: u64) -> Seen {
        let mut seen = self.seen;
        for stream in critical_streams() {
            seen.lost += by_stream[stream].saturating_sub(self.last[stream]);
        }
        seen.lost += answers.saturating_sub(self.last[ANSWERS]);
        seen
    }

    fn critical(&mut self, number: u64, last: u64) {
        if number <= last {
            self.seen.repeated += 1;
            return;
        }
        self.seen.critical += 1;
        self.seen.lost += number - last - 1;
    }

    fn market(&mut self, header: &Header, last: u64, skipped: u64) {
        if header.routing_version < self.least_version {
            self.seen.stale += 1;
        }
        if header.sequence <= last {
            self.seen.out_of_order += 1;
        } else if header.sequence != last + 1 + skipped {
            self.seen.untold += 1;
        }
    }
}

/// A checker, for the consumer's handler and for who asks when all is over.
#[derive(Clone)]
pub(crate) struct SharedChecker(Arc<Mutex<Checker>>);

impl SharedChecker {
    pub(crate) fn new(checker: Checker) -> Self {
        Self(Arc::new(Mutex::new(checker)))
    }

    /// Nobody else holds it while the pipeline runs, and nothing panics under it.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Checker> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
