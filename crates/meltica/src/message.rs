use meltica_event::{Book, Control, Event, EventKind, ExecReport, Header, Merged};
use meltica_recycler::{Lease, Shared};

/// One message of the market, as a handle to a pooled object: moved, never copied.
#[derive(Debug, PartialEq)]
pub enum Message {
    /// A trade, a ticker or a top of book.
    Event(Lease<Event>),
    /// A book, whole or in part; its consumers share it read-only.
    Book(Shared<Book>),
    /// Several venues' views, merged.
    Merged(Lease<Merged>),
    /// What became of an order. Critical.
    Execution(Lease<ExecReport>),
    /// The answer to a command. Critical.
    Control(Lease<Control>),
}

// A tag and a handle of two words: it moves through queues at the price of three.
static_assertions::const_assert!(size_of::<Message>() <= 32);
static_assertions::assert_impl_all!(Message: Send, Sync);

impl Message {
    /// What every message begins with.
    pub fn header(&self) -> &Header {
        match self {
            Self::Event(event) => &event.header,
            Self::Book(book) => &book.header,
            Self::Merged(merged) => &merged.header,
            Self::Execution(report) => &report.header,
            Self::Control(control) => &control.header,
        }
    }

    /// The header for writing. A book that others hold too is copied first.
    pub fn header_mut(&mut self) -> &mut Header {
        match self {
            Self::Event(event) => &mut event.header,
            Self::Book(book) => &mut book.make_mut().header,
            Self::Merged(merged) => &mut merged.header,
            Self::Execution(report) => &mut report.header,
            Self::Control(control) => &mut control.header,
        }
    }

    /// What it is: the variant decides, where a header says otherwise.
    pub fn kind(&self) -> EventKind {
        let kind = self.header().kind;
        match self {
            Self::Event(event) => event.payload.kind(),
            Self::Book(_) if matches!(kind, EventKind::BookDelta | EventKind::MergedBook) => kind,
            Self::Book(_) => EventKind::BookSnapshot,
            Self::Merged(_) => EventKind::Merged,
            Self::Execution(_) => EventKind::ExecReport,
            Self::Control(_) if kind == EventKind::ControlAck => EventKind::ControlAck,
            Self::Control(_) => EventKind::ControlResult,
        }
    }

    /// Whether it must reach every interested consumer exactly once.
    pub fn is_critical(&self) -> bool {
        matches!(self, Self::Execution(_) | Self::Control(_))
    }

    /// Feeds what the venue said, and nothing of how it travelled, to a hasher: see
    /// [`Header::hash_content`].
    pub fn hash_content<H: std::hash::Hasher>(&self, state: &mut H) {
        match self {
            Self::Event(event) => event.hash_content(state),
            Self::Book(book) => book.hash_content(state),
            Self::Merged(merged) => merged.hash_content(state),
            Self::Execution(report) => report.hash_content(state),
            Self::Control(control) => control.hash_content(state),
        }
    }
}

impl From<Lease<Event>> for Message {
    fn from(event: Lease<Event>) -> Self {
        Self::Event(event)
    }
}

impl From<Lease<Book>> for Message {
    fn from(book: Lease<Book>) -> Self {
        Self::Book(book.share())
    }
}

impl From<Lease<Merged>> for Message {
    fn from(merged: Lease<Merged>) -> Self {
        Self::Merged(merged)
    }
}

impl From<Lease<ExecReport>> for Message {
    fn from(report: Lease<ExecReport>) -> Self {
        Self::Execution(report)
    }
}

impl From<Lease<Control>> for Message {
    fn from(control: Lease<Control>) -> Self {
        Self::Control(control)
    }
}
