//! The frames as Kraken documents them, read where they stand. Its numbers are bare, and are taken as
//! text so that no digit is lost.

use std::ops::Range;

use meltica_event::{Book, Level, ParseDecimalError, Price, Quantity, Side, Timestamp};
use meltica_venue::{
    DecodeCause, Lease,
    json::{
        Array, Data, Elements, Fields, FrameText, LazyBook, LevelQuantity, Message, Object, Utc,
        bare, missing, skip, utc,
    },
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, MapAccess, SeqAccess},
};
use serde_json::value::RawValue;

use crate::Number;

/// What a frame says it is.
#[derive(Default)]
pub(crate) struct Envelope<'a> {
    pub(crate) channel: Option<&'a str>,
    pub(crate) kind: Option<&'a str>,
    /// Its data, if they came before the channel was known.
    pub(crate) data: Option<&'a RawValue>,
    /// Of an answer to a request.
    pub(crate) method: Option<&'a str>,
    pub(crate) refused: bool,
    pub(crate) error: Option<Message<'a>>,
    pub(crate) symbol: Option<&'a str>,
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
            "channel" => envelope.channel = Some(map.next_value()?),
            "type" => envelope.kind = Some(map.next_value()?),
            "data" => match self.data.of(envelope.channel.unwrap_or_default()) {
                Some(seed) => map.next_value_seed(seed)?,
                None => envelope.data = Some(map.next_value()?),
            },
            "method" => envelope.method = Some(map.next_value()?),
            "success" => envelope.refused = !map.next_value::<bool>()?,
            "error" => envelope.error = Some(map.next_value()?),
            "symbol" => envelope.symbol = Some(map.next_value()?),
            _ => skip(map)?,
        }
        Ok(())
    }
}

#[derive(Deserialize)]
pub(crate) struct Trade<'a> {
    pub(crate) symbol: &'a str,
    #[serde(deserialize_with = "bare")]
    pub(crate) price: Price,
    #[serde(rename = "qty", deserialize_with = "bare")]
    pub(crate) quantity: Quantity,
    pub(crate) side: &'a str,
    #[serde(rename = "trade_id")]
    pub(crate) id: u64,
    #[serde(rename = "timestamp", deserialize_with = "utc")]
    pub(crate) time: Timestamp,
}

#[derive(Deserialize)]
pub(crate) struct Ticker<'a> {
    pub(crate) symbol: &'a str,
    #[serde(deserialize_with = "bare")]
    pub(crate) bid: Price,
    #[serde(rename = "bid_qty", deserialize_with = "bare")]
    pub(crate) bid_quantity: LevelQuantity,
    #[serde(deserialize_with = "bare")]
    pub(crate) ask: Price,
    #[serde(rename = "ask_qty", deserialize_with = "bare")]
    pub(crate) ask_quantity: LevelQuantity,
    #[serde(deserialize_with = "bare")]
    pub(crate) last: Price,
    #[serde(deserialize_with = "bare")]
    pub(crate) volume: LevelQuantity,
    #[serde(deserialize_with = "bare")]
    pub(crate) low: Price,
    #[serde(deserialize_with = "bare")]
    pub(crate) high: Price,
    #[serde(deserialize_with = "bare")]
    pub(crate) change: Price,
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

/// Reads one instrument's part of a book frame.
pub(crate) struct PartInto<'r, 'f, 'a> {
    frame: &'f FrameText<'a>,
    changes: &'r mut Vec<Change>,
    market: &'r dyn Fn(&str) -> Result<usize, DecodeCause>,
    first: usize,
    book: LazyBook,
    symbol: Option<&'a str>,
    checksum: Option<u32>,
    time: Timestamp,
}

impl<'r, 'f, 'a> PartInto<'r, 'f, 'a> {
    /// Levels go into this book, and to these changes. `market` finds its place by its symbol.
    pub(crate) fn new(
        frame: &'f FrameText<'a>,
        book: LazyBook,
        changes: &'r mut Vec<Change>,
        market: &'r dyn Fn(&str) -> Result<usize, DecodeCause>,
    ) -> Self {
        let (first, time) = (changes.len(), Timestamp::ABSENT);
        Self { frame, changes, market, first, book, symbol: None, checksum: None, time }
    }

    fn whole(self) -> Result<Part, DecodeCause> {
        Ok(Part {
            market: (self.market)(self.symbol.ok_or_else(|| missing("symbol"))?)?,
            checksum: self.checksum.ok_or_else(|| missing("checksum"))?,
            book: self.book.into_lease(),
            changes: self.first..self.changes.len(),
            time: self.time,
        })
    }
}

impl<'de> DeserializeSeed<'de> for PartInto<'_, '_, 'de> {
    type Value = Part;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(mut self, deserializer: D) -> Result<Part, D::Error> {
        Object(&mut self).deserialize(deserializer)?;
        let frame = self.frame;
        self.whole().map_err(|cause| frame.refuse(cause))
    }
}

impl<'de> Fields<'de> for PartInto<'_, '_, 'de> {
    #[inline]
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "symbol" => self.symbol = Some(map.next_value()?),
            "bids" => map.next_value_seed(Array(&mut self.side(Side::Buy)))?,
            "asks" => map.next_value_seed(Array(&mut self.side(Side::Sell)))?,
            "checksum" => self.checksum = Some(map.next_value()?),
            "timestamp" => self.time = map.next_value::<Utc>()?.0,
            _ => skip(map)?,
        }
        Ok(())
    }
}

impl PartInto<'_, '_, '_> {
    const fn side(&mut self, side: Side) -> LevelsInto<'_> {
        LevelsInto { side, book: &mut self.book, changes: self.changes }
    }
}

/// Reads the levels of a side, whose digits the checksum needs as they stand.
struct LevelsInto<'r> {
    side: Side,
    book: &'r mut LazyBook,
    changes: &'r mut Vec<Change>,
}

impl<'de> Elements<'de> for LevelsInto<'_> {
    #[inline]
    fn element<A: SeqAccess<'de>>(&mut self, array: &mut A) -> Result<bool, A::Error> {
        #[derive(Deserialize)]
        struct BareLevel {
            #[serde(deserialize_with = "bare")]
            price: Number,
            #[serde(rename = "qty", deserialize_with = "bare")]
            quantity: Number,
        }

        let Some(BareLevel { price, quantity }) = array.next_element()? else { return Ok(false) };
        let side = self.side;
        self.changes.push(Change { side, price, quantity });
        let unfit = |error| serde::de::Error::custom(format_args!("a level: {error}"));
        let fits = price.price().map_err(unfit)?;
        let quantity = match quantity.quantity() {
            Err(ParseDecimalError::TooLarge { .. }) => LevelQuantity::MOST,
            quantity => quantity.map_err(unfit)?,
        };
        if let Some(price) = fits {
            self.book.get().side_mut(side).set(Level { price, quantity });
        }
        Ok(true)
    }
}
