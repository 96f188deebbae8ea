use crate::LinkStats;

/// What was sent so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutboundStats {
    /// Market data taken.
    pub published: u64,
    /// Frames of market data sent: what was taken, less what was folded, dropped or waits.
    pub sent: u64,
    /// Frames sent again, for receivers that had missed something.
    pub refreshed: u64,
    /// Bytes of market data sent.
    pub sent_bytes: u64,
    /// Messages that became part of a newer one before they were sent.
    pub folded: u64,
    /// Trades that had to go because too many waited.
    pub dropped: u64,
    /// Deltas of books whose whole had not come here.
    pub baseless: u64,
    /// Streams of market data, and of how many something waits to be sent.
    pub streams: usize,
    /// See `streams`.
    pub streams_waiting: usize,
    /// Critical messages taken.
    pub critical: u64,
    /// Critical messages that the server has acknowledged.
    pub acknowledged: u64,
    /// Of these, those that it had before.
    pub repeated: u64,
    /// Critical messages in the outbox that it has not acknowledged.
    pub waiting: u64,
    /// How large the outbox is, in bytes.
    pub outbox_bytes: u64,
    /// How often sending critical messages began again.
    pub retries: u64,
    /// The connection for market data.
    pub market_link: LinkStats,
    /// The connection for critical messages.
    pub critical_link: LinkStats,
}
