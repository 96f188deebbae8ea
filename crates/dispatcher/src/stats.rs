use std::sync::Arc;

use meltica_stats::{Counter, SharedCounter};

use crate::LaneId;

/// What the dispatcher has done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Messages taken by `publish` and `dispatch`.
    pub published: u64,
    /// Of these, routed to at least one lane.
    pub routed: u64,
    /// Of these, wanted by nobody.
    pub unrouted: u64,
    /// Dropped because a newer one of their stream had passed.
    pub late: u64,
    /// Gaps in dense streams that were given up.
    pub gaps: u64,
    /// Messages that never came to fill a gap.
    pub missing: u64,
    /// Duplicates that could not be had.
    pub duplicates_failed: u64,
    /// Critical messages that a consumer should have had and did not handle.
    pub dead_letters: u64,
    /// The version of the present routing snapshot.
    pub version: u64,
    /// The present lanes, in order of subscription.
    pub lanes: Vec<LaneStats>,
    /// The lanes that have left, added up by consumer's name. Grows with the number of different names.
    pub left: Vec<LaneStats>,
}

/// What became of the messages that were published to a lane.
///
/// `published` = `delivered` + `folded` + `dropped` + `discarded` + `depth`, but for the message
/// in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LaneStats {
    /// The lane.
    pub lane: LaneId,
    /// The consumer's name.
    pub consumer: Arc<str>,
    /// Messages that the lane should have.
    pub published: u64,
    /// Handed to the handler, whatever it made of them.
    pub delivered: u64,
    /// Of these, filtered by it.
    pub filtered: u64,
    /// Of these, failed: errors and panics.
    pub failed: u64,
    /// Of the failed, panicked beyond the handler.
    pub panicked: u64,
    /// Of these, refused.
    pub refused: u64,
    /// Folded into an earlier one of their stream.
    pub folded: u64,
    /// Dropped: sequential ones for lack of room, deltas for lack of room behind a gap that was given
    /// up, others for lack of a duplicate. What had been folded into a dropped one is counted as
    /// folded, and told as dropped.
    pub dropped: u64,
    /// Of the dropped, those for lack of a duplicate.
    pub without_duplicate: u64,
    /// Not delivered because the lane was closed before.
    pub discarded: u64,
    /// How many wait.
    pub depth: usize,
    /// The most critical messages that ever waited.
    pub critical_peak: usize,
    /// How many times too many of them waited: see [`Builder::critical_alarm`](crate::Builder::critical_alarm).
    pub critical_alarms: u64,
    /// Whether it is paused.
    pub paused: bool,
    /// Whether its handler is run by the publisher.
    pub inline: bool,
}

impl LaneStats {
    /// Adds what a later lane of the same name did. Nothing waits in either.
    pub(crate) fn add(&mut self, later: &Self) {
        self.lane = later.lane;
        self.published += later.published;
        self.delivered += later.delivered;
        self.filtered += later.filtered;
        self.failed += later.failed;
        self.panicked += later.panicked;
        self.refused += later.refused;
        self.folded += later.folded;
        self.dropped += later.dropped;
        self.without_duplicate += later.without_duplicate;
        self.discarded += later.discarded;
        self.critical_peak = self.critical_peak.max(later.critical_peak);
        self.critical_alarms += later.critical_alarms;
    }
}

/// Written by the publisher alone.
#[derive(Debug, Default)]
pub(crate) struct PublisherCounts {
    pub(crate) published: Counter,
    pub(crate) routed: Counter,
    pub(crate) unrouted: Counter,
    pub(crate) late: Counter,
    pub(crate) gaps: Counter,
    pub(crate) missing: Counter,
}

/// Written under the lane's locks, except where a message is refused after closing.
#[derive(Debug, Default)]
pub(crate) struct LaneCounts {
    pub(crate) published: Counter,
    pub(crate) delivered: Counter,
    /// Published and delivered by the publisher at one go, and not among the others.
    pub(crate) inline: Counter,
    pub(crate) filtered: Counter,
    pub(crate) failed: Counter,
    pub(crate) panicked: Counter,
    pub(crate) refused: Counter,
    pub(crate) folded: Counter,
    pub(crate) dropped: Counter,
    pub(crate) without_duplicate: Counter,
    pub(crate) discarded: SharedCounter,
    pub(crate) critical_alarms: Counter,
}
