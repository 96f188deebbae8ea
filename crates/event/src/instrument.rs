use std::{fmt, str::FromStr};

use crate::Text;

/// What is traded: a base and a quote currency, and how it is settled.
///
/// One form to parse and to print, upper case: `BTC-USDT` is spot, `BTC-USDT-PERP` a perpetual,
/// `BTC-USDT-20251226` a future that expires on that day. Currencies are 1 to 16 letters and
/// digits. Venues' own spellings (`BTCUSDT`, `XBT/USD`) are the adapters' business.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Instrument {
    /// The currency that a quantity counts.
    pub base: Text<16>,
    /// The currency that a price is in.
    pub quote: Text<16>,
    /// How it is settled.
    pub kind: InstrumentKind,
}

/// How an instrument is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InstrumentKind {
    /// At once, by exchange of the two currencies.
    Spot,
    /// Never: a perpetual future.
    Perpetual,
    /// On a day: a dated future.
    Future {
        /// Year, 1970 to 9999.
        year: u16,
        /// Month, 1 to 12.
        month: u8,
        /// Day, 1 to the month's last.
        day: u8,
    },
}

impl FromStr for Instrument {
    type Err = ParseInstrumentError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('-');
        let mut at = 0;
        let mut currency = |what| {
            let part =
                parts.next().ok_or(ParseInstrumentError::Missing { what, at: text.len() })?;
            let parsed = parse_currency(part, what, at);
            at += part.len() + 1;
            parsed
        };
        let base = currency("base currency")?;
        let quote = currency("quote currency")?;
        let kind = match parts.next() {
            None => InstrumentKind::Spot,
            Some("PERP") => InstrumentKind::Perpetual,
            Some(day) => parse_day(day).ok_or(ParseInstrumentError::BadKind { at })?,
        };
        if parts.next().is_some() {
            return Err(ParseInstrumentError::BadKind { at });
        }
        Ok(Self { base, quote, kind })
    }
}

fn parse_currency(
    part: &str,
    what: &'static str,
    at: usize,
) -> Result<Text<16>, ParseInstrumentError> {
    if part.is_empty() {
        return Err(ParseInstrumentError::Missing { what, at });
    }
    let bad = part.bytes().position(|b| !b.is_ascii_uppercase() && !b.is_ascii_digit());
    if let Some(offset) = bad {
        return Err(ParseInstrumentError::BadCharacter { what, at: at + offset });
    }
    Text::new(part).map_err(|_| ParseInstrumentError::TooLong { what, at })
}

fn parse_day(text: &str) -> Option<InstrumentKind> {
    if text.len() != 8 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let year: u16 = text[..4].parse().ok()?;
    let month: u8 = text[4..6].parse().ok()?;
    let day: u8 = text[6..].parse().ok()?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u8::from(leap),
        _ => return None,
    };
    let exists = year >= 1970 && (1..=days).contains(&day);
    exists.then_some(InstrumentKind::Future { year, month, day })
}

impl fmt::Display for Instrument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.base, self.quote)?;
        match self.kind {
            InstrumentKind::Spot => Ok(()),
            InstrumentKind::Perpetual => f.write_str("-PERP"),
            InstrumentKind::Future { year, month, day } => {
                write!(f, "-{year:04}{month:02}{day:02}")
            }
        }
    }
}

impl fmt::Debug for Instrument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is not an instrument, and at which byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseInstrumentError {
    /// A currency is missing.
    #[error("the {what} is missing at byte {at}; write BASE-QUOTE, as BTC-USDT")]
    Missing {
        /// Which currency.
        what: &'static str,
        /// Where, from 0.
        at: usize,
    },
    /// Something other than an upper-case letter or a digit.
    #[error(
        "byte {at}, in the {what}, is neither an upper-case letter nor a digit; write BASE-QUOTE, as BTC-USDT"
    )]
    BadCharacter {
        /// Which currency.
        what: &'static str,
        /// Where, from 0.
        at: usize,
    },
    /// A currency of more than 16 characters.
    #[error("the {what} at byte {at} has more than 16 characters")]
    TooLong {
        /// Which currency.
        what: &'static str,
        /// Where, from 0.
        at: usize,
    },
    /// What follows the currencies is neither `PERP` nor a day.
    #[error("byte {at} begins neither PERP nor a day as 20251226")]
    BadKind {
        /// Where, from 0.
        at: usize,
    },
}
