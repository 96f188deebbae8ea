use std::collections::HashMap;

use meltica_event::{
    Book, Control, ControlOutcome, Event, EventKind, ExecReport, ExecType, Header, Instrument,
    InstrumentId, Level, Merged, Numbering, OrderStatus, Payload, Price, Quantity, Quote, Side,
    Sources, Text, Ticker, TopOfBook, TraceId, Trade, VenueId,
};

use super::{FrameError, MAGIC, MOST_LEVELS, VERSION, reader::Reader};
use crate::{Envelope, Names, NatsPools, OriginName, Received};

/// A frame that was read whole, and is in order: what it says is taken into an object by a [`Decoder`].
#[derive(Clone, Debug)]
pub struct Frame<'a> {
    pub(super) envelope: Envelope,
    pub(super) header: Header,
    venue: &'a str,
    instrument_text: &'a str,
    instrument: Option<Instrument>,
    pub(super) body: Body<'a>,
}

#[derive(Clone, Debug)]
pub(super) enum Body<'a> {
    Event(Payload),
    Book { first_sequence: u64, sources: RawSources<'a>, sides: [RawSide<'a>; 2] },
    Merged(Box<RawMerged<'a>>),
    Execution(Box<ExecReport>),
    Control(Box<Control>),
}

/// One side of a book, best level first.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawSide<'a> {
    levels: &'a [u8],
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RawSources<'a> {
    pub(super) venues: [&'a str; Sources::MOST],
    pub(super) len: usize,
    pub(super) missing: usize,
}

#[derive(Clone, Debug)]
pub(super) struct RawMerged<'a> {
    pub(super) window: u64,
    pub(super) sources: RawSources<'a>,
    pub(super) quotes: [Option<(Level, &'a str)>; 2],
    pub(super) prices: [Option<Price>; 2],
    pub(super) volume: Quantity,
}

impl<'a> Frame<'a> {
    /// Reads a frame, and all of it: whatever bytes these are, what comes of them is a frame that is in order or an error
    /// that says where it is not. Allocates for critical and merged messages alone.
    ///
    /// # Errors
    ///
    /// [`FrameError`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FrameError> {
        let mut reader = Reader::new(bytes);
        if reader.bytes("magic", MAGIC.len())? != MAGIC {
            return Err(FrameError::NotAFrame);
        }
        match reader.u8("version")? {
            VERSION => {}
            found => return Err(FrameError::Version { found }),
        }
        let kind = reader.one_of("kind", EventKind::ALL)?;
        let numbering = reader.one_of(
            "numbering",
            &[Numbering::Unsequenced, Numbering::Monotone, Numbering::Dense, Numbering::Rebase],
        )?;
        for _ in 0..3 {
            reader.one_of("reserved", &[()])?;
        }
        let mut header = Header {
            trace: TraceId(reader.u64("trace")?),
            routing_version: reader.u64("routing version")?,
            sequence: reader.u64("sequence")?,
            exchange_time: reader.time("exchange time")?,
            ingest_time: reader.time("ingest time")?,
            numbering,
            ..Header::new(kind)
        };
        header.ingest_mono_ns = 0;
        let (incarnation, chain, number) =
            (reader.u64("incarnation")?, reader.u64("chain")?, reader.u64("number")?);
        let at = reader.at();
        let origin = reader.text("origin", 16)?;
        let origin: OriginName = origin.parse().map_err(|error: crate::BadOrigin| {
            FrameError::Text { field: "origin", at, reason: error.to_string() }
        })?;
        let venue = venue(&mut reader)?;
        let at = reader.at();
        let instrument_text = reader.text("instrument", 48)?;
        let instrument = match instrument_text {
            "" => None,
            text => Some(text.parse::<Instrument>().map_err(|error| FrameError::Text {
                field: "instrument",
                at,
                reason: error.to_string(),
            })?),
        };
        let body = match kind {
            EventKind::Trade | EventKind::Ticker | EventKind::TopOfBook => {
                Body::Event(payload(kind, &mut reader)?)
            }
            EventKind::BookSnapshot | EventKind::BookDelta | EventKind::MergedBook => Body::Book {
                first_sequence: reader.u64("first sequence")?,
                sources: sources(&mut reader)?,
                sides: [side("bids", &mut reader)?, side("asks", &mut reader)?],
            },
            EventKind::Merged => Body::Merged(Box::new(merged(&mut reader)?)),
            EventKind::ExecReport => Body::Execution(Box::new(report(&mut reader)?)),
            EventKind::ControlAck | EventKind::ControlResult => {
                Body::Control(Box::new(control(&mut reader)?))
            }
        };
        reader.end()?;
        let envelope = Envelope { origin, incarnation, chain, number };
        Ok(Self { envelope, header, venue, instrument_text, instrument, body })
    }

    /// What it says of its sender.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// What it is.
    pub fn kind(&self) -> EventKind {
        self.header.kind
    }

    /// The header, with neither venue nor instrument: their numbers are another program's.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The venue's name; `None` if there is none.
    pub fn venue(&self) -> Option<&'a str> {
        (!self.venue.is_empty()).then_some(self.venue)
    }

    /// What it is about; `None` if nothing in particular.
    pub fn instrument(&self) -> Option<Instrument> {
        self.instrument
    }
}

