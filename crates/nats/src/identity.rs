//! By what the server recognises a critical message that is sent again, and a receiver one that another sender has sent.

use std::fmt::Write;

use crate::{Envelope, Names, View};

/// Appends the `Nats-Msg-Id`: the place in the outbox, as `desk-1/1764241211000000000/17`.
///
/// Not the identity of the event: of two that are the same event the server would leave one out, and its number would be
/// missing from its chain, which is how a loss looks.
pub(crate) fn place(envelope: &Envelope, id: &mut String) {
    let Envelope { origin, chain, number, .. } = envelope;
    // Writing to a string cannot fail.
    let _ = write!(id, "{origin}/{chain}/{number}");
}

/// Appends the identity of an event that has one of its own: of an execution report with an id, its venue, order and id.
/// Two senders that hear of the same one, or one that hears of it twice, mean one event. Answers whether there is one.
pub(crate) fn event(view: View<'_>, names: &Names, id: &mut String) -> bool {
    let View::Execution(report) = view else { return false };
    let Some(identity) = report.identity() else { return false };
    names.with(|catalog| id.push_str(catalog.venue_name(identity.venue).unwrap_or_default()));
    // Lengths, since the ids may have any characters in them.
    let (order, report) = (identity.client_order_id, identity.report_id);
    let _ = write!(id, "/{}/{order}/{report}", order.as_str().len());
    true
}

#[cfg(test)]
mod tests;
