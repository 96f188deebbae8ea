//! The frames as Coinbase documents them, read where they stand.

use meltica_event::{Book, Event, Level, Price, Quantity, Side, Timestamp};
use meltica_venue::{
    DecodeCause, Lease,
    json::{
        Array, Data, Elements, Fields, FrameText, LazyBook, LevelPrice, LevelQuantity, Message,
        Object, Utc, decimal, missing, skip, unknown_value, utc,
    },
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess},
};
use serde_json::value::RawValue;

/// What a frame says it is.
#[derive(Default)]
pub(crate) struct Envelope<'a> {
    pub(crate) channel: Option<&'a str>,
    pub(crate) sequence: Option<u64>,
    pub(crate) time: Option<Timestamp>,
    /// Its events, if they came before the channel was known.
    pub(crate) events: Option<&'a RawValue>,
    /// Of a frame without a channel.
    pub(crate) kind: Option<&'a str>,
    pub(crate) message: Option<Message<'a>>,
}

impl<'a> Envelope<'a> {
    /// Reads all, and the events in place if their channel is known when they come.
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
            "timestamp" => envelope.time = Some(map.next_value::<Utc>()?.0),
            "sequence_num" => envelope.sequence = Some(map.next_value()?),
            "events" => match self.data.of(envelope.channel.unwrap_or_default()) {
                Some(seed) => map.next_value_seed(seed)?,
                None => envelope.events = Some(map.next_value()?),
            },
            "type" => envelope.kind = Some(map.next_value()?),
            "message" => envelope.message = Some(map.next_value()?),
            _ => skip(map)?,
        }
        Ok(())
    }
}

#[derive(Deserialize)]
pub(crate) struct Trade<'a> {
    #[serde(rename = "product_id")]
    pub(crate) product: &'a str,
    #[serde(rename = "trade_id", deserialize_with = "decimal")]
    pub(crate) id: u64,
    #[serde(deserialize_with = "decimal")]
    pub(crate) price: Price,
    #[serde(rename = "size", deserialize_with = "decimal")]
    pub(crate) quantity: Quantity,
    #[serde(deserialize_with = "utc")]
    pub(crate) time: Timestamp,
    /// The maker's.
    pub(crate) side: &'a str,
}

#[derive(Deserialize)]
pub(crate) struct Ticker<'a> {
    #[serde(rename = "product_id")]
    pub(crate) product: &'a str,
    #[serde(rename = "price", deserialize_with = "decimal")]
    pub(crate) last: Price,
    #[serde(rename = "volume_24_h")]
    pub(crate) volume: LevelQuantity,
    #[serde(rename = "low_24_h", deserialize_with = "decimal")]
    pub(crate) low: Price,
    #[serde(rename = "high_24_h", deserialize_with = "decimal")]
    pub(crate) high: Price,
    #[serde(rename = "best_bid", deserialize_with = "decimal")]
    pub(crate) bid: Price,
    #[serde(rename = "best_bid_quantity")]
    pub(crate) bid_quantity: LevelQuantity,
    #[serde(rename = "best_ask", deserialize_with = "decimal")]
    pub(crate) ask: Price,
    #[serde(rename = "best_ask_quantity")]
    pub(crate) ask_quantity: LevelQuantity,
}

/// What a frame holds, read and not yet told.
#[derive(Default)]
pub(crate) struct Gathered {
    pub(crate) books: Vec<PartOfBook>,
    pub(crate) events: Vec<Told>,
}

impl Gathered {
    pub(crate) fn is_empty(&self) -> bool {
        self.books.is_empty() && self.events.is_empty()
    }

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
pub(crate) struct EventsInto<'r, 'a, D> {
    /// Whether they tell anything; else they are passed over.
    pub(crate) telling: bool,
    pub(crate) frame: &'r FrameText<'a>,
    pub(crate) desk: &'r D,
    pub(crate) gathered: &'r mut Gathered,
    /// The first product that nobody asked for. What else the frame holds is read all the same.
    pub(crate) unasked: &'r mut Option<DecodeCause>,
}

impl<'de, D: Desk> DeserializeSeed<'de> for EventsInto<'_, 'de, D> {
    type Value = ();

