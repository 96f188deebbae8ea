//! What the adapters of venues that speak JSON share (feature `json`): frames are read where they
//! stand, with text borrowed, numbers read exactly from their decimal text, and levels put straight
//! into a book. Nothing here allocates except to say what is wrong.

use std::{fmt, marker::PhantomData, str::FromStr};

use meltica_event::{Book, Level, Levels, ParseDecimalError, Price, Timestamp};
use meltica_recycler::{Lease, Pool};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, SeqAccess, Visitor},
};

use crate::{DecodeCause, parse_utc};

/// The frame as text.
///
/// # Errors
///
/// [`DecodeCause::Malformed`] where it is not UTF-8.
pub fn text_of(frame: &[u8]) -> Result<&str, DecodeCause> {
    std::str::from_utf8(frame).map_err(|error| DecodeCause::Malformed {
        column: error.valid_up_to() + 1,
        reason: "not UTF-8".to_owned(),
    })
}

/// Reads the whole text into what the seed stands for.
///
/// # Errors
///
/// [`DecodeCause::Malformed`] if it is not that, or something follows it.
pub fn read_into<'a, S: DeserializeSeed<'a>>(
    seed: S,
    text: &'a str,
) -> Result<S::Value, DecodeCause> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = seed.deserialize(&mut reader).map_err(malformed)?;
    reader.end().map_err(malformed)?;
    Ok(read)
}

/// Reads the whole text.
///
/// # Errors
///
/// [`DecodeCause::Malformed`] if it is not that, or something follows it.
pub fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, DecodeCause> {
    read_into(PhantomData, text)
}

/// Reads a part of a frame, and tells columns as those of the frame.
///
/// # Errors
///
/// [`DecodeCause::Malformed`] as [`read_into`].
pub fn read_part<'a, S: DeserializeSeed<'a>>(
    seed: S,
    part: &'a str,
    frame: &str,
) -> Result<S::Value, DecodeCause> {
    read_into(seed, part).map_err(|cause| match cause {
        DecodeCause::Malformed { column, reason } => {
            let start = part.as_ptr().addr().wrapping_sub(frame.as_ptr().addr());
            let start = if start <= frame.len() { start } else { 0 };
            DecodeCause::Malformed { column: column + start, reason }
        }
        other => other,
    })
}

/// A field is missing.
pub fn missing(field: &str) -> DecodeCause {
    DecodeCause::Malformed { column: 1, reason: format!("missing field `{field}`") }
}

/// A value is none that the venue documents.
pub fn unknown_value(field: &str, value: &str) -> DecodeCause {
    DecodeCause::Malformed { column: 1, reason: format!("unknown {field} {value:?}") }
}

fn malformed(error: serde_json::Error) -> DecodeCause {
    // serde_json ends its messages with the place, which is told apart here.
    let place = format!(" at line {} column {}", error.line(), error.column());
    let reason = error.to_string();
    let reason = reason.strip_suffix(&place).unwrap_or(&reason).to_owned();
    DecodeCause::Malformed { column: error.column().max(1), reason }
}

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

/// Reads an array of levels, each `[price, quantity, ..]` as texts, into one side of a book. A price
/// beyond the range of [`Price`] is passed over: such offers stand in real books, and nobody trades
/// at them.
pub struct LevelsInto<'b>(pub &'b mut Levels);

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
        while let Some(TextLevel(level)) = levels.next_element()? {
            if let Some(level) = level {
                self.0.set(level);
            }
        }
        Ok(())
    }
}

/// `[price, quantity, ..]`; `None` if the price is beyond all range.
struct TextLevel(Option<Level>);

impl<'de> Deserialize<'de> for TextLevel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Array;

        impl<'de> Visitor<'de> for Array {
            type Value = TextLevel;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("[price, quantity]")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<TextLevel, A::Error> {
                let length = |have: usize| A::Error::invalid_length(have, &self);
                let LevelPrice(price) = array.next_element()?.ok_or_else(|| length(0))?;
                let Decimal(quantity) = array.next_element()?.ok_or_else(|| length(1))?;
                while array.next_element::<IgnoredAny>()?.is_some() {}
                Ok(TextLevel(price.map(|price| Level { price, quantity })))
            }
        }

        deserializer.deserialize_seq(Array)
    }
}

/// A level's price as text; `None` if it is beyond the range of [`Price`].
#[derive(Clone, Copy, Debug)]
pub struct LevelPrice(pub Option<Price>);

impl FromStr for LevelPrice {
    type Err = ParseDecimalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(price) => Ok(Self(Some(price))),
            Err(ParseDecimalError::TooLarge { .. }) => Ok(Self(None)),
            Err(error) => Err(error),
        }
    }
}

impl<'de> Deserialize<'de> for LevelPrice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        decimal(deserializer)
    }
}

/// A value that is written as text: a decimal, or a whole number.
#[derive(Clone, Copy, Debug)]
pub struct Decimal<T>(pub T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Decimal<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        decimal(deserializer).map(Self)
    }
}

/// Reads a value that is written as text, for `#[serde(deserialize_with)]`.
///
/// # Errors
///
/// If it is no text, or not of the value's form.
pub fn decimal<'de, D: Deserializer<'de>, T: FromStr<Err: fmt::Display>>(
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

/// Reads a moment as [`parse_utc`] does, for `#[serde(deserialize_with)]`.
///
/// # Errors
///
/// If it is no text, or none of that form.
pub fn utc<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    struct Moment;

    impl Visitor<'_> for Moment {
        type Value = Timestamp;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a time as 2026-08-24T22:34:13.793075885Z")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Timestamp, E> {
            parse_utc(text).ok_or_else(|| E::custom(format_args!("{text:?} is no time in UTC")))
        }
    }

    deserializer.deserialize_str(Moment)
}
