use std::fmt::Write;

use meltica_event::{EventKind, ExecReport, ExecType, Header, OrderStatus, Side, Text, Timestamp};
use meltica_venue::{DecodeCause, json::unknown_value};

use crate::json::ExecutionReport;

/// The report that Binance's `executionReport` stands for.
///
/// A cancellation has an id of its own and names the order's as the original one. The id of the
/// execution (`I`) makes the report unique among the order's. A quantity that expired because both
/// orders were of one account has expired.
pub(crate) fn report(
    read: &ExecutionReport<'_>,
    header: Header,
) -> Result<ExecReport, DecodeCause> {
    let cancelled = read.exec_type == "CANCELED" && !read.original_client_order_id.is_empty();
    let client_order_id =
        if cancelled { &read.original_client_order_id } else { &read.client_order_id };
    Ok(ExecReport {
        header: Header {
            kind: EventKind::ExecReport,
            exchange_time: Timestamp::from_millis(read.transaction_time),
            ..header
        },
        client_order_id: Text::new(client_order_id).map_err(|error| {
            unknown_value(&format!("client order id ({error})"), client_order_id)
        })?,
        venue_order_id: number(read.order_id),
        report_id: number(read.execution_id),
        exec_type: match read.exec_type {
            "TRADE_PREVENTION" => ExecType::Expired,
            name => name.parse().map_err(|_| unknown_value("execution type", name))?,
        },
        status: match read.status {
            "PENDING_NEW" => OrderStatus::New,
            "EXPIRED_IN_MATCH" => OrderStatus::Expired,
            name => name.parse().map_err(|_| unknown_value("order status", name))?,
        },
        side: read.side.parse::<Side>().map_err(|_| unknown_value("side", read.side))?,
        price: read.price,
        quantity: read.quantity,
        last_price: read.last_price,
        last_quantity: read.last_quantity,
        cumulative_quantity: read.cumulative_quantity,
        reason: match &*read.reason {
            "NONE" => Text::EMPTY,
            reason => Text::truncated(reason),
        },
    })
}

fn number(number: u64) -> Text<36> {
    let mut text = Text::EMPTY;
    write!(text, "{number}").expect("a u64 fits into 36 bytes");
    text
}