fn venue<'a>(reader: &mut Reader<'a>) -> Result<&'a str, FrameError> {
    let at = reader.at();
    let name = reader.text("venue", 16)?;
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if !name.bytes().all(legal) {
        let reason = format!("{name:?} is no venue's name");
        return Err(FrameError::Text { field: "venue", at, reason });
    }
    Ok(name)
}

fn payload(kind: EventKind, reader: &mut Reader<'_>) -> Result<Payload, FrameError> {
    Ok(match kind {
        EventKind::Trade => Payload::Trade(Trade {
            price: reader.price("price")?,
            quantity: reader.quantity("quantity")?,
            id: reader.u64("trade id")?,
            aggressor: reader.one_of("aggressor", &[None, Some(Side::Buy), Some(Side::Sell)])?,
        }),
        EventKind::Ticker => Payload::Ticker(Ticker {
            last: reader.price("last")?,
            open: reader.price("open")?,
            high: reader.price("high")?,
            low: reader.price("low")?,
            volume: reader.quantity("volume")?,
        }),
        _ => Payload::TopOfBook(TopOfBook { bid: reader.level("bid")?, ask: reader.level("ask")? }),
    })
}

fn sources<'a>(reader: &mut Reader<'a>) -> Result<RawSources<'a>, FrameError> {
    let at = reader.at();
    let len = usize::from(reader.u8("sources")?);
    if len > Sources::MOST {
        return Err(FrameError::Value { field: "sources", at, value: len as u64 });
    }
    let mut sources =
        RawSources { len, missing: reader.u8("missing sources")?.into(), ..RawSources::default() };
    for index in 0..len {
        let at = reader.at();
        let name = venue(reader)?;
        let reason = match name {
            "" => "a source without a name".to_owned(),
            name if sources.venues[..index].contains(&name) => format!("{name} is there twice"),
            _ => {
                sources.venues[index] = name;
                continue;
            }
        };
        return Err(FrameError::Text { field: "source", at, reason });
    }
    Ok(sources)
}

fn side<'a>(name: &'static str, reader: &mut Reader<'a>) -> Result<RawSide<'a>, FrameError> {
    let at = reader.at();
    let count = reader.u32(name)?;
    if count > MOST_LEVELS {
        return Err(FrameError::Value { field: name, at, value: count.into() });
    }
    let start = reader.at();
    let side = RawSide { levels: reader.bytes(name, count as usize * LEVEL)? };
    let mut before: Option<Price> = None;
    for (index, level) in side.iter().enumerate() {
        let is_worse = |before: Price| match name {
            "bids" => level.price < before,
            _ => level.price > before,
        };
        if !before.is_none_or(is_worse) {
            return Err(FrameError::Unsorted { side: name, index, at: start + index * LEVEL });
        }
        before = Some(level.price);
    }
    Ok(side)
}

/// Bytes of a level.
const LEVEL: usize = 16;

