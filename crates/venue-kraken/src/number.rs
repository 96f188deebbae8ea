use std::{cmp::Ordering, str::FromStr};

use meltica_event::{ParseDecimalError, Price, Quantity};

/// The digits after the point that a [`Price`] keeps.
const PRICE_DIGITS: u32 = 9;
/// The digits after the point that a [`Quantity`] keeps.
const QUANTITY_DIGITS: u32 = 8;

/// A decimal as it was written: `0.00005100` is 5100 with eight digits after the point, and not equal
/// to `0.000051` in print, though it is in value. Never negative, at most nineteen digits.
#[derive(Clone, Copy, Debug)]
pub struct Number {
    digits: u64,
    scale: u8,
}

impl Number {
    /// All its digits, without the point and without leading zeros: what Kraken's checksum runs over.
    pub const fn digits(self) -> u64 {
        self.digits
    }

    /// Whether its value is zero.
    pub const fn is_zero(self) -> bool {
        self.digits == 0
    }

    /// The same value as a price; `None` if it is beyond the range of prices.
    ///
    /// # Errors
    ///
    /// [`ParseDecimalError::TooFine`] if it has more digits than prices keep.
    pub fn price(self) -> Result<Option<Price>, ParseDecimalError> {
        let units = self.units(PRICE_DIGITS)?;
        Ok(units.and_then(|units| i64::try_from(units).ok()).map(Price::from_units))
    }

    /// The same value as a quantity.
    ///
    /// # Errors
    ///
    /// [`ParseDecimalError`] if it has more digits than quantities keep, or is beyond their range.
    pub fn quantity(self) -> Result<Quantity, ParseDecimalError> {
        let units = self.units(QUANTITY_DIGITS)?;
        units.map(Quantity::from_units).ok_or(ParseDecimalError::TooLarge { at: 0 })
    }

    /// In units of 10^-`digits`; `None` if they are too many.
    fn units(self, digits: u32) -> Result<Option<u64>, ParseDecimalError> {
        let scale = u32::from(self.scale);
        if let Some(missing) = digits.checked_sub(scale) {
            return Ok(10u64.checked_pow(missing).and_then(|by| self.digits.checked_mul(by)));
        }
        let by = 10u64.checked_pow(scale - digits).unwrap_or(u64::MAX);
        if self.digits % by != 0 {
            return Err(ParseDecimalError::TooFine { at: 0, digits });
        }
        Ok(Some(self.digits / by))
    }
}

impl FromStr for Number {
    type Err = ParseDecimalError;

    fn from_str(text: &str) -> Result<Self, ParseDecimalError> {
        let bytes = text.as_bytes();
        let (mut digits, mut point) = (0u64, None);
        for (at, byte) in bytes.iter().enumerate() {
            match byte {
                // Nineteen digits are always fewer than 2^64.
                b'0'..=b'9' if at < 19 => digits = digits * 10 + u64::from(byte - b'0'),
                b'0'..=b'9' => {
                    let more = digits.checked_mul(10);
                    let more = more.and_then(|tens| tens.checked_add(u64::from(byte - b'0')));
                    digits = more.ok_or(ParseDecimalError::TooLarge { at })?;
                }
                b'.' if point.is_none() && at > 0 => point = Some(at),
                _ => return Err(ParseDecimalError::NotADecimal { at }),
            }
        }
        let scale = point.map_or(0, |point| bytes.len() - point - 1);
        if bytes.is_empty() || point.is_some_and(|_| scale == 0) {
            return Err(ParseDecimalError::DigitMissing { at: bytes.len() });
        }
        // Zeros after the point are digits that a u64 does not mind, so that there may be many.
        let scale =
            u8::try_from(scale).map_err(|_| ParseDecimalError::TooLarge { at: bytes.len() - 1 })?;
        Ok(Self { digits, scale })
    }
}

/// By value, however it is written.
impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.scale == other.scale {
            return self.digits.cmp(&other.digits);
        }
        let (less, more) = if self.scale < other.scale { (self, other) } else { (other, self) };
        // Beyond 10^19 the one with fewer digits after the point is greater, unless it is zero.
        let by = 10u128.checked_pow(u32::from(more.scale - less.scale));
        let scaled = by.and_then(|by| by.checked_mul(u128::from(less.digits)));
        let ordering = match scaled {
            Some(scaled) => scaled.cmp(&u128::from(more.digits)),
            None if less.is_zero() => 0.cmp(&more.digits),
            None => Ordering::Greater,
        };
        if self.scale < other.scale { ordering } else { ordering.reverse() }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

#[cfg(test)]
mod tests;
