use meltica_event::{Book, Control, Event, EventKind, ExecReport, Header, Merged};
use meltica_venue::{Lease, Pool, VenuePools};

/// A message to be sent, wherever it lies: what a consumer's handler reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View<'a> {
    /// A trade, a ticker or a top of book.
    Event(&'a Event),
    /// A book, whole or in part.
    Book(&'a Book),
    /// Several venues' views, merged.
    Merged(&'a Merged),
    /// What became of an order. Critical.
    Execution(&'a ExecReport),
    /// The answer to a command. Critical.
    Control(&'a Control),
}

impl<'a> View<'a> {
    /// What every message begins with.
    pub fn header(&self) -> &'a Header {
        match self {
            Self::Event(event) => &event.header,
            Self::Book(book) => &book.header,
            Self::Merged(merged) => &merged.header,
            Self::Execution(report) => &report.header,
            Self::Control(control) => &control.header,
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

    /// Whether it must arrive, exactly once.
    pub fn is_critical(&self) -> bool {
        self.kind().is_critical()
    }
}

/// A message that came, in an object of the receiver's own pools.
#[derive(Debug, PartialEq)]
pub enum Received {
    /// A trade, a ticker or a top of book.
    Event(Lease<Event>),
    /// A book, whole or in part.
    Book(Lease<Book>),
    /// Several venues' views, merged.
    Merged(Lease<Merged>),
    /// What became of an order. Critical.
    Execution(Lease<ExecReport>),
    /// The answer to a command. Critical.
    Control(Lease<Control>),
}

impl Received {
    /// The same, for reading.
    pub fn view(&self) -> View<'_> {
        match self {
            Self::Event(event) => View::Event(event),
            Self::Book(book) => View::Book(book),
            Self::Merged(merged) => View::Merged(merged),
            Self::Execution(report) => View::Execution(report),
            Self::Control(control) => View::Control(control),
        }
    }

    /// What every message begins with.
    pub fn header(&self) -> &Header {
        self.view().header()
    }

    /// The header, for writing.
    pub fn header_mut(&mut self) -> &mut Header {
        match self {
            Self::Event(event) => &mut event.header,
            Self::Book(book) => &mut book.header,
            Self::Merged(merged) => &mut merged.header,
            Self::Execution(report) => &mut report.header,
            Self::Control(control) => &mut control.header,
        }
    }
}

/// The pools that received messages come from: the pipeline's own.
#[derive(Clone, Debug)]
pub struct NatsPools {
    /// All that venues have too.
    pub venue: VenuePools,
    /// Merged views.
    pub merged: Pool<Merged>,
}

impl NatsPools {
    /// These pools.
    pub fn new(
        events: Pool<Event>,
        books: Pool<Book>,
        executions: Pool<ExecReport>,
        controls: Pool<Control>,
        merged: Pool<Merged>,
    ) -> Self {
        Self { venue: VenuePools { events, books, executions, controls }, merged }
    }
}
