use crate::{EventKind, Header, Price, Quantity, Side, Text, VenueId, named::named};

named! {
    /// Why an execution report was sent; the names are those of FIX as Binance spells them.
    pub enum ExecType as "execution type" {
        /// The order was accepted.
        New = "NEW",
        /// It was cancelled.
        Canceled = "CANCELED",
        /// It was changed.
        Replaced = "REPLACED",
        /// It was refused.
        Rejected = "REJECTED",
        /// Some or all of it was traded.
        Trade = "TRADE",
        /// Its time is up.
        Expired = "EXPIRED",
    }
}

named! {
    /// Where an order stands.
    pub enum OrderStatus as "order status" {
        /// Accepted, nothing traded.
        New = "NEW",
        /// Some of it was traded.
        PartiallyFilled = "PARTIALLY_FILLED",
        /// All of it was traded.
        Filled = "FILLED",
        /// Cancelled; what was traded stays traded.
        Canceled = "CANCELED",
        /// Changed into another order.
        Replaced = "REPLACED",
        /// Refused.
        Rejected = "REJECTED",
        /// Its time is up.
        Expired = "EXPIRED",
    }
}

/// What became of an order. Critical: it reaches every interested consumer exactly once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecReport {
    /// What every message begins with.
    pub header: Header,
    /// The order's id as we gave it.
    pub client_order_id: Text<36>,
    /// The order's id as the venue gave it; empty if it never got that far.
    pub venue_order_id: Text<36>,
    /// The venue's id for this very report: with the client order id it tells a repeat from news.
    pub report_id: Text<36>,
    /// Why it was sent.
    pub exec_type: ExecType,
    /// Where the order stands now.
    pub status: OrderStatus,
    /// Buying or selling.
    pub side: Side,
    /// The order's price.
    pub price: Price,
    /// The order's quantity.
    pub quantity: Quantity,
    /// The price of the trade reported; zero if none is.
    pub last_price: Price,
    /// The quantity of the trade reported; zero if none is.
    pub last_quantity: Quantity,
    /// All that was traded so far.
    pub cumulative_quantity: Quantity,
    /// Why it was refused, cut to fit; empty if it was not.
    pub reason: Text<64>,
}

static_assertions::const_assert!(size_of::<ExecReport>() <= 320);
static_assertions::assert_impl_all!(ExecReport: Copy, Send, Sync);

/// By what a repeated execution report is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExecutionId {
    /// The venue that sent it.
    pub venue: VenueId,
    /// The order's id as we gave it.
    pub client_order_id: Text<36>,
    /// The venue's id for this very report.
    pub report_id: Text<36>,
}

impl ExecReport {
    /// What a pool is filled with, and what a returned report is reset to.
    pub fn blank() -> Self {
        Self {
            header: Header::new(EventKind::ExecReport),
            client_order_id: Text::EMPTY,
            venue_order_id: Text::EMPTY,
            report_id: Text::EMPTY,
            exec_type: ExecType::New,
            status: OrderStatus::New,
            side: Side::Buy,
            price: Price::ZERO,
            quantity: Quantity::ZERO,
            last_price: Price::ZERO,
            last_quantity: Quantity::ZERO,
            cumulative_quantity: Quantity::ZERO,
            reason: Text::EMPTY,
        }
    }

    /// By what a repeat of this report is recognised; `None` if it has no report id, and so is
    /// always news.
    pub fn identity(&self) -> Option<ExecutionId> {
        (!self.report_id.is_empty()).then_some(ExecutionId {
            venue: self.header.venue,
            client_order_id: self.client_order_id,
            report_id: self.report_id,
        })
    }
}
