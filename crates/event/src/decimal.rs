use std::{fmt, str::FromStr};

/// A price in units of 10⁻⁹ of the quote currency, from −9.22 × 10⁹ to 9.22 × 10⁹ of it.
///
/// Integers, so that two venues' equal prices compare equal. Nine digits cover the finest tick of
/// the venues that we decode; a finer one is an error, never rounded. Negative prices exist
/// (spreads, and oil in 2020).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Price(i64);

/// A quantity in units of 10⁻⁸ of the base currency, from 0 to 1.84 × 10¹¹ of it.
///
/// Eight digits are the finest lot that spot venues trade (a satoshi), and one digit less than a
/// price leaves room for the tens of billions in which the cheapest coins are quoted. Never
/// negative; zero in a book delta removes the level.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(u64);

const PRICE_DIGITS: u32 = 9;
const QUANTITY_DIGITS: u32 = 8;

impl Price {
    /// A price of zero.
    pub const ZERO: Self = Self(0);

    /// From units of 10⁻⁹.
    pub const fn from_units(units: i64) -> Self {
        Self(units)
    }

    /// In units of 10⁻⁹.
    pub const fn units(self) -> i64 {
        self.0
    }
}

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// From units of 10⁻⁸.
    pub const fn from_units(units: u64) -> Self {
        Self(units)
    }

    /// In units of 10⁻⁸.
    pub const fn units(self) -> u64 {
        self.0
    }

    /// Whether this is nothing: in a delta, that the level is gone.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl FromStr for Price {
    type Err = ParseDecimalError;

    #[inline]
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (negative, magnitude) = parse(text, PRICE_DIGITS)?;
        let units = if negative {
            0i64.checked_sub_unsigned(magnitude)
        } else {
            0i64.checked_add_unsigned(magnitude)
        };
        units.map(Self).ok_or(ParseDecimalError::TooLarge { at: text.len().saturating_sub(1) })
    }
}

impl FromStr for Quantity {
    type Err = ParseDecimalError;

    #[inline]
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match parse(text, QUANTITY_DIGITS)? {
            (true, 1..) => Err(ParseDecimalError::Negative),
            (_, magnitude) => Ok(Self(magnitude)),
        }
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(f, self.0 >= 0, self.0.unsigned_abs(), PRICE_DIGITS)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(f, true, self.0, QUANTITY_DIGITS)
    }
}

impl fmt::Debug for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is not a decimal that fits, and at which byte.
///
/// A decimal is an optional `-`, digits, and optionally a point with digits on both sides of it.
/// No `+`, no exponent, no blanks, no separators: venues do not send them, so they mean that
/// something else is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseDecimalError {
    /// There is no digit where one must be: the text is empty, or begins or ends with its point.
    #[error("a digit is missing at byte {at}")]
    DigitMissing {
        /// Where, from 0.
        at: usize,
    },
    /// A character that a decimal does not have, or a second point.
    #[error("byte {at} is not part of a decimal")]
    NotADecimal {
        /// Where, from 0.
        at: usize,
    },
    /// A digit other than zero beyond the finest unit: refused, not rounded.
    #[error("the digit at byte {at} is beyond the {digits} that are kept")]
    TooFine {
        /// Where, from 0.
        at: usize,
        /// How many digits after the point are kept.
        digits: u32,
    },
    /// A number beyond the type's range.
    #[error("the number is out of range at byte {at}")]
    TooLarge {
        /// Where, from 0.
        at: usize,
    },
    /// A negative quantity.
    #[error("a quantity is never negative")]
    Negative,
}

/// Sign and magnitude of `text` in units of 10^-`digits`.
#[inline]
fn parse(text: &str, digits: u32) -> Result<(bool, u64), ParseDecimalError> {
    match parse_short(text.as_bytes(), digits) {
        Some(units) => Ok((false, units)),
        None => parse_any(text.as_bytes(), digits),
    }
}

