//! What the adapters of venues that speak JSON share: a reader that takes a frame apart where it stands,
//! in one pass.
//!
//! An adapter knows what it is looking for. So a [`Reader`] builds nothing: it hands over the keys of an
//! object as they come, numbers go from their digits straight into their types, levels straight into a
//! book, and what nobody asks for is passed over (only its brackets and quotes are looked at). What comes
//! too early to be understood is passed over, and read later from where it began. A general parser into
//! borrowed structs, which was tried first, needed two to three times as long.
//!
//! Nothing here allocates, except to say what is wrong.

use std::{borrow::Cow, fmt::Display, str::FromStr};

use meltica_event::{Level, Levels, ParseDecimalError, Price, Quantity, Timestamp};

use crate::{DecodeCause, parse_utc};

/// Reads a frame value by value. Whatever is wrong is told with its column in the frame.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    /// At the beginning of a frame.
    pub const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// In the middle of a frame, where a value begins: see [`place`](Self::place).
    pub const fn from(text: &'a str, place: usize) -> Self {
        Self { text, at: place }
    }

    /// Passes a value over, and answers where it begins.
    ///
    /// # Errors
    ///
    /// [`DecodeCause::Malformed`] as [`skip`](Self::skip).
    pub fn place(&mut self) -> Result<usize, DecodeCause> {
        self.peek();
        let place = self.at;
        self.skip().map(|()| place)
    }

    /// Hands over an object's keys (escapes and all) as they come. For each, `field` reads or skips the
    /// value.
    ///
    /// # Errors
    ///
    /// What `field` answers; [`DecodeCause::Malformed`] if there is no object, or it does not end.
    #[inline]
    pub fn object(
        &mut self,
        mut field: impl FnMut(&mut Self, &'a str) -> Result<(), DecodeCause>,
    ) -> Result<(), DecodeCause> {
        if !self.take(b'{') {
            return Err(self.wrong("expected an object"));
        }
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            let key = self.text()?;
            if !self.take(b':') {
                return Err(self.wrong("expected `:`"));
            }
            field(self, key)?;
            if !self.take(b',') {
                break;
            }
        }
        if self.take(b'}') { Ok(()) } else { Err(self.wrong("expected `,` or `}`")) }
    }

    /// Has `element` read or skip each element of an array.
    ///
    /// # Errors
    ///
    /// What `element` answers; [`DecodeCause::Malformed`] if there is no array, or it does not end.
    #[inline]
    pub fn array(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), DecodeCause>,
    ) -> Result<(), DecodeCause> {
        if !self.take(b'[') {
            return Err(self.wrong("expected an array"));
        }
        if self.take(b']') {
            return Ok(());
        }
        loop {
            element(self)?;
            if !self.take(b',') {
                break;
            }
        }
        if self.take(b']') { Ok(()) } else { Err(self.wrong("expected `,` or `]`")) }
    }

    /// The frame ends here.
    ///
    /// # Errors
    ///
    /// [`DecodeCause::Malformed`] if anything but blanks follows.
    pub fn end(&mut self) -> Result<(), DecodeCause> {
        if self.peek().is_none() { Ok(()) } else { Err(self.wrong("trailing characters")) }
    }

    /// A text as it stands in the frame, escapes and all: names have none.
    ///
    /// # Errors
    ///
    /// [`DecodeCause::Malformed`] if it is no text.
    #[inline]
    pub fn text(&mut self) -> Result<&'a str, DecodeCause> {
        if !self.take(b'"') {
            return Err(self.wrong("expected a text"));
        }
        let start = self.at;
        self.text_end()?;
        Ok(&self.text[start..self.at - 1])
    }

    /// A text for people, in which characters may be escaped.
    ///
    /// # Errors
    ///
    /// [`DecodeCause::Malformed`] if it is no text.
    pub fn message(&mut self) -> Result<Cow<'a, str>, DecodeCause> {
        let text = self.text()?;
        Ok(if text.contains('\\') { Cow::Owned(unescaped(text)) } else { Cow::Borrowed(text) })
    }

    /// `true` or `false`.
    ///
    /// # Errors
    ///
    /// [`DecodeCause::Malformed`] if it is neither.
    pub fn boolean(&mut self) -> Result<bool, DecodeCause> {
        self.peek();
        let rest = &self.text[self.at..];
        let found = [("true", true), ("false", false)];
        match found.into_iter().find(|(name, _)| rest.starts_with(name)) {
            Some((name, value)) => {
                self.at += name.len();
                Ok(value)
            }
            None => Err(self.wrong("expected true or false")),
        }
    }

    /// The digits of a number that is not a text.
    ///
    /// # Errors
    ///
    /// [`DecodeCause::Malformed`] if there is no number.
    #[inline]
    pub fn number(&mut self) -> Result<&'a str, DecodeCause> {
        self.peek();
        let rest = &self.text.as_bytes()[self.at..];
        let is_of_number =
            |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E');
        let len = rest.iter().position(|byte| !is_of_number(byte)).unwrap_or(rest.len());
        if len == 0 {
            return Err(self.wrong("expected a number"));
        }
        let start = self.at;
        self.at += len;
        Ok(&self.text[start..self.at])
    }

    /// A value whose digits are not a text.
    ///
    /// # Errors
    ///
    /// [`DecodeCause::Malformed`] if there is no number, or not one of this type.
    #[inline]
    pub fn bare<T: FromStr<Err: Display>>(&mut self) -> Result<T, DecodeCause> {
        let text = self.number()?;
        text.parse().map_err(|error| self.unfit(text, &error))
    }

    /// A value that is written as a text.
    ///
    /// # Errors
    ///
    /// [`DecodeCause::Malformed`] if there is no text, or it is not of the type's form.
    #[inline]
    pub fn quoted<T: FromStr<Err: Display>>(&mut self) -> Result<T, DecodeCause> {
        let text = self.text()?;
        text.parse().map_err(|error| self.unfit(text, &error))
    }

    /// A moment that is written as [`parse_utc`] reads it.
    ///
    /// # Errors
    ///
    /// [`DecodeCause::Malformed`] if there is no text, or it is no such moment.
    pub fn utc(&mut self) -> Result<Timestamp, DecodeCause> {
        let text = self.text()?;
        parse_utc(text).ok_or_else(|| self.unfit(text, &"this is no time in UTC"))
    }

    /// A price that is written as a text.
    ///
    /// # Errors
    ///
    /// [`DecodeCause::Malformed`] if it is no price that fits.
    #[inline]
    pub fn price(&mut self) -> Result<Price, DecodeCause> {
        match self.short_price() {
            Some(price) => Ok(price),
            None => self.quoted(),
        }
    }

    /// A quantity that is written as a text.
    ///
    /// # Errors
    ///
    /// [`DecodeCause::Malformed`] if it is no quantity that fits.
    #[inline]
    pub fn quantity(&mut self) -> Result<Quantity, DecodeCause> {
        match self.units(8) {
            Some(units) => Ok(Quantity::from_units(units)),
            None => self.quoted(),
        }
    }

    /// A level's price that is written as a text; `None` if it is beyond the range of [`Price`]: such
    /// offers stand in real books, and nobody trades at them.
    ///
    /// # Errors
    ///
    /// [`DecodeCause::Malformed`] if it is no decimal, or too fine.
    #[inline]
    pub fn level_price(&mut self) -> Result<Option<Price>, DecodeCause> {
        if let Some(price) = self.short_price() {
            return Ok(Some(price));
        }
        let text = self.text()?;
        match text.parse() {
            Ok(price) => Ok(Some(price)),
            Err(ParseDecimalError::TooLarge { .. }) => Ok(None),
            Err(error) => Err(self.unfit(text, &error)),
        }
    }

    /// An array of levels, each `[price, quantity, ..]` as texts, into one side of a book. A price beyond
    /// all range is passed over.
    ///
    /// # Errors
    ///
    /// [`DecodeCause::Malformed`] if it is no such array.
    pub fn levels(&mut self, side: &mut Levels) -> Result<(), DecodeCause> {
        self.array(|reader| {
            if !reader.take(b'[') {
                return Err(reader.wrong("expected [price, quantity]"));
            }
            let price = reader.level_price()?;
            if !reader.take(b',') {
                return Err(reader.wrong("expected a quantity"));
            }
            let quantity = reader.quantity()?;
            while reader.take(b',') {
                reader.skip()?;
            }
            if !reader.take(b']') {
                return Err(reader.wrong("expected `,` or `]`"));
            }
            if let Some(price) = price {
                side.set(Level { price, quantity });
            }
            Ok(())
        })
    }

    /// Passes a value over, whatever it is.
    ///
    /// # Errors
    ///
    /// [`DecodeCause::Malformed`] if there is none, or its brackets or quotes do not end.
    pub fn skip(&mut self) -> Result<(), DecodeCause> {
        self.peek();
        let start = self.at;
        let mut depth = 0u32;
        loop {
            let Some(byte) = self.text.as_bytes().get(self.at) else {
                return Err(self.wrong("expected the end of a value"));
            };
            match byte {
                b'"' => {
                    self.at += 1;
                    self.text_end()?;
                    if depth == 0 {
                        return Ok(());
                    }
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth > 1 => depth -= 1,
                b'}' | b']' if depth == 1 => {
                    self.at += 1;
                    return Ok(());
                }
                b',' | b'}' | b']' if depth == 0 && self.at > start => return Ok(()),
                b',' | b'}' | b']' if depth == 0 => return Err(self.wrong("expected a value")),
                _ => {}
            }
            self.at += 1;
        }
    }

    /// What is wrong, here.
    pub fn wrong(&self, reason: &str) -> DecodeCause {
        let reason = match self.text.as_bytes().get(self.at) {
            Some(_) => reason.to_owned(),
            None => format!("{reason}, but the frame ends"),
        };
        DecodeCause::Malformed { column: self.at + 1, reason }
    }

    /// The text that was just read is not what it should be.
    #[cold]
    fn unfit(&self, text: &str, error: &dyn Display) -> DecodeCause {
        let column = text.as_ptr().addr() - self.text.as_ptr().addr() + 1;
        DecodeCause::Malformed { column, reason: format!("{text:?}: {error}") }
    }

    /// A price of the usual form, as [`units`](Self::units).
    #[inline]
    fn short_price(&mut self) -> Option<Price> {
        let before = self.at;
        let units = i64::try_from(self.units(9)?).ok();
        if units.is_none() {
            self.at = before;
        }
        units.map(Price::from_units)
    }

    /// A decimal of the usual form, written as a text, in units of 10^-`digits`; `None`, and still before
    /// it, if it is of another: then whoever asks reads it the long way, and says what is wrong with it.
    #[inline]
    fn units(&mut self, digits: usize) -> Option<u64> {
        if self.peek() != Some(b'"') {
            return None;
        }
        let start = self.at + 1;
        let (mut value, mut point, mut len) = (0u64, None, 0);
        for byte in &self.text.as_bytes()[start..] {
            match byte {
                b'0'..=b'9' => value = value.wrapping_mul(10).wrapping_add(u64::from(byte - b'0')),
                b'.' if point.is_none() && len > 0 => point = Some(len),
                b'"' => break,
                _ => return None,
            }
            len += 1;
        }
        // Nineteen digits are always fewer than 2^64; a point is one character more.
        let scale = point.map_or(0, |point| len - point - 1);
        if len == 0 || len > 19 || scale > digits || (scale == 0 && point.is_some()) {
            return None;
        }
        let units = value.checked_mul(POWERS[digits - scale])?;
        // The loop may have run out of frame in place of meeting the quote.
        if self.text.as_bytes().get(start + len) != Some(&b'"') {
            return None;
        }
        self.at = start + len + 1;
        Some(units)
    }

    /// The next byte that is no blank.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.as_bytes().get(self.at)?;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Goes behind this byte, if it is next.
    #[inline]
    fn take(&mut self, byte: u8) -> bool {
        let next = self.peek() == Some(byte);
        self.at += usize::from(next);
        next
    }

    /// Goes behind the closing quote of a text whose opening one was taken.
    #[inline]
    fn text_end(&mut self) -> Result<(), DecodeCause> {
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.at += 2,
                Some(0..=0x1f) => return Err(self.wrong("a control character in a text")),
                Some(_) => self.at += 1,
                None => {
                    self.at = bytes.len();
                    return Err(self.wrong("expected the end of a text"));
                }
            }
        }
    }
}

const POWERS: [u64; 10] =
    [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];

/// The text with its escapes resolved, for people to read; one that stands for nothing stays as it is.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let escape = &rest[at..];
        let code = escape.get(2..6).and_then(|code| u32::from_str_radix(code, 16).ok());
        let (char, len) = match escape.as_bytes().get(1) {
            Some(b'n') => ('\n', 2),
            Some(b't') => ('\t', 2),
            Some(b'r') => ('\r', 2),
            Some(b'u') => match code.and_then(char::from_u32) {
                Some(char) => (char, 6),
                None => ('\\', 1),
            },
            Some(byte @ (b'"' | b'\\' | b'/')) => (char::from(*byte), 2),
            _ => ('\\', 1),
        };
        out.push(char);
        rest = &escape[len..];
    }
    out + rest
}

#[cfg(test)]
mod tests;
