use std::fmt::Write;

use fastrand::Rng;
use meltica_event::{
    Control, Event, EventKind, ExecReport, ExecType, Header, InstrumentId, Level, Numbering,
    OrderStatus, Payload, Price, Quantity, Side, Text, Timestamp, TopOfBook, Trade, VenueId,
};

use crate::{Decoded, Ingest, VenuePools};

/// Levels on each side of a synthetic book.
const DEPTH: i64 = 10;
/// The distance between its levels, in units of [`Price`]: a cent.
const TICK: i64 = 10_000_000;
/// When a synthetic exchange opens: 2026-01-01. Its clock goes on by a millisecond an event.
const EPOCH: i64 = 1_767_225_600_000_000_000;
/// A snapshot comes again after so many deltas.
const SNAPSHOT_EVERY: u64 = 500;

/// A venue that makes up its market from a seed: random walks of a price for each instrument, with
/// quotes, trades, a book, and among them execution reports and answers to commands.
///
/// Of a hundred events 60 are tops of book, 20 trades, 15 book deltas, 3 execution reports and 2
/// control events, and each instrument's first is a snapshot. Equal seeds make equal events, whatever
/// the time. Numbers are as a venue's: trades dense, tops and books growing.
pub struct Synthetic {
    venue: VenueId,
    markets: Vec<Market>,
    rng: Rng,
    pools: VenuePools,
    /// Events made so far.
    made: i64,
    orders: u64,
    commands: u64,
}

struct Market {
    instrument: InstrumentId,
    /// The price between bid and ask, in ticks.
    middle: i64,
    /// The last update of the best prices.
    top: u64,
    /// The last update of the book.
    update: u64,
    trade: u64,
    deltas: u64,
    started: bool,
}

impl Synthetic {
    /// A venue that quotes these instruments.
    ///
    /// # Panics
    ///
    /// If there is no instrument.
    pub fn new(
        venue: VenueId,
        instruments: impl IntoIterator<Item = InstrumentId>,
        seed: u64,
        pools: VenuePools,
    ) -> Self {
        let mut rng = Rng::with_seed(seed ^ u64::from(venue.0) << 48);
        let markets: Vec<_> = instruments
            .into_iter()
            .map(|instrument| Market {
                instrument,
                middle: 1_000_000 * i64::from(instrument.0 % 100 + 1) + rng.i64(-500..500),
                top: 0,
                update: 0,
                trade: 0,
                deltas: 0,
                started: false,
            })
            .collect();
        assert!(!markets.is_empty(), "a venue without instruments has nothing to say");
        Self { venue, markets, rng, pools, made: 0, orders: 0, commands: 0 }
    }

    /// The next event. Objects that the pools cannot give come from the heap.
    pub fn next(&mut self, ingest: Ingest) -> Decoded {
        self.made += 1;
        let index = self.rng.usize(..self.markets.len());
        let market = &mut self.markets[index];
        if !market.started {
            market.started = true;
            return self.snapshot(index, ingest);
        }
        market.middle = (market.middle + self.rng.i64(-2..=2)).max(10 * DEPTH);
        match self.rng.u8(..100) {
            0..60 => self.top(index, ingest),
            60..80 => self.trade(index, ingest),
            80..95 if market.deltas == SNAPSHOT_EVERY => self.snapshot(index, ingest),
            80..95 => self.delta(index, ingest),
            95..98 => self.execution(index, ingest),
            _ => self.control(ingest),
        }
    }

    fn header(&self, index: usize, ingest: Ingest) -> Header {
        Header {
            instrument: self.markets[index].instrument,
            venue: self.venue,
            exchange_time: Timestamp::from_nanos(EPOCH + self.made * 1_000_000),
            ingest_time: ingest.time,
            ingest_mono_ns: ingest.mono_ns,
            ..Header::default()
        }
    }

    fn quantity(&mut self) -> Quantity {
        Quantity::from_units(self.rng.u64(1..=500_000_000))
    }

    fn level(&mut self, index: usize, side: Side, depth: i64) -> Level {
        let distance = match side {
            Side::Buy => -1 - depth,
            Side::Sell => 1 + depth,
        };
        let price = Price::from_units((self.markets[index].middle + distance) * TICK);
        Level { price, quantity: self.quantity() }
    }

