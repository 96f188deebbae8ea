//! A market of which every message says by itself whether it is right.

use meltica::event::{Book, EventKind, Level, Price, Quantity, Side, TopOfBook};

/// Levels on each side of a book.
pub(crate) const LEVELS: u64 = 20;

/// The update of this number: one level of each side gets the number as its quantity.
pub(crate) fn update(sequence: u64, book: &mut Book) {
    let at = sequence % LEVELS;
    book.bids.set(level(Side::Buy, at, sequence));
    book.asks.set(level(Side::Sell, at, sequence));
}

/// The whole book after the update of this number.
pub(crate) fn whole(sequence: u64, book: &mut Book) {
    for number in sequence.saturating_sub(LEVELS - 1).max(1)..=sequence {
        update(number, book);
    }
}

fn level(side: Side, at: u64, quantity: u64) -> Level {
    let away = 1 + at as i64;
    let away = if side == Side::Buy { -away } else { away };
    Level { price: Price::from_units(1_000 + away), quantity: Quantity::from_units(quantity) }
}

/// The quote of this number.
pub(crate) fn quote(sequence: u64) -> TopOfBook {
    TopOfBook { bid: level(Side::Buy, 0, sequence), ask: level(Side::Sell, 0, sequence) }
}

/// A receiver's book, put together from what comes.
pub(crate) struct Assembled(Book);

impl Assembled {
    pub(crate) fn new() -> Self {
        Self(Book::with_capacity(LEVELS as usize))
    }

    /// Takes the next message of the stream; whether the book is then the sender's.
    pub(crate) fn take(&mut self, next: &Book) -> bool {
        if next.header.kind == EventKind::BookDelta {
            self.0.fold(next);
        } else {
            self.0.clone_from(next);
        }
        let mut expected = Book::with_capacity(LEVELS as usize);
        whole(self.0.header.sequence, &mut expected);
        (&self.0.bids, &self.0.asks) == (&expected.bids, &expected.asks)
    }
}
