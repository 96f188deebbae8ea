use meltica_event::{Book, Level, Levels, Quantity};
use meltica_recycler::Lease;

use crate::{Applied, AssemblyStats};

/// One instrument's book on a venue whose updates are checked by something else than first and last
/// ids: a checksum of the result, a link to the update before, or a number that counts the frames of
/// the connection. The adapter makes that check and says what came of it; this keeps the book, and
/// keeps what cannot be trusted from being handed on.
///
/// What comes out, through `emit`, is a stream that a consumer can apply without checking: a
/// snapshot, then deltas without a gap, until the next snapshot. A book of a limited depth is cut
/// here; levels that are pushed out are added to the delta as removed, so that what was handed on
/// adds up to [`book`](Self::book). Nothing is allocated once the book has seen its largest.
pub struct CheckedBook {
    book: Book,
    depth: usize,
    state: State,
    stats: AssemblyStats,
    updated_mono_ns: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Waits for a snapshot; `lost` if there was a good book before.
    Waiting {
        lost: bool,
    },
    Verified,
}

impl CheckedBook {
    /// An empty book that waits for its snapshot, with room for `levels` a side.
    pub fn new(levels: usize) -> Self {
        Self {
            book: Book::with_capacity(levels),
            depth: usize::MAX,
            state: State::Waiting { lost: false },
            stats: AssemblyStats::default(),
            updated_mono_ns: 0,
        }
    }

    /// The same, cut to `depth` levels a side after every update.
    #[must_use]
    pub fn cut_to(self, depth: usize) -> Self {
        Self { depth, ..self }
    }

    /// The book as of its last update; `None` while it cannot be trusted.
    pub fn book(&self) -> Option<&Book> {
        (self.state == State::Verified).then_some(&self.book)
    }

    /// What it has seen so far.
    pub fn stats(&self) -> AssemblyStats {
        self.stats
    }

    /// Ingest time, by the monotonic clock, of the last update that was told here, taken or not; zero
    /// if there was none since the last [`restart`](Self::restart).
    pub fn updated_mono_ns(&self) -> u64 {
        self.updated_mono_ns
    }

    /// Takes a snapshot that was checked, or cannot be; it becomes the book.
    pub fn snapshot(&mut self, mut snapshot: Lease<Book>, emit: &mut dyn FnMut(Lease<Book>)) {
        self.heard(snapshot.header.ingest_mono_ns);
        let depth = self.depth;
        let Book { bids, asks, .. } = &mut *snapshot;
        for side in [bids, asks] {
            cut(side, depth, &mut |_| ());
        }
        if self.state == (State::Waiting { lost: true }) {
            self.stats.resyncs += 1;
        }
        self.stats.snapshots += 1;
        self.book.clone_from(&snapshot);
        self.state = State::Verified;
        emit(snapshot);
    }

    /// Takes a delta that follows what came before. While the book waits for its snapshot, the delta
    /// is dropped: the snapshot will have it.
    pub fn delta(&mut self, mut delta: Lease<Book>, emit: &mut dyn FnMut(Lease<Book>)) -> Applied {
        self.heard(delta.header.ingest_mono_ns);
        if self.state != State::Verified {
            self.stats.stale += 1;
            return Applied::Stale;
        }
        self.stats.deltas += 1;
        self.book.fold(&delta);
        let Book { bids, asks, .. } = &mut *delta;
        for (mine, theirs) in [(&mut self.book.bids, bids), (&mut self.book.asks, asks)] {
            let removed = |level: Level| theirs.set(Level { quantity: Quantity::ZERO, ..level });
            cut(mine, self.depth, &mut { removed });
        }
        emit(delta);
        Applied::Applied
    }

    /// Passes an update over that is in the book already.
    pub fn stale(&mut self, mono_ns: u64) {
        self.heard(mono_ns);
        self.stats.stale += 1;
    }

    /// Notes that an update came that changes nothing, as a sign of life.
    pub fn heard(&mut self, mono_ns: u64) {
        self.updated_mono_ns = self.updated_mono_ns.max(mono_ns);
    }

    /// An update is missing: the book waits for a snapshot.
    pub fn missed(&mut self) {
        if self.state == State::Verified {
            self.stats.gaps += 1;
            self.state = State::Waiting { lost: true };
        }
    }

    /// The book is not what its checksum says: it waits for a snapshot. Counted for every checksum
    /// that differs, a snapshot's too.
    pub fn mismatched(&mut self) {
        self.stats.mismatches += 1;
        self.state = State::Waiting { lost: true };
    }

    /// Gives the book up: its connection has ended, or it was silent for too long.
    pub fn restart(&mut self) {
        if self.state == State::Verified {
            self.stats.restarts += 1;
            self.state = State::Waiting { lost: true };
        }
        self.updated_mono_ns = 0;
    }
}

/// Takes away what is deeper than `depth`, worst first, and tells what went.
fn cut(side: &mut Levels, depth: usize, gone: &mut dyn FnMut(Level)) {
    while side.len() > depth {
        let Some(worst) = side.last().copied() else { return };
        side.remove(worst.price);
        gone(worst);
    }
}
