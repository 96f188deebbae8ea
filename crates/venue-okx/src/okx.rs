use std::{collections::VecDeque, time::Duration};

use meltica_event::{
    Book, Event, EventKind, ExecReport, Header, Instrument, InstrumentId, InstrumentKind,
    Numbering, Payload, Side, Timestamp, TopOfBook, Trade, VenueId,
};
use meltica_venue::{
    AssemblyStats, BookStatus, CheckedBook, Decode, DecodeCause, DecodeError, Decoded, Ingest,
    Lease, Rhythm, Session, TopOracle, Unsupported, VenuePools, VenueStats, Wish,
    json::{Array, Data, Elements, FrameText, LazyBook, missing, unknown_value},
};
use serde::{
    Deserializer,
    de::{DeserializeSeed, SeqAccess},
};

use crate::{
    execution,
    json::{self, Envelope, Order, Part, PartInto},
};

/// The levels a side that the channel `books` has.
const DEPTH: usize = 400;

/// Decodes OKX's WebSocket v5 for the instruments that were added, and keeps their books.
pub struct Okx {
    venue: VenueId,
    pools: VenuePools,
    markets: Vec<Market>,
    wishes: VecDeque<Wish>,
    /// Kept, so that its room is used again.
    gathered: Gathered,
}

/// What a frame holds, read and not yet told.
#[derive(Default)]
struct Gathered {
    parts: Vec<Part>,
    events: Vec<Lease<Event>>,
    executions: Vec<Lease<ExecReport>>,
}

impl Gathered {
    fn clear(&mut self) {
        self.parts.clear();
        self.events.clear();
        self.executions.clear();
    }
}

/// What is to be told of a frame that was read.
#[derive(Clone, Copy)]
enum Told {
    /// The parts are of this market's book: a snapshot, or updates.
    Books { market: usize, whole: bool },
    /// The parts are best prices of this market.
    Tops { market: usize },
    /// The events and executions, as they are.
    Rest,
    /// The connection ends soon.
    Notice,
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
            gathered: Gathered::default(),
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

    /// Reads a frame whole, changing nothing.
    fn frame(
        &self,
        frame: &[u8],
        operation: &mut &'static str,
        gathered: &mut Gathered,
        ingest: Ingest,
    ) -> Result<(Told, String), DecodeCause> {
        let frame = &FrameText::new(frame)?;
        let mut reading = Reading { okx: self, frame, operation, gathered, ingest, read: false };
        let envelope = Envelope::read(frame, &mut reading)?;
        if let Some(event) = envelope.event {
            *reading.operation = "answer";
            return answer(event, &envelope);
        }
        let channel = envelope.arg.channel.ok_or_else(|| missing("channel"))?;
        let Some(known) = CHANNELS.into_iter().find(|known| *known == channel) else {
            *reading.operation = "frame";
            return Err(DecodeCause::UnknownStream { stream: channel.to_owned() });
        };
        *reading.operation = known;
        if !reading.read {
            // The data came before the channel, or not at all.
            let data = envelope.data.ok_or_else(|| missing("data"))?;
            if let Some(seed) = reading.of(known) {
                frame.read_part(data, seed)?;
            }
        }
        let gathered = reading.gathered;
        let market = || self.market(envelope.arg.inst_id.ok_or_else(|| missing("instId"))?);
        let told = match known {
            "books" => {
                let market = market()?;
                let whole = match envelope.action {
                    Some("snapshot") => true,
                    Some("update") => false,
                    Some(other) => return Err(unknown_value("action", other)),
                    None => return Err(missing("action")),
                };
                if !whole && gathered.parts.iter().any(|part| part.previous.is_none()) {
                    return Err(missing("prevSeqId"));
                }
                Told::Books { market, whole }
            }
            "bbo-tbt" => Told::Tops { market: market()? },
            _ => Told::Rest,
        };
        Ok((told, String::new()))
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

    fn top(&mut self, index: usize, part: Part, ingest: Ingest, emit: &mut dyn FnMut(Decoded)) {
        let Part { book, time, sequence, .. } = part;
        let best = |levels: &[_]| levels.first().copied().unwrap_or_default();
        let top = TopOfBook { bid: best(&book.bids), ask: best(&book.asks) };
        let header = Header {
            sequence,
            // They come in order, and the numbers begin again now and then: nobody is to wait until they are as high as before.
            numbering: Numbering::Unsequenced,
            exchange_time: time,
            ..self.header(index, ingest)
        };
        let Market { book, oracle, .. } = &mut self.markets[index];
        oracle.top(sequence, top, book.book());
        let mut event = self.pools.events.lease_or_heap();
        *event = Event::new(header, Payload::TopOfBook(top));
        emit(Decoded::Event(event));
    }

    /// The report that an order becomes.
    fn order(&self, read: &Order<'_>, ingest: Ingest) -> Result<Lease<ExecReport>, DecodeCause> {
        let index = self.market(read.instrument)?;
        let mut lease = self.pools.executions.lease_or_heap();
        *lease = execution::report(read, self.header(index, ingest))?;
        Ok(lease)
    }

    /// The event that a trade becomes.
    fn trade(&self, read: &json::Trade<'_>, ingest: Ingest) -> Result<Lease<Event>, DecodeCause> {
        let index = self.market(read.instrument)?;
        let aggressor = match read.side {
            "buy" => Side::Buy,
            "sell" => Side::Sell,
            other => return Err(unknown_value("side", other)),
        };
        let header = Header {
            sequence: read.id,
            numbering: Numbering::Monotone,
            exchange_time: Timestamp::from_millis(read.millis),
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
        Ok(event)
    }
}

/// A frame that is being read; nothing but what is gathered changes.
struct Reading<'r, 'a> {
    okx: &'r Okx,
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
        let Self { okx, frame, gathered, ingest, .. } = self;
        Some(DataInto { channel: known, okx, frame, gathered, ingest: *ingest })
    }
}

/// Reads the data of a channel.
struct DataInto<'r, 'a> {
    channel: &'static str,
    okx: &'r Okx,
    frame: &'r FrameText<'a>,
    gathered: &'r mut Gathered,
    ingest: Ingest,
}

impl<'de> DeserializeSeed<'de> for DataInto<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(mut self, deserializer: D) -> Result<(), D::Error> {
        let Self { channel, okx, frame, ref mut gathered, ingest } = self;
        match channel {
            "trades" => {
                let trade = |trade: json::Trade<'_>| {
                    gathered.events.push(okx.trade(&trade, ingest)?);
                    Ok(())
                };
                frame.each(trade).deserialize(deserializer)
            }
            "orders" => {
                let order = |order: Order<'_>| {
                    gathered.executions.push(okx.order(&order, ingest)?);
                    Ok(())
                };
                frame.each(order).deserialize(deserializer)
            }
            _ => Array(&mut self).deserialize(deserializer),
        }
    }
}