    #[inline]
    fn deserialize<R: Deserializer<'de>>(mut self, deserializer: R) -> Result<(), R::Error> {
        Array(&mut self).deserialize(deserializer)
    }
}

impl<'de, D: Desk> Elements<'de> for EventsInto<'_, 'de, D> {
    #[inline]
    fn element<A: SeqAccess<'de>>(&mut self, array: &mut A) -> Result<bool, A::Error> {
        if !self.telling {
            // One by one: serde_json allocates to pass over what is nested deeper.
            return Ok(array.next_element::<IgnoredAny>()?.is_some());
        }
        let first = self.gathered.events.len();
        let mut event = EventInto { events: self, kind: None, product: None, book: None };
        if array.next_element_seed(Object(&mut event))?.is_none() {
            return Ok(false);
        }
        let EventInto { kind, product, book, .. } = event;
        match self.whole(first, kind, product, book) {
            Ok(()) => Ok(true),
            Err(cause) => Err(self.frame.refuse(cause)),
        }
    }
}

impl<D: Desk> EventsInto<'_, '_, D> {
    /// An event was read; what it told begins here.
    fn whole(
        &mut self,
        first: usize,
        kind: Option<&str>,
        product: Option<&str>,
        book: Option<LazyBook>,
    ) -> Result<(), DecodeCause> {
        let whole = match kind {
            Some("snapshot") => true,
            Some("update") => false,
            Some(other) => return Err(unknown_value("type", other)),
            None => return Err(missing("type")),
        };
        for told in &mut self.gathered.events[first..] {
            told.whole = whole;
        }
        if let Some(book) = book {
            let market = self.desk.market(product.ok_or_else(|| missing("product_id"))?);
            if let Some(market) = asked(market, self.unasked)? {
                let book = book.into_lease();
                self.gathered.books.push(PartOfBook { market, whole, book });
            }
        }
        Ok(())
    }
}

/// What there is, unless nobody asked for its product.
fn asked<T>(
    told: Result<T, DecodeCause>,
    unasked: &mut Option<DecodeCause>,
) -> Result<Option<T>, DecodeCause> {
    match told {
        Err(cause @ DecodeCause::UnknownSymbol { .. }) => {
            unasked.get_or_insert(cause);
            Ok(None)
        }
        told => told.map(Some),
    }
}

/// Reads an event.
struct EventInto<'s, 'r, 'a, D> {
    events: &'s mut EventsInto<'r, 'a, D>,
    kind: Option<&'a str>,
    product: Option<&'a str>,
    book: Option<LazyBook>,
}

impl<'de, D: Desk> Fields<'de> for EventInto<'_, '_, 'de, D> {
    #[inline]
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        let EventsInto { frame, desk, gathered, unasked, .. } = &mut *self.events;
        match name {
            "type" => self.kind = Some(map.next_value()?),
            "product_id" => self.product = Some(map.next_value()?),
            "updates" => {
                let book = self.book.get_or_insert_with(|| desk.book());
                map.next_value_seed(frame.each(|update: Update<'de>| update.put(book)))?;
            }
            "trades" => map.next_value_seed(frame.each(|trade: Trade<'de>| {
                gathered.events.extend(asked(desk.trade(&trade), unasked)?);
                Ok(())
            }))?,
            "tickers" => map.next_value_seed(frame.each(|ticker: Ticker<'de>| {
                gathered.events.extend(asked(desk.ticker(&ticker), unasked)?.into_iter().flatten());
                Ok(())
            }))?,
            _ => skip(map)?,
        }
        Ok(())
    }
}

/// A level that changes.
#[derive(Deserialize)]
struct Update<'a> {
    side: &'a str,
    price_level: LevelPrice,
    #[serde(rename = "new_quantity")]
    quantity: LevelQuantity,
}

impl Update<'_> {
    #[inline]
    fn put(self, book: &mut LazyBook) -> Result<(), DecodeCause> {
        let side = match self.side {
            "bid" => Side::Buy,
            "offer" => Side::Sell,
            other => return Err(unknown_value("side", other)),
        };
        // Beyond all range: nobody trades there.
        if let LevelPrice(Some(price)) = self.price_level {
            book.get().side_mut(side).set(Level { price, quantity: self.quantity.0 });
        }
        Ok(())
    }
}
