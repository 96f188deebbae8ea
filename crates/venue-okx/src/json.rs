//! The frames as OKX documents them, read where they stand.

use std::{borrow::Cow, fmt, str::FromStr};

use meltica_event::{Book, Price, Quantity, Timestamp};
use meltica_venue::{
    DecodeCause, Lease,
    json::{
        Data, Decimal, Fields, FrameText, LazyBook, LevelsInto, Message, Object, decimal, missing,
        skip,
    },
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, MapAccess},
};
use serde_json::value::RawValue;

/// What a frame says it is.
#[derive(Default)]
pub(crate) struct Envelope<'a> {
    pub(crate) event: Option<&'a str>,
    pub(crate) code: Option<&'a str>,
    pub(crate) message: Option<Message<'a>>,
    pub(crate) arg: Arg<'a>,
    pub(crate) action: Option<&'a str>,
    /// Its data, if they came before the channel was known.
    pub(crate) data: Option<&'a RawValue>,
}

/// What a frame is about.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Arg<'a> {
    pub(crate) channel: Option<&'a str>,
    pub(crate) inst_id: Option<&'a str>,
}

impl<'a> Envelope<'a> {
    /// Reads all, and the data in place if their channel is known when they come.
    pub(crate) fn read(
        frame: &FrameText<'a>,
        data: &mut impl Data<'a>,
    ) -> Result<Self, DecodeCause> {
        let mut parts = EnvelopeInto { envelope: Self::default(), data };
        frame.read(Object(&mut parts))?;
        Ok(parts.envelope)
    }
}

struct EnvelopeInto<'d, 'a, D> {
    envelope: Envelope<'a>,
    data: &'d mut D,
}

impl<'de, D: Data<'de>> Fields<'de> for EnvelopeInto<'_, 'de, D> {
    #[inline]
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        let envelope = &mut self.envelope;
        match name {
            "arg" => envelope.arg = map.next_value()?,
            "action" => envelope.action = Some(map.next_value()?),
            "data" => match self.data.of(envelope.arg.channel.unwrap_or_default()) {
                Some(seed) => map.next_value_seed(seed)?,
                None => envelope.data = Some(map.next_value()?),
            },
            "event" => envelope.event = Some(map.next_value()?),
            "code" => envelope.code = Some(map.next_value()?),
            "msg" => envelope.message = Some(map.next_value()?),
            _ => skip(map)?,
        }
        Ok(())
    }
}

#[derive(Deserialize)]
pub(crate) struct Trade<'a> {
    #[serde(rename = "instId")]
    pub(crate) instrument: &'a str,
    #[serde(rename = "tradeId", deserialize_with = "decimal")]
    pub(crate) id: u64,
    #[serde(rename = "px", deserialize_with = "decimal")]
    pub(crate) price: Price,
    #[serde(rename = "sz", deserialize_with = "decimal")]
    pub(crate) quantity: Quantity,
    pub(crate) side: &'a str,
    #[serde(rename = "ts", deserialize_with = "decimal")]
    pub(crate) millis: i64,
}

/// How an order stands, and what happened to it.
#[derive(Deserialize)]
pub(crate) struct Order<'a> {
    #[serde(rename = "instId")]
    pub(crate) instrument: &'a str,
    #[serde(rename = "ordId")]
    pub(crate) id: &'a str,
    #[serde(rename = "clOrdId")]
    pub(crate) client_id: &'a str,
    #[serde(rename = "px", deserialize_with = "decimal_or_empty")]
    pub(crate) price: Price,
    #[serde(rename = "sz", deserialize_with = "decimal_or_empty")]
    pub(crate) quantity: Quantity,
    pub(crate) side: &'a str,
    pub(crate) state: &'a str,
    #[serde(rename = "accFillSz", deserialize_with = "decimal_or_empty")]
    pub(crate) filled: Quantity,
    #[serde(rename = "tradeId")]
    pub(crate) trade_id: &'a str,
    #[serde(rename = "fillPx", deserialize_with = "decimal_or_empty")]
    pub(crate) fill_price: Price,
    #[serde(rename = "fillSz", deserialize_with = "decimal_or_empty")]
    pub(crate) fill_quantity: Quantity,
    #[serde(rename = "uTime", deserialize_with = "decimal")]
    pub(crate) millis: i64,
    #[serde(rename = "amendResult", default)]
    pub(crate) amend_result: &'a str,
    #[serde(rename = "cancelSourceReason", borrow, default)]
    pub(crate) cancel_reason: Cow<'a, str>,
    #[serde(rename = "msg", borrow, default)]
    pub(crate) message: Cow<'a, str>,
}

