//! By which subjects messages go.

use std::fmt::Write;

use meltica_event::{InstrumentId, Topic, VenueId};

use crate::{EncodeError, Names, OriginName};

/// What every subject of market data begins with.
pub const MARKET_PREFIX: &str = "meltica.md.";
/// All market data.
pub const ALL_MARKET: &str = "meltica.md.>";
/// All critical messages: what the stream takes.
pub const ALL_CRITICAL: &str = "meltica.critical.>";
/// In place of a venue or an instrument that is absent.
const ABSENT: &str = "_";

/// Of a stream of market data: `meltica.md.<venue>.<instrument>.<topic>`, as `meltica.md.kraken.BTC-USD.book`. What is
/// absent is `_`.
pub(crate) fn market(
    names: &Names,
    venue: VenueId,
    instrument: InstrumentId,
    topic: Topic,
) -> Result<String, EncodeError> {
    names.with(|catalog| {
        let mut subject = MARKET_PREFIX.to_owned();
        match catalog.venue_name(venue) {
            Some(name) => subject.push_str(name),
            None if venue == VenueId::NONE => subject.push_str(ABSENT),
            None => return Err(EncodeError::Venue(venue)),
        }
        subject.push('.');
        // Writing to a string cannot fail.
        let _ = match catalog.instrument_of(instrument) {
            Some(instrument) => write!(subject, "{instrument}"),
            None if instrument == InstrumentId::NONE => write!(subject, "{ABSENT}"),
            None => return Err(EncodeError::Instrument(instrument)),
        };
        let _ = write!(subject, ".{topic}");
        Ok(subject)
    })
}

/// Of a sender's critical messages: `meltica.critical.<origin>.<topic>`, as `meltica.critical.desk-1.executions`.
pub(crate) fn critical(origin: OriginName, topic: Topic) -> String {
    format!("meltica.critical.{origin}.{topic}")
}

/// On which receivers ask a sender to send something again.
pub(crate) fn refresh(origin: OriginName) -> String {
    format!("meltica.refresh.{origin}")
}

/// On which operators command a sender's pipeline.
pub(crate) fn control(origin: OriginName) -> String {
    format!("meltica.control.{origin}")
}

/// Below which the answers come that a sender or a receiver of this name has asked for: `_INBOX.desk-1`.
pub(crate) fn inbox(owner: &str) -> String {
    format!("_INBOX.{owner}")
}

/// The consumer by which a receiver reads again what it had before it started.
pub(crate) fn recall(durable: &str) -> String {
    format!("{durable}-recall")
}

#[cfg(test)]
mod tests;
