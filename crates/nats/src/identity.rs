//! By which id the server recognises a critical message that is sent again: `Nats-Msg-Id`.

use std::fmt::Write;

use crate::{EncodeError, Envelope, Names, View};

/// Appends the id of a message.
///
/// An execution report that has an id of its own goes by it, as `x/binance/order-7/1234`: two senders that hear of the
/// same one, or one that hears of it twice, send it once. Everything else goes by its place in the outbox, as
/// `n/desk-1/1764241211000000000/17`. Bytes other than letters, digits, `-`, `_` and `.` are written as `%` and two
/// hexadecimal digits.
pub(crate) fn message_id(
    view: View<'_>,
    envelope: &Envelope,
    names: &Names,
    id: &mut String,
) -> Result<(), EncodeError> {
    if let View::Execution(report) = view
        && let Some(identity) = report.identity()
    {
        id.push_str("x/");
        names.with(|catalog| match catalog.venue_name(identity.venue) {
            Some(name) => {
                id.push_str(name);
                Ok(())
            }
            None if identity.venue.0 == 0 => Ok(()),
            None => Err(EncodeError::Venue(identity.venue)),
        })?;
        id.push('/');
        escape(identity.client_order_id.as_str(), id);
        id.push('/');
        escape(identity.report_id.as_str(), id);
        return Ok(());
    }
    let Envelope { origin, chain, number, .. } = envelope;
    // Writing to a string cannot fail.
    let _ = write!(id, "n/{origin}/{chain}/{number}");
    Ok(())
}

fn escape(text: &str, id: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => id.push(byte as char),
            _ => {
                let _ = write!(id, "%{byte:02x}");
            }
        }
    }
}

#[cfg(test)]
mod tests;
