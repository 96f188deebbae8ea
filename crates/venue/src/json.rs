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

/// Reads an array within a frame element by element; `each` may refuse one with a cause of its own.
///
/// # Errors
///
/// As `each`; [`DecodeCause::Malformed`] if it is no array of these.
pub fn elements<'a, T: Deserialize<'a>>(
    data: &'a str,
    text: &str,
    each: &mut dyn FnMut(T) -> Result<(), DecodeCause>,
) -> Result<(), DecodeCause> {
    struct Each<'e, T> {
        each: &'e mut dyn FnMut(T) -> Result<(), DecodeCause>,
        cause: &'e mut Option<DecodeCause>,
        of: PhantomData<T>,
    }

    impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Each<'_, T> {
        type Value = ();

        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
            deserializer.deserialize_seq(self)
        }
    }

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Each<'_, T> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<(), A::Error> {
            while let Some(element) = array.next_element()? {
                if let Err(cause) = (self.each)(element) {
                    *self.cause = Some(cause);
                    return Err(A::Error::custom("told apart"));
                }
            }
            Ok(())
        }
    }

    let mut cause = None;
    let seed = Each { each, cause: &mut cause, of: PhantomData };
    read_part(seed, data, text).map_err(|error| cause.unwrap_or(error))
}

/// The fields of the object that a frame is: each key with its value as it stands, not read yet.
///
/// What a frame is about may stand behind what it says, and serde_json keeps a value for later only at
/// the price of an allocation (it stacks brackets). This finds where values end, and allocates nothing.
/// A value is checked when it is read; of one that nobody reads only its brackets and quotes are.
pub fn fields(text: &str) -> Fields<'_> {
    Fields { text, at: 0, state: Place::Start }
}

/// What [`fields`] answers: keys (between their quotes, escapes and all) and values, or what is wrong.
pub struct Fields<'a> {
    text: &'a str,
    at: usize,
    state: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    Inside,
    End,
}

impl<'a> Fields<'a> {
    fn malformed(&mut self, reason: &str) -> DecodeCause {
        self.state = Place::End;
        DecodeCause::Malformed { column: self.at + 1, reason: reason.to_owned() }
    }

    /// The next byte that is no blank.
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(rest.len());
        self.text.as_bytes().get(self.at).copied()
    }

    /// Goes behind this byte, if it is next.
    fn take(&mut self, byte: u8) -> bool {
        let next = self.peek() == Some(byte);
        self.at += usize::from(next);
        next
    }

    /// Goes behind the closing quote of a text whose opening one was taken.
    fn text_end(&mut self) -> Option<()> {
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            let found = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
            self.at += found + 1;
            if rest[found] == b'"' {
                return Some(());
            }
            self.at += usize::from(self.at < self.text.len());
        }
    }

    /// Goes behind a value.
    fn value_end(&mut self) -> Option<()> {
        let mut depth = 0;
        loop {
            match *self.text.as_bytes().get(self.at)? {
                b'"' => {
                    self.at += 1;
                    self.text_end()?;
                    if depth == 0 {
                        return Some(());
                    }
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth == 0 => return Some(()),
                b'}' | b']' => {
                    depth -= 1;
                    if depth == 0 {
                        self.at += 1;
                        return Some(());
                    }
                }
                b',' if depth == 0 => return Some(()),
                _ => {}
            }
            self.at += 1;
        }
    }

    fn field(&mut self) -> Result<Option<(&'a str, &'a str)>, DecodeCause> {
        if self.state == Place::Start {
            if !self.take(b'{') {
                return Err(self.malformed("expected an object"));
            }
            self.state = Place::Inside;
            if self.take(b'}') {
                return self.end();
            }
        } else if self.take(b'}') {
            return self.end();
        } else if !self.take(b',') {
            return Err(self.malformed("expected `,` or `}`"));
        }
        if !self.take(b'"') {
            return Err(self.malformed("expected a key"));
        }
        let start = self.at;
        self.text_end().ok_or_else(|| self.malformed("EOF while looking for the end of a key"))?;
        let key = &self.text[start..self.at - 1];
        if !self.take(b':') {
            return Err(self.malformed("expected `:`"));
        }
        self.peek();
        let start = self.at;
        self.value_end()
            .ok_or_else(|| self.malformed("EOF while looking for the end of a value"))?;
        let value = self.text[start..self.at].trim_ascii_end();
        if value.is_empty() {
            return Err(self.malformed("expected a value"));
        }
        Ok(Some((key, value)))
    }

    /// Nothing but blanks may follow.
    fn end(&mut self) -> Result<Option<(&'a str, &'a str)>, DecodeCause> {
        if self.peek().is_some() {
            return Err(self.malformed("trailing characters"));
        }
        self.state = Place::End;
        Ok(None)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(&'a str, &'a str), DecodeCause>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == Place::End {
            return None;
        }
        self.field().transpose()
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

#[cfg(test)]
mod tests;
