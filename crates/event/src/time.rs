use std::fmt;

/// A moment on somebody's wall clock, in nanoseconds since 1970-01-01 UTC, from the year 1677 to
/// 2262. Absent where a venue sends none (Binance's book ticker, for one); absent is the default.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// No time was given.
    pub const ABSENT: Self = Self(i64::MIN);

    /// From nanoseconds since 1970.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// From milliseconds since 1970, as most venues send; absent if that does not fit.
    pub const fn from_millis(millis: i64) -> Self {
        match millis.checked_mul(1_000_000) {
            Some(nanos) => Self(nanos),
            None => Self::ABSENT,
        }
    }

    /// Nanoseconds since 1970, unless absent.
    pub const fn nanos(self) -> Option<i64> {
        if self.0 == i64::MIN { None } else { Some(self.0) }
    }
}

impl Default for Timestamp {
    fn default() -> Self {
        Self::ABSENT
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.nanos() {
            Some(nanos) => write!(f, "{nanos} ns"),
            None => f.write_str("absent"),
        }
    }
}
