use meltica_event::{InstrumentId, VenueId};

use super::VERSION;

/// Why a message has no frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// Its venue has no name.
    #[error("{0:?} has no name in the catalog of this sender, so nobody else would know it")]
    Venue(VenueId),
    /// Its instrument has no name.
    #[error("{0:?} has no name in the catalog of this sender, so nobody else would know it")]
    Instrument(InstrumentId),
    /// A side of a book has more levels than a frame may hold.
    #[error("a side of the book has {levels} levels; a frame holds 65536")]
    Levels {
        /// How many.
        levels: usize,
    },
}

/// Why bytes are no frame, or a frame could not be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// It ends too early.
    #[error("byte {at}: {needed} bytes of {field} are missing")]
    TooShort {
        /// What was being read.
        field: &'static str,
        /// Where it begins, from 0.
        at: usize,
        /// How many bytes of it are missing.
        needed: usize,
    },
    /// It is something else.
    #[error("the first two bytes are not \"mf\": this is no frame of meltica's")]
    NotAFrame,
    /// It is of another version.
    #[error(
        "a frame of version {found}, and this program reads version {VERSION}; update the older side"
    )]
    Version {
        /// Its version.
        found: u8,
    },
    /// A value that means nothing.
    #[error("byte {at}: {value} means nothing as {field}")]
    Value {
        /// What was being read.
        field: &'static str,
        /// Where it is, from 0.
        at: usize,
        /// What was found.
        value: u64,
    },
    /// A text that is not one.
    #[error("byte {at}: {field}: {reason}")]
    Text {
        /// What was being read.
        field: &'static str,
        /// Where it begins, from 0.
        at: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// Levels not best first, or a price twice.
    #[error("byte {at}: level {index} of the {side} is not worse than the one before it")]
    Unsorted {
        /// `bids` or `asks`.
        side: &'static str,
        /// Which level, from 0.
        index: usize,
        /// Where it begins, from 0.
        at: usize,
    },
    /// It goes on where it should have ended.
    #[error("byte {at}: {left} bytes too many")]
    TooLong {
        /// Where it should have ended, from 0.
        at: usize,
        /// How much there is after that.
        left: usize,
    },
    /// More venues or instruments than this receiver wants to know.
    #[error("{name} would be one more of the {what} than this receiver wants to know ({most})")]
    TooManyNames {
        /// `venues` or `instruments`.
        what: &'static str,
        /// Which.
        name: String,
        /// How many there may be.
        most: usize,
    },
    /// The pool has no object for it.
    #[error("no free object in the pool `{pool}`")]
    PoolEmpty {
        /// Which pool.
        pool: &'static str,
    },
}
