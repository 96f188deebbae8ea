//! The frames as OKX documents them, read where they stand.

use std::{borrow::Cow, fmt, marker::PhantomData, str::FromStr};

use meltica_event::{Book, Price, Quantity, Timestamp};
use meltica_venue::{
    DecodeCause, Lease,
    json::{Decimal, LazyBook, LevelsInto, decimal, fields, read_part},
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
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
    /// Not read yet.
    pub(crate) data: Option<&'a str>,
}

impl<'a> Envelope<'a> {
    pub(crate) fn read(text: &'a str) -> Result<Self, DecodeCause> {
        let mut envelope = Self::default();
        for field in fields(text) {
            let (key, value) = field?;
            let name = |value| read_part(PhantomData::<&'a str>, value, text).map(Some);
            match key {
                "event" => envelope.event = name(value)?,
                "code" => envelope.code = name(value)?,
                "msg" => envelope.message = Some(read_part(PhantomData, value, text)?),
                "action" => envelope.action = name(value)?,
                "data" => envelope.data = Some(value),
                "arg" => {
                    for field in fields(value) {
                        match field? {
                            ("channel", value) => envelope.channel = name(value)?,
                            ("instId", value) => envelope.instrument = name(value)?,
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(envelope)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Trade<'a> {
    pub(crate) inst_id: &'a str,
    #[serde(deserialize_with = "decimal")]
    pub(crate) trade_id: u64,
    #[serde(deserialize_with = "decimal")]
    pub(crate) px: Price,
    #[serde(deserialize_with = "decimal")]
    pub(crate) sz: Quantity,
    pub(crate) side: &'a str,
    #[serde(deserialize_with = "decimal")]
    pub(crate) ts: i64,
}

/// How an order stands, and what happened to it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Order<'a> {
    pub(crate) inst_id: &'a str,
    pub(crate) ord_id: &'a str,
    pub(crate) cl_ord_id: &'a str,
    #[serde(deserialize_with = "decimal_or_empty")]
    pub(crate) px: Price,
    #[serde(deserialize_with = "decimal_or_empty")]
    pub(crate) sz: Quantity,
    pub(crate) side: &'a str,
    pub(crate) state: &'a str,
    #[serde(deserialize_with = "decimal_or_empty")]
    pub(crate) acc_fill_sz: Quantity,
    pub(crate) trade_id: &'a str,
    #[serde(deserialize_with = "decimal_or_empty")]
    pub(crate) fill_px: Price,
    #[serde(deserialize_with = "decimal_or_empty")]
    pub(crate) fill_sz: Quantity,
    #[serde(deserialize_with = "decimal")]
    pub(crate) u_time: i64,
    #[serde(default)]
    pub(crate) amend_result: &'a str,
    #[serde(borrow, default)]
    pub(crate) cancel_source_reason: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) msg: Cow<'a, str>,
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

/// Reads the data of `books` or `bbo-tbt`.
pub(crate) struct BooksInto<'b> {
    pub(crate) parts: &'b mut Vec<Part>,
    pub(crate) book: &'b dyn Fn() -> LazyBook,
}

impl<'de> DeserializeSeed<'de> for BooksInto<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for BooksInto<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of books")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut books: A) -> Result<(), A::Error> {
        while let Some(part) = books.next_element_seed(BookInto((self.book)()))? {
            self.parts.push(part);
        }
        Ok(())
    }
}

struct BookInto(LazyBook);

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Field {
    Asks,
    Bids,
    Ts,
    SeqId,
    PrevSeqId,
    #[serde(other)]
    Other,
}

impl<'de> DeserializeSeed<'de> for BookInto {
    type Value = Part;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Part, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for BookInto {
    type Value = Part;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a book")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Part, A::Error> {
        let (mut asks, mut bids, mut time) = (false, false, None);
        let (mut sequence, mut previous) = (None, None);
        while let Some(field) = map.next_key()? {
            match field {
                Field::Asks => {
                    map.next_value_seed(LevelsInto(&mut self.0.get().asks))?;
                    asks = true;
                }
                Field::Bids => {
                    map.next_value_seed(LevelsInto(&mut self.0.get().bids))?;
                    bids = true;
                }
                Field::Ts => time = Some(map.next_value::<Decimal<i64>>()?.0),
                Field::SeqId => sequence = Some(map.next_value()?),
                Field::PrevSeqId => previous = Some(map.next_value::<i64>()?),
                Field::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        if !asks || !bids {
            return Err(A::Error::custom("a side of the book is missing"));
        }
        let sequence: u64 = sequence.ok_or_else(|| A::Error::missing_field("seqId"))?;
        if sequence == u64::MAX {
            return Err(A::Error::custom("a seqId that nothing can follow"));
        }
        let time = time.ok_or_else(|| A::Error::missing_field("ts"))?;
        Ok(Part {
            book: self.0.into_lease(),
            time: Timestamp::from_millis(time),
            sequence,
            // A snapshot says -1.
            previous: previous.and_then(|previous| u64::try_from(previous).ok()),
        })
    }
}
