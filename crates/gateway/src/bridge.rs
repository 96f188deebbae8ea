use meltica::Message;
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
