use meltica_event::{
    Book, Control, Event, ExecReport, Header, InstrumentId, Level, Levels, Merged, Payload, Price,
    Quantity, Side, Sources, Text, Timestamp, VenueId,
};
use std::fmt::Write as _;

use super::{EncodeError, MAGIC, MOST_LEVELS, NO_TIME, VERSION};
use crate::{Envelope, Names, View};

/// Writes frames. Has names looked up once: a sender's catalog only grows.
#[derive(Debug)]
pub struct Encoder {
    names: Names,
    /// By number, as length and text.
    venues: Vec<Vec<u8>>,
    instruments: Vec<Vec<u8>>,
}

impl Encoder {
    /// For messages whose venues and instruments have these names.
    pub fn new(names: Names) -> Self {
        Self { names, venues: vec![], instruments: vec![] }
    }

    /// Appends the frame of a message. Allocates nothing where `out` has room, but for a name that is new.
    ///
    /// # Errors
    ///
    /// [`EncodeError`]; what was appended then is no frame.
    pub fn encode(
        &mut self,
        view: View<'_>,
        envelope: &Envelope,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let header = view.header();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[VERSION, view.kind() as u8, header.numbering as u8, 0, 0, 0]);
        self.header(header, envelope, out)?;
        match view {
            View::Event(event) => put_event(event, out),
            View::Book(book) => self.book(book, out)?,
            View::Merged(merged) => self.merged(merged, out)?,
            View::Execution(report) => put_report(report, out),
            View::Control(control) => put_control(control, out),
        }
        Ok(())
    }

    fn header(
        &mut self,
        header: &Header,
        envelope: &Envelope,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        put(out, header.trace.0);
        put(out, header.routing_version);
        put(out, header.sequence);
        put_time(out, header.exchange_time);
        put_time(out, header.ingest_time);
        put(out, envelope.incarnation);
        put(out, envelope.chain);
        put(out, envelope.number);
        put_str(out, envelope.origin.as_str());
        self.venue(header.venue, out)?;
        self.instrument(header.instrument, out)
    }

    fn venue(&mut self, venue: VenueId, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let index = usize::from(venue.0);
        if self.venues.len() <= index || (self.venues[index].is_empty()) {
            let mut name = vec![0];
            self.names.with(|catalog| match catalog.venue_name(venue) {
                Some(text) => {
                    name.clear();
                    put_str(&mut name, text);
                    Ok(())
                }
                None if venue == VenueId::NONE => Ok(()),
                None => Err(EncodeError::Venue(venue)),
            })?;
            if self.venues.len() <= index {
                self.venues.resize_with(index + 1, Vec::new);
            }
            self.venues[index] = name;
        }
        out.extend_from_slice(&self.venues[index]);
        Ok(())
    }

    fn instrument(&mut self, id: InstrumentId, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let index = id.0 as usize;
        if self.instruments.get(index).is_none_or(Vec::is_empty) {
            let mut text = Text::<48>::EMPTY;
            self.names.with(|catalog| match catalog.instrument_of(id) {
                // The longest has 42 bytes.
                Some(instrument) => {
                    write!(text, "{instrument}").map_err(|_| EncodeError::Instrument(id))
                }
                None if id == InstrumentId::NONE => Ok(()),
                None => Err(EncodeError::Instrument(id)),
            })?;
            let mut name = vec![];
            put_str(&mut name, text.as_str());
            if self.instruments.len() <= index {
                self.instruments.resize_with(index + 1, Vec::new);
            }
            self.instruments[index] = name;
        }
        out.extend_from_slice(&self.instruments[index]);
        Ok(())
    }

    fn book(&mut self, book: &Book, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        put(out, book.first_sequence);
        self.sources(&book.sources, out)?;
        for side in [&book.bids, &book.asks] {
            put_levels(out, side)?;
        }
        Ok(())
    }

    fn sources(&mut self, sources: &Sources, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.extend_from_slice(&[sources.len() as u8, sources.missing() as u8]);
        sources.iter().try_for_each(|venue| self.venue(venue, out))
    }

    fn merged(&mut self, merged: &Merged, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        put(out, merged.window);
        self.sources(&merged.sources, out)?;
        for quote in [merged.bid, merged.ask] {
            out.push(quote.is_some().into());
            if let Some(quote) = quote {
                put_level(out, Level { price: quote.price, quantity: quote.quantity });
                self.venue(quote.venue, out)?;
            }
        }
        for price in [merged.last, merged.vwap] {
            out.push(price.is_some().into());
            if let Some(price) = price {
                put_price(out, price);
            }
        }
        put_quantity(out, merged.volume);
        Ok(())
    }
}

fn put_event(event: &Event, out: &mut Vec<u8>) {
    match &event.payload {
        Payload::Trade(trade) => {
            put_price(out, trade.price);
            put_quantity(out, trade.quantity);
            put(out, trade.id);
            out.push(trade.aggressor.map_or(0, |side| side as u8 + 1));
        }
        Payload::Ticker(ticker) => {
            for price in [ticker.last, ticker.open, ticker.high, ticker.low] {
                put_price(out, price);
            }
            put_quantity(out, ticker.volume);
        }
        Payload::TopOfBook(top) => {
            put_level(out, top.bid);
            put_level(out, top.ask);
        }
    }
}

fn put_report(report: &ExecReport, out: &mut Vec<u8>) {
    put_str(out, report.client_order_id.as_str());
    put_str(out, report.venue_order_id.as_str());
    put_str(out, report.report_id.as_str());
    out.extend_from_slice(&[report.exec_type as u8, report.status as u8, report.side as u8]);
    put_price(out, report.price);
    put_quantity(out, report.quantity);
    put_price(out, report.last_price);
    put_quantity(out, report.last_quantity);
    put_quantity(out, report.cumulative_quantity);
    put_str(out, report.reason.as_str());
}

fn put_control(control: &Control, out: &mut Vec<u8>) {
    put(out, control.command);
    out.push(control.outcome as u8);
    put_str(out, control.name.as_str());
    put_str(out, control.detail.as_str());
}

fn put_levels(out: &mut Vec<u8>, side: &Levels) -> Result<(), EncodeError> {
    let count = u32::try_from(side.len()).ok().filter(|count| *count <= MOST_LEVELS);
    let count = count.ok_or(EncodeError::Levels { levels: side.len() })?;
    out.extend_from_slice(&count.to_le_bytes());
    side.iter().for_each(|level| put_level(out, *level));
    Ok(())
}

fn put_level(out: &mut Vec<u8>, level: Level) {
    put_price(out, level.price);
    put_quantity(out, level.quantity);
}

fn put_price(out: &mut Vec<u8>, price: Price) {
    out.extend_from_slice(&price.units().to_le_bytes());
}

fn put_quantity(out: &mut Vec<u8>, quantity: Quantity) {
    put(out, quantity.units());
}

fn put(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put_time(out: &mut Vec<u8>, time: Timestamp) {
    out.extend_from_slice(&time.nanos().unwrap_or(NO_TIME).to_le_bytes());
}

/// No text here has more than 255 bytes.
fn put_str(out: &mut Vec<u8>, text: &str) {
    out.push(text.len() as u8);
    out.extend_from_slice(text.as_bytes());
}

// Where a side is named alone, buying is 0.
static_assertions::const_assert!(Side::Buy as u8 == 0);
