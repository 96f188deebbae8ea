use std::num::NonZeroU64;

use meltica_event::{Header, TraceId};

/// Under which name the steps of followed messages are told.
pub(crate) const PATH: &str = "meltica::path";

/// Which messages' paths are told to the log, step by step: none, or one in so many by trace id, so
/// that every stage decides alike without being told.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Follow {
    one_in: Option<NonZeroU64>,
}

impl Follow {
    /// One message in so many; zero follows none.
    pub(crate) fn one_in(messages: u64) -> Self {
        Self { one_in: NonZeroU64::new(messages) }
    }

    /// Whether the message of this trace id is followed.
    #[inline]
    pub(crate) fn follows(self, trace: TraceId) -> bool {
        self.one_in.is_some_and(|n| trace.0 % n == 0)
    }

    /// A message enters the pipeline.
    pub(crate) fn taken(self, header: &Header) {
        if self.follows(header.trace) {
            let Header { trace, kind, venue, instrument, sequence, .. } = header;
            let (venue, instrument) = (venue.0, instrument.0);
            tracing::info!(target: PATH, %trace, %kind, venue, instrument, sequence, "taken");
        }
    }
}
