use meltica_event::{Book, Control, Event, ExecReport};
use meltica_recycler::{Pool, Recycler};

/// The pools that a venue's events come from.
#[derive(Clone, Debug)]
pub struct VenuePools {
    /// Trades, tickers and tops of book.
    pub events: Pool<Event>,
    /// Books.
    pub books: Pool<Book>,
    /// Execution reports.
    pub executions: Pool<ExecReport>,
    /// Control events.
    pub controls: Pool<Control>,
}

impl VenuePools {
    /// Pools of its own, of so many objects each.
    ///
    /// # Panics
    ///
    /// If `capacity` is zero.
    pub fn new(capacity: usize) -> Self {
        let recycler = Recycler::new();
        Self {
            events: recycler.pool("event", capacity, Event::blank, |e| *e = Event::blank()),
            books: recycler.pool("book", capacity, || Book::with_capacity(16), Book::clear),
            executions: recycler
                .pool("execreport", capacity, ExecReport::blank, |r| *r = ExecReport::blank()),
            controls: recycler.pool("control", capacity, Control::blank, |c| *c = Control::blank()),
        }
    }
}
