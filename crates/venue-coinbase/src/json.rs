//! The frames as Coinbase documents them, read where they stand.

use std::{borrow::Cow, fmt, marker::PhantomData};

use meltica_event::{Book, Event, Level, Price, Quantity, Side, Timestamp};
use meltica_venue::{
    DecodeCause, Lease,
    json::{LazyBook, LevelPrice, decimal, fields, read_part, unknown_value, utc},
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// What a frame says it is.
#[derive(Default)]
pub(crate) struct Envelope<'a> {
    pub(crate) channel: Option<&'a str>,
    pub(crate) sequence: Option<u64>,
    pub(crate) time: Option<Timestamp>,
    /// Not read yet.
    pub(crate) events: Option<&'a str>,
    /// Of a frame without a channel.
    pub(crate) kind: Option<&'a str>,
    pub(crate) message: Option<Cow<'a, str>>,
}

impl<'a> Envelope<'a> {
    pub(crate) fn read(text: &'a str) -> Result<Self, DecodeCause> {
        let mut envelope = Self::default();
        for field in fields(text) {
            let (key, value) = field?;
            match key {
                "channel" => envelope.channel = Some(read_part(PhantomData, value, text)?),
                "sequence_num" => envelope.sequence = Some(read_part(PhantomData, value, text)?),
                "timestamp" => {
                    let Utc(time) = read_part(PhantomData, value, text)?;
                    envelope.time = Some(time);
                }
                "events" => envelope.events = Some(value),
                "type" => envelope.kind = Some(read_part(PhantomData, value, text)?),
                "message" => envelope.message = Some(read_part(PhantomData, value, text)?),
                _ => {}
            }
        }
        Ok(envelope)
    }
}

#[derive(Deserialize)]
struct Utc(#[serde(deserialize_with = "utc")] Timestamp);

#[derive(Deserialize)]
pub(crate) struct Trade<'a> {
    pub(crate) product_id: &'a str,
    #[serde(deserialize_with = "decimal")]
    pub(crate) trade_id: u64,
    #[serde(deserialize_with = "decimal")]
    pub(crate) price: Price,
    #[serde(deserialize_with = "decimal")]
    pub(crate) size: Quantity,
    #[serde(deserialize_with = "utc")]
    pub(crate) time: Timestamp,
    pub(crate) side: &'a str,
}

#[derive(Deserialize)]
pub(crate) struct Ticker<'a> {
    pub(crate) product_id: &'a str,
    #[serde(deserialize_with = "decimal")]
    pub(crate) price: Price,
    #[serde(deserialize_with = "decimal")]
    pub(crate) volume_24_h: Quantity,
    #[serde(deserialize_with = "decimal")]
    pub(crate) low_24_h: Price,
    #[serde(deserialize_with = "decimal")]
    pub(crate) high_24_h: Price,
    #[serde(deserialize_with = "decimal")]
    pub(crate) best_bid: Price,
    #[serde(deserialize_with = "decimal")]
    pub(crate) best_bid_quantity: Quantity,
    #[serde(deserialize_with = "decimal")]
    pub(crate) best_ask: Price,
    #[serde(deserialize_with = "decimal")]
    pub(crate) best_ask_quantity: Quantity,
}

#[derive(Deserialize)]
struct Update<'a> {
    side: &'a str,
    price_level: LevelPrice,
    #[serde(deserialize_with = "decimal")]
    new_quantity: Quantity,
}

/// What a frame holds, read and not yet told.
#[derive(Default)]
pub(crate) struct Gathered {
    pub(crate) books: Vec<PartOfBook>,
    pub(crate) events: Vec<Told>,
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
    /// The events that a trade becomes.
    fn trade(&self, read: Trade<'_>, gathered: &mut Vec<Told>) -> Result<(), DecodeCause>;
    /// The events that a ticker becomes.
    fn ticker(&self, read: Ticker<'_>, gathered: &mut Vec<Told>) -> Result<(), DecodeCause>;
}

/// Reads the events of a frame.
pub(crate) struct EventsInto<'r> {
    pub(crate) desk: &'r dyn Desk,
    pub(crate) gathered: &'r mut Gathered,
    /// What is wrong, where serde has no words for it.
    pub(crate) cause: &'r mut Option<DecodeCause>,
}

impl EventsInto<'_> {
    fn wrong<E: Error>(&mut self, cause: DecodeCause) -> E {
        *self.cause = Some(cause);
        E::custom("told apart")
    }
}

impl<'de> DeserializeSeed<'de> for EventsInto<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for EventsInto<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut events: A) -> Result<(), A::Error> {
        while events.next_element_seed(EventInto(&mut self))?.is_some() {}
        Ok(())
    }
}

struct EventInto<'s, 'r>(&'s mut EventsInto<'r>);

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Field {
    Type,
    ProductId,
    Updates,
    Trades,
    Tickers,
    #[serde(other)]
    Other,
}

impl<'de> DeserializeSeed<'de> for EventInto<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for EventInto<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let reader = self.0;
        let first = reader.gathered.events.len();
        let (mut kind, mut product, mut book) = (None, None, None);
        while let Some(field) = map.next_key()? {
            match field {
                Field::Type => kind = Some(map.next_value::<&'de str>()?),
                Field::ProductId => product = Some(map.next_value::<&'de str>()?),
                Field::Updates => {
                    let book = book.get_or_insert_with(|| reader.desk.book());
                    map.next_value_seed(Each(&mut |update: Update<'de>| {
                        let side = match update.side {
                            "bid" => Side::Buy,
                            "offer" => Side::Sell,
                            other => {
                                return Err(reader.wrong::<A::Error>(unknown_value("side", other)));
                            }
                        };
                        if let LevelPrice(Some(price)) = update.price_level {
                            let quantity = update.new_quantity;
                            book.get().side_mut(side).set(Level { price, quantity });
                        }
                        Ok(())
                    }))?;
                }
                Field::Trades => map.next_value_seed(Each(&mut |trade: Trade<'de>| {
                    let told = reader.desk.trade(trade, &mut reader.gathered.events);
                    told.map_err(|cause| reader.wrong::<A::Error>(cause))
                }))?,
                Field::Tickers => map.next_value_seed(Each(&mut |ticker: Ticker<'de>| {
                    let told = reader.desk.ticker(ticker, &mut reader.gathered.events);
                    told.map_err(|cause| reader.wrong::<A::Error>(cause))
                }))?,
                Field::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let whole = match kind {
            Some("snapshot") => true,
            Some("update") => false,
            Some(other) => return Err(reader.wrong(unknown_value("type", other))),
            None => return Err(A::Error::missing_field("type")),
        };
        for told in &mut reader.gathered.events[first..] {
            told.whole = whole;
        }
        if let Some(book) = book {
            let product = product.ok_or_else(|| A::Error::missing_field("product_id"))?;
            let market = reader.desk.market(product).map_err(|cause| reader.wrong(cause))?;
            let book = book.into_lease();
            reader.gathered.books.push(PartOfBook { market, whole, book });
        }
        Ok(())
    }
}

/// Reads an array, element by element.
struct Each<'e, T, E>(&'e mut dyn FnMut(T) -> Result<(), E>);

impl<'de, T: Deserialize<'de>, E: Error> DeserializeSeed<'de> for Each<'_, T, E> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: Deserialize<'de>, X: Error> Visitor<'de> for Each<'_, T, X> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<(), A::Error> {
        while let Some(element) = array.next_element()? {
            (self.0)(element).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}
