//! What the adapters of venues that speak JSON share: `serde_json` in one pass over a frame, each value
//! read where it stands into what it is for.
//!
//! An adapter knows what it is looking for. So it reads no frame into structs of its own shape first: an
//! [`Object`] hands each field to whoever knows its name, [`Elements`] each element of an array, and
//! [`LevelsInto`] puts levels into a book, their digits straight from the frame. A value that cannot be
//! understood yet, because what it is about stands behind it, is kept as a `&RawValue` and read later by
//! [`FrameText::read_part`].
//!
//! Nothing here allocates except to say what is wrong, but `serde_json` itself does where it passes over
//! what is nested two deep, or meets an escaped character. Documented frames give it no reason to.

use std::{borrow::Cow, cell::Cell, fmt, marker::PhantomData, str::FromStr};

use meltica_event::{Book, Level, Levels, ParseDecimalError, Price, Quantity, Timestamp};
use meltica_recycler::{Lease, Pool};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{DecodeCause, parse_utc};

/// A frame as text, and what is wrong with it where serde's errors have no room for that.
pub struct FrameText<'a> {
    text: &'a str,
    cause: Cell<Option<DecodeCause>>,
}

impl<'a> FrameText<'a> {
    /// The frame as text.
    ///
    /// # Errors
    ///
    /// [`DecodeCause::Malformed`] where it is not UTF-8.
    pub fn new(frame: &'a [u8]) -> Result<Self, DecodeCause> {
        match std::str::from_utf8(frame) {
            Ok(text) => Ok(Self { text, cause: Cell::new(None) }),
            Err(error) => Err(DecodeCause::Malformed {
                column: error.valid_up_to() + 1,
                reason: "not UTF-8".to_owned(),
            }),
        }
    }

    /// The text.
    pub const fn text(&self) -> &'a str {
        self.text
    }

    /// Reads the whole frame into what the seed stands for.
    ///
    /// # Errors
    ///
    /// The cause of a [refusal](Self::refuse); [`DecodeCause::Malformed`] if the frame is not what the seed
    /// stands for, or something follows it.
    #[inline]
    pub fn read<S: DeserializeSeed<'a>>(&self, seed: S) -> Result<S::Value, DecodeCause> {
        self.read_at(0, self.text, seed)
    }

    /// Reads a part of the frame that was kept for later; columns are told as those of the frame.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn read_part<S: DeserializeSeed<'a>>(
        &self,
        part: &'a RawValue,
        seed: S,
    ) -> Result<S::Value, DecodeCause> {
        let start = part.get().as_ptr().addr().wrapping_sub(self.text.as_ptr().addr());
        self.read_at(if start <= self.text.len() { start } else { 0 }, part.get(), seed)
    }

    #[inline]
    fn read_at<S: DeserializeSeed<'a>>(
        &self,
        start: usize,
        text: &'a str,
        seed: S,
    ) -> Result<S::Value, DecodeCause> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let read = seed.deserialize(&mut reader).and_then(|read| reader.end().map(|()| read));
        read.map_err(|error| self.cause.take().unwrap_or_else(|| malformed(&error, text, start)))
    }

    /// Ends reading for a reason of the reader's own.
    #[cold]
    pub fn refuse<E: Error>(&self, cause: DecodeCause) -> E {
        self.cause.set(Some(cause));
        E::custom("told apart")
    }

    /// Reads an array, and gives each element to `each`, which may refuse it.
    pub const fn each<T, F: FnMut(T) -> Result<(), DecodeCause>>(
        &self,
        each: F,
    ) -> Each<'_, 'a, T, F> {
        Each { frame: self, each, of: PhantomData }
    }
}

/// A field is missing.
pub fn missing(field: &str) -> DecodeCause {
    DecodeCause::Malformed { column: 1, reason: format!("missing field `{field}`") }
}

/// A value is none that the venue documents.
pub fn unknown_value(field: &str, value: &str) -> DecodeCause {
    DecodeCause::Malformed { column: 1, reason: format!("unknown {field} {value:?}") }
}

/// What serde_json says of a text that begins behind so many bytes of the frame.
#[cold]
fn malformed(error: &serde_json::Error, text: &str, start: usize) -> DecodeCause {
    // It ends its messages with the place, which is told apart here.
    let place = format!(" at line {} column {}", error.line(), error.column());
    let reason = error.to_string();
    let reason = reason.strip_suffix(&place).unwrap_or(&reason).to_owned();
    // A frame is one line to whoever is told; its bytes are counted through.
    let lines = text.split_inclusive('\n').take(error.line().saturating_sub(1));
    let before: usize = lines.map(str::len).sum();
    DecodeCause::Malformed { column: start + before + error.column().max(1), reason }
}

