//! The frames as Coinbase documents them, read where they stand.

use std::borrow::Cow;

use meltica_event::{Book, Event, Level, Price, Quantity, Side, Timestamp};
use meltica_venue::{
    DecodeCause, Lease,
    json::{LazyBook, Reader, missing, unknown_value},
};

/// What a frame says it is.
#[derive(Default)]
pub(crate) struct Envelope<'a> {
    pub(crate) channel: Option<&'a str>,
    pub(crate) sequence: Option<u64>,
    pub(crate) time: Option<Timestamp>,
    /// Where its events begin.
    pub(crate) events: Option<usize>,
    /// Of a frame without a channel.
    pub(crate) kind: Option<&'a str>,
    pub(crate) message: Option<Cow<'a, str>>,
}

impl<'a> Envelope<'a> {
    /// Reads all but the events; those `events` may read in place, if the channel is known when they
    /// come: then it answers `true`.
    pub(crate) fn read(
        text: &'a str,
        events: &mut dyn FnMut(&'a str, &mut Reader<'a>) -> Result<bool, DecodeCause>,
    ) -> Result<Self, DecodeCause> {
        let mut envelope = Self::default();
        let mut reader = Reader::new(text);
        reader.object(|reader, key| {
            match key {
                "channel" => envelope.channel = Some(reader.text()?),
                "sequence_num" => envelope.sequence = Some(reader.bare()?),
                "timestamp" => envelope.time = Some(reader.utc()?),
                "events" => {
                    if !events(envelope.channel.unwrap_or_default(), reader)? {
                        envelope.events = Some(reader.place()?);
                    }
                }
                "type" => envelope.kind = Some(reader.text()?),
                "message" => envelope.message = Some(reader.message()?),
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        reader.end()?;
        Ok(envelope)
    }
}

pub(crate) struct Trade<'a> {
    pub(crate) product: &'a str,
    pub(crate) id: u64,
    pub(crate) price: Price,
    pub(crate) quantity: Quantity,
    pub(crate) time: Timestamp,
    /// The maker's.
    pub(crate) side: &'a str,
}

impl<'a> Trade<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeCause> {
        let (mut product, mut id, mut price) = (None, None, None);
        let (mut quantity, mut time, mut side) = (None, None, None);
        reader.object(|reader, key| {
            match key {
                "product_id" => product = Some(reader.text()?),
                "trade_id" => id = Some(reader.quoted()?),
                "price" => price = Some(reader.price()?),
                "size" => quantity = Some(reader.quantity()?),
                "time" => time = Some(reader.utc()?),
                "side" => side = Some(reader.text()?),
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(Self {
            product: product.ok_or_else(|| missing("product_id"))?,
            id: id.ok_or_else(|| missing("trade_id"))?,
            price: price.ok_or_else(|| missing("price"))?,
            quantity: quantity.ok_or_else(|| missing("size"))?,
            time: time.ok_or_else(|| missing("time"))?,
            side: side.ok_or_else(|| missing("side"))?,
        })
    }
}

pub(crate) struct Ticker<'a> {
    pub(crate) product: &'a str,
    pub(crate) last: Price,
    pub(crate) volume: Quantity,
    pub(crate) low: Price,
    pub(crate) high: Price,
    pub(crate) bid: Level,
    pub(crate) ask: Level,
}

impl<'a> Ticker<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeCause> {
        let (mut product, mut last, mut volume) = (None, None, None);
        let (mut low, mut high) = (None, None);
        let (mut bid, mut bid_quantity, mut ask, mut ask_quantity) = (None, None, None, None);
        reader.object(|reader, key| {
            match key {
                "product_id" => product = Some(reader.text()?),
                "price" => last = Some(reader.price()?),
                "volume_24_h" => volume = Some(reader.quantity()?),
                "low_24_h" => low = Some(reader.price()?),
                "high_24_h" => high = Some(reader.price()?),
                "best_bid" => bid = Some(reader.price()?),
                "best_bid_quantity" => bid_quantity = Some(reader.quantity()?),
                "best_ask" => ask = Some(reader.price()?),
                "best_ask_quantity" => ask_quantity = Some(reader.quantity()?),
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(Self {
            product: product.ok_or_else(|| missing("product_id"))?,
            last: last.ok_or_else(|| missing("price"))?,
            volume: volume.ok_or_else(|| missing("volume_24_h"))?,
            low: low.ok_or_else(|| missing("low_24_h"))?,
            high: high.ok_or_else(|| missing("high_24_h"))?,
            bid: Level {
                price: bid.ok_or_else(|| missing("best_bid"))?,
                quantity: bid_quantity.ok_or_else(|| missing("best_bid_quantity"))?,
            },
            ask: Level {
                price: ask.ok_or_else(|| missing("best_ask"))?,
                quantity: ask_quantity.ok_or_else(|| missing("best_ask_quantity"))?,
            },
        })
    }
}

/// What a frame holds, read and not yet told.
#[derive(Default)]
pub(crate) struct Gathered {
    pub(crate) books: Vec<PartOfBook>,
    pub(crate) events: Vec<Told>,
}

impl Gathered {
    pub(crate) fn clear(&mut self) {
        self.books.clear();
        self.events.clear();
    }
}

pub(crate) struct PartOfBook {
    pub(crate) market: usize,
    pub(crate) whole: bool,
    pub(crate) book: Lease<Book>,
}

pub(crate) struct Told {
    pub(crate) market: usize,
    /// Whether it comes with a snapshot.
    pub(crate) whole: bool,
    pub(crate) event: Lease<Event>,
}

/// What reading needs of the adapter, which it does not change.
pub(crate) trait Desk {
    /// The place of the market of this product.
    fn market(&self, product: &str) -> Result<usize, DecodeCause>;
    /// A book for levels.
    fn book(&self) -> LazyBook;
    /// The event that a trade becomes.
    fn trade(&self, read: &Trade<'_>) -> Result<Told, DecodeCause>;
    /// The events that a ticker becomes.
    fn ticker(&self, read: &Ticker<'_>) -> Result<[Told; 2], DecodeCause>;
}

/// Reads the events of a frame.
pub(crate) fn events(
    reader: &mut Reader<'_>,
    desk: &impl Desk,
    gathered: &mut Gathered,
) -> Result<(), DecodeCause> {
    reader.array(|reader| event(reader, desk, gathered))
}

fn event(
    reader: &mut Reader<'_>,
    desk: &impl Desk,
    gathered: &mut Gathered,
) -> Result<(), DecodeCause> {
    let first = gathered.events.len();
    let (mut kind, mut product, mut book) = (None, None, None);
    reader.object(|reader, key| {
        match key {
            "type" => kind = Some(reader.text()?),
            "product_id" => product = Some(reader.text()?),
            "updates" => updates(reader, book.get_or_insert_with(|| desk.book()))?,
            "trades" => reader.array(|reader| {
                gathered.events.push(desk.trade(&Trade::read(reader)?)?);
                Ok(())
            })?,
            "tickers" => reader.array(|reader| {
                gathered.events.extend(desk.ticker(&Ticker::read(reader)?)?);
                Ok(())
            })?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    let whole = match kind {
        Some("snapshot") => true,
        Some("update") => false,
        Some(other) => return Err(unknown_value("type", other)),
        None => return Err(missing("type")),
    };
    for told in &mut gathered.events[first..] {
        told.whole = whole;
    }
    if let Some(book) = book {
        let market = desk.market(product.ok_or_else(|| missing("product_id"))?)?;
        gathered.books.push(PartOfBook { market, whole, book: book.into_lease() });
    }
    Ok(())
}

fn updates(reader: &mut Reader<'_>, book: &mut LazyBook) -> Result<(), DecodeCause> {
    reader.array(|reader| {
        let (mut side, mut price, mut quantity) = (None, None, None);
        reader.object(|reader, key| {
            match key {
                "side" => {
                    side = Some(match reader.text()? {
                        "bid" => Side::Buy,
                        "offer" => Side::Sell,
                        other => return Err(unknown_value("side", other)),
                    });
                }
                "price_level" => price = Some(reader.level_price()?),
                "new_quantity" => quantity = Some(reader.quantity()?),
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        let side = side.ok_or_else(|| missing("side"))?;
        let price = price.ok_or_else(|| missing("price_level"))?;
        let quantity = quantity.ok_or_else(|| missing("new_quantity"))?;
        // Beyond all range: nobody trades there.
        if let Some(price) = price {
            book.get().side_mut(side).set(Level { price, quantity });
        }
        Ok(())
    })
}
