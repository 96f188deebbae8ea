use std::{collections::VecDeque, time::Duration};

use meltica_event::{
    Book, Event, EventKind, Header, Instrument, InstrumentId, InstrumentKind, Level, Numbering,
    Payload, Price, Side, Ticker, Timestamp, TopOfBook, Trade, VenueId,
};
use meltica_venue::{
    AssemblyStats, BookStatus, CheckedBook, Decode, DecodeCause, DecodeError, Decoded, Ingest,
    Lease, Rhythm, Session, Unsupported, VenuePools, VenueStats, Wish,
    json::{Data, FrameText, LazyBook, missing, unknown_value},
};
use serde::de::DeserializeSeed;

use crate::json::{self, Desk, Envelope, EventsInto, Gathered, PartOfBook, Told};

/// The levels a side for which a book has room from the start; a whole book has some ten thousand.
const ROOM: usize = 20_000;

/// Decodes Coinbase Advanced Trade for the instruments that were added, and keeps their books.
pub struct Coinbase {
    venue: VenueId,
    pools: VenuePools,
    markets: Vec<Market>,
    wishes: VecDeque<Wish>,
    /// The number that the connection's next frame must have; `None` before its first.
    next: Option<u64>,
    /// What the frame at hand holds, kept to be used again.
    gathered: Gathered,
}

struct Market {
    /// As Coinbase spells it, `BTC-USD`.
    product: String,
    instrument: InstrumentId,
    book: CheckedBook,
    /// Our own count of snapshots and deltas.
    number: u64,
    /// The newest trade; zero before the first.
    trade: u64,
}

impl Coinbase {
    /// An adapter without instruments. Objects that the pools cannot give come from the heap.
    pub fn new(venue: VenueId, pools: VenuePools) -> Self {
        Self {
            venue,
            pools,
            markets: vec![],
            wishes: VecDeque::new(),
            next: None,
            gathered: Gathered::default(),
        }
    }

    /// Checks the number of a frame that could be read; `false` if it was seen before.
    fn count(&mut self, sequence: u64, ingest: Ingest) -> bool {
        let next = self.next.unwrap_or(sequence);
        if sequence < next {
            for market in &mut self.markets {
                market.book.stale(ingest.mono_ns);
            }
            return false;
        }
        self.next = Some(sequence.saturating_add(1));
        if sequence > next {
            // Whose frame is missing cannot be known; it may have been a snapshot. Those that wait already are asked for
            // again by whoever drives this, less and less often.
            let had_any = self.markets.iter().any(|market| market.book.book().is_some());
            for market in &mut self.markets {
                market.book.missed();
            }
            if had_any {
                self.subscribe_again(None);
            }
        }
        true
    }

    fn request(&mut self, kind: &str, channel: &str, products: &str) {
        let wish = Wish::Send(format!(
            r#"{{"type":"{kind}","product_ids":[{products}],"channel":"{channel}"}}"#
        ));
        // What is wished already need not be wished twice.
        if !self.wishes.contains(&wish) {
            self.wishes.push_back(wish);
        }
    }

    /// Asks for the book of this market anew, or for all; Coinbase sends a snapshot to whoever
    /// subscribes.
    fn subscribe_again(&mut self, index: Option<usize>) {
        let products = match index {
            Some(index) => format!("{:?}", self.markets[index].product),
            None => self.products(),
        };
        if !products.is_empty() {
            self.request("unsubscribe", "level2", &products);
            self.request("subscribe", "level2", &products);
        }
    }

    fn products(&self) -> String {
        let products: Vec<_> = self.markets.iter().map(|m| format!("{:?}", m.product)).collect();
        products.join(",")
    }

