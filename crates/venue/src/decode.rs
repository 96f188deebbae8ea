use meltica_event::{Book, Control, Event, ExecReport, Header, Timestamp};
use meltica_recycler::Lease;

use crate::AssemblyStats;

/// An adapter: turns a venue's bytes into leased events, filled in place.
pub trait Decode {
    /// Decodes one frame, and hands each event in it to `emit`, in order. A frame may hold none (a
    /// heartbeat, a delta that has to wait for its snapshot) or several.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the frame is not what the venue documents; then nothing was emitted, the
    /// adapter is as before, and the next frame may be fine.
    fn decode(
        &mut self,
        frame: &[u8],
        ingest: Ingest,
        emit: &mut dyn FnMut(Decoded),
    ) -> Result<(), DecodeError>;

    /// What it has seen so far.
    fn stats(&self) -> VenueStats;
}

/// When a frame came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ingest {
    /// By the wall clock of this machine or of the recorder.
    pub time: Timestamp,
    /// By a monotonic clock of the program's, in nanoseconds; zero if it has none.
    pub mono_ns: u64,
}

/// What an adapter hands on.
#[derive(Debug)]
pub enum Decoded {
    /// A trade, a ticker or a top of book.
    Event(Lease<Event>),
    /// A snapshot, or a delta that follows it without a gap.
    Book(Lease<Book>),
    /// What became of an order.
    Execution(Lease<ExecReport>),
    /// The answer to a command.
    Control(Lease<Control>),
}

impl Decoded {
    /// What every message begins with.
    pub fn header(&self) -> &Header {
        match self {
            Self::Event(event) => &event.header,
            Self::Book(book) => &book.header,
            Self::Execution(report) => &report.header,
            Self::Control(control) => &control.header,
        }
    }
}

/// What a venue's adapter has seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VenueStats {
    /// Its books, added up.
    pub books: AssemblyStats,
    /// Comparisons of an assembled book with an independent best bid and ask of the same update;
    /// `None` if the venue has no such stream.
    pub oracle_compared: Option<u64>,
    /// Of these, equal in both prices and both quantities.
    pub oracle_equal: Option<u64>,
}

impl VenueStats {
    /// Of a venue with these books, and nothing to compare them with.
    pub const fn new(books: AssemblyStats) -> Self {
        Self { books, oracle_compared: None, oracle_equal: None }
    }

    /// Of a venue whose books were compared so often, and found equal so often.
    #[must_use]
    pub const fn compared(self, compared: u64, equal: u64) -> Self {
        Self { oracle_compared: Some(compared), oracle_equal: Some(equal), ..self }
    }
}

/// A frame that was not understood: whose, what it was taken for, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{venue} {operation}: {cause}")]
pub struct DecodeError {
    /// The venue, as `binance`.
    pub venue: &'static str,
    /// What the frame was being read as, as `trade`; `frame` if that was not known yet.
    pub operation: &'static str,
    /// What is wrong with it.
    #[source]
    pub cause: DecodeCause,
}

/// What is wrong with a frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeCause {
    /// It is not JSON, or not of the documented shape.
    #[error("column {column}: {reason}")]
    Malformed {
        /// Where in the frame, from 1.
        column: usize,
        /// What was found or missed.
        reason: String,
    },
    /// It is of no documented kind.
    #[error("unknown stream {stream:?}")]
    UnknownStream {
        /// What it calls itself.
        stream: String,
    },
    /// It is about a symbol that was not asked for.
    #[error("unexpected symbol {symbol:?}")]
    UnknownSymbol {
        /// The symbol, as the venue spells it.
        symbol: String,
    },
    /// The venue refused what was asked of it, as a subscription; nothing will come of it.
    #[error("refused: {reason}")]
    Refused {
        /// What the venue says about it.
        reason: String,
    },
}

impl DecodeError {
    /// What kind of error it is, so that each is reported once and then counted.
    pub const fn kind(&self) -> (&'static str, &'static str) {
        let cause = match self.cause {
            DecodeCause::Malformed { .. } => "malformed",
            DecodeCause::UnknownStream { .. } => "unknown stream",
            DecodeCause::UnknownSymbol { .. } => "unknown symbol",
            DecodeCause::Refused { .. } => "refused",
        };
        (self.operation, cause)
    }
}
