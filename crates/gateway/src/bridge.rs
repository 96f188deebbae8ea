use meltica::Message;
use meltica_nats::{Received, View};
use meltica_venue::Decoded;

/// What a venue hands on, as the pipeline takes it.
pub(crate) fn message(decoded: Decoded) -> Message {
    match decoded {
        Decoded::Event(event) => event.into(),
        Decoded::Book(book) => book.into(),
        Decoded::Execution(report) => report.into(),
        Decoded::Control(control) => control.into(),
    }
}

/// What came over NATS, as the pipeline takes it.
pub(crate) fn received(received: Received) -> Message {
    match received {
        Received::Event(event) => event.into(),
        Received::Book(book) => book.into(),
        Received::Merged(merged) => merged.into(),
        Received::Execution(report) => report.into(),
        Received::Control(control) => control.into(),
    }
}

/// A pipeline's message, as it is sent over NATS.
pub(crate) fn view(message: &Message) -> View<'_> {
    match message {
        Message::Event(event) => View::Event(event),
        Message::Book(book) => View::Book(book),
        Message::Merged(merged) => View::Merged(merged),
        Message::Execution(report) => View::Execution(report),
        Message::Control(control) => View::Control(control),
    }
}