/// Whoever takes an object's fields as they come.
pub trait Fields<'de> {
    /// Reads the value of the field with this name, or passes it over by [`skip`].
    ///
    /// # Errors
    ///
    /// If the value is not what it should be.
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error>;
}

/// Whoever reads the data of a frame, which are of a channel that the frame names.
pub trait Data<'de> {
    /// How the data of this channel are read; `None` if they are not.
    fn of(&mut self, channel: &str) -> Option<impl DeserializeSeed<'de, Value = ()>>;
}

/// Passes the value of a field over.
///
/// # Errors
///
/// If it is no JSON.
#[inline]
pub fn skip<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<IgnoredAny>().map(drop)
}

/// Reads an object, field by field.
#[derive(Debug)]
pub struct Object<'f, F>(pub &'f mut F);

impl<'de, F: Fields<'de>> DeserializeSeed<'de> for Object<'_, F> {
    type Value = ();

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: Fields<'de>> Visitor<'de> for Object<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key_seed(Name)? {
            self.0.field(&name, &mut map)?;
        }
        Ok(())
    }
}

/// A field's name, as it stands unless a character of it is escaped.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    #[inline]
    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

/// Reads an array: what [`FrameText::each`] answers.
pub struct Each<'f, 'a, T, F> {
    frame: &'f FrameText<'a>,
    each: F,
    of: PhantomData<T>,
}

impl<'de, T, F> DeserializeSeed<'de> for Each<'_, '_, T, F>
where
    T: Deserialize<'de>,
    F: FnMut(T) -> Result<(), DecodeCause>,
{
    type Value = ();

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T, F> Visitor<'de> for Each<'_, '_, T, F>
where
    T: Deserialize<'de>,
    F: FnMut(T) -> Result<(), DecodeCause>,
{
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(mut self, mut array: A) -> Result<(), A::Error> {
        while let Some(element) = array.next_element()? {
            (self.each)(element).map_err(|cause| self.frame.refuse(cause))?;
        }
        Ok(())
    }
}

/// Whoever takes an array's elements as they come.
pub trait Elements<'de> {
    /// Reads the next element; `false` if there is none.
    ///
    /// # Errors
    ///
    /// If the element is not what it should be.
    fn element<A: SeqAccess<'de>>(&mut self, array: &mut A) -> Result<bool, A::Error>;
}

/// Reads an array, element by element.
#[derive(Debug)]
pub struct Array<'e, E>(pub &'e mut E);

impl<'de, E: Elements<'de>> DeserializeSeed<'de> for Array<'_, E> {
    type Value = ();

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, E: Elements<'de>> Visitor<'de> for Array<'_, E> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<(), A::Error> {
        while self.0.element(&mut array)? {}
        Ok(())
    }
}

/// Reads an array of levels, each `[price, quantity, ..]` as texts, into one side of a book. A price
/// beyond the range of [`Price`] is passed over: such offers stand in real books, and nobody trades
/// at them.
#[derive(Debug)]
pub struct LevelsInto<'b>(pub &'b mut Levels);

impl<'de> DeserializeSeed<'de> for LevelsInto<'_> {
    type Value = ();

    #[inline]
    fn deserialize<D: Deserializer<'de>>(mut self, deserializer: D) -> Result<(), D::Error> {
        Array(&mut self).deserialize(deserializer)
    }
}

impl<'de> Elements<'de> for LevelsInto<'_> {
    #[inline]
    fn element<A: SeqAccess<'de>>(&mut self, array: &mut A) -> Result<bool, A::Error> {
        let Some(TextLevel(price, quantity)) = array.next_element()? else { return Ok(false) };
        if let LevelPrice(Some(price)) = price {
            self.0.set(Level { price, quantity });
        }
        Ok(true)
    }
}

/// `[price, quantity, ..]`.
struct TextLevel(LevelPrice, Quantity);

impl<'de> Deserialize<'de> for TextLevel {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts;

        impl<'de> Visitor<'de> for Parts {
            type Value = TextLevel;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("[price, quantity]")
            }

            #[inline]
            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<TextLevel, A::Error> {
                let length = |have: usize| A::Error::invalid_length(have, &self);
                let price = array.next_element()?.ok_or_else(|| length(0))?;
                let LevelQuantity(quantity) = array.next_element()?.ok_or_else(|| length(1))?;
                while array.next_element::<IgnoredAny>()?.is_some() {}
                Ok(TextLevel(price, quantity))
            }
        }

        deserializer.deserialize_seq(Parts)
    }
}