impl RawSide<'_> {
    pub(super) fn iter(&self) -> impl Iterator<Item = Level> + '_ {
        self.levels.chunks_exact(LEVEL).map(|bytes| {
            let (mut price, mut quantity) = ([0; 8], [0; 8]);
            price.copy_from_slice(&bytes[..8]);
            quantity.copy_from_slice(&bytes[8..]);
            Level {
                price: Price::from_units(i64::from_le_bytes(price)),
                quantity: Quantity::from_units(u64::from_le_bytes(quantity)),
            }
        })
    }
}

fn merged<'a>(reader: &mut Reader<'a>) -> Result<RawMerged<'a>, FrameError> {
    let (window, sources) = (reader.u64("window")?, sources(reader)?);
    let mut quotes = [None, None];
    for (quote, field) in quotes.iter_mut().zip(["best bid", "best ask"]) {
        if reader.flag(field)? {
            *quote = Some((reader.level(field)?, venue(reader)?));
        }
    }
    let mut prices = [None, None];
    for (price, field) in prices.iter_mut().zip(["last", "average"]) {
        if reader.flag(field)? {
            *price = Some(reader.price(field)?);
        }
    }
    let volume = reader.quantity("volume")?;
    Ok(RawMerged { window, sources, quotes, prices, volume })
}

fn report(reader: &mut Reader<'_>) -> Result<ExecReport, FrameError> {
    let mut report = ExecReport::blank();
    report.client_order_id = Text::truncated(reader.text("client order id", 36)?);
    report.venue_order_id = Text::truncated(reader.text("venue order id", 36)?);
    report.report_id = Text::truncated(reader.text("report id", 36)?);
    report.exec_type = reader.one_of("execution type", ExecType::ALL)?;
    report.status = reader.one_of("order status", OrderStatus::ALL)?;
    report.side = reader.one_of("side", Side::ALL)?;
    report.price = reader.price("price")?;
    report.quantity = reader.quantity("quantity")?;
    report.last_price = reader.price("last price")?;
    report.last_quantity = reader.quantity("last quantity")?;
    report.cumulative_quantity = reader.quantity("cumulative quantity")?;
    report.reason = Text::truncated(reader.text("reason", 64)?);
    Ok(report)
}

fn control(reader: &mut Reader<'_>) -> Result<Control, FrameError> {
    let mut control = Control::blank();
    control.command = reader.u64("command")?;
    control.outcome = reader.one_of("outcome", ControlOutcome::ALL)?;
    control.name = Text::truncated(reader.text("command name", 32)?);
    control.detail = Text::truncated(reader.text("detail", 96)?);
    Ok(control)
}

/// How many names a receiver wants to know: a sender that makes them up must not fill its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Venues, at most 65,535.
    pub venues: usize,
    /// Instruments.
    pub instruments: usize,
}

impl Default for Limits {
    /// 1,024 venues and 65,536 instruments.
    fn default() -> Self {
        Self { venues: 1_024, instruments: 65_536 }
    }
}

/// Takes frames into leased objects.
#[derive(Debug)]
pub struct Decoder {
    names: Names,
    pools: NatsPools,
    limits: Limits,
    venues: HashMap<Box<str>, VenueId>,
    instruments: HashMap<Box<str>, InstrumentId>,
}

impl Decoder {
    /// Into objects of these pools, with numbers of this catalog.
    pub fn new(names: Names, pools: NatsPools) -> Self {
        Self::with_limits(names, pools, Limits::default())
    }

    /// The same, with so many names at most.
    pub fn with_limits(names: Names, pools: NatsPools, limits: Limits) -> Self {
        Self { names, pools, limits, venues: HashMap::new(), instruments: HashMap::new() }
    }

    /// Reads a frame, and takes it: see [`Frame::parse`] and [`fill`](Self::fill).
    ///
    /// # Errors
    ///
    /// [`FrameError`].
    pub fn decode(&mut self, bytes: &[u8]) -> Result<(Envelope, Received), FrameError> {
        let frame = Frame::parse(bytes)?;
        Ok((frame.envelope, self.fill(&frame)?))
    }

