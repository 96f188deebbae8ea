use std::{collections::VecDeque, fmt::Write, marker::PhantomData, time::Duration};

use meltica_event::{
    Book, Event, EventKind, Header, Instrument, InstrumentId, InstrumentKind, Level, Numbering,
    Payload, Timestamp, TopOfBook, Trade, VenueId,
};
use meltica_venue::{
    Applied, AssemblyStats, BookAssembly, BookStatus, Decode, DecodeCause, DecodeError, Decoded,
    Ingest, Lease, Rhythm, Session, TopOracle, Unsupported, VenuePools, VenueStats, Wish,
    json::{FrameText, LazyBook, missing},
};
use serde_json::value::RawValue;

use crate::{
    execution,
    json::{self, Depth, Read, Refusal, UserEvent, aggressor},
};

/// The levels a side for which an assembled book has room from the start: a snapshot of 5,000, and
/// as many again that deltas add below it.
const ASSEMBLED_LEVELS: usize = 10_000;

/// The levels a side that a snapshot is asked for: 1,000 cost a fifth of what 5,000 do, of a weight
/// that is limited to 6,000 a minute.
const SNAPSHOT_LEVELS: u32 = 1_000;

/// What a user's own connection sends.
const USER_EVENTS: &[&str] = &[
    "executionReport",
    "outboundAccountPosition",
    "balanceUpdate",
    "listStatus",
    "listenKeyExpired",
    "externalLockUpdate",
    "eventStreamTerminated",
    "serverShutdown",
];

/// Decodes Binance spot frames for the instruments that were added.
///
/// A depth snapshot does not say what it is about. It is taken for the only instrument; with several,
/// use [`snapshot`](Self::snapshot).
pub struct BinanceSpot {
    venue: VenueId,
    pools: VenuePools,
    markets: Vec<Market>,
    wishes: VecDeque<Wish>,
    /// Whether a connection stands: without one, a recording is being replayed, and nobody could
    /// fetch a snapshot.
    connected: bool,
}

struct Market {
    /// As Binance spells it, `BTCUSDT`.
    symbol: String,
    instrument: InstrumentId,
    assembly: BookAssembly,
    oracle: TopOracle,
    /// Whether a snapshot was wished for and has not come yet.
    fetching: bool,
}

impl BinanceSpot {
    /// An adapter without instruments. Objects that the pools cannot give come from the heap.
    pub fn new(venue: VenueId, pools: VenuePools) -> Self {
        Self { venue, pools, markets: vec![], wishes: VecDeque::new(), connected: false }
    }

    /// Decodes a depth snapshot of this instrument.
    ///
    /// # Errors
    ///
    /// [`DecodeError`], as [`decode`](Decode::decode).
    pub fn snapshot(
        &mut self,
        instrument: InstrumentId,
        frame: &[u8],
        ingest: Ingest,
        emit: &mut dyn FnMut(Decoded),
    ) -> Result<(), DecodeError> {
        let read = || {
            let index = self.markets.iter().position(|market| market.instrument == instrument);
            let index = index
                .ok_or_else(|| DecodeCause::UnknownSymbol { symbol: format!("{instrument:?}") })?;
            let mut book = LazyBook::new(self.pools.books.clone());
            let depth = Depth::read(&FrameText::new(frame)?, &mut book)?;
            Ok((index, depth, book.into_lease()))
        };
        let (index, depth, lease) = read().map_err(|cause| error("snapshot", cause))?;
        self.depth(index, EventKind::BookSnapshot, depth, lease, ingest, emit);
        Ok(())
    }

    fn trade(
        &self,
        read: json::Trade<'_>,
        ingest: Ingest,
        emit: &mut dyn FnMut(Decoded),
    ) -> Result<(), DecodeCause> {
        let market = &self.markets[self.market(read.symbol)?];
        let header = Header {
            sequence: read.id,
            numbering: Numbering::Dense,
            exchange_time: Timestamp::from_millis(read.event_time),
            ..self.header(market.instrument, ingest)
        };
        let trade = Trade {
            price: read.price,
            quantity: read.quantity,
            id: read.id,
            aggressor: Some(aggressor(read.buyer_is_maker)),
        };
        let mut event = self.pools.events.lease_or_heap();
        *event = Event::new(header, Payload::Trade(trade));
        emit(Decoded::Event(event));
        Ok(())
    }

