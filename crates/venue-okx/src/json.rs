//! The frames as OKX documents them, read where they stand.

use std::borrow::Cow;

use meltica_event::{Book, Price, Quantity, Timestamp};
use meltica_venue::{
    DecodeCause, Lease,
    json::{LazyBook, Reader, missing},
};

/// What a frame says it is.
#[derive(Default)]
pub(crate) struct Envelope<'a> {
    pub(crate) event: Option<&'a str>,
    pub(crate) code: Option<&'a str>,
    pub(crate) message: Option<Cow<'a, str>>,
    pub(crate) channel: Option<&'a str>,
    pub(crate) instrument: Option<&'a str>,
    pub(crate) action: Option<&'a str>,
    /// Where its data begin.
    pub(crate) data: Option<usize>,
}

impl<'a> Envelope<'a> {
    /// Reads all but the data; those `data` may read in place, if the channel is known when they come:
    /// then it answers `true`.
    pub(crate) fn read(
        text: &'a str,
        data: &mut dyn FnMut(&Self, &mut Reader<'a>) -> Result<bool, DecodeCause>,
    ) -> Result<Self, DecodeCause> {
        let mut envelope = Self::default();
        let mut reader = Reader::new(text);
        reader.object(|reader, key| {
            match key {
                "event" => envelope.event = Some(reader.text()?),
                "code" => envelope.code = Some(reader.text()?),
                "msg" => envelope.message = Some(reader.message()?),
                "action" => envelope.action = Some(reader.text()?),
                "data" => {
                    if !data(&envelope, reader)? {
                        envelope.data = Some(reader.place()?);
                    }
                }
                "arg" => reader.object(|reader, key| {
                    match key {
                        "channel" => envelope.channel = Some(reader.text()?),
                        "instId" => envelope.instrument = Some(reader.text()?),
                        _ => reader.skip()?,
                    }
                    Ok(())
                })?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        reader.end()?;
        Ok(envelope)
    }
}

pub(crate) struct Trade<'a> {
    pub(crate) instrument: &'a str,
    pub(crate) id: u64,
    pub(crate) price: Price,
    pub(crate) quantity: Quantity,
    pub(crate) side: &'a str,
    pub(crate) millis: i64,
}

impl<'a> Trade<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeCause> {
        let (mut instrument, mut id, mut price) = (None, None, None);
        let (mut quantity, mut side, mut millis) = (None, None, None);
        reader.object(|reader, key| {
            match key {
                "instId" => instrument = Some(reader.text()?),
                "tradeId" => id = Some(reader.quoted()?),
                "px" => price = Some(reader.price()?),
                "sz" => quantity = Some(reader.quantity()?),
                "side" => side = Some(reader.text()?),
                "ts" => millis = Some(reader.quoted()?),
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(Self {
            instrument: instrument.ok_or_else(|| missing("instId"))?,
            id: id.ok_or_else(|| missing("tradeId"))?,
            price: price.ok_or_else(|| missing("px"))?,
            quantity: quantity.ok_or_else(|| missing("sz"))?,
            side: side.ok_or_else(|| missing("side"))?,
            millis: millis.ok_or_else(|| missing("ts"))?,
        })
    }
}

/// How an order stands, and what happened to it.
#[derive(Default)]
pub(crate) struct Order<'a> {
    pub(crate) instrument: &'a str,
    pub(crate) id: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) price: Price,
    pub(crate) quantity: Quantity,
    pub(crate) side: &'a str,
    pub(crate) state: &'a str,
    pub(crate) filled: Quantity,
    pub(crate) trade_id: &'a str,
    pub(crate) fill_price: Price,
    pub(crate) fill_quantity: Quantity,
    pub(crate) millis: i64,
    pub(crate) amend_result: &'a str,
    pub(crate) cancel_reason: Cow<'a, str>,
    pub(crate) message: Cow<'a, str>,
}

impl<'a> Order<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeCause> {
        /// What must be there.
        const FIELDS: [&str; 12] = [
            "instId",
            "ordId",
            "clOrdId",
            "px",
            "sz",
            "side",
            "state",
            "accFillSz",
            "tradeId",
            "fillPx",
            "fillSz",
            "uTime",
        ];
        let mut order = Self::default();
        let mut found = [false; FIELDS.len()];
        reader.object(|reader, key| {
            match key {
                "instId" => order.instrument = reader.text()?,
                "ordId" => order.id = reader.text()?,
                "clOrdId" => order.client_id = reader.text()?,
                "px" => order.price = or_empty(reader, Reader::price)?,
                "sz" => order.quantity = or_empty(reader, Reader::quantity)?,
                "side" => order.side = reader.text()?,
                "state" => order.state = reader.text()?,
                "accFillSz" => order.filled = or_empty(reader, Reader::quantity)?,
                "tradeId" => order.trade_id = reader.text()?,
                "fillPx" => order.fill_price = or_empty(reader, Reader::price)?,
                "fillSz" => order.fill_quantity = or_empty(reader, Reader::quantity)?,
                "uTime" => order.millis = reader.quoted()?,
                "amendResult" => order.amend_result = reader.text()?,
                "cancelSourceReason" => order.cancel_reason = reader.message()?,
                "msg" => order.message = reader.message()?,
                _ => return reader.skip(),
            }
            if let Some(index) = FIELDS.iter().position(|field| *field == key) {
                found[index] = true;
            }
            Ok(())
        })?;
        match found.iter().position(|found| !found) {
            Some(index) => Err(missing(FIELDS[index])),
            None => Ok(order),
        }
    }
}

/// A decimal as a text, where an empty one stands for nothing.
fn or_empty<'a, T: Default>(
    reader: &mut Reader<'a>,
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, DecodeCause>,
) -> Result<T, DecodeCause> {
    let mut ahead = reader.clone();
    if ahead.text()?.is_empty() {
        *reader = ahead;
        return Ok(T::default());
    }
    read(reader)
}

/// A book's part of a frame; its levels are in the lease.
pub(crate) struct Part {
    pub(crate) book: Lease<Book>,
    pub(crate) time: Timestamp,
    pub(crate) sequence: u64,
    /// Absent in a snapshot.
    pub(crate) previous: Option<u64>,
}

impl Part {
    /// Reads an element of the data of `books` or `bbo-tbt`.
    pub(crate) fn read(reader: &mut Reader<'_>, mut book: LazyBook) -> Result<Self, DecodeCause> {
        let (mut asks, mut bids, mut millis) = (false, false, None);
        let (mut sequence, mut previous) = (None, None);
        reader.object(|reader, key| {
            match key {
                "asks" => {
                    reader.levels(&mut book.get().asks)?;
                    asks = true;
                }
                "bids" => {
                    reader.levels(&mut book.get().bids)?;
                    bids = true;
                }
                "ts" => millis = Some(reader.quoted()?),
                "seqId" => sequence = Some(reader.bare()?),
                "prevSeqId" => previous = Some(reader.bare::<i64>()?),
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        let wrong = |reason: &str| DecodeCause::Malformed { column: 1, reason: reason.to_owned() };
        if !asks || !bids {
            return Err(wrong("a side of the book is missing"));
        }
        let sequence: u64 = sequence.ok_or_else(|| missing("seqId"))?;
        if sequence == u64::MAX {
            return Err(wrong("a seqId that nothing can follow"));
        }
        Ok(Self {
            book: book.into_lease(),
            time: Timestamp::from_millis(millis.ok_or_else(|| missing("ts"))?),
            sequence,
            // A snapshot says -1.
            previous: previous.and_then(|previous| u64::try_from(previous).ok()),
        })
    }
}
