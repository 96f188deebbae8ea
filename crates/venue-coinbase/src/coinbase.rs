use std::{collections::VecDeque, time::Duration};

use meltica_event::{
    Book, Event, EventKind, Header, Instrument, InstrumentId, InstrumentKind, Level, Numbering,
    Payload, Price, Side, Ticker, Timestamp, TopOfBook, Trade, VenueId,
};
use meltica_venue::{
    AssemblyStats, BookStatus, CheckedBook, Decode, DecodeCause, DecodeError, Decoded, Ingest,
    Lease, Rhythm, Session, Unsupported, VenuePools, VenueStats, Wish,
    json::{LazyBook, missing, read_part, text_of, unknown_value},
};

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
            // Whose frame is missing cannot be known; it may have been a snapshot.
            for market in &mut self.markets {
                market.book.missed();
            }
            self.subscribe_again(None);
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
        // Coinbase lists the newest trade first. Tickers have no number, and stay in their order.
        gathered.events.sort_unstable_by_key(|told| {
            (told.market, told.event.header.sequence, told.event.header.kind == EventKind::Ticker)
        });
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

    /// Reads a frame whole, before anything is changed; only then counts it, and tells what is in it.
    fn frame(
        &mut self,
        text: &str,
        envelope: &Envelope<'_>,
        ingest: Ingest,
        emit: &mut dyn FnMut(Decoded),
    ) -> Result<(), DecodeCause> {
        let sequence = envelope.sequence.ok_or_else(|| missing("sequence_num"))?;
        let channel = envelope.channel.unwrap_or_default();
        let mut gathered = std::mem::take(&mut self.gathered);
        let mut cause = None;
        let read = match channel {
            "l2_data" | "market_trades" | "ticker" => {
                envelope.events.ok_or_else(|| missing("events")).and_then(|events| {
                    let (desk, gathered) = (&*self, &mut gathered);
                    let into = EventsInto { desk, gathered, cause: &mut cause };
                    read_part(into, events, text)
                })
            }
            "heartbeats" | "subscriptions" => Ok(()),
            _ => Err(DecodeCause::UnknownStream { stream: channel.to_owned() }),
        };
        let read = read.map_err(|error| cause.unwrap_or(error));
        if read.is_err() {
            gathered.books.clear();
            gathered.events.clear();
        }
        // What could not be read counts as missing; what nobody asked for does not.
        let counts = !matches!(read, Err(DecodeCause::Malformed { .. }));
        if counts && self.count(sequence, ingest) {
            let time = envelope.time.unwrap_or(Timestamp::ABSENT);
            self.tell(&mut gathered, time, ingest, emit);
        }
        gathered.books.clear();
        gathered.events.clear();
        self.gathered = gathered;
        read
    }
}

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

    fn trade(&self, read: json::Trade<'_>, gathered: &mut Vec<Told>) -> Result<(), DecodeCause> {
        let market = self.market(read.product_id)?;
        let aggressor = match read.side {
            "BUY" => Side::Sell,
            "SELL" => Side::Buy,
            other => return Err(unknown_value("side", other)),
        };
        let trade = Trade {
            price: read.price,
            quantity: read.size,
            id: read.trade_id,
            aggressor: Some(aggressor),
        };
        let header = Header {
            sequence: read.trade_id,
            numbering: Numbering::Dense,
            exchange_time: read.time,
            ..Header::default()
        };
        let mut event = self.pools.events.lease_or_heap();
        *event = Event::new(header, Payload::Trade(trade));
        gathered.push(Told { market, whole: false, event });
        Ok(())
    }

    fn ticker(&self, read: json::Ticker<'_>, gathered: &mut Vec<Told>) -> Result<(), DecodeCause> {
        let market = self.market(read.product_id)?;
        let top = TopOfBook {
            bid: Level { price: read.best_bid, quantity: read.best_bid_quantity },
            ask: Level { price: read.best_ask, quantity: read.best_ask_quantity },
        };
        let ticker = Ticker {
            last: read.price,
            open: Price::ZERO,
            high: read.high_24_h,
            low: read.low_24_h,
            volume: read.volume_24_h,
        };
        for payload in [Payload::TopOfBook(top), Payload::Ticker(ticker)] {
            let mut event = self.pools.events.lease_or_heap();
            *event = Event::new(Header::default(), payload);
            gathered.push(Told { market, whole: false, event });
        }
        Ok(())
    }
}

impl Decode for Coinbase {
    fn decode(
        &mut self,
        frame: &[u8],
        ingest: Ingest,
        emit: &mut dyn FnMut(Decoded),
    ) -> Result<(), DecodeError> {
        let error = |operation, cause| DecodeError { venue: "coinbase", operation, cause };
        let frame = text_of(frame).and_then(|text| Ok((text, Envelope::read(text)?)));
        let (text, envelope) = frame.map_err(|cause| error("frame", cause))?;
        let operation = match (envelope.channel, envelope.kind) {
            (Some("l2_data"), _) => "l2_data",
            (Some("market_trades"), _) => "market_trades",
            (Some("ticker"), _) => "ticker",
            (Some(_), _) => "frame",
            (None, Some("error")) => {
                let reason = envelope.message.as_deref().unwrap_or("no reason is given").to_owned();
                return Err(error("answer", DecodeCause::Refused { reason }));
            }
            (None, _) => return Err(error("frame", missing("channel"))),
        };
        self.frame(text, &envelope, ingest, emit).map_err(|cause| error(operation, cause))
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