/// A decimal as venues write nearly all of theirs: without a sign, and so short that no digit can overflow
/// on the way. `None` if it is another, or none.
#[inline]
fn parse_short(bytes: &[u8], digits: u32) -> Option<u64> {
    // Nineteen digits are always fewer than 2^64; a point is one character more.
    if bytes.is_empty() || bytes.len() > 19 {
        return None;
    }
    let (mut value, mut point) = (0u64, None);
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'0'..=b'9' => value = value * 10 + u64::from(byte - b'0'),
            b'.' if point.is_none() && at > 0 => point = Some(at),
            _ => return None,
        }
    }
    let scale = match point {
        Some(point) if point + 1 == bytes.len() => return None,
        Some(point) => bytes.len() - point - 1,
        None => 0,
    };
    let missing = (digits as usize).checked_sub(scale)?;
    value.checked_mul(POWERS[missing])
}

/// Of ten, as many as a price has digits after its point.
const POWERS: [u64; PRICE_DIGITS as usize + 1] =
    [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];

/// As [`parse`], whatever it is, and with what is wrong with it.
#[cold]
fn parse_any(bytes: &[u8], digits: u32) -> Result<(bool, u64), ParseDecimalError> {
    let negative = bytes.first() == Some(&b'-');
    let first = usize::from(negative);
    let mut magnitude = 0u64;
    // How many digits after the point have been taken; none before the point is met.
    let mut after_point: Option<u32> = None;
    for (at, byte) in bytes.iter().enumerate().skip(first) {
        match byte {
            b'0'..=b'9' => {
                let digit = u64::from(byte - b'0');
                match after_point {
                    Some(taken) if taken == digits => {
                        if digit != 0 {
                            return Err(ParseDecimalError::TooFine { at, digits });
                        }
                        continue;
                    }
                    Some(taken) => after_point = Some(taken + 1),
                    None => {}
                }
                magnitude = magnitude
                    .checked_mul(10)
                    .and_then(|tens| tens.checked_add(digit))
                    .ok_or(ParseDecimalError::TooLarge { at })?;
            }
            b'.' if after_point.is_none() => {
                if at == first {
                    return Err(ParseDecimalError::DigitMissing { at });
                }
                after_point = Some(0);
            }
            _ => return Err(ParseDecimalError::NotADecimal { at }),
        }
    }
    if bytes.len() == first || bytes.last() == Some(&b'.') {
        return Err(ParseDecimalError::DigitMissing { at: bytes.len() });
    }
    let missing = digits - after_point.unwrap_or(0);
    magnitude
        .checked_mul(10u64.pow(missing))
        .map(|units| (negative, units))
        .ok_or(ParseDecimalError::TooLarge { at: bytes.len() - 1 })
}

/// The shortest decimal that parses back to the same units.
fn print(
    f: &mut fmt::Formatter<'_>,
    non_negative: bool,
    magnitude: u64,
    digits: u32,
) -> fmt::Result {
    let scale = 10u64.pow(digits);
    let (whole, mut fraction) = (magnitude / scale, magnitude % scale);
    // 20 digits, a point and as many again hold any u64.
    let mut text = [0u8; 48];
    let mut writer = Cursor { text: &mut text, len: 0 };
    if fraction == 0 {
        fmt::write(&mut writer, format_args!("{whole}"))?;
    } else {
        let mut width = digits as usize;
        while fraction % 10 == 0 {
            fraction /= 10;
            width -= 1;
        }
        fmt::write(&mut writer, format_args!("{whole}.{fraction:0width$}"))?;
    }
    let len = writer.len;
    let printed = std::str::from_utf8(&text[..len]).map_err(|_| fmt::Error)?;
    f.pad_integral(non_negative, "", printed)
}

/// A buffer in place, so that printing a decimal padded to a column allocates nothing.
struct Cursor<'a> {
    text: &'a mut [u8; 48],
    len: usize,
}

impl fmt::Write for Cursor<'_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let end = self.len + piece.len();
        self.text.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(piece.as_bytes());
        self.len = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
