use std::fmt::Write;

use fastrand::Rng;
use meltica_event::{
    Book, EventKind, ExecReport, ExecType, Header, Instrument, InstrumentId, Level, Levels,
    OrderStatus, Price, Quantity, Side, Text, Timestamp, TopOfBook, Trade,
};

/// The levels that a side is kept at, more or less.
const LEVELS: usize = 24;
/// A cent, in units of [`Price`].
const TICK: i64 = 10_000_000;
/// How far from the middle a level may lie, in ticks.
const REACH: i64 = 60;

/// The market behind every [`LocalVenue`](crate::LocalVenue): for each instrument a book that changes
/// level by level, trades at its best prices, and fills of somebody's orders. Made up from a seed:
/// equal seeds make equal moves.
///
/// Prices have two digits after the point, quantities at most eight. The books are never crossed.
pub struct LocalMarket {
    rng: Rng,
    stalls: Vec<Stall>,
    depth: usize,
    executions: u64,
}

struct Stall {
    instrument: Instrument,
    id: InstrumentId,
    middle: i64,
    whole: Book,
    /// What is subscribed to: the best of `whole`.
    view: Book,
    update: u64,
    trade: u64,
}

/// What happened in a market, to the instrument of this place in the list.
#[derive(Clone, Debug)]
pub enum Move {
    /// The book changed.
    Book(usize, BookChange),
    /// Somebody traded.
    Trade(usize, Trade),
    /// The best prices are told, as of this update.
    Top(usize, u64, TopOfBook),
    /// Somebody's order was filled; no two reports are the same.
    Execution(usize, Box<ExecReport>),
}

/// How a book changed, as far as it can be seen at the subscribed depth.
#[derive(Clone, Debug, Default)]
pub struct BookChange {
    /// The first update in it: one more than the last of the change before.
    pub first: u64,
    /// The last update in it.
    pub last: u64,
    /// Bids that are new or have another quantity; zero if the level is gone. A level that was only
    /// pushed out of sight is not named: whoever keeps the book cuts it.
    pub bids: Vec<Level>,
    /// Asks, likewise.
    pub asks: Vec<Level>,
}

impl LocalMarket {
    /// A market of these instruments, of whose books `depth` levels a side can be seen.
    ///
    /// # Panics
    ///
    /// If there is no instrument, or `depth` is zero.
    pub fn new(
        instruments: impl IntoIterator<Item = (Instrument, InstrumentId)>,
        seed: u64,
        depth: usize,
    ) -> Self {
        assert!(depth > 0, "a book that shows nothing is none");
        let stalls = instruments.into_iter().enumerate().map(|(index, (instrument, id))| Stall {
            instrument,
            id,
            middle: 100_000 * (index as i64 + 1),
            whole: Book::with_capacity(2 * LEVELS),
            view: Book::with_capacity(2 * LEVELS),
            update: 1_000,
            trade: 500,
        });
        let stalls: Vec<_> = stalls.collect();
        assert!(!stalls.is_empty(), "a market without instruments has nothing to say");
        let mut market = Self { rng: Rng::with_seed(seed), stalls, depth, executions: 0 };
        for index in 0..market.stalls.len() {
            market.change(index);
        }
        market
    }

    /// The next move.
    pub fn step(&mut self, now: Timestamp) -> Move {
        let index = self.rng.usize(..self.stalls.len());
        match self.rng.u8(..100) {
            0..60 => Move::Book(index, self.change(index)),
            60..75 => {
                let stall = &self.stalls[index];
                let best = |levels: &Levels| levels.first().copied().unwrap_or_default();
                let top = TopOfBook { bid: best(&stall.view.bids), ask: best(&stall.view.asks) };
                Move::Top(index, stall.update, top)
            }
            75..95 => Move::Trade(index, self.trade(index)),
            _ => Move::Execution(index, Box::new(self.execution(index, now))),
        }
    }

