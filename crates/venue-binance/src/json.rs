//! The frames as Binance documents them, read without an intermediate copy: text is borrowed from
//! the frame, numbers go straight into their types, levels straight into a book.

use std::{fmt, marker::PhantomData, str::FromStr};

use meltica_event::{Level, Levels, Price, Quantity, Side};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// A frame of a combined stream, or a depth snapshot: which of the two is told by what is there.
#[derive(Deserialize)]
pub(crate) struct Envelope<'a> {
    #[serde(borrow)]
    pub(crate) stream: Option<&'a str>,
    #[serde(borrow)]
    pub(crate) data: Option<&'a RawValue>,
    #[serde(rename = "lastUpdateId")]
    pub(crate) last_update_id: Option<u64>,
}

#[derive(Deserialize)]
pub(crate) struct Trade<'a> {
    #[serde(rename = "E")]
    pub(crate) event_time: i64,
    #[serde(rename = "s")]
    pub(crate) symbol: &'a str,
    #[serde(rename = "t")]
    pub(crate) id: u64,
    #[serde(rename = "p", deserialize_with = "decimal")]
    pub(crate) price: Price,
    #[serde(rename = "q", deserialize_with = "decimal")]
    pub(crate) quantity: Quantity,
    #[serde(rename = "m")]
    pub(crate) buyer_is_maker: bool,
}

#[derive(Deserialize)]
pub(crate) struct BookTicker<'a> {
    #[serde(rename = "u")]
    pub(crate) update: u64,
    #[serde(rename = "s")]
    pub(crate) symbol: &'a str,
    #[serde(rename = "b", deserialize_with = "decimal")]
    pub(crate) bid: Price,
    #[serde(rename = "B", deserialize_with = "decimal")]
    pub(crate) bid_quantity: Quantity,
    #[serde(rename = "a", deserialize_with = "decimal")]
    pub(crate) ask: Price,
    #[serde(rename = "A", deserialize_with = "decimal")]
    pub(crate) ask_quantity: Quantity,
}

/// What stands in a depth frame beside its levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Depth<'a> {
    /// Of a delta.
    pub(crate) symbol: Option<&'a str>,
    /// Of a delta, in milliseconds.
    pub(crate) event_time: Option<i64>,
    /// `U` of a delta, `lastUpdateId` of a snapshot.
    pub(crate) first: u64,
    /// `u` of a delta, `lastUpdateId` of a snapshot.
    pub(crate) last: u64,
}

/// Reads a delta or a snapshot, its levels into these sides.
pub(crate) struct DepthInto<'b> {
    pub(crate) bids: &'b mut Levels,
    pub(crate) asks: &'b mut Levels,
}

impl<'de> DeserializeSeed<'de> for DepthInto<'_> {
    type Value = Depth<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Depth<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for DepthInto<'_> {
    type Value = Depth<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a depth update or snapshot")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Depth<'de>, A::Error> {
        let (mut symbol, mut event_time, mut first, mut last) = (None, None, None, None);
        let (mut bids, mut asks) = (false, false);
        while let Some(key) = map.next_key::<&str>()? {
            match key {
                "s" => symbol = Some(map.next_value::<&'de str>()?),
                "E" => event_time = Some(map.next_value()?),
                "U" => first = Some(map.next_value()?),
                "u" => last = Some(map.next_value()?),
                "lastUpdateId" => {
                    let id = Some(map.next_value()?);
                    (first, last) = (id, id);
                }
                "b" | "bids" => {
                    map.next_value_seed(LevelsInto(self.bids))?;
                    bids = true;
                }
                "a" | "asks" => {
                    map.next_value_seed(LevelsInto(self.asks))?;
                    asks = true;
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        if !bids || !asks {
            return Err(A::Error::custom("a side of the book is missing"));
        }
        let first: u64 = first.ok_or_else(|| A::Error::missing_field("U"))?;
        let last: u64 = last.ok_or_else(|| A::Error::missing_field("u"))?;
        if first > last {
            return Err(A::Error::custom(format_args!("U {first} is greater than u {last}")));
        }
        Ok(Depth { symbol, event_time, first, last })
    }
}

struct LevelsInto<'b>(&'b mut Levels);

impl<'de> DeserializeSeed<'de> for LevelsInto<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for LevelsInto<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of [price, quantity]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut levels: A) -> Result<(), A::Error> {
        while let Some((price, quantity)) =
            levels.next_element::<(Decimal<Price>, Decimal<Quantity>)>()?
        {
            self.0.set(Level { price: price.0, quantity: quantity.0 });
        }
        Ok(())
    }
}

/// A decimal that is written as text.
struct Decimal<T>(T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Decimal<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        decimal(deserializer).map(Self)
    }
}

fn decimal<'de, D: Deserializer<'de>, T: FromStr<Err: fmt::Display>>(
    deserializer: D,
) -> Result<T, D::Error> {
    struct Text<T>(PhantomData<T>);

    impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Text<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a decimal as text")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(|error| E::custom(format_args!("{text:?}: {error}")))
        }
    }

    deserializer.deserialize_str(Text(PhantomData))
}

/// Who took liquidity: if the buyer made the quote, the seller did.
pub(crate) const fn aggressor(buyer_is_maker: bool) -> Side {
    if buyer_is_maker { Side::Sell } else { Side::Buy }
}
