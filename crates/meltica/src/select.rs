use meltica_dispatcher::Route;
use meltica_event::{InstrumentId, Topic, VenueId};

use crate::Key;

/// Which messages a consumer wants: all, or those of a venue, an instrument, some topics, or any of
/// these together.
///
/// ```
/// use meltica::{Select, event::{Topic, VenueId}};
///
/// let fills = Select::all().topic(Topic::Executions);
/// let one_venues_prices = Select::all().venue(VenueId(1)).topic(Topic::TopOfBook).topic(Topic::Trades);
/// # let _ = (fills, one_venues_prices);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Select {
    venue: Option<VenueId>,
    instrument: Option<InstrumentId>,
    /// A bit a topic; none set means all.
    topics: u16,
}

impl Select {
    /// Every message.
    pub const fn all() -> Self {
        Self { venue: None, instrument: None, topics: 0 }
    }

    /// Execution reports and control events.
    pub const fn critical() -> Self {
        Self::all().topic(Topic::Executions).topic(Topic::Control)
    }

    /// Of these, those of one venue.
    #[must_use]
    pub const fn venue(self, venue: VenueId) -> Self {
        Self { venue: Some(venue), ..self }
    }

    /// Of these, those about one instrument.
    #[must_use]
    pub const fn instrument(self, instrument: InstrumentId) -> Self {
        Self { instrument: Some(instrument), ..self }
    }

    /// Of these, those of a topic; called again, of that one too.
    #[must_use]
    pub const fn topic(self, topic: Topic) -> Self {
        Self { topics: self.topics | 1 << topic as u16, ..self }
    }

    /// Whether messages of this key are wanted.
    pub fn takes(&self, key: &Key) -> bool {
        self.venue.is_none_or(|venue| venue == key.venue)
            && self.instrument.is_none_or(|instrument| instrument == key.instrument)
            && (self.topics == 0 || self.topics & 1 << key.topic as u16 != 0)
    }
}

impl From<Select> for Route<Key> {
    fn from(select: Select) -> Self {
        if select == Select::all() {
            return Self::All;
        }
        Self::matching(move |key| select.takes(key))
    }
}
