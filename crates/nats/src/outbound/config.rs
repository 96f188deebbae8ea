use std::{path::PathBuf, time::Duration};

use crate::{Connect, Durability, OriginName, StreamPlan};

/// How messages leave.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OutboundConfig {
    /// The server.
    pub connect: Connect,
    /// By which name receivers know this sender. No two that send at the same time have the same one.
    pub origin: OriginName,
    /// The file in which critical messages wait; on local disk, for this sender alone.
    pub outbox: PathBuf,
    /// What a message in the outbox outlives.
    pub durability: Durability,
    /// How large the outbox may become, in bytes.
    pub outbox_limit: u64,
    /// The stream for critical messages, made if there is none.
    pub stream: StreamPlan,
    /// How many critical messages are on their way at a time.
    pub in_flight: usize,
    /// How long the server has to acknowledge a critical message, before it is sent again.
    pub ack_timeout: Duration,
    /// How many trades of a stream wait while the connection is slow; the oldest goes.
    pub trades_waiting: usize,
    /// How often a book is sent as a whole, for receivers that are new or have missed a part.
    pub book_refresh: Duration,
}

impl OutboundConfig {
    /// To this server, under this name, through this file; all else as usual: an outbox of at most 1 GiB that outlives
    /// the process, 128 critical messages on their way, 5 s for each, 1,024 trades of a stream, whole books every 10 s.
    pub fn new(connect: Connect, origin: OriginName, outbox: impl Into<PathBuf>) -> Self {
        Self {
            connect,
            origin,
            outbox: outbox.into(),
            durability: Durability::default(),
            outbox_limit: 1 << 30,
            stream: StreamPlan::default(),
            in_flight: 128,
            ack_timeout: Duration::from_secs(5),
            trades_waiting: 1_024,
            book_refresh: Duration::from_secs(10),
        }
    }
}
