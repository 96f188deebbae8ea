//! The frames as Binance documents them, read where they stand: text is borrowed from the frame, numbers
//! go straight into their types, levels straight into a book.

use std::borrow::Cow;

use meltica_event::{Price, Quantity, Side};
use meltica_venue::{
    DecodeCause,
    json::{Fields, FrameText, LazyBook, LevelsInto, Object, decimal, missing, skip},
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess},
};
use serde_json::value::RawValue;

/// What a frame says. Levels are in the book that it was read into.
pub(crate) enum Read<'a> {
    Trade(Trade<'a>),
    BookTicker(BookTicker<'a>),
    Depth(Depth<'a>),
    Snapshot(Depth<'a>),
    /// Of a stream that is not known, and its data; a user's own events come by a stream whose name is a
    /// key.
    Unknown {
        stream: &'a str,
        data: Option<&'a RawValue>,
    },
    /// An event without a stream around it, of this kind: what a user's own connection sends.
    Bare(&'a str),
    /// The same, wrapped.
    Wrapped(&'a RawValue),
    /// The answer to something that was sent, and why that was refused, if it was.
    Answer(Option<&'a RawValue>),
}

/// The kinds of streams that are understood.
#[derive(Clone, Copy)]
enum Kind {
    Trade,
    BookTicker,
    Depth,
}

impl Kind {
    /// By a stream's name, `btcusdt@trade`.
    fn of(stream: &str) -> Option<Self> {
        match stream.split_once('@')?.1 {
            "trade" => Some(Self::Trade),
            "bookTicker" => Some(Self::BookTicker),
            "depth" | "depth@100ms" => Some(Self::Depth),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Trade => "trade",
            Self::BookTicker => "bookTicker",
            Self::Depth => "depth",
        }
    }
}

/// Reads a frame of a combined stream, a depth snapshot, or what a user's own connection sends: which of
/// them is told by what is there. `operation` is what is being read, for whoever has to say what went
/// wrong.
pub(crate) fn frame<'a>(
    frame: &FrameText<'a>,
    book: &mut LazyBook,
    operation: &mut &'static str,
) -> Result<Read<'a>, DecodeCause> {
    let mut parts = FrameParts {
        book,
        operation,
        stream: None,
        early: None,
        data: None,
        bare: None,
        wrapped: None,
        answer: None,
        snapshot: DepthParts::default(),
    };
    frame.read(Object(&mut parts))?;
    let FrameParts { book, operation, stream, early, data, snapshot, .. } = parts;
    if let Some(data) = data {
        return data.whole(operation);
    }
    let Some(stream) = stream else {
        if snapshot.last.is_some() {
            *operation = "snapshot";
            return snapshot.whole().map(Read::Snapshot);
        }
        return match (parts.bare, parts.wrapped, parts.answer) {
            (_, Some(event), _) => Ok(Read::Wrapped(event)),
            (Some(kind), ..) => Ok(Read::Bare(kind)),
            (_, _, Some(refusal)) => Ok(Read::Answer(refusal)),
            _ => Err(missing("stream")),
        };
    };
    match (Kind::of(stream), early) {
        (None, data) => Ok(Read::Unknown { stream, data }),
        // The data came before the stream's name, and were only kept.
        (Some(kind), Some(data)) => {
            *operation = kind.name();
            frame.read_part(data, DataInto { kind, book })?.whole(operation)
        }
        (Some(_), None) => Err(missing("data")),
    }
}

/// As much of a frame as was read so far.
struct FrameParts<'r, 'a> {
    book: &'r mut LazyBook,
    operation: &'r mut &'static str,
    stream: Option<&'a str>,
    early: Option<&'a RawValue>,
    data: Option<Data<'a>>,
    bare: Option<&'a str>,
    wrapped: Option<&'a RawValue>,
    answer: Option<Option<&'a RawValue>>,
    snapshot: DepthParts<'a>,
}

impl<'de> Fields<'de> for FrameParts<'_, 'de> {
    #[inline]
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "stream" => self.stream = Some(map.next_value()?),
            "data" => match self.stream.and_then(Kind::of) {
                None => self.early = Some(map.next_value()?),
                Some(kind) => {
                    *self.operation = kind.name();
                    let book = &mut *self.book;
                    self.data = Some(map.next_value_seed(DataInto { kind, book })?);
                    *self.operation = "frame";
                }
            },
            "lastUpdateId" | "bids" | "asks" => {
                *self.operation = "snapshot";
                self.snapshot.take(name, map, self.book)?;
                *self.operation = "frame";
            }
            "e" => self.bare = Some(map.next_value()?),
            "event" => self.wrapped = Some(map.next_value()?),
            "result" => {
                map.next_value::<IgnoredAny>()?;
                self.answer = Some(None);
            }
            "error" => self.answer = Some(Some(map.next_value()?)),
            _ => skip(map)?,
        }
        Ok(())
    }
}

/// The data of a stream.
enum Data<'a> {
    Trade(Trade<'a>),
    BookTicker(BookTicker<'a>),
    Depth(DepthParts<'a>),
}

impl<'a> Data<'a> {
    fn whole(self, operation: &mut &'static str) -> Result<Read<'a>, DecodeCause> {
        match self {
            Self::Trade(trade) => Ok(Read::Trade(trade)),
            Self::BookTicker(top) => Ok(Read::BookTicker(top)),
            Self::Depth(parts) => {
                *operation = Kind::Depth.name();
                parts.whole().map(Read::Depth)
            }
        }
    }
}

/// Reads the data of a stream.
struct DataInto<'b> {
    kind: Kind,
    book: &'b mut LazyBook,
}

impl<'de> DeserializeSeed<'de> for DataInto<'_> {
    type Value = Data<'de>;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Data<'de>, D::Error> {
        match self.kind {
            Kind::Trade => Trade::deserialize(deserializer).map(Data::Trade),
            Kind::BookTicker => BookTicker::deserialize(deserializer).map(Data::BookTicker),
            Kind::Depth => {
                let mut depth = DepthInto { parts: DepthParts::default(), book: self.book };
                Object(&mut depth).deserialize(deserializer)?;
                Ok(Data::Depth(depth.parts))
            }
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

impl<'a> Depth<'a> {
    /// Reads a delta or a snapshot, its levels into this book.
    pub(crate) fn read(frame: &FrameText<'a>, book: &mut LazyBook) -> Result<Self, DecodeCause> {
        let mut depth = DepthInto { parts: DepthParts::default(), book };
        frame.read(Object(&mut depth))?;
        depth.parts.whole()
    }
}

/// Reads a delta or a snapshot.
struct DepthInto<'b, 'a> {
    parts: DepthParts<'a>,
    book: &'b mut LazyBook,
}

impl<'de> Fields<'de> for DepthInto<'_, 'de> {
    #[inline]
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        self.parts.take(name, map, self.book)
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
    /// Takes the value of this field.
    #[inline]
    fn take<A: MapAccess<'de>>(
        &mut self,
        name: &str,
        map: &mut A,
        book: &mut LazyBook,
    ) -> Result<(), A::Error> {
        match name {
            "s" => self.symbol = Some(map.next_value()?),
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
            _ => skip(map)?,
        }
        Ok(())
    }

    fn whole(self) -> Result<Depth<'de>, DecodeCause> {
        let wrong = |reason: String| DecodeCause::Malformed { column: 1, reason };
        if !self.bids || !self.asks {
            return Err(wrong("a side of the book is missing".to_owned()));
        }
        let first = self.first.ok_or_else(|| missing("U"))?;
        let last = self.last.ok_or_else(|| missing("u"))?;
        if last == u64::MAX {
            return Err(wrong("an update id that nothing can follow".to_owned()));
        }
        if first > last {
            return Err(wrong(format!("U {first} is greater than u {last}")));
        }
        Ok(Depth { symbol: self.symbol, event_time: self.event_time, first, last })
    }
}

/// Who took liquidity: if the buyer made the quote, the seller did.
pub(crate) const fn aggressor(buyer_is_maker: bool) -> Side {
    if buyer_is_maker { Side::Sell } else { Side::Buy }
}
