use std::{fmt, num::ParseIntError, str::FromStr};

use crate::{EventKind, InstrumentId, Timestamp, VenueId};

/// A number that follows one message from decoding to the last consumer, through logs and reports.
/// Prints and parses as 16 hexadecimal digits. Absent is zero, and whoever takes the message into
/// the pipeline gives it one.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId(pub u64);

impl TraceId {
    /// Not traced yet.
    pub const ABSENT: Self = Self(0);
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TraceId {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

/// How the [`sequence`](Header::sequence) of a stream behaves. The venue's adapter says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Numbering {
    /// There are no numbers, or they mean nothing; the order of arrival counts.
    #[default]
    Unsequenced,
    /// Numbers grow but may skip: never wait for one, drop what goes back.
    Monotone,
    /// Each number is the last plus one: a gap is waited for, for a while.
    Dense,
    /// The venue starts again from this number, as with a snapshot: whatever it is, it is right.
    Rebase,
}

impl Numbering {
    /// The numbering of a message that stands for this older one too: numbers that began again still do, for whoever has not
    /// seen the older.
    pub const fn folded(self, newer: Self) -> Self {
        match (self, newer) {
            (Self::Rebase, Self::Monotone | Self::Dense) => Self::Rebase,
            (_, newer) => newer,
        }
    }
}

/// What every message begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The number that follows this message through the process.
    pub trace: TraceId,
    /// The version of the routing snapshot that routed it; zero until it was routed.
    pub routing_version: u64,
    /// The venue's own number for it within its stream; what it means says `numbering`. Zero where
    /// there is none.
    pub sequence: u64,
    /// When it happened, by the venue's clock.
    pub exchange_time: Timestamp,
    /// When it came in, by this machine's (or, in a replay, the recorder's) wall clock.
    pub ingest_time: Timestamp,
    /// When it came in, in nanoseconds of a monotonic clock whose zero the program chose: for
    /// latencies within the process. Zero where not measured.
    pub ingest_mono_ns: u64,
    /// What it is about.
    pub instrument: InstrumentId,
    /// Where it comes from.
    pub venue: VenueId,
    /// What it is.
    pub kind: EventKind,
    /// How `sequence` behaves.
    pub numbering: Numbering,
}

impl Header {
    /// A header that says nothing but what the message is.
    pub const fn new(kind: EventKind) -> Self {
        Self {
            trace: TraceId::ABSENT,
            routing_version: 0,
            sequence: 0,
            exchange_time: Timestamp::ABSENT,
            ingest_time: Timestamp::ABSENT,
            ingest_mono_ns: 0,
            instrument: InstrumentId::NONE,
            venue: VenueId::NONE,
            kind,
            numbering: Numbering::Unsequenced,
        }
    }
}

/// A header for struct update syntax; its kind is set by whatever message it is put into.
impl Default for Header {
    fn default() -> Self {
        Self::new(EventKind::Trade)
    }
}
