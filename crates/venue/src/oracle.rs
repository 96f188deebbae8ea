use std::collections::VecDeque;

use meltica_event::{Book, Level, TopOfBook};

/// How many best prices are kept until their update arrives in the book.
const KEPT: usize = 4_096;

/// Compares an assembled book with best prices that the venue publishes by themselves: wherever both
/// are of the same update, they must be equal. Either may come first.
#[derive(Debug, Default)]
pub struct TopOracle {
    /// By update, growing.
    tops: VecDeque<(u64, TopOfBook)>,
    compared: u64,
    equal: u64,
}

impl TopOracle {
    /// Nothing compared yet.
    pub fn new() -> Self {
        Self { tops: VecDeque::with_capacity(KEPT), ..Self::default() }
    }

    /// Forgets the best prices that wait for their update: numbers begin again.
    pub fn restart(&mut self) {
        self.tops.clear();
    }

    /// The best prices as of `update`, beside the book as it stands, if it can be trusted.
    pub fn top(&mut self, update: u64, top: TopOfBook, book: Option<&Book>) {
        if let Some(book) = book.filter(|book| book.header.sequence >= update) {
            if book.header.sequence == update {
                self.compare(top, book);
            }
            return;
        }
        if self.tops.back().is_some_and(|(last, _)| *last >= update) {
            return;
        }
        if self.tops.len() == KEPT {
            self.tops.pop_front();
        }
        self.tops.push_back((update, top));
    }

    /// The book, after an update.
    pub fn book(&mut self, book: &Book) {
        let now = book.header.sequence;
        while let Some((update, top)) = self.tops.front().copied().filter(|(at, _)| *at <= now) {
            self.tops.pop_front();
            if update == now {
                self.compare(top, book);
            }
        }
    }

    fn compare(&mut self, top: TopOfBook, book: &Book) {
        let best = |levels: &[Level]| levels.first().copied().unwrap_or_default();
        self.compared += 1;
        self.equal += u64::from(best(&book.bids) == top.bid && best(&book.asks) == top.ask);
    }

    /// How often both were of the same update.
    pub fn compared(&self) -> u64 {
        self.compared
    }

    /// Of these, how often they were equal: prices and quantities.
    pub fn equal(&self) -> u64 {
        self.equal
    }
}
