use std::{collections::HashMap, fmt};

use crate::{Instrument, Text};

/// A venue, as a small number given by a [`Catalog`]. Absent is [`NONE`](Self::NONE).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VenueId(pub u16);

/// An instrument, as a small number given by a [`Catalog`]. Absent is [`NONE`](Self::NONE).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstrumentId(pub u32);

impl VenueId {
    /// No venue: the message comes from the program itself.
    pub const NONE: Self = Self(0);
}

impl InstrumentId {
    /// No instrument: the message is about none in particular.
    pub const NONE: Self = Self(0);
}

impl fmt::Debug for VenueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "venue {}", self.0)
    }
}

impl fmt::Debug for InstrumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "instrument {}", self.0)
    }
}

/// The names behind the small numbers: which venue is 1, which instrument is 7.
///
/// Filled at start, shared read-only afterwards. Numbers are given in order of first mention from
/// 1 on and mean something only beside the catalog that gave them.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    venues: Vec<Text<16>>,
    instruments: Vec<Instrument>,
    instrument_ids: HashMap<Instrument, InstrumentId>,
}

impl Catalog {
    /// An empty catalog.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of the venue of this name, given now if it has none yet.
    ///
    /// # Errors
    ///
    /// [`CatalogError::BadVenue`] unless the name is 1 to 16 lower-case letters, digits and `-`;
    /// [`CatalogError::Full`] after 65,535 venues.
    pub fn venue(&mut self, name: &str) -> Result<VenueId, CatalogError> {
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let bad = || CatalogError::BadVenue { name: name.to_owned() };
        if name.is_empty() || !name.bytes().all(legal) {
            return Err(bad());
        }
        let name = Text::new(name).map_err(|_| bad())?;
        if let Some(index) = self.venues.iter().position(|known| *known == name) {
            return Ok(VenueId(index as u16 + 1));
        }
        let id = u16::try_from(self.venues.len() + 1).map_err(|_| CatalogError::Full)?;
        self.venues.push(name);
        Ok(VenueId(id))
    }

    /// The number of this instrument, given now if it has none yet.
    ///
    /// # Errors
    ///
    /// [`CatalogError::Full`] after 2³² − 1 instruments.
    pub fn instrument(&mut self, instrument: Instrument) -> Result<InstrumentId, CatalogError> {
        if let Some(id) = self.instrument_ids.get(&instrument) {
            return Ok(*id);
        }
        let id = u32::try_from(self.instruments.len() + 1).map_err(|_| CatalogError::Full)?;
        self.instruments.push(instrument);
        self.instrument_ids.insert(instrument, InstrumentId(id));
        Ok(InstrumentId(id))
    }

    /// The venue's name; `None` for [`VenueId::NONE`] and for numbers of another catalog.
    pub fn venue_name(&self, id: VenueId) -> Option<&str> {
        self.venues.get(usize::from(id.0).checked_sub(1)?).map(Text::as_str)
    }

    /// What the number stands for; `None` for [`InstrumentId::NONE`] and for numbers of another
    /// catalog.
    pub fn instrument_of(&self, id: InstrumentId) -> Option<Instrument> {
        self.instruments.get((id.0 as usize).checked_sub(1)?).copied()
    }

    /// Every venue, in order of its number.
    pub fn venues(&self) -> impl Iterator<Item = (VenueId, &str)> + '_ {
        // Not from `1u16..`, which makes one more before it notices that there is none.
        (1..=u16::MAX).map(VenueId).zip(self.venues.iter().map(Text::as_str))
    }

    /// Every instrument, in order of its number.
    pub fn instruments(&self) -> impl Iterator<Item = (InstrumentId, Instrument)> + '_ {
        (1..=u32::MAX).map(InstrumentId).zip(self.instruments.iter().copied())
    }
}

/// Why a catalog gave no number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// Not a venue's name.
    #[error("{name:?} is no venue's name: 1 to 16 lower-case letters, digits and dashes")]
    BadVenue {
        /// The name.
        name: String,
    },
    /// There is no number left.
    #[error("the catalog is full")]
    Full,
}
