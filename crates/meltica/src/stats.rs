use std::sync::Arc;

/// What a pipeline has done so far, stage by stage.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// Critical messages recognised as exact repeats, and dropped.
    pub repeated: u64,
    /// The dispatcher and its lanes.
    pub dispatcher: meltica_dispatcher::Stats,
    /// The consumers that are subscribed or once were, in order of subscription.
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
    /// What became of its messages.
    pub stats: meltica_consumer::Stats,
}