    /// Tells what was gathered.
    fn tell(
        &mut self,
        gathered: &mut Gathered,
        time: Timestamp,
        ingest: Ingest,
        emit: &mut dyn FnMut(Decoded),
    ) {
        for PartOfBook { market: index, whole, mut book } in gathered.books.drain(..) {
            let market = &mut self.markets[index];
            if !whole && book.bids.is_empty() && book.asks.is_empty() {
                market.book.heard(ingest.mono_ns);
                continue;
            }
            if whole || market.book.book().is_some() {
                market.number += 1;
            }
            book.header = Header {
                kind: if whole { EventKind::BookSnapshot } else { EventKind::BookDelta },
                sequence: market.number,
                numbering: if whole { Numbering::Rebase } else { Numbering::Monotone },
                exchange_time: time,
                ..header(self.venue, market.instrument, ingest)
            };
            book.first_sequence = market.number;
            let mut emit = |book: Lease<Book>| emit(Decoded::Book(book));
            if whole {
                market.book.snapshot(book, &mut emit);
            } else {
                market.book.delta(book, &mut emit);
            }
        }
        // Coinbase lists the newest trade first. Tickers have no number, stay in their order, and come without trades.
        if gathered.events.iter().any(|told| told.event.header.kind == EventKind::Trade) {
            gathered.events.sort_unstable_by_key(|told| (told.market, told.event.header.sequence));
        }
        let mut history = None;
        for Told { market, whole, mut event } in gathered.events.drain(..) {
            let Market { instrument, trade, .. } = &mut self.markets[market];
            event.header = Header {
                kind: event.header.kind,
                sequence: event.header.sequence,
                numbering: event.header.numbering,
                exchange_time: event.header.exchange_time,
                ..header(self.venue, *instrument, ingest)
            };
            if event.header.kind != EventKind::Trade {
                event.header.exchange_time = time;
                emit(Decoded::Event(event));
                continue;
            }
            // Before the first trade that was seen, a snapshot is history.
            if whole && *trade == 0 {
                history = Some(market);
            }
            if event.header.sequence > *trade {
                *trade = event.header.sequence;
                if history != Some(market) {
                    emit(Decoded::Event(event));
                }
            }
        }
    }

    /// Reads a frame whole, changing nothing.
    fn frame(
        &self,
        frame: &[u8],
        operation: &mut &'static str,
        gathered: &mut Gathered,
    ) -> Result<Counted, DecodeCause> {
        let frame = &FrameText::new(frame)?;
        // About what nobody asked for: no reason to think that the frame is missing.
        let mut unasked = None;
        let unasked_in = &mut unasked;
        let mut reading = Reading {
            coinbase: self,
            frame,
            operation,
            gathered,
            unasked: unasked_in,
            read: false,
        };
        let envelope = Envelope::read(frame, &mut reading)?;
        let Some(channel) = envelope.channel else {
            *reading.operation = "frame";
            if envelope.kind != Some("error") {
                return Err(missing("channel"));
            }
            *reading.operation = "answer";
            let reason = envelope.message.map(|message| message.0.into_owned());
            let reason = reason.unwrap_or_else(|| "no reason is given".to_owned());
            return Err(DecodeCause::Refused { reason });
        };
        if !reading.read && CHANNELS.contains(&channel) {
            // The events came before the channel, or not at all.
            if let Some(seed) = reading.of(channel) {
                let events = envelope.events.ok_or_else(|| missing("events"))?;
                frame.read_part(events, seed)?;
            }
        }
        // Beside others, which are not told either, the frame is missing after all.
        if let Some(cause) = unasked.take_if(|_| !gathered.is_empty()) {
            return Err(cause);
        }
        if !CHANNELS.contains(&channel) && !SILENT.contains(&channel) {
            unasked = Some(DecodeCause::UnknownStream { stream: channel.to_owned() });
        }
        let sequence = envelope.sequence.ok_or_else(|| missing("sequence_num"))?;
        Ok(Counted { sequence, time: envelope.time.unwrap_or(Timestamp::ABSENT), unasked })
    }
}

/// A frame that was read, so that it counts.
struct Counted {
    sequence: u64,
    time: Timestamp,
    /// What it is about, if nobody asked for that.
    unasked: Option<DecodeCause>,
}

/// A frame that is being read; nothing but what is gathered changes.
struct Reading<'r, 'a> {
    coinbase: &'r Coinbase,
    frame: &'r FrameText<'a>,
    operation: &'r mut &'static str,
    gathered: &'r mut Gathered,
    unasked: &'r mut Option<DecodeCause>,
    /// Whether the events were read.
    read: bool,
}

impl<'a> Data<'a> for Reading<'_, 'a> {
    fn of(&mut self, channel: &str) -> Option<impl DeserializeSeed<'a, Value = ()>> {
        let known = CHANNELS.into_iter().find(|known| *known == channel);
        if known.is_none() && !SILENT.contains(&channel) {
            return None;
        }
        *self.operation = known.unwrap_or("frame");
        self.read = true;
        let Self { coinbase, frame, gathered, unasked, .. } = self;
        Some(EventsInto { telling: known.is_some(), frame, desk: *coinbase, gathered, unasked })
    }
}

/// The channels whose events are read.
const CHANNELS: [&str; 3] = ["l2_data", "market_trades", "ticker"];

/// The channels whose frames only count.
const SILENT: [&str; 2] = ["heartbeats", "subscriptions"];

fn header(venue: VenueId, instrument: InstrumentId, ingest: Ingest) -> Header {
    Header {
        instrument,
        venue,
        ingest_time: ingest.time,
        ingest_mono_ns: ingest.mono_ns,
        ..Header::default()
    }
}

