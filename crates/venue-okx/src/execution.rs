use std::fmt::Write;

use meltica_event::{EventKind, ExecReport, ExecType, Header, OrderStatus, Side, Text, Timestamp};
use meltica_venue::{DecodeCause, json::unknown_value};

use crate::json::Order;

/// The report that an update of the channel `orders` stands for.
///
/// OKX tells how an order stands, and beside it the fill that made it so, if one did. A fill is known
/// by its `tradeId`; anything else by the order, its state and the time, which together come once. What became of an amendment
/// has no identity: OKX does not number them, and a refused one need not have a time of its own.
pub(crate) fn report(read: &Order<'_>, header: Header) -> Result<ExecReport, DecodeCause> {
    let status = match read.state {
        "live" => OrderStatus::New,
        "partially_filled" => OrderStatus::PartiallyFilled,
        "filled" => OrderStatus::Filled,
        "canceled" | "mmp_canceled" => OrderStatus::Canceled,
        other => return Err(unknown_value("state", other)),
    };
    let filled = !read.trade_id.is_empty() && !read.fill_quantity.is_zero();
    let exec_type = match (read.amend_result, status) {
        _ if filled => ExecType::Trade,
        ("0" | "1", OrderStatus::New | OrderStatus::PartiallyFilled) => ExecType::Replaced,
        ("-1", _) => ExecType::Rejected,
        ("" | "0" | "1", OrderStatus::Canceled) => ExecType::Canceled,
        ("", OrderStatus::New) => ExecType::New,
        ("" | "0" | "1", _) => ExecType::Trade,
        (other, _) => return Err(unknown_value("amendResult", other)),
    };
    let side = match read.side {
        "buy" => Side::Buy,
        "sell" => Side::Sell,
        other => return Err(unknown_value("side", other)),
    };
    let id = |what: &str, id: &str| {
        Text::new(id).map_err(|error| unknown_value(&format!("{what} ({error})"), id))
    };
    let mut report_id = Text::<36>::EMPTY;
    // An order's number has 20 digits at most, and a time 12 to the base of 16: both and a letter fit.
    let letter = read.state.get(..1).unwrap_or_default();
    let written = match (filled, read.client_id) {
        // Trades are numbered by instrument; the order's own number tells two of them apart.
        (true, "") => write!(report_id, "{} {}", read.id, read.trade_id),
        (true, _) => write!(report_id, "{}", read.trade_id),
        (false, _) if !read.amend_result.is_empty() => Ok(()),
        (false, _) => write!(report_id, "{} {letter}{:x}", read.id, read.millis),
    };
    let (what, id_of_it) = if filled { ("tradeId", read.trade_id) } else { ("ordId", read.id) };
    written.map_err(|_| unknown_value(what, id_of_it))?;
    let reason = if read.message.is_empty() { &read.cancel_reason } else { &read.message };
    Ok(ExecReport {
        header: Header {
            kind: EventKind::ExecReport,
            exchange_time: Timestamp::from_millis(read.millis),
            ..header
        },
        client_order_id: id("clOrdId", read.client_id)?,
        venue_order_id: id("ordId", read.id)?,
        report_id,
        exec_type,
        status,
        side,
        price: read.price,
        quantity: read.quantity,
        last_price: read.fill_price,
        last_quantity: read.fill_quantity,
        cumulative_quantity: read.filled,
        reason: Text::truncated(reason),
    })
}
