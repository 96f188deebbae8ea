use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use meltica::event::Instrument;
use meltica_venue::{AssemblyStats, BookStatus, DecodeError};

/// What a venue's connections have done and how its books stand: written by the one thread that has
/// them, read whenever somebody scrapes.
#[derive(Debug)]
pub(crate) struct Counts {
    pub(crate) opened: AtomicU64,
    /// By [`Ended`].
    ended: [AtomicU64; Ended::ALL.len()],
    /// Attempts that led to no connection.
    pub(crate) refused: AtomicU64,
    pub(crate) frames: AtomicU64,
    pub(crate) bytes: AtomicU64,
    /// By [`CAUSES`].
    errors: [AtomicU64; CAUSES.len()],
    pub(crate) fetches: AtomicU64,
    pub(crate) fetches_failed: AtomicU64,
    /// How long it waits or last waited before an attempt to connect.
    pub(crate) backoff_ns: AtomicU64,
    pub(crate) events: AtomicU64,
    pub(crate) connected: AtomicBool,
    pub(crate) books: Vec<BookCounts>,
}

/// How an instrument's book stands.
#[derive(Debug)]
pub(crate) struct BookCounts {
    pub(crate) instrument: Instrument,
    pub(crate) verified: AtomicBool,
    pub(crate) updates: AtomicU64,
    pub(crate) snapshots: AtomicU64,
    pub(crate) gaps: AtomicU64,
    pub(crate) mismatches: AtomicU64,
    pub(crate) resyncs: AtomicU64,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The venue closed it.
    Venue,
    /// It broke.
    Broken,
    /// Nothing came for too long.
    Silent,
    /// A frame was too large.
    TooLarge,
    /// The adapter asked for another.
    Useless,
    /// The program stops.
    Stopped,
}

impl Ended {
    pub(crate) const ALL: [Self; 6] =
        [Self::Venue, Self::Broken, Self::Silent, Self::TooLarge, Self::Useless, Self::Stopped];

    /// As a label.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Venue => "venue",
            Self::Broken => "broken",
            Self::Silent => "silent",
            Self::TooLarge => "too_large",
            Self::Useless => "useless",
            Self::Stopped => "stopped",
        }
    }
}

/// Why frames are not understood, as labels.
pub(crate) const CAUSES: [&str; 5] =
    ["malformed", "unknown_stream", "unknown_symbol", "refused", "other"];

impl Counts {
    pub(crate) fn new(instruments: impl IntoIterator<Item = Instrument>) -> Self {
        let books = instruments.into_iter().map(|instrument| BookCounts {
            instrument,
            verified: AtomicBool::default(),
            updates: AtomicU64::default(),
            snapshots: AtomicU64::default(),
            gaps: AtomicU64::default(),
            mismatches: AtomicU64::default(),
            resyncs: AtomicU64::default(),
        });
        Self {
            opened: AtomicU64::default(),
            ended: Default::default(),
            refused: AtomicU64::default(),
            frames: AtomicU64::default(),
            bytes: AtomicU64::default(),
            errors: Default::default(),
            fetches: AtomicU64::default(),
            fetches_failed: AtomicU64::default(),
            backoff_ns: AtomicU64::default(),
            events: AtomicU64::default(),
            connected: AtomicBool::default(),
            books: books.collect(),
        }
    }

    pub(super) fn end(&self, reason: Ended) {
        self.ended[reason as usize].fetch_add(1, Relaxed);
    }

    /// How many connections ended for this reason.
    pub(crate) fn ended(&self, reason: Ended) -> u64 {
        self.ended[reason as usize].load(Relaxed)
    }

    pub(super) fn error(&self, error: &DecodeError) {
        let (_, cause) = error.kind();
        let known = CAUSES.iter().position(|label| label.replace('_', " ") == cause);
        self.errors[known.unwrap_or(CAUSES.len() - 1)].fetch_add(1, Relaxed);
    }

    /// How many frames were not understood, for the cause of this place in [`CAUSES`].
    pub(crate) fn errors(&self, cause: usize) -> u64 {
        self.errors[cause].load(Relaxed)
    }

    /// How many frames were not understood.
    pub(crate) fn all_errors(&self) -> u64 {
        self.errors.iter().map(|count| count.load(Relaxed)).sum()
    }

    /// Takes down how a book stands; they come in the order of [`Counts::new`].
    pub(super) fn book(&self, index: usize, status: &BookStatus) {
        let Some(book) = self.books.get(index) else { return };
        let AssemblyStats { snapshots, deltas, gaps, mismatches, resyncs, .. } = status.stats;
        book.verified.store(status.verified, Relaxed);
        book.updates.store(deltas, Relaxed);
        book.snapshots.store(snapshots, Relaxed);
        book.gaps.store(gaps, Relaxed);
        book.mismatches.store(mismatches, Relaxed);
        book.resyncs.store(resyncs, Relaxed);
    }

    /// How many books can be trusted.
    pub(crate) fn verified(&self) -> usize {
        self.books.iter().filter(|book| book.verified.load(Relaxed)).count()
    }
}
