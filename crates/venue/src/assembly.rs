use std::collections::VecDeque;

use meltica_event::Book;
use meltica_recycler::Lease;

/// How many deltas wait for a snapshot; then the oldest go, and an older snapshot will not do.
const MAX_WAITING: usize = 1_000;

/// One instrument's book, put together from a snapshot and the deltas that follow it, by the rule of
/// first and last update ids (Binance's `U` and `u`):
///
/// - deltas wait until a snapshot comes; those that end at or before it are stale;
/// - the first delta after a snapshot must reach over it: first ≤ last + 1 ≤ its own last;
/// - every other must begin one after the last: first = last + 1. If it does not, an update is
///   missing, and the book cannot be trusted until the next snapshot.
///
/// What comes out, through `emit`, is a stream that a consumer can apply without checking: a
/// snapshot, then deltas without a gap, until the next snapshot.
pub struct BookAssembly {
    book: Book,
    state: State,
    waiting: VecDeque<Lease<Book>>,
    stats: AssemblyStats,
    updated_mono_ns: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No snapshot yet, or an update went missing since.
    Waiting {
        lost: bool,
    },
    /// A snapshot, and no delta since: the first may overlap it.
    Fresh,
    Running,
}

/// What became of a snapshot or a delta.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is in the book, and was handed on.
    Applied,
    /// It waits for a snapshot.
    Waiting,
    /// The book was further already; it was dropped.
    Stale,
    /// Something before it is missing: the book waits for another snapshot, and this for it.
    Gap {
        /// The update that should have come next.
        expected: u64,
        /// The first update that came.
        found: u64,
    },
}

/// How often books came together, and apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AssemblyStats {
    /// Snapshots taken.
    pub snapshots: u64,
    /// Deltas applied.
    pub deltas: u64,
    /// Deltas that were no longer needed.
    pub stale: u64,
    /// Times that an update was missing.
    pub gaps: u64,
    /// Times that a book was not what its checksum said.
    pub mismatches: u64,
    /// Times that a good book was given up: its connection ended, or it had been silent for too long.
    pub restarts: u64,
    /// Snapshots that brought a book back after any of these.
    pub resyncs: u64,
}

impl AssemblyStats {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            snapshots: self.snapshots + other.snapshots,
            deltas: self.deltas + other.deltas,
            stale: self.stale + other.stale,
            gaps: self.gaps + other.gaps,
            mismatches: self.mismatches + other.mismatches,
            restarts: self.restarts + other.restarts,
            resyncs: self.resyncs + other.resyncs,
        }
    }
}

impl BookAssembly {
    /// An empty book that waits for its snapshot, with room for `levels` a side.
    pub fn new(levels: usize) -> Self {
        Self {
            book: Book::with_capacity(levels),
            state: State::Waiting { lost: false },
            waiting: VecDeque::new(),
            stats: AssemblyStats::default(),
            updated_mono_ns: 0,
        }
    }

    /// The book as of its last update; `None` while it cannot be trusted.
    pub fn book(&self) -> Option<&Book> {
        (!matches!(self.state, State::Waiting { .. })).then_some(&self.book)
    }

    /// What it has seen so far.
    pub fn stats(&self) -> AssemblyStats {
        self.stats
    }

    /// Ingest time, by the monotonic clock, of the last snapshot or delta that came, whatever became
    /// of it; zero if none came since the last [`restart`](Self::restart).
    pub fn updated_mono_ns(&self) -> u64 {
        self.updated_mono_ns
    }

    /// Gives the book up, and the deltas that wait: the connection that they came by has ended. The
    /// next snapshot begins anew.
    pub fn restart(&mut self) {
        if !matches!(self.state, State::Waiting { .. }) {
            self.stats.restarts += 1;
            self.state = State::Waiting { lost: true };
        }
        self.waiting.clear();
        self.updated_mono_ns = 0;
    }

    /// Takes a snapshot; deltas that waited and follow it are applied. One that is older than what
    /// waits cannot be continued, and is a gap. `applied` sees the book after every update.
    pub fn snapshot(
        &mut self,
        snapshot: Lease<Book>,
        emit: &mut dyn FnMut(Lease<Book>),
        applied: &mut dyn FnMut(&Book),
    ) -> Applied {
        self.updated_mono_ns = self.updated_mono_ns.max(snapshot.header.ingest_mono_ns);
        let last = snapshot.header.sequence;
        let running = !matches!(self.state, State::Waiting { .. });
        if running && last < self.book.header.sequence {
            self.stats.stale += 1;
            return Applied::Stale;
        }
        while self.waiting.front().is_some_and(|delta| delta.header.sequence <= last) {
            self.waiting.pop_front();
            self.stats.stale += 1;
        }
        // Handed on, it would take consumers back to where it ends, and leave them there.
        if let Some(delta) = self.waiting.front().filter(|delta| delta.first_sequence > last + 1) {
            return Applied::Gap { expected: last + 1, found: delta.first_sequence };
        }
        if self.state == (State::Waiting { lost: true }) {
            self.stats.resyncs += 1;
        }
        self.stats.snapshots += 1;
        self.book.clone_from(&snapshot);
        self.state = State::Fresh;
        applied(&self.book);
        emit(snapshot);
        while let Some(delta) = self.waiting.pop_front() {
            if let gap @ Applied::Gap { .. } = self.delta(delta, emit, applied) {
                return gap;
            }
        }
        Applied::Applied
    }

    /// Takes a delta.
    pub fn delta(
        &mut self,
        delta: Lease<Book>,
        emit: &mut dyn FnMut(Lease<Book>),
        applied: &mut dyn FnMut(&Book),
    ) -> Applied {
        self.updated_mono_ns = self.updated_mono_ns.max(delta.header.ingest_mono_ns);
        let expected = self.book.header.sequence + 1;
        let found = delta.first_sequence;
        let follows = match self.state {
            State::Waiting { .. } => {
                self.wait(delta);
                return Applied::Waiting;
            }
            _ if delta.header.sequence < expected => {
                self.stats.stale += 1;
                return Applied::Stale;
            }
            State::Fresh => found <= expected,
            State::Running => found == expected,
        };
        if !follows {
            self.stats.gaps += 1;
            self.state = State::Waiting { lost: true };
            self.waiting.push_front(delta);
            return Applied::Gap { expected, found };
        }
        self.state = State::Running;
        self.stats.deltas += 1;
        self.book.fold(&delta);
        applied(&self.book);
        emit(delta);
        Applied::Applied
    }

    fn wait(&mut self, delta: Lease<Book>) {
        if self.waiting.len() == MAX_WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back(delta);
    }
}
