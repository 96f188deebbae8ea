use std::{fmt, ops::Deref};

use crate::{EventKind, Header, Price, Quantity, Side, Sources};

/// A price and how much there is at it. In a delta, a quantity of zero removes the price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Level {
    /// The price.
    pub price: Price,
    /// How much there is at it.
    pub quantity: Quantity,
}

/// One side of a book: levels with the best price first, each price once. Reads as a slice.
///
/// Most of what happens to a book happens near its best price, so that end is cheap to change: a level
/// costs as many moves as there are levels on the nearer side of it.
pub struct Levels {
    /// Room before `start` is free, so that what is near the best price can make way forwards.
    room: Vec<Level>,
    start: usize,
    side: Side,
}

/// So few levels are moved as fast whichever way they go.
const FEW: usize = 32;

/// How much room is made at the front when there is none: an eighth, so that making it costs each level
/// that comes a few moves.
const fn front(levels: usize) -> usize {
    levels / 8 + 8
}

impl Levels {
    /// An empty side with room for `capacity` levels; more are taken, at the price of an
    /// allocation. The room is written to once, so that the system has given it before it is needed.
    pub fn with_capacity(side: Side, capacity: usize) -> Self {
        // Zeros would be had from the system unwritten.
        let written = Level { price: Price::default(), quantity: Quantity::from_units(u64::MAX) };
        let mut room = vec![written; capacity + front(capacity)];
        room.clear();
        Self { room, start: 0, side }
    }

    /// Puts a level where its price belongs, replacing what was there. In a run of levels that
    /// come best first, each costs no more than a comparison.
    pub fn set(&mut self, level: Level) {
        let follows = |last: &Level| self.side.is_worse(level.price, last.price);
        if self.last().is_none_or(follows) {
            self.make_room_at_the_end();
            self.room.push(level);
            return;
        }
        match self.position(level.price) {
            Ok(index) => self.room[self.start + index] = level,
            Err(index) => self.insert(index, level),
        }
    }

    /// Takes the level of this price away; `None` if there is none.
    pub fn remove(&mut self, price: Price) -> Option<Level> {
        let index = self.position(price).ok()?;
        let at = self.start + index;
        if index >= self.len() / 2 {
            return Some(self.room.remove(at));
        }
        let level = self.room[at];
        self.room.copy_within(self.start..at, self.start + 1);
        self.start += 1;
        Some(level)
    }

    /// Forgets every level, keeping the room.
    pub fn clear(&mut self) {
        self.room.clear();
        self.start = 0;
    }

    /// Becomes equal to `other`, allocating only if its room does not suffice.
    fn copy_from(&mut self, other: &Self) {
        self.side = other.side;
        self.clear();
        self.room.extend_from_slice(other);
    }

    fn insert(&mut self, index: usize, level: Level) {
        let few = self.start == 0 && self.len() < FEW;
        if few || index >= self.len() / 2 {
            self.make_room_at_the_end();
            self.room.insert(self.start + index, level);
            return;
        }
        if self.start == 0 {
            let len = self.room.len();
            let gap = front(len);
            if gap > self.room.capacity() - len {
                self.room.reserve(gap);
            }
            self.room.resize(len + gap, Level::default());
            self.room.copy_within(..len, gap);
            self.start = gap;
        }
        let at = self.start + index;
        self.room.copy_within(self.start..at, self.start - 1);
        self.start -= 1;
        self.room[at - 1] = level;
    }

    /// Takes the room at the front back before more is asked for.
    fn make_room_at_the_end(&mut self) {
        if self.start > 0 && self.room.len() == self.room.capacity() {
            self.room.copy_within(self.start.., 0);
            self.room.truncate(self.room.len() - self.start);
            self.start = 0;
        }
    }

    /// Where this price is, or belongs: looked for from the best price on, in growing steps.
    fn position(&self, price: Price) -> Result<usize, usize> {
        let mut step = 1;
        while self.get(step).is_some_and(|level| !self.side.is_worse(level.price, price)) {
            step *= 2;
        }
        let (from, to) = (step / 2, self.len().min(step + 1));
        let nearer = self.get(from..to).unwrap_or_default();
        let found = match self.side {
            Side::Buy => nearer.binary_search_by(|level| price.cmp(&level.price)),
            Side::Sell => nearer.binary_search_by(|level| level.price.cmp(&price)),
        };
        found.map(|index| from + index).map_err(|index| from + index)
    }
}