    fn book_ticker(
        &mut self,
        read: json::BookTicker<'_>,
        ingest: Ingest,
        emit: &mut dyn FnMut(Decoded),
    ) -> Result<(), DecodeCause> {
        let index = self.market(read.symbol)?;
        let header = Header {
            sequence: read.update,
            numbering: Numbering::Monotone,
            ..self.header(self.markets[index].instrument, ingest)
        };
        let top = TopOfBook {
            bid: Level { price: read.bid, quantity: read.bid_quantity },
            ask: Level { price: read.ask, quantity: read.ask_quantity },
        };
        let Market { assembly, oracle, .. } = &mut self.markets[index];
        oracle.top(read.update, top, assembly.book());
        let mut event = self.pools.events.lease_or_heap();
        *event = Event::new(header, Payload::TopOfBook(top));
        emit(Decoded::Event(event));
        Ok(())
    }

    /// An event of a user's own connection: this part of the frame, or all of it.
    fn user_event<'a>(
        &mut self,
        kind: &str,
        frame: &FrameText<'a>,
        part: Option<&'a RawValue>,
        ingest: Ingest,
        emit: &mut dyn FnMut(Decoded),
    ) -> (&'static str, Result<(), DecodeCause>) {
        match kind {
            "executionReport" => {
                let mut report = || {
                    let seed = PhantomData::<json::ExecutionReport<'_>>;
                    let read = match part {
                        Some(part) => frame.read_part(part, seed)?,
                        None => frame.read(seed)?,
                    };
                    let market = &self.markets[self.market(read.symbol)?];
                    let header = self.header(market.instrument, ingest);
                    let mut lease = self.pools.executions.lease_or_heap();
                    *lease = execution::report(&read, header)?;
                    emit(Decoded::Execution(lease));
                    Ok(())
                };
                ("executionReport", report())
            }
            "serverShutdown" => {
                let reason = "binance closes this connection soon".to_owned();
                let wish = Wish::Reconnect { reason };
                if !self.wishes.contains(&wish) {
                    self.wishes.push_back(wish);
                }
                ("frame", Ok(()))
            }
            // Balances and lists of orders: nothing that travels here.
            _ if USER_EVENTS.contains(&kind) => ("frame", Ok(())),
            _ => ("frame", Err(DecodeCause::UnknownStream { stream: kind.to_owned() })),
        }
    }

    /// A delta or a snapshot of this market; its levels are in the lease.
    fn depth(
        &mut self,
        index: usize,
        kind: EventKind,
        read: Depth<'_>,
        mut lease: Lease<Book>,
        ingest: Ingest,
        emit: &mut dyn FnMut(Decoded),
    ) {
        let is_snapshot = kind == EventKind::BookSnapshot;
        lease.header = Header {
            kind,
            sequence: read.last,
            numbering: if is_snapshot { Numbering::Rebase } else { Numbering::Monotone },
            exchange_time: read.event_time.map_or(Timestamp::ABSENT, Timestamp::from_millis),
            ..self.header(self.markets[index].instrument, ingest)
        };
        lease.first_sequence = read.first;
        let Market { assembly, oracle, .. } = &mut self.markets[index];
        let mut emit = |book: Lease<Book>| emit(Decoded::Book(book));
        let mut applied = |book: &Book| oracle.book(book);
        let applied = if is_snapshot {
            assembly.snapshot(lease, &mut emit, &mut applied)
        } else {
            assembly.delta(lease, &mut emit, &mut applied)
        };
        if matches!(applied, Applied::Gap { .. }) {
            self.fetch(index);
        }
    }

    /// Wishes for this market's snapshot, unless one is on its way or nobody could fetch it.
    fn fetch(&mut self, index: usize) {
        let market = &mut self.markets[index];
        if !self.connected || std::mem::replace(&mut market.fetching, true) {
            return;
        }
        let path = format!("/api/v3/depth?symbol={}&limit={SNAPSHOT_LEVELS}", market.symbol);
        self.wishes.push_back(Wish::Fetch { instrument: market.instrument, path });
    }

    /// The market that a snapshot without a name is of.
    fn only_market(&self) -> Result<usize, DecodeCause> {
        match self.markets.len() {
            1 => Ok(0),
            _ => Err(DecodeCause::UnknownSymbol {
                symbol: "(a snapshot, with several instruments it might be of)".to_owned(),
            }),
        }
    }

    fn market(&self, symbol: &str) -> Result<usize, DecodeCause> {
        self.markets
            .iter()
            .position(|market| market.symbol == symbol)
            .ok_or_else(|| DecodeCause::UnknownSymbol { symbol: symbol.to_owned() })
    }

    fn header(&self, instrument: InstrumentId, ingest: Ingest) -> Header {
        Header {
            instrument,
            venue: self.venue,
            ingest_time: ingest.time,
            ingest_mono_ns: ingest.mono_ns,
            ..Header::default()
        }
    }
}

