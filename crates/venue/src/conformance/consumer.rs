use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
};

use meltica_event::{Book, EventKind, InstrumentId, Numbering};

use crate::Decoded;

/// Somebody who only applies what was handed on, checks that it follows, and remembers every book
/// that ever was at the venue.
#[derive(Default)]
pub struct Consumer {
    books: HashMap<InstrumentId, Book>,
    /// Books whose adapter has said that it does not trust them: the next message must be whole.
    doubted: HashSet<InstrumentId>,
    /// The states that were at the venue; nothing is asked where none is known.
    known: HashMap<InstrumentId, HashSet<u64>>,
    sequences: HashMap<InstrumentId, u64>,
    /// How many books were applied.
    pub applied: u64,
    /// How many execution reports came.
    pub executions: u64,
    reports: HashSet<String>,
}

impl Consumer {
    /// Takes what was handed on.
    ///
    /// # Panics
    ///
    /// If a delta comes without a snapshot before it, its numbers go back, or the book that it makes
    /// never was at the venue.
    pub fn take(&mut self, decoded: &Decoded) {
        match decoded {
            Decoded::Book(message) => self.book(message),
            Decoded::Execution(report) => {
                self.executions += 1;
                let id = format!("{} {}", report.client_order_id, report.report_id);
                assert!(self.reports.insert(id), "an execution came twice: {report:?}");
            }
            Decoded::Event(_) | Decoded::Control(_) => {}
        }
    }

    fn book(&mut self, message: &Book) {
        let of = message.header.instrument;
        self.applied += 1;
        if message.header.kind == EventKind::BookSnapshot {
            self.books.insert(of, message.clone());
            self.doubted.remove(&of);
        } else {
            assert!(!self.doubted.contains(&of), "{of:?}: a delta onto a book that is not trusted");
            let book = self.books.get_mut(&of);
            let book = book.unwrap_or_else(|| panic!("{of:?}: a delta without a snapshot"));
            book.fold(message);
            let last = self.sequences.get(&of).copied().unwrap_or_default();
            let follows = message.header.sequence >= last;
            let again = message.header.numbering == Numbering::Rebase;
            assert!(follows || again, "{of:?}: {last} is followed by less");
        }
        self.sequences.insert(of, message.header.sequence);
        let book = &self.books[&of];
        if let Some(known) = self.known.get(&of) {
            assert!(known.contains(&state(book)), "{of:?}: this book never was: {book:?}");
        }
    }

    /// Remembers a book as it is at the venue.
    pub fn knows(&mut self, of: InstrumentId, book: &Book) {
        self.known.entry(of).or_default().insert(state(book));
    }

    /// The adapter does not trust this book now.
    pub fn doubts(&mut self, of: InstrumentId) {
        self.doubted.insert(of);
    }

    /// The book that what was handed on adds up to, if it may be trusted.
    pub fn of(&self, of: InstrumentId) -> Option<&Book> {
        self.books.get(&of).filter(|_| !self.doubted.contains(&of))
    }
}

/// Levels alone, as a number.
fn state(book: &Book) -> u64 {
    let mut hasher = DefaultHasher::new();
    book.bids.hash(&mut hasher);
    book.asks.hash(&mut hasher);
    hasher.finish()
}