impl<'de> Elements<'de> for DataInto<'_, 'de> {
    #[inline]
    fn element<A: SeqAccess<'de>>(&mut self, array: &mut A) -> Result<bool, A::Error> {
        let book = LazyBook::new(self.okx.pools.books.clone());
        let part = array.next_element_seed(PartInto::new(self.frame, book))?;
        let read = part.is_some();
        self.gathered.parts.extend(part);
        Ok(read)
    }
}

/// The channels that are understood.
const CHANNELS: [&str; 4] = ["books", "bbo-tbt", "trades", "orders"];

/// An answer, or news about the connection and what it says.
fn answer(event: &str, envelope: &Envelope<'_>) -> Result<(Told, String), DecodeCause> {
    let said = || {
        let message = envelope.message.as_ref().map_or("no reason is given", |message| &*message.0);
        format!("{} {message}", envelope.code.unwrap_or("(no code)"))
    };
    match event {
        "subscribe" | "unsubscribe" | "login" | "channel-conn-count" => {
            Ok((Told::Rest, String::new()))
        }
        "error" | "channel-conn-count-error" => Err(DecodeCause::Refused { reason: said() }),
        "notice" => Ok((Told::Notice, said())),
        _ => Err(DecodeCause::UnknownStream { stream: event.to_owned() }),
    }
}

impl Decode for Okx {
    fn decode(
        &mut self,
        frame: &[u8],
        ingest: Ingest,
        emit: &mut dyn FnMut(Decoded),
    ) -> Result<(), DecodeError> {
        if frame == b"pong" {
            return Ok(());
        }
        let mut gathered = std::mem::take(&mut self.gathered);
        let mut operation = "frame";
        let read = self.frame(frame, &mut operation, &mut gathered, ingest);
        let read = read.map(|(told, said)| match told {
            Told::Books { market, whole } => {
                for part in gathered.parts.drain(..) {
                    self.book(market, part, whole, ingest, emit);
                }
            }
            Told::Tops { market } => {
                for part in gathered.parts.drain(..) {
                    self.top(market, part, ingest, emit);
                }
            }
            Told::Rest => {
                let events = gathered.events.drain(..).map(Decoded::Event);
                let executions = gathered.executions.drain(..).map(Decoded::Execution);
                events.chain(executions).for_each(emit);
            }
            Told::Notice => {
                let reason = format!("okx closes this connection soon: {said}");
                let wished = |wish: &Wish| matches!(wish, Wish::Reconnect { .. });
                if !self.wishes.iter().any(wished) {
                    self.wishes.push_back(Wish::Reconnect { reason });
                }
            }
        });
        gathered.clear();
        self.gathered = gathered;
        read.map_err(|cause| DecodeError { venue: "okx", operation, cause })
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
