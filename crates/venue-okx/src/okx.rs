use std::{collections::VecDeque, time::Duration};

use meltica_event::{
    Book, Event, EventKind, ExecReport, Header, Instrument, InstrumentId, InstrumentKind,
    Numbering, Payload, Side, Timestamp, TopOfBook, Trade, VenueId,
};
use meltica_venue::{
    AssemblyStats, BookStatus, CheckedBook, Decode, DecodeCause, DecodeError, Decoded, Ingest,
    Lease, Rhythm, Session, TopOracle, Unsupported, VenuePools, VenueStats, Wish,
    json::{LazyBook, elements, missing, read_part, text_of, unknown_value},
};

use crate::{
    execution,
    json::{self, BooksInto, Envelope, Part},
};

/// The levels a side that the channel `books` has.
const DEPTH: usize = 400;

/// Decodes OKX's WebSocket v5 for the instruments that were added, and keeps their books.
pub struct Okx {
    venue: VenueId,
    pools: VenuePools,
    markets: Vec<Market>,
    wishes: VecDeque<Wish>,
    /// What the frame at hand holds, kept to be used again.
    parts: Vec<Part>,
    events: Vec<Lease<Event>>,
    executions: Vec<Lease<ExecReport>>,
}

struct Market {
    /// As OKX spells it, `BTC-USDT-SWAP`.
    name: String,
    instrument: InstrumentId,
    book: CheckedBook,
    /// The last update that came, which the next must name.
    last: u64,
    oracle: TopOracle,
}

impl Okx {
    /// An adapter without instruments. Objects that the pools cannot give come from the heap.
    pub fn new(venue: VenueId, pools: VenuePools) -> Self {
        Self {
            venue,
            pools,
            markets: vec![],
            wishes: VecDeque::new(),
            parts: vec![],
            events: vec![],
            executions: vec![],
        }
    }

