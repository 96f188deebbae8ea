//! The content of a message, for checksums: what the venue said, and nothing of how it travelled.
//!
//! Left out are the trace id, the routing version and both ingest times, so that two replays of one
//! recording have equal content. Numbers are hashed as little-endian bytes: with a hasher that is
//! itself stable, the result is too.

use std::hash::Hasher;

use crate::{
    Book, Control, Event, ExecReport, Header, Merged, Payload, Price, Quantity, Side, Sources,
    Text, Timestamp,
};

fn number<H: Hasher>(state: &mut H, value: u64) {
    state.write(&value.to_le_bytes());
}

fn price<H: Hasher>(state: &mut H, value: Price) {
    state.write(&value.units().to_le_bytes());
}

fn quantity<H: Hasher>(state: &mut H, value: Quantity) {
    number(state, value.units());
}

fn side<H: Hasher>(state: &mut H, value: Option<Side>) {
    state.write(&[value.map_or(0, |side| side as u8 + 1)]);
}

fn text<H: Hasher, const N: usize>(state: &mut H, value: &Text<N>) {
    let bytes = value.as_str().as_bytes();
    state.write(&[bytes.len() as u8]);
    state.write(bytes);
}

fn time<H: Hasher>(state: &mut H, value: Timestamp) {
    state.write(&value.nanos().unwrap_or(i64::MIN).to_le_bytes());
}

impl Header {
    /// Feeds the content of the header to a hasher.
    pub fn hash_content<H: Hasher>(&self, state: &mut H) {
        state.write(&[self.kind as u8, self.numbering as u8]);
        number(state, u64::from(self.venue.0) << 32 | u64::from(self.instrument.0));
        number(state, self.sequence);
        time(state, self.exchange_time);
    }
}

impl Event {
    /// Feeds the content of the event to a hasher.
    pub fn hash_content<H: Hasher>(&self, state: &mut H) {
        self.header.hash_content(state);
        match &self.payload {
            Payload::Trade(trade) => {
                price(state, trade.price);
                quantity(state, trade.quantity);
                number(state, trade.id);
                side(state, trade.aggressor);
            }
            Payload::Ticker(ticker) => {
                [ticker.last, ticker.open, ticker.high, ticker.low]
                    .into_iter()
                    .for_each(|value| price(state, value));
                quantity(state, ticker.volume);
            }
            Payload::TopOfBook(top) => {
                price(state, top.bid.price);
                quantity(state, top.bid.quantity);
                price(state, top.ask.price);
                quantity(state, top.ask.quantity);
            }
        }
    }
}

impl Book {
    /// Feeds the content of the book to a hasher.
    pub fn hash_content<H: Hasher>(&self, state: &mut H) {
        self.header.hash_content(state);
        number(state, self.first_sequence);
        self.sources.hash_content(state);
        for levels in [&self.bids, &self.asks] {
            number(state, levels.len() as u64);
            for level in levels.iter() {
                price(state, level.price);
                quantity(state, level.quantity);
            }
        }
    }
}

impl Sources {
    fn hash_content<H: Hasher>(&self, state: &mut H) {
        state.write(&[self.len() as u8, self.missing() as u8]);
        self.iter().for_each(|venue| number(state, u64::from(venue.0)));
    }
}

impl Merged {
    /// Feeds the content of the merged view to a hasher.
    pub fn hash_content<H: Hasher>(&self, state: &mut H) {
        self.header.hash_content(state);
        number(state, self.window);
        self.sources.hash_content(state);
        for quote in [self.bid, self.ask] {
            state.write(&[u8::from(quote.is_some())]);
            if let Some(quote) = quote {
                number(state, u64::from(quote.venue.0));
                price(state, quote.price);
                quantity(state, quote.quantity);
            }
        }
        for value in [self.last, self.vwap] {
            state.write(&[u8::from(value.is_some())]);
            price(state, value.unwrap_or_default());
        }
        quantity(state, self.volume);
    }
}

impl ExecReport {
    /// Feeds the content of the report to a hasher.
    pub fn hash_content<H: Hasher>(&self, state: &mut H) {
        self.header.hash_content(state);
        text(state, &self.client_order_id);
        text(state, &self.venue_order_id);
        text(state, &self.report_id);
        state.write(&[self.exec_type as u8, self.status as u8]);
        side(state, Some(self.side));
        price(state, self.price);
        quantity(state, self.quantity);
        price(state, self.last_price);
        quantity(state, self.last_quantity);
        quantity(state, self.cumulative_quantity);
        text(state, &self.reason);
    }
}

impl Control {
    /// Feeds the content of the control event to a hasher.
    pub fn hash_content<H: Hasher>(&self, state: &mut H) {
        self.header.hash_content(state);
        number(state, self.command);
        state.write(&[self.outcome as u8]);
        text(state, &self.name);
        text(state, &self.detail);
    }
}
