use meltica_consumer::Inspect;
use meltica_dispatcher::{Class, Protocol, Sequence};
use meltica_event::{EventKind, InstrumentId, Numbering, Topic, VenueId};

use crate::Message;

/// The marker by which the ground crates learn about [`Message`].
pub enum Market {}

/// A message as it reaches a consumer, with word of what it skipped.
pub type Delivery = meltica_dispatcher::Delivery<Message>;

/// A consumer's failure, as reports and the fault sink tell it.
pub type Fault = meltica_dispatcher::Fault<meltica_consumer::Fault>;

/// What messages are routed by; also the stream within which they keep their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Where it comes from; absent for merged views.
    pub venue: VenueId,
    /// What it is about; absent for what is about none in particular.
    pub instrument: InstrumentId,
    /// What it belongs to.
    pub topic: Topic,
}

impl Protocol for Market {
    type Message = Message;
    type Key = Key;
    type Fault = meltica_consumer::Fault;

    fn key(message: &Message) -> Key {
        let header = message.header();
        Key { venue: header.venue, instrument: header.instrument, topic: message.kind().topic() }
    }

    fn class(message: &Message) -> Class {
        match message {
            Message::Execution(_) | Message::Control(_) => Class::Critical,
            Message::Event(event) if event.payload.kind() == EventKind::Trade => Class::Sequential,
            Message::Event(_) | Message::Book(_) | Message::Merged(_) => Class::Conflatable,
        }
    }

    /// Market data are dropped, and counted, when their pool is empty; critical messages come from
    /// the heap then; a book is shared.
    fn duplicate(message: &Message, _: Class) -> Option<Message> {
        match message {
            Message::Event(event) => event.try_duplicate().ok().map(Message::Event),
            Message::Book(book) => Some(Message::Book(book.clone())),
            Message::Merged(merged) => merged.try_duplicate().ok().map(Message::Merged),
            Message::Execution(report) => Some(Message::Execution(report.duplicate())),
            Message::Control(control) => Some(Message::Control(control.duplicate())),
        }
    }

    fn sequence(message: &Message) -> Sequence {
        let header = message.header();
        match header.numbering {
            Numbering::Unsequenced => Sequence::Unsequenced,
            Numbering::Monotone => Sequence::Monotone(header.sequence),
            Numbering::Dense => Sequence::Dense(header.sequence),
            Numbering::Rebase => Sequence::Rebase(header.sequence),
        }
    }

    fn stamp(message: &mut Message, version: u64) {
        // A book that others have too would be copied for it.
        if message.header().routing_version != version {
            message.header_mut().routing_version = version;
        }
    }

    fn version(message: &Message) -> u64 {
        message.header().routing_version
    }

    fn trace(message: &Message) -> u64 {
        message.header().trace.0
    }

    /// A delta says nothing without its book.
    fn starts_state(message: &Message) -> bool {
        message.kind() != EventKind::BookDelta
    }

    /// Book deltas fold level by level, and count as routed when the older one was; everything else is
    /// replaced by what is newer.
    fn conflate(held: &mut Message, newer: Message) {
        match (held, newer) {
            (Message::Book(held), Message::Book(newer))
                if newer.header.kind == EventKind::BookDelta =>
            {
                let held = held.make_mut();
                // Of two versions, the older: what is stale in part must not pass as fresh.
                let version = held.header.routing_version.min(newer.header.routing_version);
                held.fold(&newer);
                held.header.routing_version = version;
            }
            (held, newer) => *held = newer,
        }
    }
}

impl Inspect for Market {
    type Message = Delivery;

    fn version(delivery: &Delivery) -> u64 {
        delivery.header().routing_version
    }

    fn is_critical(delivery: &Delivery) -> bool {
        delivery.message.is_critical()
    }

    fn trace(delivery: &Delivery) -> u64 {
        delivery.header().trace.0
    }
}