    fn market(&self, name: &str) -> Result<usize, DecodeCause> {
        self.markets
            .iter()
            .position(|market| market.name == name)
            .ok_or_else(|| DecodeCause::UnknownSymbol { symbol: name.to_owned() })
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

    fn request(&mut self, op: &str, channels: &[&str], names: &[&str]) {
        let args = names.iter().flat_map(|name| {
            channels
                .iter()
                .map(move |channel| format!(r#"{{"channel":"{channel}","instId":"{name}"}}"#))
        });
        let args: Vec<_> = args.collect();
        let wish = Wish::Send(format!(r#"{{"op":"{op}","args":[{}]}}"#, args.join(",")));
        // What is wished already need not be wished twice.
        if !self.wishes.contains(&wish) {
            self.wishes.push_back(wish);
        }
    }

    /// Asks for the book of this market anew; OKX sends a snapshot to whoever subscribes.
    fn subscribe_again(&mut self, index: usize) {
        let name = self.markets[index].name.clone();
        self.request("unsubscribe", &["books"], &[&name]);
        self.request("subscribe", &["books"], &[&name]);
    }

    /// Reads the data of a book channel whole, into the parts.
    fn parts(&mut self, data: &str, text: &str) -> Result<Vec<Part>, DecodeCause> {
        let mut parts = std::mem::take(&mut self.parts);
        let book = &|| LazyBook::new(self.pools.books.clone());
        match read_part(BooksInto { parts: &mut parts, book }, data, text) {
            Ok(()) => Ok(parts),
            Err(cause) => {
                parts.clear();
                self.parts = parts;
                Err(cause)
            }
        }
    }

    fn books(
        &mut self,
        envelope: &Envelope<'_>,
        text: &str,
        ingest: Ingest,
        emit: &mut dyn FnMut(Decoded),
    ) -> Result<(), DecodeCause> {
        let index = self.market(envelope.instrument.ok_or_else(|| missing("instId"))?)?;
        let whole = match envelope.action {
            Some("snapshot") => true,
            Some("update") => false,
            Some(other) => return Err(unknown_value("action", other)),
            None => return Err(missing("action")),
        };
        let mut parts = self.parts(envelope.data.ok_or_else(|| missing("data"))?, text)?;
        let unlinked = |part: &Part| !whole && part.previous.is_none();
        if parts.iter().any(unlinked) {
            parts.clear();
            self.parts = parts;
            return Err(missing("prevSeqId"));
        }
        for part in parts.drain(..) {
            self.book(index, part, whole, ingest, emit);
        }
        self.parts = parts;
        Ok(())
    }

    fn book(
        &mut self,
        index: usize,
        part: Part,
        whole: bool,
        ingest: Ingest,
        emit: &mut dyn FnMut(Decoded),
    ) {
        let header = self.header(index, ingest);
        let Part { mut book, time, sequence, previous } = part;
        let previous = previous.unwrap_or(sequence);
        let Market { book: mine, last, oracle, .. } = &mut self.markets[index];
        mine.heard(ingest.mono_ns);
        if !whole {
            if mine.book().is_none() || (previous != *last && sequence <= *last) {
                return mine.stale(ingest.mono_ns);
            }
            if previous != *last {
                mine.missed();
                return self.subscribe_again(index);
            }
        }
        let again = whole || sequence < previous;
        if again {
            oracle.restart();
        }
        *last = sequence;
        if !whole && book.bids.is_empty() && book.asks.is_empty() {
            return;
        }
        book.header = Header {
            kind: if whole { EventKind::BookSnapshot } else { EventKind::BookDelta },
            sequence,
            numbering: if again { Numbering::Rebase } else { Numbering::Monotone },
            exchange_time: time,
            ..header
        };
        book.first_sequence = if again { sequence } else { previous.saturating_add(1) };
        let mut emit = |book: Lease<Book>| emit(Decoded::Book(book));
        if whole {
            mine.snapshot(book, &mut emit);
        } else {
            mine.delta(book, &mut emit);
        }
        if let Some(book) = mine.book() {
            oracle.book(book);
        }
    }

    fn tops(
        &mut self,
        envelope: &Envelope<'_>,
        text: &str,
        ingest: Ingest,
        emit: &mut dyn FnMut(Decoded),
    ) -> Result<(), DecodeCause> {
        let index = self.market(envelope.instrument.ok_or_else(|| missing("instId"))?)?;
        let mut parts = self.parts(envelope.data.ok_or_else(|| missing("data"))?, text)?;
        for Part { book, time, sequence, .. } in parts.drain(..) {
            let best = |levels: &[_]| levels.first().copied().unwrap_or_default();
            let top = TopOfBook { bid: best(&book.bids), ask: best(&book.asks) };
            let header = Header {
                sequence,
                numbering: Numbering::Monotone,
                exchange_time: time,
                ..self.header(index, ingest)
            };
            let Market { book, oracle, .. } = &mut self.markets[index];
            oracle.top(sequence, top, book.book());
            let mut event = self.pools.events.lease_or_heap();
            *event = Event::new(header, Payload::TopOfBook(top));
            emit(Decoded::Event(event));
        }
        self.parts = parts;
        Ok(())
    }

    fn trades(
        &mut self,
        data: &str,
        text: &str,
        ingest: Ingest,
        emit: &mut dyn FnMut(Decoded),
    ) -> Result<(), DecodeCause> {
        let mut events = std::mem::take(&mut self.events);
        let each = &mut |read: json::Trade<'_>| {
            let index = self.market(read.inst_id)?;
            let aggressor = match read.side {
                "buy" => Side::Buy,
                "sell" => Side::Sell,
                other => return Err(unknown_value("side", other)),
            };
            let header = Header {
                sequence: read.trade_id,
                numbering: Numbering::Monotone,
                exchange_time: Timestamp::from_millis(read.ts),
                ..self.header(index, ingest)
            };
            let trade = Trade {
                price: read.px,
                quantity: read.sz,
                id: read.trade_id,
                aggressor: Some(aggressor),
            };
            let mut event = self.pools.events.lease_or_heap();
            *event = Event::new(header, Payload::Trade(trade));
            events.push(event);
            Ok(())
        };
        let read = elements(data, text, each);
        let told = events.drain(..).filter(|_| read.is_ok());
        told.for_each(|event| emit(Decoded::Event(event)));
        self.events = events;
        read
    }

    fn orders(
        &mut self,
        data: &str,
        text: &str,
        ingest: Ingest,
        emit: &mut dyn FnMut(Decoded),
    ) -> Result<(), DecodeCause> {
        let mut executions = std::mem::take(&mut self.executions);
        let each = &mut |read: json::Order<'_>| {
            let index = self.market(read.inst_id)?;
            let mut lease = self.pools.executions.lease_or_heap();
            *lease = execution::report(&read, self.header(index, ingest))?;
            executions.push(lease);
            Ok(())
        };
        let read = elements(data, text, each);
        let told = executions.drain(..).filter(|_| read.is_ok());
        told.for_each(|report| emit(Decoded::Execution(report)));
        self.executions = executions;
        read
    }

    /// An answer, or news about the connection.
    fn event(&mut self, event: &str, envelope: &Envelope<'_>) -> Result<(), DecodeCause> {
        let said = || {
            let message = envelope.message.as_deref().unwrap_or("no reason is given");
            format!("{} {message}", envelope.code.unwrap_or("(no code)"))
        };
        match event {
            "subscribe" | "unsubscribe" | "login" | "channel-conn-count" => Ok(()),
            "error" | "channel-conn-count-error" => Err(DecodeCause::Refused { reason: said() }),
            "notice" => {
                let reason = format!("okx closes this connection soon: {}", said());
                let wish = Wish::Reconnect { reason };
                if !self.wishes.contains(&wish) {
                    self.wishes.push_back(wish);
                }
                Ok(())
            }
            _ => Err(DecodeCause::UnknownStream { stream: event.to_owned() }),
        }
    }
}

impl Decode for Okx {
    fn decode(
        &mut self,
        frame: &[u8],
        ingest: Ingest,
        emit: &mut dyn FnMut(Decoded),
    ) -> Result<(), DecodeError> {
        let error = |operation, cause| DecodeError { venue: "okx", operation, cause };
        if frame == b"pong" {
            return Ok(());
        }
        let frame = text_of(frame).and_then(|text| Ok((text, Envelope::read(text)?)));
        let (text, envelope) = frame.map_err(|cause| error("frame", cause))?;
        if let Some(event) = envelope.event {
            return self.event(event, &envelope).map_err(|cause| error("answer", cause));
        }
        let data = || envelope.data.ok_or_else(|| missing("data"));
        let (operation, done) = match envelope.channel {
            Some("books") => ("books", self.books(&envelope, text, ingest, emit)),
            Some("bbo-tbt") => ("bbo-tbt", self.tops(&envelope, text, ingest, emit)),
            Some("trades") => {
                ("trades", data().and_then(|data| self.trades(data, text, ingest, emit)))
            }
            Some("orders") => {
                ("orders", data().and_then(|data| self.orders(data, text, ingest, emit)))
            }
            Some(stream) => {
                ("frame", Err(DecodeCause::UnknownStream { stream: stream.to_owned() }))
            }
            None => ("frame", Err(missing("channel"))),
        };
        done.map_err(|cause| error(operation, cause))
    }

    fn stats(&self) -> VenueStats {
        let markets = &self.markets;
        let books = markets.iter().map(|market| market.book.stats());
        let stats = VenueStats::new(books.fold(AssemblyStats::default(), AssemblyStats::plus));
        stats.compared(
            markets.iter().map(|market| market.oracle.compared()).sum(),
            markets.iter().map(|market| market.oracle.equal()).sum(),
        )
    }
}

impl Session for Okx {
    fn add(&mut self, instrument: Instrument, id: InstrumentId) -> Result<(), Unsupported> {
        let Instrument { base, quote, kind } = instrument;
        let name = match kind {
            InstrumentKind::Spot => format!("{base}-{quote}"),
            InstrumentKind::Perpetual => format!("{base}-{quote}-SWAP"),
            InstrumentKind::Future { year, month, day } => {
                format!("{base}-{quote}-{:02}{month:02}{day:02}", year % 100)
            }
        };
        if self.markets.iter().all(|market| market.name != name) {
            self.markets.push(Market {
                name,
                instrument: id,
                book: CheckedBook::new(2 * DEPTH).cut_to(DEPTH),
                last: 0,
                oracle: TopOracle::new(),
            });
        }
        Ok(())
    }

    fn url(&self) -> String {
        "wss://ws.okx.com:8443/ws/v5/public".to_owned()
    }

    fn rhythm(&self) -> Rhythm {
        // It closes a connection on which nothing is sent for 30 s, and takes 3 connections a second
        // from one address and 480 requests an hour on one connection.
        Rhythm {
            keep_alive: Some(("ping", Duration::from_secs(20))),
            transport_silence: Duration::from_secs(45),
            sends: (400, Duration::from_secs(3_600)),
            ..Rhythm::default()
        }
    }

    fn opened(&mut self) {
        self.closed();
        let names: Vec<_> = self.markets.iter().map(|market| market.name.clone()).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        if !names.is_empty() {
            self.request("subscribe", &["books", "bbo-tbt", "trades"], &names);
        }
    }

    fn closed(&mut self) {
        self.wishes.clear();
        for market in &mut self.markets {
            market.book.restart();
            market.oracle.restart();
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
