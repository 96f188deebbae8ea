use std::{path::PathBuf, time::Duration};

use crate::{Connect, InboundError, OriginName, StreamPlan, subject};

/// How messages come.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct InboundConfig {
    /// The server.
    pub connect: Connect,
    /// The name under which the server remembers which critical messages were acknowledged: one for each receiver, the
    /// same over its starts. Letters, digits, `-` and `_`.
    pub durable: String,
    /// A file that says up to where critical messages were settled; on local disk, for this receiver alone. Without it
    /// the server's word counts, which may be late by what was on its way when something ended.
    pub positions: Option<PathBuf>,
    /// Which market data are wanted: subjects with wildcards, as `meltica.md.kraken.>`.
    pub market: Vec<String>,
    /// Whether a receiver that the server does not know yet leaves out what was sent before.
    pub from_now: bool,
    /// Whose routing versions are followed; without it those of the first sender that is heard.
    pub follow: Option<OriginName>,
    /// The stream for critical messages, made if there is none.
    pub stream: StreamPlan,
    /// How many critical messages may be here at a time; the server holds the others. More than all senders together have on
    /// their way, so that those which a connection's end has put out of order can be put in order again.
    pub in_progress: usize,
    /// After so long the server sends a critical message again that was not acknowledged.
    pub ack_wait: Duration,
    /// So long a critical message that is missing is waited for. Then it is told as a gap, and those after it go on.
    pub gap_wait: Duration,
    /// How many trades of a stream wait while the pipeline is slow; the oldest goes.
    pub trades_waiting: usize,
    /// A stream of market data whose sender was silent for so long may be taken over by another.
    pub owner_silence: Duration,
}

impl InboundConfig {
    /// From this server, remembered there under this name; all else as usual: every venue's market data, critical
    /// messages from the first one on, 1,024 of them here at a time, again after 2 s, gaps waited for 60 s, 1,024 trades of
    /// a stream, take-over after 5 s.
    pub fn new(connect: Connect, durable: impl Into<String>) -> Self {
        Self {
            connect,
            durable: durable.into(),
            positions: None,
            market: vec![subject::ALL_MARKET.to_owned()],
            from_now: false,
            follow: None,
            stream: StreamPlan::default(),
            in_progress: 1_024,
            ack_wait: Duration::from_secs(2),
            gap_wait: Duration::from_secs(60),
            trades_waiting: 1_024,
            owner_silence: Duration::from_secs(5),
        }
    }
}

impl InboundConfig {
    /// Everything that can be found wrong without the server.
    pub(super) fn check(&self) -> Result<(), InboundError> {
        self.connect.check()?;
        let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if self.durable.is_empty() || self.durable.len() > 64 || !self.durable.bytes().all(legal) {
            return Err(InboundError::Durable(self.durable.clone()));
        }
        let is_market = |wanted: &String| wanted.starts_with(subject::MARKET_PREFIX);
        match self.market.iter().find(|wanted| !is_market(wanted)) {
            Some(wanted) => Err(InboundError::NoMarket(wanted.clone())),
            None => Ok(()),
        }
    }
}
