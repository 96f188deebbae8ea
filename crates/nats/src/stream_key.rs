use meltica_event::{InstrumentId, Topic, VenueId};

use crate::View;

/// A stream of market data: what keeps its order, folds, and goes by one subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StreamKey {
    pub(crate) venue: VenueId,
    pub(crate) instrument: InstrumentId,
    pub(crate) topic: Topic,
}

impl StreamKey {
    pub(crate) fn of(view: View<'_>) -> Self {
        let header = view.header();
        Self { venue: header.venue, instrument: header.instrument, topic: view.kind().topic() }
    }
}
