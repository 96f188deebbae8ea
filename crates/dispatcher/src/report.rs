use std::{fmt, sync::Arc, time::Duration};

use crate::{Cause, Fault, LaneId};

/// What became of one message at each of its consumers.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report<F> {
    /// The message's trace number.
    pub trace: u64,
    /// The version of the snapshot that routed it; zero if it was not routed.
    pub version: u64,
    /// The message waits for an earlier one of its stream: nobody had it yet.
    pub held: bool,
    /// The message was dropped because a newer one of its stream had passed.
    pub late: bool,
    /// The wait ended early: cancelled, at its limit, or because whoever was left is paused. Consumers
    /// that had not finished stand as [`Outcome::Pending`]; should they fail later, the fault sink
    /// hears of it.
    pub cut_short: bool,
    /// One row a consumer, in the order in which they finished.
    pub lanes: Vec<LaneReport<F>>,
}

impl<F> Report<F> {
    pub(crate) fn new(trace: u64) -> Self {
        Self { trace, version: 0, held: false, late: false, cut_short: false, lanes: vec![] }
    }

    /// Every failure, not the first.
    pub fn failures(&self) -> impl Iterator<Item = &Fault<F>> + '_ {
        self.lanes.iter().filter_map(|lane| match &lane.outcome {
            Outcome::Failed(fault) => Some(fault),
            _ => None,
        })
    }

    /// Whether it was routed, and every consumer handled it.
    pub fn is_complete(&self) -> bool {
        let delivered = !self.held && !self.late && !self.cut_short;
        delivered && self.lanes.iter().all(|lane| matches!(lane.outcome, Outcome::Handled))
    }
}

/// What became of a message at one consumer.
#[derive(Clone)]
#[non_exhaustive]
pub struct LaneReport<F> {
    /// The lane.
    pub lane: LaneId,
    /// The consumer's name.
    pub consumer: Arc<str>,
    /// What became of it.
    pub outcome: Outcome<F>,
    /// How long the handler took; zero if it did not run.
    pub took: Duration,
}

/// What became of a message at one consumer.
#[derive(Clone)]
pub enum Outcome<F> {
    /// Handled.
    Handled,
    /// Filtered by the consumer.
    Filtered,
    /// Failed, with everything that is known.
    Failed(Fault<F>),
    /// The consumer takes no more.
    Refused,
    /// Folded together with a newer one before its turn.
    Conflated,
    /// Dropped: for lack of room, or of a duplicate.
    Dropped,
    /// The consumer unsubscribed before its turn.
    Discarded,
    /// Not finished when the wait ended.
    Pending,
}

impl<F> fmt::Debug for Outcome<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Handled => "Handled",
            Self::Filtered => "Filtered",
            Self::Failed(Fault { cause: Cause::Panicked(_), .. }) => "Failed(panicked)",
            Self::Failed(_) => "Failed",
            Self::Refused => "Refused",
            Self::Conflated => "Conflated",
            Self::Dropped => "Dropped",
            Self::Discarded => "Discarded",
            Self::Pending => "Pending",
        })
    }
}

impl<F> fmt::Debug for LaneReport<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LaneReport")
            .field("consumer", &self.consumer)
            .field("outcome", &self.outcome)
            .field("took", &self.took)
            .finish_non_exhaustive()
    }
}
