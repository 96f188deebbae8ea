use crate::LinkStats;

/// What came so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InboundStats {
    /// Frames of market data.
    pub frames: u64,
    /// Bytes of market data.
    pub bytes: u64,
    /// Market data handed on.
    pub handed_on: u64,
    /// Frames of market data that never came, by the sender's numbers.
    pub lost: u64,
    /// Frames that had come before.
    pub again: u64,
    /// Deltas of books of which something is missing.
    pub baseless: u64,
    /// Frames of streams that another sender has, or that were sent before their sender's last start.
    pub foreign: u64,
    /// Messages that became part of a newer one before the pipeline took them.
    pub folded: u64,
    /// Trades that had to go because too many waited.
    pub dropped: u64,
    /// Messages for which the pool had no object.
    pub pool_empty: u64,
    /// Frames that were not understood.
    pub malformed: u64,
    /// Streams of market data, and of how many something waits to be handed on.
    pub streams: usize,
    /// See `streams`.
    pub streams_waiting: usize,
    /// Frames of critical messages.
    pub critical_frames: u64,
    /// Critical messages handed on.
    pub critical: u64,
    /// Critical messages acknowledged.
    pub acknowledged: u64,
    /// Frames of critical messages that were settled already.
    pub redelivered: u64,
    /// Critical messages that had come before, by their identity.
    pub repeated: u64,
    /// Critical messages that the application had from before.
    pub known: u64,
    /// Critical messages that were not understood, and stay in the stream.
    pub critical_malformed: u64,
    /// How often critical messages were given up that were not in the stream any more.
    pub gaps: u64,
    /// How many these were.
    pub missing: u64,
    /// Critical messages that wait for earlier ones.
    pub held: u64,
    /// Critical messages that the pipeline has.
    pub in_progress: u64,
    /// How often receiving critical messages began again.
    pub restarts: u64,
    /// The connection for market data.
    pub market_link: LinkStats,
    /// The connection for critical messages.
    pub critical_link: LinkStats,
}
