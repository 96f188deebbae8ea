//! Venues as a line shows them: in order but for gaps, duplicates, messages that overtake one another,
//! and numbers that start again.

use fastrand::Rng;
use meltica::event::{
    InstrumentId, Level, Numbering, Payload, Price, Quantity, Side, Ticker, TopOfBook, Topic,
    Trade, VenueId,
};

use crate::plan::{Content, Item};

pub(crate) struct Market {
    streams: Vec<Stream>,
    venues: u16,
    clock_ms: i64,
    commands: u64,
}

struct Stream {
    venue: VenueId,
    instrument: InstrumentId,
    topic: Topic,
    numbering: Numbering,
    last: u64,
    begun: bool,
    sent: Option<Item>,
    /// Overtaken by what comes after it.
    delayed: Option<Item>,
}

impl Market {
    pub(crate) fn new(rng: &mut Rng, venues: u16, instruments: u32) -> Self {
        let mut streams = vec![];
        for venue in 1..=venues {
            for instrument in 1..=instruments {
                for topic in [Topic::Trades, Topic::TopOfBook, Topic::Book, Topic::Ticker] {
                    let of = [Numbering::Dense, Numbering::Monotone, Numbering::Unsequenced];
                    streams.push(Stream {
                        venue: VenueId(venue),
                        instrument: InstrumentId(instrument),
                        topic,
                        numbering: of[rng.usize(..of.len())],
                        last: rng.u64(..100),
                        begun: false,
                        sent: None,
                        delayed: None,
                    });
                }
            }
        }
        Self { streams, venues, clock_ms: 1_000, commands: 0 }
    }

    /// What comes in next.
    pub(crate) fn next(&mut self, rng: &mut Rng) -> Item {
        self.clock_ms += rng.i64(-2..=6);
        match rng.u8(..10) {
            0 => return report(rng, self.venues),
            1 if rng.bool() => {
                self.commands += 1;
                let command = if rng.u8(..8) == 0 { 0 } else { self.commands };
                let content = Content::Control { command, result: rng.bool() };
                return critical(rng, self.venues, content);
            }
            _ => {}
        }
        let index = rng.usize(..self.streams.len());
        self.streams[index].next(rng, self.clock_ms)
    }
}

/// Trades on top of one another, more than any consumer has room for.
impl Market {
    pub(crate) fn burst(&mut self, rng: &mut Rng) -> Vec<Item> {
        let trades = self.streams.iter_mut().filter(|stream| stream.topic == Topic::Trades);
        let mut trades: Vec<_> = trades.collect();
        let index = rng.usize(..trades.len());
        let stream = &mut trades[index];
        let burst = (0..rng.usize(70..=90)).map(|_| {
            stream.last += 1;
            stream.item(rng, stream.numbering, self.clock_ms)
        });
        burst.collect()
    }
}

/// An execution report; of few orders, so that some come twice.
pub(crate) fn report(rng: &mut Rng, venues: u16) -> Item {
    let content = Content::Execution { order: rng.u8(..3), report: rng.u8(..40) };
    critical(rng, venues, content)
}

fn critical(rng: &mut Rng, venues: u16, content: Content) -> Item {
    Item {
        venue: VenueId(rng.u16(1..=venues)),
        instrument: InstrumentId::NONE,
        numbering: Numbering::Unsequenced,
        sequence: 0,
        exchange_ms: 0,
        content,
    }
}

impl Stream {
    fn next(&mut self, rng: &mut Rng, clock_ms: i64) -> Item {
        if let Some(item) = self.delayed.take_if(|_| rng.u8(..3) == 0) {
            return item;
        }
        let item = match rng.u8(..100) {
            0..5 if self.sent.is_some() => return self.sent.clone().expect("it was asked"),
            5..8 => self.again(rng, clock_ms),
            // A venue that stops promising that its numbers are dense, or begins to.
            14 if self.numbering != Numbering::Unsequenced => {
                self.numbering = match self.numbering {
                    Numbering::Dense => Numbering::Monotone,
                    _ => Numbering::Dense,
                };
                self.last += 1;
                self.item(rng, self.numbering, clock_ms)
            }
            chance => {
                let gap = if (8..14).contains(&chance) { rng.u64(1..=3) } else { 0 };
                let skips = if self.numbering == Numbering::Monotone { rng.u64(..3) } else { 0 };
                self.last += 1 + gap + skips;
                self.item(rng, self.numbering, clock_ms)
            }
        };
        if self.delayed.is_none() && rng.u8(..100) < 12 {
            self.delayed = Some(item);
            return self.next(rng, clock_ms);
        }
        self.sent = Some(item.clone());
        item
    }

    /// The venue starts again, from a number below.
    fn again(&mut self, rng: &mut Rng, clock_ms: i64) -> Item {
        self.last = rng.u64(..=self.last);
        self.begun = false;
        self.item(rng, Numbering::Rebase, clock_ms)
    }

    fn item(&mut self, rng: &mut Rng, numbering: Numbering, exchange_ms: i64) -> Item {
        let content = self.content(rng);
        let Self { venue, instrument, last: sequence, .. } = *self;
        Item { venue, instrument, numbering, sequence, exchange_ms, content }
    }

    fn content(&mut self, rng: &mut Rng) -> Content {
        let price = |rng: &mut Rng| Price::from_units(rng.i64(1..=9));
        let quantity = |rng: &mut Rng, least| Quantity::from_units(rng.u64(least..=4));
        match self.topic {
            Topic::Trades => Content::Event(Payload::Trade(Trade {
                price: price(rng),
                quantity: quantity(rng, 0),
                id: self.last,
                aggressor: Some(Side::Buy),
            })),
            Topic::TopOfBook => {
                let mut level = || Level { price: price(rng), quantity: quantity(rng, 0) };
                Content::Event(Payload::TopOfBook(TopOfBook { bid: level(), ask: level() }))
            }
            Topic::Book => {
                // A delta without a snapshot before it is what some venues send, too.
                let whole = if self.begun { rng.u8(..7) == 0 } else { rng.u8(..5) > 0 };
                self.begun = true;
                let mut levels = vec![];
                for side in [Side::Buy, Side::Sell] {
                    for price in 1..=5 {
                        if rng.u8(..if whole { 2 } else { 4 }) == 0 {
                            levels.push((side, price, rng.u64(u64::from(whole)..=3)));
                        }
                    }
                }
                Content::Book { whole, levels }
            }
            _ => Content::Event(Payload::Ticker(Ticker { last: price(rng), ..Ticker::default() })),
        }
    }
}