impl PartialEq for Levels {
    fn eq(&self, other: &Self) -> bool {
        self.side == other.side && self[..] == other[..]
    }
}

impl Eq for Levels {}

impl fmt::Debug for Levels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Levels").field("levels", &&self[..]).field("side", &self.side).finish()
    }
}

impl Side {
    fn is_worse(self, price: Price, than: Price) -> bool {
        match self {
            Self::Buy => price < than,
            Self::Sell => price > than,
        }
    }
}

impl Deref for Levels {
    type Target = [Level];

    fn deref(&self) -> &[Level] {
        &self.room[self.start..]
    }
}

/// A book, whole or in part: a snapshot has every level, a delta those that changed.
///
/// Which of the two it is says the header's kind. The header's sequence is the last update that is
/// in it. Levels are allocated once and kept when the book is cleared, so a pooled book stops
/// allocating when it has seen its largest.
#[derive(Debug, PartialEq, Eq)]
pub struct Book {
    /// What every message begins with; the kind is [`EventKind::BookSnapshot`],
    /// [`EventKind::BookDelta`] or [`EventKind::MergedBook`], whose sequence is its window's number.
    pub header: Header,
    /// The first update that is in a delta; equal to the header's sequence in a snapshot.
    pub first_sequence: u64,
    /// The venues whose books are summed in a merged book; empty in a venue's own.
    pub sources: Sources,
    /// Who buys, highest first.
    pub bids: Levels,
    /// Who sells, lowest first.
    pub asks: Levels,
}

static_assertions::assert_impl_all!(Book: Clone, Send, Sync);

impl Book {
    /// An empty snapshot with room for `levels` on each side.
    pub fn with_capacity(levels: usize) -> Self {
        Self {
            header: Header::new(EventKind::BookSnapshot),
            first_sequence: 0,
            sources: Sources::default(),
            bids: Levels::with_capacity(Side::Buy, levels),
            asks: Levels::with_capacity(Side::Sell, levels),
        }
    }

    /// Forgets everything, keeping the room: what a returned book is reset by.
    pub fn clear(&mut self) {
        self.header = Header::new(EventKind::BookSnapshot);
        self.first_sequence = 0;
        self.sources = Sources::default();
        self.bids.clear();
        self.asks.clear();
    }

    /// The side's levels.
    pub fn side_mut(&mut self, side: Side) -> &mut Levels {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    /// Folds a newer message of the same stream into this one, so that whoever sees only this one
    /// knows what both said.
    ///
    /// A snapshot replaces everything, and so does a merged book. A delta changes the levels it names: in a snapshot, a
    /// quantity of zero removes the level; in a delta it stays, since it still has to remove the
    /// level from whatever the delta is applied to. The header becomes the newer one's, except
    /// that a snapshot with deltas folded into it remains a snapshot, and that numbers which begin again in one of them
    /// ([`Numbering::Rebase`](crate::Numbering::Rebase)) do so in both. The two must follow each other: what lies between them cannot be known here.
    pub fn fold(&mut self, newer: &Self) {
        let numbering = self.header.numbering.folded(newer.header.numbering);
        if newer.header.kind == EventKind::BookDelta {
            self.fold_delta(newer);
        } else {
            self.clone_from(newer);
        }
        self.header.numbering = numbering;
    }

    fn fold_delta(&mut self, newer: &Self) {
        let whole = self.header.kind == EventKind::BookSnapshot;
        for (mine, theirs) in [(&mut self.bids, &newer.bids), (&mut self.asks, &newer.asks)] {
            for level in theirs.iter() {
                if whole && level.quantity.is_zero() {
                    mine.remove(level.price);
                } else {
                    mine.set(*level);
                }
            }
        }
        self.header = Header { kind: self.header.kind, ..newer.header };
        if whole {
            self.first_sequence = newer.header.sequence;
        }
    }
}

/// `clone_from` reuses the room that is there: a book copied into a pooled one allocates nothing.
impl Clone for Book {
    fn clone(&self) -> Self {
        let mut copy = Self::with_capacity(self.bids.len().max(self.asks.len()));
        copy.clone_from(self);
        copy
    }

    fn clone_from(&mut self, source: &Self) {
        self.header = source.header;
        self.first_sequence = source.first_sequence;
        self.sources = source.sources;
        self.bids.copy_from(&source.bids);
        self.asks.copy_from(&source.asks);
    }
}