/// A level's price as text; `None` if it is beyond the range of [`Price`].
#[derive(Clone, Copy, Debug)]
pub struct LevelPrice(pub Option<Price>);

impl FromStr for LevelPrice {
    type Err = ParseDecimalError;

    #[inline]
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(price) => Ok(Self(Some(price))),
            Err(ParseDecimalError::TooLarge { .. }) => Ok(Self(None)),
            Err(error) => Err(error),
        }
    }
}

impl<'de> Deserialize<'de> for LevelPrice {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        decimal(deserializer)
    }
}

/// How much stands at a level, or was traded in a day, as a decimal. Beyond the range of [`Quantity`], which the cheapest coins
/// reach, it is the most there is: one such level must not cost the frame.
#[derive(Clone, Copy, Debug)]
pub struct LevelQuantity(pub Quantity);

impl LevelQuantity {
    /// The most there is.
    pub const MOST: Quantity = Quantity::from_units(u64::MAX);
}

impl FromStr for LevelQuantity {
    type Err = ParseDecimalError;

    #[inline]
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(quantity) => Ok(Self(quantity)),
            Err(ParseDecimalError::TooLarge { .. }) => Ok(Self(Self::MOST)),
            Err(error) => Err(error),
        }
    }
}

impl<'de> Deserialize<'de> for LevelQuantity {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        decimal(deserializer)
    }
}

/// A value that is written as text: a decimal, or a whole number.
#[derive(Clone, Copy, Debug)]
pub struct Decimal<T>(pub T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Decimal<T> {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        decimal(deserializer).map(Self)
    }
}

/// Reads a value that is written as text, for `#[serde(deserialize_with)]`.
///
/// # Errors
///
/// If it is no text, or not of the value's form.
#[inline]
pub fn decimal<'de, D: Deserializer<'de>, T: FromStr<Err: fmt::Display>>(
    deserializer: D,
) -> Result<T, D::Error> {
    struct Text<T>(PhantomData<T>);

    impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Text<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a decimal as text")
        }

        #[inline]
        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(|error| E::custom(format_args!("{text:?}: {error}")))
        }
    }

    deserializer.deserialize_str(Text(PhantomData))
}

/// A value whose digits are not a text, read exactly as they stand.
#[derive(Clone, Copy, Debug)]
pub struct Bare<T>(pub T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Bare<T> {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        bare(deserializer).map(Self)
    }
}

/// Reads a value whose digits are not a text exactly as they stand, for `#[serde(deserialize_with)]`.
///
/// # Errors
///
/// If its digits are not of the value's form.
#[inline]
pub fn bare<'de, D: Deserializer<'de>, T: FromStr<Err: fmt::Display>>(
    deserializer: D,
) -> Result<T, D::Error> {
    let text = <&RawValue>::deserialize(deserializer)?.get();
    text.parse().map_err(|error| D::Error::custom(format_args!("{text:?}: {error}")))
}

/// A moment that is written as [`parse_utc`] reads it.
#[derive(Clone, Copy, Debug)]
pub struct Utc(pub Timestamp);

impl<'de> Deserialize<'de> for Utc {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        utc(deserializer).map(Self)
    }
}

/// Reads a moment as [`parse_utc`] does, for `#[serde(deserialize_with)]`.
///
/// # Errors
///
/// If it is no text, or none of that form.
#[inline]
pub fn utc<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    struct Moment;

    impl Visitor<'_> for Moment {
        type Value = Timestamp;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a time as 2026-08-24T22:34:13.793075885Z")
        }

        #[inline]
        fn visit_str<E: Error>(self, text: &str) -> Result<Timestamp, E> {
            parse_utc(text).ok_or_else(|| E::custom(format_args!("{text:?} is no time in UTC")))
        }
    }

    deserializer.deserialize_str(Moment)
}

/// A text for people, in which characters may be escaped.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Message<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// A book, leased when the first level comes.
pub struct LazyBook {
    pool: Pool<Book>,
    lease: Option<Lease<Book>>,
}

impl LazyBook {
    /// Nothing leased yet.
    pub const fn new(pool: Pool<Book>) -> Self {
        Self { pool, lease: None }
    }

    /// The book, leased now if it was not.
    pub fn get(&mut self) -> &mut Book {
        self.lease.get_or_insert_with(|| self.pool.lease_or_heap())
    }

    /// The book that was leased, or an empty one.
    pub fn into_lease(self) -> Lease<Book> {
        self.lease.unwrap_or_else(|| self.pool.lease_or_heap())
    }
}

#[cfg(test)]
mod tests;
