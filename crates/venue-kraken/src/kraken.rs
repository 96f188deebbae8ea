use std::{collections::VecDeque, time::Duration};

use meltica_event::{
    Book, Event, EventKind, Header, Instrument, InstrumentId, InstrumentKind, Level, Numbering,
    Payload, Price, Quantity, Side, Ticker, TopOfBook, Trade, VenueId,
};
use meltica_venue::{
    AssemblyStats, BookStatus, CheckedBook, Decode, DecodeCause, DecodeError, Decoded, Ingest,
    Lease, Rhythm, Session, Unsupported, VenuePools, VenueStats, Wish,
    json::{Array, Data, Elements, FrameText, LazyBook, missing, unknown_value},
};
use serde::{
    Deserializer,
    de::{DeserializeSeed, SeqAccess},
};

use crate::{
    Ladder,
    json::{self, Change, Envelope, Part, PartInto},
};

/// Decodes Kraken's WebSocket v2 for the instruments that were added, and keeps their books.
pub struct Kraken {
    venue: VenueId,
    pools: VenuePools,
    depth: usize,
    markets: Vec<Market>,
    wishes: VecDeque<Wish>,
    /// Kept, so that its room is used again.
    gathered: Gathered,
}

/// What a frame holds, read and not yet told.
#[derive(Default)]
struct Gathered {
    parts: Vec<Part>,
    changes: Vec<Change>,
    /// Each with the place of its market.
    events: Vec<(usize, Lease<Event>)>,
}

impl Gathered {
    fn clear(&mut self) {
        self.parts.clear();
        self.changes.clear();
        self.events.clear();
    }
}

struct Market {
    /// As Kraken spells it, `BTC/USD`.
    symbol: String,
    instrument: InstrumentId,
    book: CheckedBook,
    ladder: Ladder,
    /// Whether a snapshot was asked for anew, and none that is right has come.
    is_asked: bool,
    /// Our own count of snapshots and deltas.
    number: u64,
    /// The newest trade; zero before the first.
    trade: u64,
}

impl Kraken {
    /// An adapter without instruments, for books of ten levels a side: all that the checksum covers.
    /// Objects that the pools cannot give come from the heap.
    pub fn new(venue: VenueId, pools: VenuePools) -> Self {
        Self {
            venue,
            pools,
            depth: 10,
            markets: vec![],
            wishes: VecDeque::new(),
            gathered: Gathered::default(),
        }
    }

    /// Asks for books of so many levels a side, before any instrument is added. Kraken has 10, 25, 100,
    /// 500 and 1,000; it refuses any other, which is an error of the frame that says so.
    #[must_use]
    pub fn with_depth(self, depth: usize) -> Self {
        Self { depth, ..self }
    }

    fn market(&self, symbol: &str) -> Result<usize, DecodeCause> {
        self.markets
            .iter()
            .position(|market| market.symbol == symbol)
            .ok_or_else(|| DecodeCause::UnknownSymbol { symbol: symbol.to_owned() })
    }

    fn header(&self, market: usize, ingest: Ingest) -> Header {
        Header {
            instrument: self.markets[market].instrument,
            venue: self.venue,
            ingest_time: ingest.time,
            ingest_mono_ns: ingest.mono_ns,
            ..Header::default()
        }
    }

    /// Reads a frame whole, changing nothing; answers whether it is a snapshot.
    fn frame(
        &self,
        frame: &[u8],
        operation: &mut &'static str,
        gathered: &mut Gathered,
        ingest: Ingest,
    ) -> Result<bool, DecodeCause> {
        let frame = &FrameText::new(frame)?;
        let mut reading = Reading { kraken: self, frame, operation, gathered, ingest, read: false };
        let envelope = Envelope::read(frame, &mut reading)?;
        match (envelope.channel, envelope.method) {
            (Some(channel), _) if CHANNELS.contains(&channel) => {
                if !reading.read {
                    // The data came before the channel, or not at all.
                    let seed = reading.of(channel);
                    let data = envelope.data.ok_or_else(|| missing("data"))?;
                    if let Some(seed) = seed {
                        frame.read_part(data, seed)?;
                    }
                }
                match envelope.kind {
                    Some("snapshot") => Ok(true),
                    Some("update") => Ok(false),
                    Some(other) => Err(unknown_value("type", other)),
                    None => Err(missing("type")),
                }
            }
            (Some("heartbeat" | "status"), _) => Ok(false),
            (Some(stream), _) => Err(DecodeCause::UnknownStream { stream: stream.to_owned() }),
            (None, Some(method)) => {
                *operation = "answer";
                if !envelope.refused {
                    return Ok(false);
                }
                let reason = envelope.error.as_ref();
                let reason = reason.map_or("no reason is given", |reason| &*reason.0);
                let symbol = envelope.symbol.unwrap_or_default();
                let reason = format!("{method} {symbol}: {reason}").replace(" : ", ": ");
                Err(DecodeCause::Refused { reason })
            }
            (None, None) => {
                *operation = "frame";
                Err(missing("channel"))
            }
        }
    }

