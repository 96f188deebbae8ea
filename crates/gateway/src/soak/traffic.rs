//! What an endurance run pushes: quotes, trades, book deltas and execution reports of several venues
//! and instruments, the same for the same seed.

use std::fmt::Write;

use meltica::{
    Message, Pools,
    event::{
        Book, Event, EventKind, Header, InstrumentId, Level, Numbering, Payload, Price, Quantity,
        Text, TopOfBook, Topic, TraceId, Trade, VenueId,
    },
};

use crate::soak::lot::draw;

const VENUES: u64 = 4;
const INSTRUMENTS: u64 = 8;
/// What there is of every instrument at every venue, and how much of it in a hundred messages.
const TOPICS: [(Topic, u64); 4] =
    [(Topic::TopOfBook, 55), (Topic::Trades, 32), (Topic::Book, 8), (Topic::Executions, 5)];
/// How many streams there are: each has numbers of its own, one after another from 1 on.
pub(crate) const STREAMS: usize = INSTRUMENTS_OF_VENUES * TOPICS.len();
/// How many instruments all venues have: as many streams of quotes.
pub(crate) const INSTRUMENTS_OF_VENUES: usize = (VENUES * INSTRUMENTS) as usize;
/// Levels that a delta changes on each side, and prices that a side has.
const CHANGED: u64 = 2;
const PRICES: u64 = 8;

/// Where a stream's numbers are kept, below [`STREAMS`]; `None` for what belongs to none.
pub(crate) fn stream(header: &Header) -> Option<usize> {
    let topic = TOPICS.iter().position(|(topic, _)| *topic == header.kind.topic())?;
    let venue = usize::from(header.venue.0).checked_sub(1)?;
    let instrument = (header.instrument.0 as usize).checked_sub(1)?;
    Some((venue * INSTRUMENTS as usize + instrument) * TOPICS.len() + topic)
}

/// Which of these are streams of execution reports.
pub(crate) fn critical_streams() -> impl Iterator<Item = usize> {
    let place = TOPICS.iter().position(|(topic, _)| *topic == Topic::Executions);
    (0..STREAMS).filter(move |stream| Some(stream % TOPICS.len()) == place)
}

/// Makes one message after another. The trace id is the message's number.
pub(crate) struct Traffic {
    pools: Pools,
    seed: u64,
    number: u64,
    /// By stream: its last number.
    last: [u64; STREAMS],
}

impl Traffic {
    pub(crate) fn new(pools: &Pools, seed: u64) -> Self {
        Self { pools: pools.clone(), seed, number: 0, last: [0; STREAMS] }
    }

    /// How many messages there were.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// By stream, how many messages there were.
    pub(crate) fn by_stream(&self) -> &[u64; STREAMS] {
        &self.last
    }

    pub(crate) fn next(&mut self) -> Message {
        self.number += 1;
        let bits = draw(self.number, self.seed);
        let mut header = Header {
            trace: TraceId(self.number),
            venue: VenueId(1 + (bits % VENUES) as u16),
            instrument: InstrumentId(1 + (bits >> 8) as u32 % INSTRUMENTS as u32),
            kind: kind((bits >> 16) % 100),
            numbering: Numbering::Monotone,
            ..Header::default()
        };
        let stream = stream(&header).expect("it is made of what streams are made of");
        self.last[stream] += 1;
        header.sequence = self.last[stream];
        match header.kind {
            EventKind::ExecReport => self.execution(header),
            EventKind::BookDelta => self.book(header, bits >> 24),
            EventKind::Trade => {
                let (price, quantity) = (price(bits >> 24), Quantity::from_units(1));
                self.event(header, Payload::Trade(Trade { price, quantity, ..Trade::default() }))
            }
            _ => {
                let (bid, ask) = (level(bits >> 24), level(bits >> 32));
                self.event(header, Payload::TopOfBook(TopOfBook { bid, ask }))
            }
        }
    }

    fn event(&self, header: Header, payload: Payload) -> Message {
        let mut event = self.pools.events.lease_or_heap();
        *event = Event::new(header, payload);
        Message::from(event)
    }

    fn execution(&self, header: Header) -> Message {
        let mut report = self.pools.executions.lease_or_heap();
        report.header = header;
        report.report_id = Text::EMPTY;
        write!(report.report_id, "{}", self.number).expect("a number has twenty digits at most");
        Message::from(report)
    }

    /// A stream's first book is whole.
    fn book(&self, header: Header, bits: u64) -> Message {
        let mut book = self.pools.books.lease_or_heap();
        let first = header.sequence == 1;
        let kind = if first { EventKind::BookSnapshot } else { EventKind::BookDelta };
        let Book { bids, asks, .. } = &mut *book;
        for index in 0..if first { PRICES } else { CHANGED } {
            let level = level(bits.wrapping_add(index));
            bids.set(level);
            asks.set(level);
        }
        book.header = Header { kind, ..header };
        book.first_sequence = header.sequence;
        Message::from(book)
    }
}

/// The kind of which there is a message in this place of a hundred.
fn kind(mut place: u64) -> EventKind {
    for (topic, share) in TOPICS {
        if place < share {
            return match topic {
                Topic::Executions => EventKind::ExecReport,
                Topic::Book => EventKind::BookDelta,
                Topic::Trades => EventKind::Trade,
                _ => EventKind::TopOfBook,
            };
        }
        place -= share;
    }
    unreachable!("the shares are a hundred together")
}

fn price(bits: u64) -> Price {
    Price::from_units(1 + (bits % PRICES) as i64)
}

fn level(bits: u64) -> Level {
    Level { price: price(bits), quantity: Quantity::from_units(1 + (bits >> 3) % 100) }
}

#[cfg(test)]
mod tests;
