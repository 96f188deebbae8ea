use std::{collections::VecDeque, time::Duration};

use meltica_event::{
    Book, Event, EventKind, Header, Instrument, InstrumentId, InstrumentKind, Level, Numbering,
    Payload, Price, Quantity, Side, Ticker, TopOfBook, Trade, VenueId,
};
use meltica_venue::{
    AssemblyStats, BookStatus, CheckedBook, Decode, DecodeCause, DecodeError, Decoded, Ingest,
    Lease, Rhythm, Session, Unsupported, VenuePools, VenueStats, Wish,
    json::{LazyBook, elements, missing, read_part, text_of, unknown_value},
};

use crate::{
    Ladder,
    json::{self, BooksInto, Change, Envelope, Part},
};

/// Decodes Kraken's WebSocket v2 for the instruments that were added, and keeps their books.
pub struct Kraken {
    venue: VenueId,
    pools: VenuePools,
    depth: usize,
    markets: Vec<Market>,
    wishes: VecDeque<Wish>,
    /// What the frame at hand holds, kept to be used again.
    parts: Vec<Part>,
    changes: Vec<Change>,
    events: Vec<(usize, Lease<Event>)>,
}

struct Market {
    /// As Kraken spells it, `BTC/USD`.
    symbol: String,
    instrument: InstrumentId,
    book: CheckedBook,
    ladder: Ladder,
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
            parts: vec![],
            changes: vec![],
            events: vec![],
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

    /// Reads a book frame, and only then changes anything.
    fn book(
        &mut self,
        data: &str,
        text: &str,
        kind: EventKind,
        ingest: Ingest,
        emit: &mut dyn FnMut(Decoded),
    ) -> Result<(), DecodeCause> {
        let mut parts = std::mem::take(&mut self.parts);
        let mut changes = std::mem::take(&mut self.changes);
        changes.clear();
        let mut cause = None;
        let into = BooksInto {
            parts: &mut parts,
            changes: &mut changes,
            book: &|| LazyBook::new(self.pools.books.clone()),
            market: &|symbol| self.market(symbol).ok(),
            cause: &mut cause,
        };
        let read = read_part(into, data, text).map_err(|error| cause.unwrap_or(error));
        if read.is_err() {
            parts.clear();
        }
        for part in parts.drain(..) {
            self.update(part, &changes, kind, ingest, emit);
        }
        (self.parts, self.changes) = (parts, changes);
        read
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
            return self.subscribe_again(index);
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
            market.book.snapshot(book, &mut emit);
        } else {
            market.book.delta(book, &mut emit);
        }
    }

    fn trades(
        &mut self,
        data: &str,
        text: &str,
        whole: bool,
        ingest: Ingest,
        emit: &mut dyn FnMut(Decoded),
    ) -> Result<(), DecodeCause> {
        let mut events = std::mem::take(&mut self.events);
        let each = &mut |read: json::Trade<'_>| {
            let index = self.market(read.symbol)?;
            let aggressor = match read.side {
                "buy" => Side::Buy,
                "sell" => Side::Sell,
                other => return Err(unknown_value("side", other)),
            };
            let header = Header {
                sequence: read.trade_id,
                numbering: Numbering::Monotone,
                exchange_time: read.timestamp,
                ..self.header(index, ingest)
            };
            let trade = Trade {
                price: read.price,
                quantity: read.qty,
                id: read.trade_id,
                aggressor: Some(aggressor),
            };
            let mut event = self.pools.events.lease_or_heap();
            *event = Event::new(header, Payload::Trade(trade));
            events.push((index, event));
            Ok(())
        };
        let read = elements(data, text, each);
        if read.is_err() {
            events.clear();
        }
        events.sort_unstable_by_key(|(index, event)| (*index, event.header.sequence));
        // Before the first trade that was seen, a snapshot is history.
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
        self.events = events;
        read
    }

    fn ticker(
        &mut self,
        data: &str,
        text: &str,
        ingest: Ingest,
        emit: &mut dyn FnMut(Decoded),
    ) -> Result<(), DecodeCause> {
        let mut events = std::mem::take(&mut self.events);
        let each = &mut |read: json::Ticker<'_>| {
            let index = self.market(read.symbol)?;
            let open = read.last.units().checked_sub(read.change.units());
            let open = open.map(Price::from_units);
            let ticker = Ticker {
                last: read.last,
                open: open.ok_or_else(|| unknown_value("change", &read.change.to_string()))?,
                high: read.high,
                low: read.low,
                volume: read.volume,
            };
            let top = TopOfBook {
                bid: Level { price: read.bid, quantity: read.bid_qty },
                ask: Level { price: read.ask, quantity: read.ask_qty },
            };
            for payload in [Payload::TopOfBook(top), Payload::Ticker(ticker)] {
                let mut event = self.pools.events.lease_or_heap();
                *event = Event::new(self.header(index, ingest), payload);
                events.push((index, event));
            }
            Ok(())
        };
        let read = elements(data, text, each);
        if read.is_err() {
            events.clear();
        }
        for (_, event) in events.drain(..) {
            emit(Decoded::Event(event));
        }
        self.events = events;
        read
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

impl Decode for Kraken {
    fn decode(
        &mut self,
        frame: &[u8],
        ingest: Ingest,
        emit: &mut dyn FnMut(Decoded),
    ) -> Result<(), DecodeError> {
        let error = |operation, cause| DecodeError { venue: "kraken", operation, cause };
        let frame = text_of(frame).and_then(|text| Ok((text, Envelope::read(text)?)));
        let (text, envelope) = frame.map_err(|cause| error("frame", cause))?;
        let data = || envelope.data.ok_or_else(|| missing("data"));
        let whole = || match envelope.kind {
            Some("snapshot") => Ok(true),
            Some("update") => Ok(false),
            Some(other) => Err(unknown_value("type", other)),
            None => Err(missing("type")),
        };
        let (operation, done) = match (envelope.channel, envelope.method) {
            (Some("book"), _) => {
                let done = data().and_then(|data| {
                    let kind =
                        if whole()? { EventKind::BookSnapshot } else { EventKind::BookDelta };
                    self.book(data, text, kind, ingest, emit)
                });
                ("book", done)
            }
            (Some("trade"), _) => {
                let done = data().and_then(|data| self.trades(data, text, whole()?, ingest, emit));
                ("trade", done)
            }
            (Some("ticker"), _) => {
                let done = data().and_then(|data| {
                    whole()?;
                    self.ticker(data, text, ingest, emit)
                });
                ("ticker", done)
            }
            (Some("heartbeat" | "status"), _) => ("frame", Ok(())),
            (Some(stream), _) => {
                ("frame", Err(DecodeCause::UnknownStream { stream: stream.to_owned() }))
            }
            (None, Some(method)) if envelope.refused => {
                let reason = envelope.error.as_deref().unwrap_or("no reason is given");
                let symbol = envelope.symbol.unwrap_or_default();
                let reason = format!("{method} {symbol}: {reason}").replace(" : ", ": ");
                ("answer", Err(DecodeCause::Refused { reason }))
            }
            (None, Some(_)) => ("answer", Ok(())),
            (None, None) => ("frame", Err(missing("channel"))),
        };
        done.map_err(|cause| error(operation, cause))
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