    /// The instruments, in the order in which they were given.
    pub fn instruments(&self) -> impl Iterator<Item = (Instrument, InstrumentId)> + '_ {
        self.stalls.iter().map(|stall| (stall.instrument, stall.id))
    }

    /// The place of this instrument in the list.
    pub fn index(&self, id: InstrumentId) -> Option<usize> {
        self.stalls.iter().position(|stall| stall.id == id)
    }

    /// What can be seen of the book, whose header's sequence is the last update in it.
    ///
    /// # Panics
    ///
    /// If there is no such place in the list.
    pub fn book(&self, index: usize) -> &Book {
        &self.stalls[index].view
    }

    fn quantity(&mut self) -> Quantity {
        Quantity::from_units(self.rng.u64(1..=500_000_000))
    }

    /// Changes a few levels, and tells what can be seen of that.
    fn change(&mut self, index: usize) -> BookChange {
        let middle = self.stalls[index].middle + self.rng.i64(-3..=3);
        let middle = middle.max(10 * REACH);
        self.stalls[index].middle = middle;
        for side in [Side::Buy, Side::Sell] {
            let changes = self.rng.usize(0..=3);
            let missing = LEVELS.saturating_sub(side_of(&self.stalls[index].whole, side).len());
            for _ in 0..changes + missing {
                let distance = self.rng.i64(1..=REACH);
                let ticks = if side == Side::Buy { middle - distance } else { middle + distance };
                let level =
                    Level { price: Price::from_units(ticks * TICK), quantity: self.quantity() };
                let levels = self.stalls[index].whole.side_mut(side);
                if missing == 0 && self.rng.u8(..3) == 0 {
                    // The best goes as often as any other.
                    let gone = self.rng.usize(..levels.len());
                    let price = levels[gone].price;
                    levels.remove(price);
                } else {
                    levels.set(level);
                }
            }
        }
        let updates = self.rng.u64(1..=3);
        let stall = &mut self.stalls[index];
        let crossed = |price: Price, side| match side {
            Side::Buy => price.units() >= middle * TICK,
            Side::Sell => price.units() <= middle * TICK,
        };
        for side in [Side::Buy, Side::Sell] {
            let levels = stall.whole.side_mut(side);
            while let Some(best) = levels.first().copied().filter(|l| crossed(l.price, side)) {
                levels.remove(best.price);
            }
        }
        let first = stall.update + 1;
        stall.update += updates;
        let before = stall.view.clone();
        stall.view.clone_from(&stall.whole);
        stall.view.header.sequence = stall.update;
        for side in [Side::Buy, Side::Sell] {
            let levels = stall.view.side_mut(side);
            while levels.len() > self.depth {
                let worst = levels[levels.len() - 1].price;
                levels.remove(worst);
            }
        }
        let changes = |side| {
            let (old, new) = (side_of(&before, side), side_of(&stall.view, side));
            difference(old, new, side_of(&stall.whole, side))
        };
        let (bids, asks) = (changes(Side::Buy), changes(Side::Sell));
        BookChange { first, last: stall.update, bids, asks }
    }

    /// Somebody takes this much from the best of this side.
    fn deal(&mut self, index: usize) -> (Side, Price, Quantity) {
        let side = if self.rng.bool() { Side::Buy } else { Side::Sell };
        let quantity = self.quantity();
        let stall = &self.stalls[index];
        let taken = match side {
            Side::Buy => stall.view.asks.first(),
            Side::Sell => stall.view.bids.first(),
        };
        (side, taken.map_or(Price::from_units(stall.middle * TICK), |l| l.price), quantity)
    }

    fn trade(&mut self, index: usize) -> Trade {
        let (side, price, quantity) = self.deal(index);
        self.stalls[index].trade += 1;
        Trade { price, quantity, id: self.stalls[index].trade, aggressor: Some(side) }
    }

    fn execution(&mut self, index: usize, now: Timestamp) -> ExecReport {
        self.executions += 1;
        let (side, price, quantity) = self.deal(index);
        let number = |prefix: &str| {
            let mut text = Text::EMPTY;
            write!(text, "{prefix}{}", self.executions).expect("a prefix and a u64 fit");
            text
        };
        ExecReport {
            header: Header {
                instrument: self.stalls[index].id,
                exchange_time: now,
                ..Header::new(EventKind::ExecReport)
            },
            client_order_id: number("local"),
            venue_order_id: number("9"),
            report_id: number("7"),
            exec_type: ExecType::Trade,
            status: OrderStatus::Filled,
            side,
            price,
            quantity,
            last_price: price,
            last_quantity: quantity,
            cumulative_quantity: quantity,
            reason: Text::EMPTY,
        }
    }
}

const fn side_of(book: &Book, side: Side) -> &Levels {
    match side {
        Side::Buy => &book.bids,
        Side::Sell => &book.asks,
    }
}

/// What has to be told so that `old` becomes `new`, given that `whole` lies behind it.
fn difference(old: &Levels, new: &Levels, whole: &Levels) -> Vec<Level> {
    let has = |levels: &Levels, price| levels.iter().any(|level| level.price == price);
    let gone = old.iter().filter(|level| !has(new, level.price) && !has(whole, level.price));
    let gone = gone.map(|level| Level { quantity: Quantity::ZERO, ..*level });
    gone.chain(new.iter().filter(|level| !old.contains(level)).copied()).collect()
}
