use std::{fmt, str::FromStr};

use meltica_event::Text;

/// By which name receivers know a sender: 1 to 16 lower-case letters, digits and dashes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OriginName(Text<16>);

impl OriginName {
    /// The name.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for OriginName {
    type Err = BadOrigin;

    fn from_str(text: &str) -> Result<Self, BadOrigin> {
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if text.is_empty() || text.len() > 16 || !text.bytes().all(legal) {
            return Err(BadOrigin { name: text.to_owned() });
        }
        Ok(Self(Text::truncated(text)))
    }
}

impl fmt::Display for OriginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for OriginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A text that is no sender's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is no sender's name: 1 to 16 lower-case letters, digits and dashes, as desk-1")]
pub struct BadOrigin {
    /// The text.
    pub name: String,
}

/// What a frame says of its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Its name.
    pub origin: OriginName,
    /// When it started, in nanoseconds since 1970: of two starts of one sender, the later is greater.
    pub incarnation: u64,
    /// When its outbox was made, in nanoseconds since 1970; 0 for market data, which go through none.
    pub chain: u64,
    /// Of a critical message, its number in the chain; of market data, its number in its stream since the sender started.
    /// Both count from 1 without a gap. A frame that repeats what was sent, for those who missed it, has the number of
    /// the last that was.
    pub number: u64,
}