    /// Tells what was gathered.
    fn tell(
        &mut self,
        operation: &str,
        gathered: &mut Gathered,
        whole: bool,
        ingest: Ingest,
        emit: &mut dyn FnMut(Decoded),
    ) {
        let kind = if whole { EventKind::BookSnapshot } else { EventKind::BookDelta };
        for part in gathered.parts.drain(..) {
            self.update(part, &gathered.changes, kind, ingest, emit);
        }
        if operation == "trade" {
            return self.tell_trades(&mut gathered.events, whole, emit);
        }
        for (_, event) in gathered.events.drain(..) {
            emit(Decoded::Event(event));
        }
    }

    fn update(
        &mut self,
        part: Part,
        changes: &[Change],
        kind: EventKind,
        ingest: Ingest,
        emit: &mut dyn FnMut(Decoded),
    ) {
        let Part { market: index, mut book, changes: range, checksum, time } = part;
        let header = self.header(index, ingest);
        let (depth, whole) = (self.depth, kind == EventKind::BookSnapshot);
        let market = &mut self.markets[index];
        if !whole && market.book.book().is_none() {
            market.book.stale(ingest.mono_ns);
            return;
        }
        if whole {
            market.ladder.clear();
        }
        for Change { side, price, quantity } in &changes[range] {
            market.ladder.set(*side, *price, *quantity);
        }
        market.ladder.cut(depth, &mut |side, price| {
            // What is beyond all prices was never handed on.
            if let Ok(Some(price)) = price.price() {
                if whole {
                    book.side_mut(side).remove(price);
                } else {
                    book.side_mut(side).set(Level { price, quantity: Quantity::ZERO });
                }
            }
        });
        if market.ladder.checksum() != checksum {
            market.book.heard(ingest.mono_ns);
            market.book.mismatched();
            // At once, but only once: then it is for whoever drives this to ask, less and less often.
            if !std::mem::replace(&mut market.is_asked, true) {
                self.subscribe_again(index);
            }
            return;
        }
        market.number += 1;
        book.header = Header {
            kind,
            sequence: market.number,
            numbering: if whole { Numbering::Rebase } else { Numbering::Monotone },
            exchange_time: time,
            ..header
        };
        book.first_sequence = market.number;
        let mut emit = |book: Lease<Book>| emit(Decoded::Book(book));
        if whole {
            market.is_asked = false;
            market.book.snapshot(book, &mut emit);
        } else {
            market.book.delta(book, &mut emit);
        }
    }

    /// The event that a trade becomes.
    fn trade(
        &self,
        read: &json::Trade<'_>,
        ingest: Ingest,
    ) -> Result<(usize, Lease<Event>), DecodeCause> {
        let index = self.market(read.symbol)?;
        let aggressor = match read.side {
            "buy" => Side::Buy,
            "sell" => Side::Sell,
            other => return Err(unknown_value("side", other)),
        };
        let header = Header {
            sequence: read.id,
            numbering: Numbering::Monotone,
            exchange_time: read.time,
            ..self.header(index, ingest)
        };
        let trade = Trade {
            price: read.price,
            quantity: read.quantity,
            id: read.id,
            aggressor: Some(aggressor),
        };
        let mut event = self.pools.events.lease_or_heap();
        *event = Event::new(header, Payload::Trade(trade));
        Ok((index, event))
    }

