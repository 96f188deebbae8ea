use meltica_event::{Level, Price, Quantity, Timestamp};

use super::{FrameError, NO_TIME};

/// Reads one field after the other, and knows where it is.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(super) fn bytes(
        &mut self,
        field: &'static str,
        size: usize,
    ) -> Result<&'a [u8], FrameError> {
        let at = self.at;
        let taken = at.checked_add(size).and_then(|end| self.bytes.get(at..end));
        let needed = size.saturating_sub(self.left());
        let taken = taken.ok_or(FrameError::TooShort { field, at, needed })?;
        self.at += size;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], FrameError> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(field, N)?);
        Ok(array)
    }

    pub(super) fn u8(&mut self, field: &'static str) -> Result<u8, FrameError> {
        Ok(self.array::<1>(field)?[0])
    }

    pub(super) fn u32(&mut self, field: &'static str) -> Result<u32, FrameError> {
        Ok(u32::from_le_bytes(self.array(field)?))
    }

    pub(super) fn u64(&mut self, field: &'static str) -> Result<u64, FrameError> {
        Ok(u64::from_le_bytes(self.array(field)?))
    }

    pub(super) fn price(&mut self, field: &'static str) -> Result<Price, FrameError> {
        Ok(Price::from_units(i64::from_le_bytes(self.array(field)?)))
    }

    pub(super) fn quantity(&mut self, field: &'static str) -> Result<Quantity, FrameError> {
        Ok(Quantity::from_units(self.u64(field)?))
    }

    pub(super) fn level(&mut self, field: &'static str) -> Result<Level, FrameError> {
        Ok(Level { price: self.price(field)?, quantity: self.quantity(field)? })
    }

    pub(super) fn time(&mut self, field: &'static str) -> Result<Timestamp, FrameError> {
        match i64::from_le_bytes(self.array(field)?) {
            NO_TIME => Ok(Timestamp::ABSENT),
            nanos => Ok(Timestamp::from_nanos(nanos)),
        }
    }

    /// A text with its length, of at most so many bytes.
    pub(super) fn text(&mut self, field: &'static str, most: usize) -> Result<&'a str, FrameError> {
        let at = self.at;
        let length = usize::from(self.u8(field)?);
        let bytes = self.bytes(field, length)?;
        let wrong = |reason: String| FrameError::Text { field, at, reason };
        if length > most {
            return Err(wrong(format!("{length} bytes where {most} fit")));
        }
        std::str::from_utf8(bytes).map_err(|error| wrong(format!("no UTF-8: {error}")))
    }

    /// One of the values of an enum.
    pub(super) fn one_of<T: Copy>(
        &mut self,
        field: &'static str,
        values: &[T],
    ) -> Result<T, FrameError> {
        let at = self.at;
        let value = self.u8(field)?;
        let meant = values.get(usize::from(value)).copied();
        meant.ok_or(FrameError::Value { field, at, value: value.into() })
    }

    /// Whether something follows.
    pub(super) fn flag(&mut self, field: &'static str) -> Result<bool, FrameError> {
        self.one_of(field, &[false, true])
    }

    pub(super) fn end(&self) -> Result<(), FrameError> {
        match self.left() {
            0 => Ok(()),
            left => Err(FrameError::TooLong { at: self.at, left }),
        }
    }
}
