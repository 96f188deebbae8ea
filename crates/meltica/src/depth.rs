use std::collections::HashMap;

use meltica_event::{
    Book, EventKind, Header, InstrumentId, Level, Levels, Price, Quantity, Side, Sources, VenueId,
};
use meltica_orchestrator::{Merge, Sequence, Window};
use meltica_recycler::{Lease, Pool};

use crate::{
    follow::Follow,
    merge_rule::MergeRule,
    view::{header, sequence, told},
};

/// Adds up the books of several venues: see [`MergeRule::depth`].
pub(crate) struct Depth {
    venues: Vec<VenueId>,
    levels: usize,
    published_as: VenueId,
    /// Every venue's book as it is now: windows say which have changed.
    books: HashMap<(InstrumentId, VenueId), Book>,
    pool: Pool<Book>,
    follow: Follow,
}

impl Depth {
    pub(crate) fn new(rule: &MergeRule, levels: usize, pool: Pool<Book>, follow: Follow) -> Self {
        let venues = rule.venues.clone();
        Self {
            venues,
            levels,
            published_as: rule.published_as,
            books: HashMap::new(),
            pool,
            follow,
        }
    }

    /// Goes on with the books of a rule in whose place this one is; with those that this one is about:
    /// others would miss what comes until yet another rule wants them again.
    pub(crate) fn inherit(&mut self, old: Self, rule: &MergeRule) {
        self.books = old.books;
        self.books.retain(|(instrument, venue), _| rule.is_about(*instrument, *venue));
    }

    /// Takes a message into its venue's book; false if it says nothing new of it: a delta before the
    /// first snapshot, or what goes back.
    pub(crate) fn fold(&mut self, message: &Book) -> bool {
        let Book { header, .. } = message;
        let key = (header.instrument, header.venue);
        let book = match self.books.get_mut(&key) {
            Some(book) => book,
            None if header.kind == EventKind::BookDelta => return false,
            None => {
                self.books.insert(key, message.clone());
                return true;
            }
        };
        let goes_back = match sequence(header) {
            Sequence::Numbered(number) => number <= book.header.sequence,
            Sequence::Rebase(_) | Sequence::Unsequenced => false,
        };
        if !goes_back {
            book.fold(message);
        }
        !goes_back
    }
}

/// What a book said is in [`books`](Depth::books) already: a window need not hold it, and so keeps nobody
/// from stamping it in place.
impl Merge for Depth {
    type Partial = Header;
    type Key = InstrumentId;
    type Source = VenueId;
    type Merged = Lease<Book>;

    fn key(&self, header: &Header) -> InstrumentId {
        header.instrument
    }

    fn source(&self, header: &Header) -> VenueId {
        header.venue
    }

    fn sequence(&self, header: &Header) -> Sequence {
        sequence(header)
    }

    fn expected(&self, _: InstrumentId) -> &[VenueId] {
        &self.venues
    }

    fn merge(&mut self, window: Window<'_, Self>) -> Option<Lease<Book>> {
        let mut merged = self.pool.try_lease().ok()?;
        let (headers, last_to_come) = (window.partials(), window.last_to_come());
        merged.header = header(EventKind::MergedBook, self.published_as, headers, last_to_come);
        merged.header.sequence = window.id();
        merged.first_sequence = window.id();
        let mut sources = Sources::default();
        let mut books: [Option<&Book>; Sources::MOST] = [None; Sources::MOST];
        for partial in window.partials() {
            let venue = partial.venue;
            if sources.insert(venue) {
                books[sources.len() - 1] = self.books.get(&(window.key(), venue));
            }
            if self.follow.follows(partial.trace) {
                told(partial, &merged.header);
            }
        }
        merged.sources = sources.with_missing(window.missing());
        let books = &books[..sources.len()];
        add_up(books.iter().flatten().map(|book| &book.bids), self.levels, Side::Buy, &mut merged);
        add_up(books.iter().flatten().map(|book| &book.asks), self.levels, Side::Sell, &mut merged);
        Some(merged)
    }
}

/// Puts the best prices of several sides into one, with their quantities added up.
fn add_up<'a>(sides: impl Iterator<Item = &'a Levels>, levels: usize, side: Side, into: &mut Book) {
    let mut rest: [&[Level]; Sources::MOST] = [&[]; Sources::MOST];
    for (rest, side) in rest.iter_mut().zip(sides) {
        *rest = side;
    }
    while into.side_mut(side).len() < levels {
        let prices = rest.iter().filter_map(|levels| levels.first()).map(|level| level.price);
        let best: Option<Price> = match side {
            Side::Buy => prices.max(),
            Side::Sell => prices.min(),
        };
        let Some(price) = best else { break };
        let mut units = 0u64;
        for levels in &mut rest {
            if let Some((first, others)) = levels.split_first() {
                if first.price == price {
                    units = units.saturating_add(first.quantity.units());
                    *levels = others;
                }
            }
        }
        // A level of nothing is none, though a snapshot may have it.
        if units > 0 {
            into.side_mut(side).set(Level { price, quantity: Quantity::from_units(units) });
        }
    }
}
