use std::collections::{HashSet, VecDeque};

use meltica_event::{EventKind, ExecutionId, VenueId};

use crate::Message;

/// Remembers the identities of the last critical messages, so that an exact repeat (a venue resends
/// after a reconnect) is recognised. Bounded, and allocated at the start.
pub(crate) struct Repeats {
    known: HashSet<Identity>,
    order: VecDeque<Identity>,
    capacity: usize,
    /// Whether control events have an identity: not where they are several pipelines'.
    knows_control: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Identity {
    Execution(ExecutionId),
    Control { venue: VenueId, command: u64, kind: EventKind },
}

impl Repeats {
    pub(crate) fn new(capacity: usize, knows_control: bool) -> Self {
        Self {
            // Twice as many as it ever holds: else what is removed leaves marks until the set doubles.
            known: HashSet::with_capacity(2 * (capacity + 1)),
            order: VecDeque::with_capacity(capacity + 1),
            capacity,
            knows_control,
        }
    }

    /// Whether this very message was seen before; now it was. Market data are never repeats, nor
    /// are messages without an identity.
    pub(crate) fn is_repeat(&mut self, message: &Message) -> bool {
        let Some(identity) = self.identity(message) else { return false };
        if !self.known.insert(identity) {
            return true;
        }
        self.order.push_back(identity);
        if self.order.len() > self.capacity {
            let oldest = self.order.pop_front();
            oldest.map(|oldest| self.known.remove(&oldest));
        }
        false
    }

    /// The message that was just asked about was handed back, and may come again.
    pub(crate) fn forget(&mut self, message: &Message) {
        let identity = self.identity(message);
        if let Some(identity) = identity.filter(|identity| self.order.back() == Some(identity)) {
            self.order.pop_back();
            self.known.remove(&identity);
        }
    }

    fn identity(&self, message: &Message) -> Option<Identity> {
        let is_known = self.knows_control || !matches!(message, Message::Control(_));
        Identity::of(message).filter(|_| is_known)
    }
}

impl Identity {
    fn of(message: &Message) -> Option<Self> {
        match message {
            Message::Execution(report) => report.identity().map(Self::Execution),
            Message::Control(control) => (control.command != 0).then_some(Self::Control {
                venue: control.header.venue,
                command: control.command,
                kind: message.kind(),
            }),
            Message::Event(_) | Message::Book(_) | Message::Merged(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
