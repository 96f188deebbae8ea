use crate::{EventKind, Header, Text, named::named};

named! {
    /// What became of a command.
    pub enum ControlOutcome as "control outcome" {
        /// Received; the result follows.
        Accepted = "accepted",
        /// In force.
        Applied = "applied",
        /// Refused; the detail says why.
        Rejected = "rejected",
    }
}

/// The answer to a command: an acknowledgement at once, a result when it is in force. Critical.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control {
    /// What every message begins with; the kind is [`EventKind::ControlAck`] or
    /// [`EventKind::ControlResult`].
    pub header: Header,
    /// The number of the command answered.
    pub command: u64,
    /// What became of it.
    pub outcome: ControlOutcome,
    /// What was commanded, as `subscribe`.
    pub name: Text<32>,
    /// Why it was refused, cut to fit; empty if it was not.
    pub detail: Text<96>,
}

static_assertions::const_assert!(size_of::<Control>() <= 256);
static_assertions::assert_impl_all!(Control: Copy, Send, Sync);

impl Control {
    /// The acknowledgement of a command.
    pub fn ack(header: Header, command: u64, name: Text<32>) -> Self {
        Self {
            header: Header { kind: EventKind::ControlAck, ..header },
            command,
            outcome: ControlOutcome::Accepted,
            name,
            detail: Text::EMPTY,
        }
    }

    /// The result of a command: applied, or rejected with the reason why.
    pub fn result(
        header: Header,
        command: u64,
        name: Text<32>,
        result: Result<(), Text<96>>,
    ) -> Self {
        let (outcome, detail) = match result {
            Ok(()) => (ControlOutcome::Applied, Text::EMPTY),
            Err(reason) => (ControlOutcome::Rejected, reason),
        };
        let header = Header { kind: EventKind::ControlResult, ..header };
        Self { header, command, outcome, name, detail }
    }

    /// What a pool is filled with, and what a returned control event is reset to.
    pub fn blank() -> Self {
        Self::ack(Header::default(), 0, Text::EMPTY)
    }
}