    /// The events that a ticker becomes.
    fn ticker(
        &self,
        read: &json::Ticker<'_>,
        ingest: Ingest,
    ) -> Result<[(usize, Lease<Event>); 2], DecodeCause> {
        let index = self.market(read.symbol)?;
        let open = read.last.units().checked_sub(read.change.units()).map(Price::from_units);
        let ticker = Ticker {
            last: read.last,
            open: open.ok_or_else(|| unknown_value("change", &read.change.to_string()))?,
            high: read.high,
            low: read.low,
            volume: read.volume.0,
        };
        let top = TopOfBook {
            bid: Level { price: read.bid, quantity: read.bid_quantity.0 },
            ask: Level { price: read.ask, quantity: read.ask_quantity.0 },
        };
        Ok([Payload::TopOfBook(top), Payload::Ticker(ticker)].map(|payload| {
            let mut event = self.pools.events.lease_or_heap();
            *event = Event::new(self.header(index, ingest), payload);
            (index, event)
        }))
    }

    /// Tells the trades that are news: oldest first, each once, and none from before the first that was
    /// seen.
    fn tell_trades(
        &mut self,
        events: &mut Vec<(usize, Lease<Event>)>,
        whole: bool,
        emit: &mut dyn FnMut(Decoded),
    ) {
        events.sort_unstable_by_key(|(index, event)| (*index, event.header.sequence));
        let mut history = None;
        for (index, event) in events.drain(..) {
            let last = &mut self.markets[index].trade;
            if whole && *last == 0 {
                history = Some(index);
            }
            if event.header.sequence > *last {
                *last = event.header.sequence;
                if history != Some(index) {
                    emit(Decoded::Event(event));
                }
            }
        }
    }

    fn request(&mut self, method: &str, channel: &str, symbols: &str, more: &str) {
        let wish = Wish::Send(format!(
            r#"{{"method":"{method}","params":{{"channel":"{channel}","symbol":[{symbols}]{more}}}}}"#
        ));
        // What is wished already need not be wished twice.
        if !self.wishes.contains(&wish) {
            self.wishes.push_back(wish);
        }
    }

    /// The book of this market is asked for anew; Kraken sends a snapshot to whoever subscribes.
    fn subscribe_again(&mut self, index: usize) {
        let symbol = format!("{:?}", self.markets[index].symbol);
        let depth = format!(r#","depth":{}"#, self.depth);
        self.request("unsubscribe", "book", &symbol, &depth);
        self.request("subscribe", "book", &symbol, &format!(r#"{depth},"snapshot":true"#));
    }
}

/// The channels whose data are read.
const CHANNELS: [&str; 3] = ["book", "trade", "ticker"];

/// A frame that is being read; nothing but what is gathered changes.
struct Reading<'r, 'a> {
    kraken: &'r Kraken,
    frame: &'r FrameText<'a>,
    operation: &'r mut &'static str,
    gathered: &'r mut Gathered,
    ingest: Ingest,
    /// Whether the data were read.
    read: bool,
}

impl<'a> Data<'a> for Reading<'_, 'a> {
    fn of(&mut self, channel: &str) -> Option<impl DeserializeSeed<'a, Value = ()>> {
        let known = CHANNELS.into_iter().find(|known| *known == channel)?;
        *self.operation = known;
        self.read = true;
        let Self { kraken, frame, gathered, ingest, .. } = self;
        Some(DataInto { channel: known, kraken, frame, gathered, ingest: *ingest })
    }
}

/// Reads the data of a channel.
struct DataInto<'r, 'a> {
    channel: &'static str,
    kraken: &'r Kraken,
    frame: &'r FrameText<'a>,
    gathered: &'r mut Gathered,
    ingest: Ingest,
}

impl<'de> DeserializeSeed<'de> for DataInto<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(mut self, deserializer: D) -> Result<(), D::Error> {
        let Self { channel, kraken, frame, ref mut gathered, ingest } = self;
        match channel {
            "trade" => {
                let trade = |trade: json::Trade<'_>| {
                    gathered.events.push(kraken.trade(&trade, ingest)?);
                    Ok(())
                };
                frame.each(trade).deserialize(deserializer)
            }
            "ticker" => {
                let ticker = |ticker: json::Ticker<'_>| {
                    gathered.events.extend(kraken.ticker(&ticker, ingest)?);
                    Ok(())
                };
                frame.each(ticker).deserialize(deserializer)
            }
            _ => Array(&mut self).deserialize(deserializer),
        }
    }
}