impl Decode for BinanceSpot {
    fn decode(
        &mut self,
        frame: &[u8],
        ingest: Ingest,
        emit: &mut dyn FnMut(Decoded),
    ) -> Result<(), DecodeError> {
        let mut operation = "frame";
        let mut book = LazyBook::new(self.pools.books.clone());
        let read = FrameText::new(frame).and_then(|frame| {
            let read = json::frame(&frame, &mut book, &mut operation)?;
            Ok((frame, read))
        });
        let (frame, read) = read.map_err(|cause| error(operation, cause))?;
        let kind = |event| {
            let read = frame.read_part(event, PhantomData::<UserEvent<'_>>);
            read.map(|event| event.kind)
        };
        let (operation, done) = match read {
            Read::Trade(trade) => ("trade", self.trade(trade, ingest, emit)),
            Read::BookTicker(top) => ("bookTicker", self.book_ticker(top, ingest, emit)),
            Read::Depth(depth) => {
                let symbol = depth.symbol.ok_or_else(|| missing("s"));
                let index = symbol.and_then(|symbol| self.market(symbol));
                let (kind, lease) = (EventKind::BookDelta, book.into_lease());
                ("depth", index.map(|index| self.depth(index, kind, depth, lease, ingest, emit)))
            }
            Read::Snapshot(depth) => {
                let index = self.only_market();
                let (kind, lease) = (EventKind::BookSnapshot, book.into_lease());
                ("snapshot", index.map(|index| self.depth(index, kind, depth, lease, ingest, emit)))
            }
            Read::Bare(kind) => self.user_event(kind, &frame, None, ingest, emit),
            Read::Wrapped(event) => match kind(event) {
                Ok(kind) => {
                    let kind = kind.unwrap_or("(none)");
                    self.user_event(kind, &frame, Some(event), ingest, emit)
                }
                Err(cause) => ("frame", Err(cause)),
            },
            Read::Answer(None) => ("answer", Ok(())),
            Read::Answer(Some(refusal)) => {
                let said = frame.read_part(refusal, PhantomData::<Refusal<'_>>);
                let reason =
                    said.map_or_else(|_| refusal.get().to_owned(), |said| said.msg.into_owned());
                ("answer", Err(DecodeCause::Refused { reason }))
            }
            Read::Unknown { stream, data } => {
                let known = data.and_then(|event| kind(event).ok().flatten());
                match known.filter(|kind| USER_EVENTS.contains(kind)) {
                    Some(kind) => self.user_event(kind, &frame, data, ingest, emit),
                    None => {
                        let stream = stream.to_owned();
                        ("frame", Err(DecodeCause::UnknownStream { stream }))
                    }
                }
            }
        };
        done.map_err(|cause| error(operation, cause))
    }

    fn stats(&self) -> VenueStats {
        let markets = &self.markets;
        let books = markets.iter().map(|market| market.assembly.stats());
        let stats = VenueStats::new(books.fold(AssemblyStats::default(), AssemblyStats::plus));
        stats.compared(
            markets.iter().map(|market| market.oracle.compared()).sum(),
            markets.iter().map(|market| market.oracle.equal()).sum(),
        )
    }
}

impl Session for BinanceSpot {
    fn add(&mut self, instrument: Instrument, id: InstrumentId) -> Result<(), Unsupported> {
        if instrument.kind != InstrumentKind::Spot {
            let reason = "it is not a spot instrument; write BASE-QUOTE, as BTC-USDT";
            return Err(Unsupported { venue: "binance", instrument, reason });
        }
        let symbol = format!("{}{}", instrument.base, instrument.quote);
        if self.markets.iter().all(|market| market.symbol != symbol) {
            self.markets.push(Market {
                symbol,
                instrument: id,
                assembly: BookAssembly::new(ASSEMBLED_LEVELS),
                oracle: TopOracle::new(),
                fetching: false,
            });
        }
        Ok(())
    }

    fn url(&self) -> String {
        let mut url = "wss://stream.binance.com:9443/stream?streams=".to_owned();
        for (index, market) in self.markets.iter().enumerate() {
            let symbol = market.symbol.to_ascii_lowercase();
            let separator = if index == 0 { "" } else { "/" };
            write!(url, "{separator}{symbol}@trade/{symbol}@bookTicker/{symbol}@depth@100ms")
                .expect("a String takes all");
        }
        url
    }

    fn rest_url(&self) -> Option<&str> {
        Some("https://api.binance.com")
    }

    fn rhythm(&self) -> Rhythm {
        // Its server pings every 20 s, and takes 5 frames a second and 300 connections in 5 minutes.
        Rhythm { transport_silence: Duration::from_secs(60), ..Rhythm::default() }
    }

    fn opened(&mut self) {
        self.closed();
        self.connected = true;
        for index in 0..self.markets.len() {
            self.fetch(index);
        }
    }

    fn closed(&mut self) {
        self.connected = false;
        self.wishes.clear();
        for market in &mut self.markets {
            market.assembly.restart();
            market.fetching = false;
        }
    }

    fn resync(&mut self, instrument: InstrumentId) {
        let index = self.markets.iter().position(|market| market.instrument == instrument);
        if let Some(index) = index {
            self.markets[index].assembly.restart();
            self.markets[index].fetching = false;
            self.fetch(index);
        }
    }

    fn next_wish(&mut self) -> Option<Wish> {
        self.wishes.pop_front()
    }

    fn fetched(
        &mut self,
        instrument: InstrumentId,
        body: &[u8],
        ingest: Ingest,
        emit: &mut dyn FnMut(Decoded),
    ) -> Result<(), DecodeError> {
        let index = self.markets.iter().position(|market| market.instrument == instrument);
        if let Some(index) = index {
            self.markets[index].fetching = false;
        }
        let taken = self.snapshot(instrument, body, ingest, emit);
        if let (Some(index), Err(_)) = (index, &taken) {
            self.fetch(index);
        }
        taken
    }

    fn book(&self, instrument: InstrumentId) -> Option<&Book> {
        self.markets.iter().find(|market| market.instrument == instrument)?.assembly.book()
    }

    fn books(&self, visit: &mut dyn FnMut(BookStatus)) {
        for Market { instrument, assembly, .. } in &self.markets {
            visit(BookStatus {
                instrument: *instrument,
                verified: assembly.book().is_some(),
                stats: assembly.stats(),
                updated_mono_ns: assembly.updated_mono_ns(),
            });
        }
    }
}

const fn error(operation: &'static str, cause: DecodeCause) -> DecodeError {
    DecodeError { venue: "binance", operation, cause }
}
