//! The frames as Kraken documents them, read where they stand. Its numbers are bare, and are taken as
//! text so that no digit is lost.

use std::{borrow::Cow, fmt, marker::PhantomData, ops::Range, str::FromStr};

use meltica_event::{Level, Price, Quantity, Side, Timestamp};
use meltica_venue::{
    DecodeCause, Lease,
    json::{LazyBook, fields, read_part, utc},
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::Number;

/// What a frame says it is.
#[derive(Default)]
pub(crate) struct Envelope<'a> {
    pub(crate) channel: Option<&'a str>,
    pub(crate) kind: Option<&'a str>,
    /// Not read yet.
    pub(crate) data: Option<&'a str>,
    /// Of an answer to a request.
    pub(crate) method: Option<&'a str>,
    pub(crate) refused: bool,
    pub(crate) error: Option<Cow<'a, str>>,
    pub(crate) symbol: Option<&'a str>,
}

impl<'a> Envelope<'a> {
    pub(crate) fn read(text: &'a str) -> Result<Self, DecodeCause> {
        let mut envelope = Self::default();
        for field in fields(text) {
            let (key, value) = field?;
            let name = || read_part(PhantomData::<&'a str>, value, text).map(Some);
            match key {
                "channel" => envelope.channel = name()?,
                "type" => envelope.kind = name()?,
                "data" => envelope.data = Some(value),
                "method" => envelope.method = name()?,
                "success" => envelope.refused = value == "false",
                "error" => envelope.error = Some(read_part(PhantomData, value, text)?),
                "symbol" => envelope.symbol = name()?,
                _ => {}
            }
        }
        Ok(envelope)
    }
}

#[derive(Deserialize)]
pub(crate) struct Trade<'a> {
    pub(crate) symbol: &'a str,
    #[serde(deserialize_with = "bare")]
    pub(crate) price: Price,
    #[serde(deserialize_with = "bare")]
    pub(crate) qty: Quantity,
    pub(crate) side: &'a str,
    pub(crate) trade_id: u64,
    #[serde(deserialize_with = "utc")]
    pub(crate) timestamp: Timestamp,
}

#[derive(Deserialize)]
pub(crate) struct Ticker<'a> {
    pub(crate) symbol: &'a str,
    #[serde(deserialize_with = "bare")]
    pub(crate) bid: Price,
    #[serde(deserialize_with = "bare")]
    pub(crate) bid_qty: Quantity,
    #[serde(deserialize_with = "bare")]
    pub(crate) ask: Price,
    #[serde(deserialize_with = "bare")]
    pub(crate) ask_qty: Quantity,
    #[serde(deserialize_with = "bare")]
    pub(crate) last: Price,
    #[serde(deserialize_with = "bare")]
    pub(crate) volume: Quantity,
    #[serde(deserialize_with = "bare")]
    pub(crate) low: Price,
    #[serde(deserialize_with = "bare")]
    pub(crate) high: Price,
    #[serde(deserialize_with = "bare")]
    pub(crate) change: Price,
}

/// Reads a bare number from its text.
fn bare<'de, D: Deserializer<'de>, T: FromStr<Err: fmt::Display>>(
    deserializer: D,
) -> Result<T, D::Error> {
    let text = <&RawValue>::deserialize(deserializer)?.get();
    text.parse().map_err(|error| D::Error::custom(format_args!("{text}: {error}")))
}

/// One instrument's part of a book frame; its levels are in the lease, and in the list of changes.
pub(crate) struct Part {
    pub(crate) market: usize,
    pub(crate) book: Lease<meltica_event::Book>,
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

/// Reads the data of a book frame.
pub(crate) struct BooksInto<'b> {
    pub(crate) parts: &'b mut Vec<Part>,
    pub(crate) changes: &'b mut Vec<Change>,
    pub(crate) book: &'b dyn Fn() -> LazyBook,
    /// The place of the market with this symbol.
    pub(crate) market: &'b dyn Fn(&str) -> Option<usize>,
    /// What is wrong, where serde has no words for it.
    pub(crate) cause: &'b mut Option<DecodeCause>,
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

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut books: A) -> Result<(), A::Error> {
        while books.next_element_seed(BookInto(&mut self))?.is_some() {}
        Ok(())
    }
}

struct BookInto<'s, 'b>(&'s mut BooksInto<'b>);

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum BookField {
    Symbol,
    Bids,
    Asks,
    Checksum,
    Timestamp,
    #[serde(other)]
    Other,
}

impl<'de> DeserializeSeed<'de> for BookInto<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for BookInto<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a book")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let BooksInto { parts, changes, book, market, cause } = self.0;
        let first = changes.len();
        let mut book = book();
        let (mut symbol, mut checksum, mut time) = (None, None, Timestamp::ABSENT);
        while let Some(field) = map.next_key()? {
            match field {
                BookField::Symbol => symbol = Some(map.next_value::<&'de str>()?),
                BookField::Bids => {
                    let (side, book) = (Side::Buy, &mut book);
                    map.next_value_seed(LevelsInto { side, book, changes })?;
                }
                BookField::Asks => {
                    let (side, book) = (Side::Sell, &mut book);
                    map.next_value_seed(LevelsInto { side, book, changes })?;
                }
                BookField::Checksum => checksum = Some(map.next_value()?),
                BookField::Timestamp => time = map.next_value::<Utc>()?.0,
                BookField::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let symbol = symbol.ok_or_else(|| A::Error::missing_field("symbol"))?;
        let checksum = checksum.ok_or_else(|| A::Error::missing_field("checksum"))?;
        let Some(market) = market(symbol) else {
            **cause = Some(DecodeCause::UnknownSymbol { symbol: symbol.to_owned() });
            return Err(A::Error::custom("unknown symbol"));
        };
        let changes = first..changes.len();
        parts.push(Part { market, book: book.into_lease(), changes, checksum, time });
        Ok(())
    }
}

#[derive(Deserialize)]
struct Utc(#[serde(deserialize_with = "utc")] Timestamp);

struct LevelsInto<'s> {
    side: Side,
    book: &'s mut LazyBook,
    changes: &'s mut Vec<Change>,
}

impl<'de> DeserializeSeed<'de> for LevelsInto<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for LevelsInto<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of levels")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut levels: A) -> Result<(), A::Error> {
        #[derive(Deserialize)]
        struct BareLevel {
            #[serde(deserialize_with = "bare")]
            price: Number,
            #[serde(deserialize_with = "bare")]
            qty: Number,
        }

        let side = self.side;
        while let Some(BareLevel { price, qty: quantity }) = levels.next_element()? {
            self.changes.push(Change { side, price, quantity });
            let wrong = |error| A::Error::custom(format_args!("{error}"));
            let level = price.price().map_err(wrong)?;
            let quantity = quantity.quantity().map_err(wrong)?;
            if let Some(price) = level {
                self.book.get().side_mut(side).set(Level { price, quantity });
            }
        }
        Ok(())
    }
}
