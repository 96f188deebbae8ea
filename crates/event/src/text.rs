use std::fmt;

/// A short text held in place: at most `N` bytes of UTF-8 (`N` ≤ 255), no allocation. Absent is
/// the empty text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<const N: usize> {
    /// Bytes past `len` are zero, so that equality and hash may look at all of them.
    bytes: [u8; N],
    len: u8,
}

impl<const N: usize> Text<N> {
    /// The empty text.
    pub const EMPTY: Self = {
        assert!(N <= u8::MAX as usize, "a Text holds at most 255 bytes");
        Self { bytes: [0; N], len: 0 }
    };

    /// The text, if it fits.
    ///
    /// # Errors
    ///
    /// [`TextTooLong`] if it has more than `N` bytes; ids must not be cut.
    pub fn new(text: &str) -> Result<Self, TextTooLong> {
        if text.len() > N {
            return Err(TextTooLong { len: text.len(), room: N });
        }
        Ok(Self::truncated(text))
    }

    /// As much of the text as fits, cut between characters: for reasons and remarks.
    pub fn truncated(text: &str) -> Self {
        let mut end = text.len().min(N);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let mut held = Self::EMPTY;
        held.bytes[..end].copy_from_slice(&text.as_bytes()[..end]);
        held.len = end as u8;
        held
    }

    /// The text. Costs a check of its UTF-8, a few nanoseconds.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)])
            .expect("a Text is only made from whole characters of a str")
    }

    /// Whether there is no text.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Appends, without allocating; an error if it does not fit, and then nothing is appended.
impl<const N: usize> fmt::Write for Text<N> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let start = usize::from(self.len);
        let place = self.bytes.get_mut(start..start + piece.len()).ok_or(fmt::Error)?;
        place.copy_from_slice(piece.as_bytes());
        self.len += piece.len() as u8;
        Ok(())
    }
}

impl<const N: usize> std::str::FromStr for Text<N> {
    type Err = TextTooLong;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

/// A text that has no room where it was to be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("text of {len} bytes where {room} fit")]
pub struct TextTooLong {
    /// Its length in bytes.
    pub len: usize,
    /// How many bytes fit.
    pub room: usize,
}