/// A decimal as text, where an empty one stands for nothing.
fn decimal_or_empty<'de, D: Deserializer<'de>, T: Default + FromStr<Err: fmt::Display>>(
    deserializer: D,
) -> Result<T, D::Error> {
    struct OrEmpty<T>(T);

    impl<T: Default + FromStr> FromStr for OrEmpty<T> {
        type Err = T::Err;

        fn from_str(text: &str) -> Result<Self, T::Err> {
            if text.is_empty() { Ok(Self(T::default())) } else { text.parse().map(Self) }
        }
    }

    decimal(deserializer).map(|OrEmpty(value)| value)
}

/// A book's part of a frame; its levels are in the lease.
pub(crate) struct Part {
    pub(crate) book: Lease<Book>,
    pub(crate) time: Timestamp,
    pub(crate) sequence: u64,
    /// Absent in a snapshot.
    pub(crate) previous: Option<u64>,
}

/// Reads an element of the data of `books` or `bbo-tbt`.
pub(crate) struct PartInto<'f, 'a> {
    frame: &'f FrameText<'a>,
    book: LazyBook,
    asks: bool,
    bids: bool,
    millis: Option<i64>,
    sequence: Option<u64>,
    previous: Option<i64>,
}

impl<'f, 'a> PartInto<'f, 'a> {
    /// Levels go into this book.
    pub(crate) const fn new(frame: &'f FrameText<'a>, book: LazyBook) -> Self {
        Self { frame, book, asks: false, bids: false, millis: None, sequence: None, previous: None }
    }

    fn whole(self) -> Result<Part, DecodeCause> {
        let wrong = |reason: &str| DecodeCause::Malformed { column: 1, reason: reason.to_owned() };
        if !self.asks || !self.bids {
            return Err(wrong("a side of the book is missing"));
        }
        let sequence = self.sequence.ok_or_else(|| missing("seqId"))?;
        if sequence == u64::MAX {
            return Err(wrong("a seqId that nothing can follow"));
        }
        Ok(Part {
            time: Timestamp::from_millis(self.millis.ok_or_else(|| missing("ts"))?),
            book: self.book.into_lease(),
            sequence,
            // A snapshot says -1.
            previous: self.previous.and_then(|previous| u64::try_from(previous).ok()),
        })
    }
}

impl<'de> DeserializeSeed<'de> for PartInto<'_, '_> {
    type Value = Part;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(mut self, deserializer: D) -> Result<Part, D::Error> {
        Object(&mut self).deserialize(deserializer)?;
        let frame = self.frame;
        self.whole().map_err(|cause| frame.refuse(cause))
    }
}

impl<'de> Fields<'de> for PartInto<'_, '_> {
    #[inline]
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "asks" => {
                map.next_value_seed(LevelsInto(&mut self.book.get().asks))?;
                self.asks = true;
            }
            "bids" => {
                map.next_value_seed(LevelsInto(&mut self.book.get().bids))?;
                self.bids = true;
            }
            "ts" => self.millis = Some(map.next_value::<Decimal<i64>>()?.0),
            "seqId" => self.sequence = Some(map.next_value()?),
            "prevSeqId" => self.previous = Some(map.next_value()?),
            _ => skip(map)?,
        }
        Ok(())
    }
}
