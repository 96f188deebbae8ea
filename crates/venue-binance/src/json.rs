//! The frames as Binance documents them, read without an intermediate copy: text is borrowed from
//! the frame, numbers go straight into their types, levels straight into a book.

use std::{borrow::Cow, fmt};

use meltica_event::{Price, Quantity, Side};
use meltica_venue::json::{LazyBook, LevelsInto, decimal};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// What a frame says. Levels are in the book that it was read into.
pub(crate) enum Read<'a> {
    Trade(Trade<'a>),
    BookTicker(BookTicker<'a>),
    Depth(Depth<'a>),
    Snapshot(Depth<'a>),
    /// Of a stream that is not known; a user's own events come by a stream whose name is a key.
    Unknown {
        stream: &'a str,
        data: Option<&'a RawValue>,
    },
    /// An event without a stream around it, of this kind: what a user's own connection sends.
    Bare(&'a str),
    /// The same, wrapped.
    Wrapped(&'a RawValue),
    /// The answer to something that was sent, and why it was refused if it was.
    Answer(Option<&'a RawValue>),
    /// The data came before the stream's name, so it was only kept: read it with
    /// [`DataInto`] now.
    Early {
        stream: &'a str,
        data: &'a RawValue,
    },
}

/// The kinds of streams that are understood.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Trade,
    BookTicker,
    Depth,
}

impl Kind {
    /// By a stream's name, `btcusdt@trade`.
    pub(crate) fn of(stream: &str) -> Option<Self> {
        match stream.split_once('@')?.1 {
            "trade" => Some(Self::Trade),
            "bookTicker" => Some(Self::BookTicker),
            "depth" | "depth@100ms" => Some(Self::Depth),
            _ => None,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Trade => "trade",
            Self::BookTicker => "bookTicker",
            Self::Depth => "depth",
        }
    }
}

/// Reads a frame of a combined stream, or a depth snapshot: which of the two is told by what is
/// there.
pub(crate) struct FrameInto<'b> {
    pub(crate) book: &'b mut LazyBook,
    /// What is being read, for whoever has to say what went wrong.
    pub(crate) operation: &'b mut &'static str,
}

impl<'de> DeserializeSeed<'de> for FrameInto<'_> {
    type Value = Read<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Read<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FrameInto<'_> {
    type Value = Read<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a frame of a combined stream, or a depth snapshot")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Read<'de>, A::Error> {
        let (mut stream, mut early, mut read) = (None, None, None);
        let (mut bare, mut wrapped, mut answer) = (None, None, None);
        let mut snapshot = DepthParts::default();
        while let Some(key) = map.next_key::<&str>()? {
            match key {
                "stream" => stream = Some(map.next_value::<&'de str>()?),
                "data" => match stream.map(Kind::of) {
                    None | Some(None) => early = Some(map.next_value::<&'de RawValue>()?),
                    Some(Some(kind)) => {
                        *self.operation = kind.name();
                        let book = &mut *self.book;
                        read = Some(map.next_value_seed(DataInto { kind, book })?);
                        *self.operation = "frame";
                    }
                },
                "e" => bare = Some(map.next_value::<&'de str>()?),
                "event" => wrapped = Some(map.next_value::<&'de RawValue>()?),
                "result" => {
                    map.next_value::<IgnoredAny>()?;
                    answer = Some(None);
                }
                "error" => answer = Some(Some(map.next_value::<&'de RawValue>()?)),
                "lastUpdateId" | "bids" | "asks" => {
                    *self.operation = "snapshot";
                    snapshot.take(key, &mut map, self.book)?;
                    *self.operation = "frame";
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        match (stream, early, read) {
            (_, _, Some(read)) => Ok(read),
            (Some(stream), data, None) if Kind::of(stream).is_none() => {
                Ok(Read::Unknown { stream, data })
            }
            (Some(stream), Some(data), None) => Ok(Read::Early { stream, data }),
            (Some(_), None, None) => Err(A::Error::missing_field("data")),
            (None, _, None) if snapshot.last.is_some() => {
                *self.operation = "snapshot";
                snapshot.whole().map(Read::Snapshot)
            }
            (None, ..) => match (bare, wrapped, answer) {
                (_, Some(event), _) => Ok(Read::Wrapped(event)),
                (Some(kind), ..) => Ok(Read::Bare(kind)),
                (_, _, Some(refusal)) => Ok(Read::Answer(refusal)),
                _ => Err(A::Error::missing_field("stream")),
            },
        }
    }
}

/// Reads the data of a stream.
pub(crate) struct DataInto<'b> {
    pub(crate) kind: Kind,
    pub(crate) book: &'b mut LazyBook,
}

impl<'de> DeserializeSeed<'de> for DataInto<'_> {
    type Value = Read<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Read<'de>, D::Error> {
        match self.kind {
            Kind::Trade => Trade::deserialize(deserializer).map(Read::Trade),
            Kind::BookTicker => BookTicker::deserialize(deserializer).map(Read::BookTicker),
            Kind::Depth => DepthInto(self.book).deserialize(deserializer).map(Read::Depth),
        }
    }
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

/// What every event of a user's own connection says first.
#[derive(Deserialize)]
pub(crate) struct UserEvent<'a> {
    #[serde(rename = "e")]
    pub(crate) kind: Option<&'a str>,
}

/// Why something was refused.
#[derive(Deserialize)]
pub(crate) struct Refusal<'a> {
    #[serde(borrow)]
    pub(crate) msg: Cow<'a, str>,
}

/// What became of an order.
#[derive(Deserialize)]
pub(crate) struct ExecutionReport<'a> {
    #[serde(rename = "s")]
    pub(crate) symbol: &'a str,
    #[serde(rename = "c", borrow)]
    pub(crate) client_order_id: Cow<'a, str>,
    /// The order that a cancellation is about; empty otherwise.
    #[serde(rename = "C", borrow, default)]
    pub(crate) original_client_order_id: Cow<'a, str>,
    #[serde(rename = "S")]
    pub(crate) side: &'a str,
    #[serde(rename = "q", deserialize_with = "decimal")]
    pub(crate) quantity: Quantity,
    #[serde(rename = "p", deserialize_with = "decimal")]
    pub(crate) price: Price,
    #[serde(rename = "x")]
    pub(crate) exec_type: &'a str,
    #[serde(rename = "X")]
    pub(crate) status: &'a str,
    #[serde(rename = "r", borrow)]
    pub(crate) reason: Cow<'a, str>,
    #[serde(rename = "i")]
    pub(crate) order_id: u64,
    #[serde(rename = "I")]
    pub(crate) execution_id: u64,
    #[serde(rename = "l", deserialize_with = "decimal")]
    pub(crate) last_quantity: Quantity,
    #[serde(rename = "z", deserialize_with = "decimal")]
    pub(crate) cumulative_quantity: Quantity,
    #[serde(rename = "L", deserialize_with = "decimal")]
    pub(crate) last_price: Price,
    #[serde(rename = "T")]
    pub(crate) transaction_time: i64,
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

/// Reads a delta or a snapshot, its levels into this book.
pub(crate) struct DepthInto<'b>(pub(crate) &'b mut LazyBook);

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
        let mut parts = DepthParts::default();
        while let Some(key) = map.next_key::<&str>()? {
            parts.take(key, &mut map, self.0)?;
        }
        parts.whole()
    }
}

/// As much of a depth frame as was read so far.
#[derive(Default)]
struct DepthParts<'a> {
    symbol: Option<&'a str>,
    event_time: Option<i64>,
    first: Option<u64>,
    last: Option<u64>,
    bids: bool,
    asks: bool,
}

impl<'de> DepthParts<'de> {
    /// Takes the value of this key.
    fn take<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        book: &mut LazyBook,
    ) -> Result<(), A::Error> {
        match key {
            "s" => self.symbol = Some(map.next_value::<&'de str>()?),
            "E" => self.event_time = Some(map.next_value()?),
            "U" => self.first = Some(map.next_value()?),
            "u" => self.last = Some(map.next_value()?),
            "lastUpdateId" => {
                self.last = Some(map.next_value()?);
                self.first = self.last;
            }
            "b" | "bids" => {
                map.next_value_seed(LevelsInto(&mut book.get().bids))?;
                self.bids = true;
            }
            "a" | "asks" => {
                map.next_value_seed(LevelsInto(&mut book.get().asks))?;
                self.asks = true;
            }
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }

    fn whole<E: Error>(self) -> Result<Depth<'de>, E> {
        if !self.bids || !self.asks {
            return Err(E::custom("a side of the book is missing"));
        }
        let first = self.first.ok_or_else(|| E::missing_field("U"))?;
        let last = self.last.ok_or_else(|| E::missing_field("u"))?;
        if last == u64::MAX {
            return Err(E::custom("an update id that nothing can follow"));
        }
        if first > last {
            return Err(E::custom(format_args!("U {first} is greater than u {last}")));
        }
        Ok(Depth { symbol: self.symbol, event_time: self.event_time, first, last })
    }
}

/// Who took liquidity: if the buyer made the quote, the seller did.
pub(crate) const fn aggressor(buyer_is_maker: bool) -> Side {
    if buyer_is_maker { Side::Sell } else { Side::Buy }
}
