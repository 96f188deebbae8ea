use std::sync::Arc;

use meltica_stats::{Histogram, Snapshot};

use crate::LaneId;

/// How long things took, of the messages that [`Builder::time_one_in`](crate::Builder::time_one_in)
/// had measured. Each histogram counts from the start.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timings {
    /// From publishing a message, by the time given to `publish`, to a consumer's handler being
    /// entered, in nanoseconds: one value a consumer.
    pub reach_ns: Snapshot,
    /// From publishing a message to the last of its consumers being done, in nanoseconds: one value a
    /// message, of those that reached all their consumers one by one.
    pub completion_ns: Snapshot,
    /// How parallel a message's consumers were: the time that all their handlers took over that from
    /// the first one's entry to the last one's end, in hundredths. One after the other is 100.
    pub parallelism_percent: Snapshot,
    /// The present lanes, in order of subscription.
    pub lanes: Vec<LaneTimings>,
}

/// How long things took at one lane.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LaneTimings {
    /// The lane.
    pub lane: LaneId,
    /// The consumer's name.
    pub consumer: Arc<str>,
    /// From publishing a message to the handler being entered, in nanoseconds.
    pub waited_ns: Snapshot,
    /// How long the handler took, in nanoseconds. Filtered and refused messages are not counted.
    pub took_ns: Snapshot,
}

/// Written under the handler's lock.
#[derive(Debug, Default)]
pub(crate) struct LaneTimes {
    pub(crate) waited_ns: Histogram,
    pub(crate) took_ns: Histogram,
}