    fn top(&mut self, index: usize, ingest: Ingest) -> Decoded {
        self.markets[index].top += self.rng.u64(1..4);
        let sequence = self.markets[index].top;
        let header =
            Header { sequence, numbering: Numbering::Monotone, ..self.header(index, ingest) };
        let bid = self.level(index, Side::Buy, 0);
        let ask = self.level(index, Side::Sell, 0);
        let mut event = self.pools.events.lease_or_heap();
        *event = Event::new(header, Payload::TopOfBook(TopOfBook { bid, ask }));
        Decoded::Event(event)
    }

    fn trade(&mut self, index: usize, ingest: Ingest) -> Decoded {
        self.markets[index].trade += 1;
        let id = self.markets[index].trade;
        let header =
            Header { sequence: id, numbering: Numbering::Dense, ..self.header(index, ingest) };
        let side = if self.rng.bool() { Side::Buy } else { Side::Sell };
        let Level { price, quantity } = self.level(index, side, 0);
        let trade = Trade { price, quantity, id, aggressor: Some(side) };
        let mut event = self.pools.events.lease_or_heap();
        *event = Event::new(header, Payload::Trade(trade));
        Decoded::Event(event)
    }

    fn snapshot(&mut self, index: usize, ingest: Ingest) -> Decoded {
        self.markets[index].update += 1;
        self.markets[index].deltas = 0;
        let sequence = self.markets[index].update;
        let mut book = self.pools.books.lease_or_heap();
        book.header = Header {
            kind: EventKind::BookSnapshot,
            sequence,
            numbering: Numbering::Rebase,
            ..self.header(index, ingest)
        };
        book.first_sequence = sequence;
        for depth in 0..DEPTH {
            for side in [Side::Buy, Side::Sell] {
                let level = self.level(index, side, depth);
                book.side_mut(side).set(level);
            }
        }
        Decoded::Book(book)
    }

    fn delta(&mut self, index: usize, ingest: Ingest) -> Decoded {
        let first_sequence = self.markets[index].update + 1;
        self.markets[index].update += self.rng.u64(1..4);
        self.markets[index].deltas += 1;
        let mut book = self.pools.books.lease_or_heap();
        book.header = Header {
            kind: EventKind::BookDelta,
            sequence: self.markets[index].update,
            numbering: Numbering::Monotone,
            ..self.header(index, ingest)
        };
        book.first_sequence = first_sequence;
        for _ in 0..self.rng.u8(1..=4) {
            let side = if self.rng.bool() { Side::Buy } else { Side::Sell };
            let depth = self.rng.i64(0..DEPTH);
            let mut level = self.level(index, side, depth);
            if self.rng.u8(..4) == 0 {
                level.quantity = Quantity::ZERO;
            }
            book.side_mut(side).set(level);
        }
        Decoded::Book(book)
    }

    fn execution(&mut self, index: usize, ingest: Ingest) -> Decoded {
        self.orders += 1;
        let header = Header { kind: EventKind::ExecReport, ..self.header(index, ingest) };
        let side = if self.rng.bool() { Side::Buy } else { Side::Sell };
        let Level { price, quantity } = self.level(index, side, 0);
        let mut report = self.pools.executions.lease_or_heap();
        *report = ExecReport {
            header,
            client_order_id: number("m", self.orders),
            venue_order_id: number("", self.orders),
            report_id: number("", self.orders),
            exec_type: ExecType::Trade,
            status: OrderStatus::Filled,
            side,
            price,
            quantity,
            last_price: price,
            last_quantity: quantity,
            cumulative_quantity: quantity,
            reason: Text::EMPTY,
        };
        Decoded::Execution(report)
    }

    /// Acknowledgement and result of a command by turns.
    fn control(&mut self, ingest: Ingest) -> Decoded {
        self.commands += 1;
        let command = self.commands.div_ceil(2);
        let header = Header { instrument: InstrumentId::NONE, ..self.header(0, ingest) };
        let name = Text::truncated("subscribe");
        let mut control = self.pools.controls.lease_or_heap();
        *control = if self.commands % 2 == 1 {
            Control::ack(header, command, name)
        } else {
            Control::result(header, command, name, Ok(()))
        };
        Decoded::Control(control)
    }
}

fn number(prefix: &str, number: u64) -> Text<36> {
    let mut text = Text::EMPTY;
    write!(text, "{prefix}{number}").expect("a letter and a u64 fit into 36 bytes");
    text
}
