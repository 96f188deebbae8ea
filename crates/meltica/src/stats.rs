use std::sync::Arc;

use meltica_stats::Counter;

/// What a pipeline has done so far, stage by stage.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// Critical messages recognised as exact repeats, and dropped.
    pub repeated: u64,
    /// Commands that are in force.
    pub commands_applied: u64,
    /// Commands that were refused.
    pub commands_rejected: u64,
    /// The merge rules, in the order in which they were given.
    pub merges: Vec<MergeStats>,
    /// The dispatcher and its lanes.
    pub dispatcher: meltica_dispatcher::Stats,
    /// The consumers that are subscribed or once were, by name, in order of their first subscription.
    pub consumers: Vec<ConsumerStats>,
    /// The pools.
    pub pools: Vec<meltica_recycler::Stats>,
}

/// What one consumer has done so far.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConsumerStats {
    /// Its name.
    pub consumer: Arc<str>,
    /// The least routing version of market data that it accepts: where its gate stands.
    pub min_version: u64,
    /// What became of its messages.
    pub stats: meltica_consumer::Stats,
}

/// What one merge rule has done so far. Of the messages that it is about, each was offered to its
/// windows, or had no duplicate, or had no base.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MergeStats {
    /// Its name.
    pub rule: Arc<str>,
    /// Its partials and windows.
    pub windows: meltica_orchestrator::Stats,
    /// Messages that were not offered because their pool was empty.
    pub without_duplicate: u64,
    /// Book messages that were not offered because they say nothing new: deltas before their venue's
    /// first snapshot, and what goes back.
    pub without_base: u64,
}

impl MergeStats {
    /// How many merged messages it made.
    pub fn merged(&self) -> u64 {
        self.windows.complete + self.windows.marked
    }
}

/// Written by the pipeline alone.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) repeated: Counter,
    pub(crate) commands_applied: Counter,
    pub(crate) commands_rejected: Counter,
}

/// Written by the pipeline alone.
#[derive(Debug, Default)]
pub(crate) struct MergeCounts {
    pub(crate) without_duplicate: Counter,
    pub(crate) without_base: Counter,
}
