//! The frames as Kraken documents them, read where they stand. Its numbers are bare, and are taken as
//! text so that no digit is lost.

use std::{borrow::Cow, ops::Range};

use meltica_event::{Book, Level, Price, Quantity, Side, Timestamp};
use meltica_venue::{
    DecodeCause, Lease,
    json::{LazyBook, Reader, missing},
};

use crate::Number;

/// What a frame says it is.
#[derive(Default)]
pub(crate) struct Envelope<'a> {
    pub(crate) channel: Option<&'a str>,
    pub(crate) kind: Option<&'a str>,
    /// Where its data begin.
    pub(crate) data: Option<usize>,
    /// Of an answer to a request.
    pub(crate) method: Option<&'a str>,
    pub(crate) refused: bool,
    pub(crate) error: Option<Cow<'a, str>>,
    pub(crate) symbol: Option<&'a str>,
}

impl<'a> Envelope<'a> {
    /// Reads all but the data, which `data` reads if the channel is known when they come; if it answers
    /// `false`, they are passed over and their place is kept.
    pub(crate) fn read(
        text: &'a str,
        data: &mut dyn FnMut(&'a str, &mut Reader<'a>) -> Result<bool, DecodeCause>,
    ) -> Result<Self, DecodeCause> {
        let mut envelope = Self::default();
        let mut reader = Reader::new(text);
        reader.object(|reader, key| {
            match key {
                "channel" => envelope.channel = Some(reader.text()?),
                "type" => envelope.kind = Some(reader.text()?),
                "data" => {
                    let mut ahead = reader.clone();
                    let channel = envelope.channel.unwrap_or_default();
                    if data(channel, &mut ahead)? {
                        *reader = ahead;
                    } else {
                        envelope.data = Some(reader.place()?);
                    }
                }
                "method" => envelope.method = Some(reader.text()?),
                "success" => envelope.refused = !reader.boolean()?,
                "error" => envelope.error = Some(reader.message()?),
                "symbol" => envelope.symbol = Some(reader.text()?),
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        reader.end()?;
        Ok(envelope)
    }
}

pub(crate) struct Trade<'a> {
    pub(crate) symbol: &'a str,
    pub(crate) price: Price,
    pub(crate) quantity: Quantity,
    pub(crate) side: &'a str,
    pub(crate) id: u64,
    pub(crate) time: Timestamp,
}

impl<'a> Trade<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeCause> {
        let (mut symbol, mut price, mut quantity) = (None, None, None);
        let (mut side, mut id, mut time) = (None, None, None);
        reader.object(|reader, key| {
            match key {
                "symbol" => symbol = Some(reader.text()?),
                "price" => price = Some(reader.bare()?),
                "qty" => quantity = Some(reader.bare()?),
                "side" => side = Some(reader.text()?),
                "trade_id" => id = Some(reader.bare()?),
                "timestamp" => time = Some(reader.utc()?),
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(Self {
            symbol: symbol.ok_or_else(|| missing("symbol"))?,
            price: price.ok_or_else(|| missing("price"))?,
            quantity: quantity.ok_or_else(|| missing("qty"))?,
            side: side.ok_or_else(|| missing("side"))?,
            id: id.ok_or_else(|| missing("trade_id"))?,
            time: time.ok_or_else(|| missing("timestamp"))?,
        })
    }
}

pub(crate) struct Ticker<'a> {
    pub(crate) symbol: &'a str,
    pub(crate) bid: Level,
    pub(crate) ask: Level,
    pub(crate) last: Price,
    pub(crate) volume: Quantity,
    pub(crate) low: Price,
    pub(crate) high: Price,
    pub(crate) change: Price,
}

impl<'a> Ticker<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeCause> {
        let (mut symbol, mut last, mut volume) = (None, None, None);
        let (mut bid, mut bid_quantity, mut ask, mut ask_quantity) = (None, None, None, None);
        let (mut low, mut high, mut change) = (None, None, None);
        reader.object(|reader, key| {
            match key {
                "symbol" => symbol = Some(reader.text()?),
                "bid" => bid = Some(reader.bare()?),
                "bid_qty" => bid_quantity = Some(reader.bare()?),
                "ask" => ask = Some(reader.bare()?),
                "ask_qty" => ask_quantity = Some(reader.bare()?),
                "last" => last = Some(reader.bare()?),
                "volume" => volume = Some(reader.bare()?),
                "low" => low = Some(reader.bare()?),
                "high" => high = Some(reader.bare()?),
                "change" => change = Some(reader.bare()?),
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(Self {
            symbol: symbol.ok_or_else(|| missing("symbol"))?,
            bid: Level {
                price: bid.ok_or_else(|| missing("bid"))?,
                quantity: bid_quantity.ok_or_else(|| missing("bid_qty"))?,
            },
            ask: Level {
                price: ask.ok_or_else(|| missing("ask"))?,
                quantity: ask_quantity.ok_or_else(|| missing("ask_qty"))?,
            },
            last: last.ok_or_else(|| missing("last"))?,
            volume: volume.ok_or_else(|| missing("volume"))?,
            low: low.ok_or_else(|| missing("low"))?,
            high: high.ok_or_else(|| missing("high"))?,
            change: change.ok_or_else(|| missing("change"))?,
        })
    }
}

/// One instrument's part of a book frame; its levels are in the lease, and in the list of changes.
pub(crate) struct Part {
    pub(crate) market: usize,
    pub(crate) book: Lease<Book>,
    pub(crate) changes: Range<usize>,
    pub(crate) checksum: u32,
    pub(crate) time: Timestamp,
}

/// A level as Kraken wrote it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    pub(crate) side: Side,
    pub(crate) price: Number,
    pub(crate) quantity: Number,
}

impl Part {
    /// Reads one instrument's part. `market` finds its place by its symbol.
    pub(crate) fn read(
        reader: &mut Reader<'_>,
        mut book: LazyBook,
        changes: &mut Vec<Change>,
        market: &dyn Fn(&str) -> Result<usize, DecodeCause>,
    ) -> Result<Self, DecodeCause> {
        let first = changes.len();
        let (mut symbol, mut checksum, mut time) = (None, None, Timestamp::ABSENT);
        reader.object(|reader, key| {
            match key {
                "symbol" => symbol = Some(reader.text()?),
                "bids" => levels(reader, Side::Buy, &mut book, changes)?,
                "asks" => levels(reader, Side::Sell, &mut book, changes)?,
                "checksum" => checksum = Some(reader.bare()?),
                "timestamp" => time = reader.utc()?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        let market = market(symbol.ok_or_else(|| missing("symbol"))?)?;
        let checksum = checksum.ok_or_else(|| missing("checksum"))?;
        Ok(Self { market, book: book.into_lease(), changes: first..changes.len(), checksum, time })
    }
}

fn levels(
    reader: &mut Reader<'_>,
    side: Side,
    book: &mut LazyBook,
    changes: &mut Vec<Change>,
) -> Result<(), DecodeCause> {
    reader.array(|reader| {
        let (mut price, mut quantity) = (None, None);
        let before = reader.clone();
        reader.object(|reader, key| {
            match key {
                "price" => price = Some(reader.bare::<Number>()?),
                "qty" => quantity = Some(reader.bare::<Number>()?),
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        let price = price.ok_or_else(|| missing("price"))?;
        let quantity = quantity.ok_or_else(|| missing("qty"))?;
        changes.push(Change { side, price, quantity });
        let unfit = |error| before.wrong(&format!("a level: {error}"));
        let fits = price.price().map_err(unfit)?;
        let quantity = quantity.quantity().map_err(unfit)?;
        if let Some(price) = fits {
            book.get().side_mut(side).set(Level { price, quantity });
        }
        Ok(())
    })
}