impl<'de> Elements<'de> for DataInto<'_, 'de> {
    #[inline]
    fn element<A: SeqAccess<'de>>(&mut self, array: &mut A) -> Result<bool, A::Error> {
        let Self { kraken, frame, gathered, .. } = self;
        let Gathered { parts, changes, .. } = &mut **gathered;
        let book = LazyBook::new(kraken.pools.books.clone());
        let market = &|symbol: &str| kraken.market(symbol);
        let part = array.next_element_seed(PartInto::new(frame, book, changes, market))?;
        let read = part.is_some();
        parts.extend(part);
        Ok(read)
    }
}

impl Decode for Kraken {
    fn decode(
        &mut self,
        frame: &[u8],
        ingest: Ingest,
        emit: &mut dyn FnMut(Decoded),
    ) -> Result<(), DecodeError> {
        let mut gathered = std::mem::take(&mut self.gathered);
        let mut operation = "frame";
        let read = self.frame(frame, &mut operation, &mut gathered, ingest);
        if let Ok(whole) = read {
            self.tell(operation, &mut gathered, whole, ingest, emit);
        }
        gathered.clear();
        self.gathered = gathered;
        read.map(|_| ()).map_err(|cause| DecodeError { venue: "kraken", operation, cause })
    }

    fn stats(&self) -> VenueStats {
        let books = self.markets.iter().map(|market| market.book.stats());
        VenueStats::new(books.fold(AssemblyStats::default(), AssemblyStats::plus))
    }
}

impl Session for Kraken {
    fn add(&mut self, instrument: Instrument, id: InstrumentId) -> Result<(), Unsupported> {
        if instrument.kind != InstrumentKind::Spot {
            let reason = "this endpoint has spot only; write BASE-QUOTE, as BTC-USD";
            return Err(Unsupported { venue: "kraken", instrument, reason });
        }
        let symbol = format!("{}/{}", instrument.base, instrument.quote);
        if self.markets.iter().all(|market| market.symbol != symbol) {
            // As many again as are subscribed to: an update may push out all of them at once.
            let room = 2 * self.depth.min(1_000);
            self.markets.push(Market {
                symbol,
                instrument: id,
                book: CheckedBook::new(room),
                is_asked: false,
                ladder: Ladder::with_capacity(room),
                number: 0,
                trade: 0,
            });
        }
        Ok(())
    }

    fn url(&self) -> String {
        "wss://ws.kraken.com/v2".to_owned()
    }

    fn rhythm(&self) -> Rhythm {
        // 150 connections in ten minutes from one address, says Kraken; requests are not limited by
        // number, and are kept slow out of courtesy.
        Rhythm {
            keep_alive: Some((r#"{"method":"ping"}"#, Duration::from_secs(30))),
            transport_silence: Duration::from_secs(10),
            connect_gap: Duration::from_secs(5),
            ..Rhythm::default()
        }
    }

    fn opened(&mut self) {
        self.closed();
        if self.markets.is_empty() {
            return;
        }
        let symbols: Vec<_> = self.markets.iter().map(|m| format!("{:?}", m.symbol)).collect();
        let symbols = symbols.join(",");
        let depth = format!(r#","depth":{},"snapshot":true"#, self.depth);
        self.request("subscribe", "book", &symbols, &depth);
        self.request("subscribe", "trade", &symbols, r#","snapshot":true"#);
        self.request("subscribe", "ticker", &symbols, r#","event_trigger":"bbo","snapshot":true"#);
    }

    fn closed(&mut self) {
        self.wishes.clear();
        for market in &mut self.markets {
            market.is_asked = false;
            market.book.restart();
        }
    }

    fn resync(&mut self, instrument: InstrumentId) {
        let index = self.markets.iter().position(|market| market.instrument == instrument);
        if let Some(index) = index {
            self.markets[index].book.restart();
            self.subscribe_again(index);
        }
    }

    fn next_wish(&mut self) -> Option<Wish> {
        self.wishes.pop_front()
    }

    fn book(&self, instrument: InstrumentId) -> Option<&Book> {
        self.markets.iter().find(|market| market.instrument == instrument)?.book.book()
    }

    fn books(&self, visit: &mut dyn FnMut(BookStatus)) {
        for Market { instrument, book, .. } in &self.markets {
            visit(BookStatus {
                instrument: *instrument,
                verified: book.book().is_some(),
                stats: book.stats(),
                updated_mono_ns: book.updated_mono_ns(),
            });
        }
    }
}
