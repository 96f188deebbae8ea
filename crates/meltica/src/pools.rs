use meltica_event::{Book, Control, Event, ExecReport, Merged};
use meltica_recycler::{Pool, Recycler};

use crate::MergeRule;

/// The pools that a pipeline's messages come from, and go back to.
#[derive(Clone, Debug)]
pub struct Pools {
    /// Trades, tickers and tops of book.
    pub events: Pool<Event>,
    /// Books.
    pub books: Pool<Book>,
    /// Merged views.
    pub merged: Pool<Merged>,
    /// Execution reports.
    pub executions: Pool<ExecReport>,
    /// Control events.
    pub controls: Pool<Control>,
}

impl Pools {
    pub(crate) fn new(recycler: &Recycler, sizes: PoolSizes) -> Self {
        let levels = sizes.book_levels;
        Self {
            events: recycler.pool("event", sizes.events, Event::blank, |e| *e = Event::blank()),
            // A book is tens of kilobytes, beside which the quicker path of a magazine is nothing.
            books: recycler.exact_pool(
                "book",
                sizes.books,
                move || Book::with_capacity(levels),
                Book::clear,
            ),
            merged: recycler.pool("merged", sizes.merged, Merged::blank, |m| *m = Merged::blank()),
            executions: recycler.pool(
                "execreport",
                sizes.executions,
                ExecReport::blank,
                |report| {
                    *report = ExecReport::blank();
                },
            ),
            controls: recycler.pool("control", sizes.controls, Control::blank, |control| {
                *control = Control::blank();
            }),
        }
    }
}

/// How many objects each pool has. The defaults suffice for every lane to be full at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolSizes {
    /// Of 128 bytes. Each lane can hold twice its capacity, and the ring as many as a lane.
    pub events: usize,
    /// Of two sides of `book_levels`. More are taken from the heap, and counted.
    pub books: usize,
    /// Of 256 bytes.
    pub merged: usize,
    /// Of 320 bytes. More are taken from the heap, and counted: none is ever lost.
    pub executions: usize,
    /// Of 256 bytes. More are taken from the heap, and counted: none is ever lost.
    pub controls: usize,
    /// The levels of 16 bytes for which each side of a pooled book has room from the start.
    pub book_levels: usize,
}

/// How many messages of the ring a consumer takes at a time, at most.
const TAKEN: usize = 64;

impl PoolSizes {
    /// What so many consumers need, each with room for `lane_capacity` messages of a class.
    pub fn for_consumers(consumers: usize, lane_capacity: usize) -> Self {
        let lanes = consumers.max(1);
        Self {
            events: Self::least_events(consumers, lane_capacity).saturating_add(1_024),
            books: lane_capacity.saturating_add(64 * lanes),
            merged: lanes.saturating_mul(lane_capacity).saturating_add(64),
            executions: 1_024,
            controls: 1_024,
            book_levels: 1_024,
        }
    }

    /// The same and what the windows of a merge rule can hold.
    pub fn with_merge(self, rule: &MergeRule) -> Self {
        Self { events: self.events.saturating_add(rule.holds()), ..self }
    }

    /// Full lanes, what each handler has taken of the ring, a full ring, and one on its way.
    pub(crate) fn least_events(consumers: usize, lane_capacity: usize) -> usize {
        let full = lane_capacity.saturating_mul(2).saturating_add(lane_capacity.clamp(1, TAKEN));
        let lanes = full.saturating_mul(consumers.max(1));
        lanes.saturating_add(lane_capacity.min(1_024)).saturating_add(1)
    }
}
