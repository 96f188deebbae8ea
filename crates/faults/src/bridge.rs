use meltica::{Message, Pools};
use meltica_nats::{NatsPools, Received, View};

/// A pipeline's message, as it is sent.
pub(crate) fn view(message: &Message) -> View<'_> {
    match message {
        Message::Event(event) => View::Event(event),
        Message::Book(book) => View::Book(book),
        Message::Merged(merged) => View::Merged(merged),
        Message::Execution(report) => View::Execution(report),
        Message::Control(control) => View::Control(control),
    }
}

/// What came, as a pipeline takes it.
pub(crate) fn message(received: Received) -> Message {
    match received {
        Received::Event(event) => event.into(),
        Received::Book(book) => book.into(),
        Received::Merged(merged) => merged.into(),
        Received::Execution(report) => report.into(),
        Received::Control(control) => control.into(),
    }
}

/// The pipeline's pools, as what comes is put into them.
pub(crate) fn pools(pools: &Pools) -> NatsPools {
    NatsPools::new(
        pools.events.clone(),
        pools.books.clone(),
        pools.executions.clone(),
        pools.controls.clone(),
        pools.merged.clone(),
    )
}