impl Desk for Coinbase {
    fn market(&self, product: &str) -> Result<usize, DecodeCause> {
        self.markets
            .iter()
            .position(|market| market.product == product)
            .ok_or_else(|| DecodeCause::UnknownSymbol { symbol: product.to_owned() })
    }

    fn book(&self) -> LazyBook {
        LazyBook::new(self.pools.books.clone())
    }

    fn trade(&self, read: &json::Trade<'_>) -> Result<Told, DecodeCause> {
        let market = self.market(read.product)?;
        let aggressor = match read.side {
            "BUY" => Side::Sell,
            "SELL" => Side::Buy,
            other => return Err(unknown_value("side", other)),
        };
        let trade = Trade {
            price: read.price,
            quantity: read.quantity,
            id: read.id,
            aggressor: Some(aggressor),
        };
        let header = Header {
            sequence: read.id,
            numbering: Numbering::Dense,
            exchange_time: read.time,
            ..Header::default()
        };
        let mut event = self.pools.events.lease_or_heap();
        *event = Event::new(header, Payload::Trade(trade));
        Ok(Told { market, whole: false, event })
    }

    fn ticker(&self, read: &json::Ticker<'_>) -> Result<[Told; 2], DecodeCause> {
        let market = self.market(read.product)?;
        let top = TopOfBook {
            bid: Level { price: read.bid, quantity: read.bid_quantity.0 },
            ask: Level { price: read.ask, quantity: read.ask_quantity.0 },
        };
        let ticker = Ticker {
            last: read.last,
            open: Price::ZERO,
            high: read.high,
            low: read.low,
            volume: read.volume.0,
        };
        Ok([Payload::TopOfBook(top), Payload::Ticker(ticker)].map(|payload| {
            let mut event = self.pools.events.lease_or_heap();
            *event = Event::new(Header::default(), payload);
            Told { market, whole: false, event }
        }))
    }
}

impl Decode for Coinbase {
    fn decode(
        &mut self,
        frame: &[u8],
        ingest: Ingest,
        emit: &mut dyn FnMut(Decoded),
    ) -> Result<(), DecodeError> {
        let mut gathered = std::mem::take(&mut self.gathered);
        let mut operation = "frame";
        let read = self.frame(frame, &mut operation, &mut gathered);
        let read = read.and_then(|Counted { sequence, time, unasked }| {
            // What could not be read counts as missing; what nobody asked for does not.
            if self.count(sequence, ingest) && unasked.is_none() {
                self.tell(&mut gathered, time, ingest, emit);
            }
            unasked.map_or(Ok(()), Err)
        });
        gathered.clear();
        self.gathered = gathered;
        read.map_err(|cause| DecodeError { venue: "coinbase", operation, cause })
    }

    fn stats(&self) -> VenueStats {
        let books = self.markets.iter().map(|market| market.book.stats());
        VenueStats::new(books.fold(AssemblyStats::default(), AssemblyStats::plus))
    }
}

impl Session for Coinbase {
    fn add(&mut self, instrument: Instrument, id: InstrumentId) -> Result<(), Unsupported> {
        if instrument.kind != InstrumentKind::Spot {
            let reason = "this endpoint has spot only; write BASE-QUOTE, as BTC-USD";
            return Err(Unsupported { venue: "coinbase", instrument, reason });
        }
        let product = instrument.to_string();
        if self.markets.iter().all(|market| market.product != product) {
            self.markets.push(Market {
                product,
                instrument: id,
                book: CheckedBook::new(ROOM),
                number: 0,
                trade: 0,
            });
        }
        Ok(())
    }

    fn url(&self) -> String {
        "wss://advanced-trade-ws.coinbase.com/".to_owned()
    }

    fn rhythm(&self) -> Rhythm {
        // Without a key: 8 frames a second from one address. It closes a connection that has not
        // subscribed within 5 s, and its heartbeats come once a second.
        Rhythm {
            transport_silence: Duration::from_secs(10),
            send_gap: Duration::from_millis(150),
            sends: (6, Duration::from_secs(1)),
            ..Rhythm::default()
        }
    }

    fn opened(&mut self) {
        self.closed();
        let products = self.products();
        if !products.is_empty() {
            for channel in ["heartbeats", "level2", "market_trades", "ticker"] {
                self.request("subscribe", channel, &products);
            }
        }
    }

    fn closed(&mut self) {
        self.wishes.clear();
        self.next = None;
        for market in &mut self.markets {
            market.book.restart();
        }
    }

    fn resync(&mut self, instrument: InstrumentId) {
        let index = self.markets.iter().position(|market| market.instrument == instrument);
        if let Some(index) = index {
            self.markets[index].book.restart();
            self.subscribe_again(Some(index));
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