    /// Fills an object of the pool with what a frame says. Venues and instruments that are new get a number of the
    /// catalog. The time of receipt by a monotonic clock is absent: the sender's clock is not this machine's.
    ///
    /// Books and critical messages come from the heap when their pool is empty.
    ///
    /// # Errors
    ///
    /// [`FrameError::PoolEmpty`] and [`FrameError::TooManyNames`].
    pub fn fill(&mut self, frame: &Frame<'_>) -> Result<Received, FrameError> {
        let header = Header {
            venue: self.venue(frame.venue)?,
            instrument: self.instrument(frame)?,
            ..frame.header
        };
        Ok(match &frame.body {
            Body::Event(payload) => {
                let empty = |_| FrameError::PoolEmpty { pool: "event" };
                let mut event = self.pools.venue.events.try_lease().map_err(empty)?;
                *event = Event { header, payload: *payload };
                Received::Event(event)
            }
            Body::Book { first_sequence, sources, sides } => {
                let sources = self.sources(sources)?;
                let mut book = self.pools.venue.books.lease_or_heap();
                let Book { bids, asks, .. } = &mut *book;
                for (side, levels) in [(bids, &sides[0]), (asks, &sides[1])] {
                    side.clear();
                    levels.iter().for_each(|level| side.set(level));
                }
                (book.header, book.first_sequence, book.sources) =
                    (header, *first_sequence, sources);
                Received::Book(book)
            }
            Body::Merged(raw) => {
                let sources = self.sources(&raw.sources)?;
                let mut quotes = [None, None];
                for (quote, raw) in quotes.iter_mut().zip(raw.quotes) {
                    let Some((Level { price, quantity }, venue)) = raw else { continue };
                    *quote = Some(Quote { venue: self.venue(venue)?, price, quantity });
                }
                let empty = |_| FrameError::PoolEmpty { pool: "merged" };
                let mut merged = self.pools.merged.try_lease().map_err(empty)?;
                let ([bid, ask], [last, vwap]) = (quotes, raw.prices);
                let (window, volume) = (raw.window, raw.volume);
                *merged = Merged { header, window, sources, bid, ask, last, vwap, volume };
                Received::Merged(merged)
            }
            Body::Execution(report) => {
                let mut lease = self.pools.venue.executions.lease_or_heap();
                *lease = ExecReport { header, ..**report };
                Received::Execution(lease)
            }
            Body::Control(control) => {
                let mut lease = self.pools.venue.controls.lease_or_heap();
                *lease = Control { header, ..**control };
                Received::Control(lease)
            }
        })
    }

    fn venue(&mut self, name: &str) -> Result<VenueId, FrameError> {
        if name.is_empty() {
            return Ok(VenueId::NONE);
        }
        if let Some(id) = self.venues.get(name) {
            return Ok(*id);
        }
        let most = self.limits.venues;
        let too_many = || FrameError::TooManyNames { what: "venues", name: name.to_owned(), most };
        // One that is known is only looked for when no other may come: that takes as long as there are names.
        let is_one_more = self.names.with(|catalog| {
            let mut venues = catalog.venues();
            venues.size_hint().0 >= most && !venues.any(|(_, known)| known == name)
        });
        if is_one_more {
            return Err(too_many());
        }
        // The name is legal: it was looked at when the frame was read.
        let id = self.names.venue(name).map_err(|_| too_many())?;
        self.venues.insert(name.into(), id);
        Ok(id)
    }

    fn instrument(&mut self, frame: &Frame<'_>) -> Result<InstrumentId, FrameError> {
        let Some(instrument) = frame.instrument else { return Ok(InstrumentId::NONE) };
        if let Some(id) = self.instruments.get(frame.instrument_text) {
            return Ok(*id);
        }
        let most = self.limits.instruments;
        let name = || frame.instrument_text.to_owned();
        let too_many = || FrameError::TooManyNames { what: "instruments", name: name(), most };
        let is_one_more = self.names.with(|catalog| {
            let mut instruments = catalog.instruments();
            instruments.size_hint().0 >= most && !instruments.any(|(_, known)| known == instrument)
        });
        if is_one_more {
            return Err(too_many());
        }
        let id = self.names.instrument(instrument).map_err(|_| too_many())?;
        self.instruments.insert(frame.instrument_text.into(), id);
        Ok(id)
    }

    fn sources(&mut self, raw: &RawSources<'_>) -> Result<Sources, FrameError> {
        let mut sources = Sources::default().with_missing(raw.missing);
        for name in &raw.venues[..raw.len] {
            sources.insert(self.venue(name)?);
        }
        Ok(sources)
    }
}
