//! What happens on an exchange, as plain data: trades, quotes, books, execution reports, control.
//!
//! Every message begins with the same [`Header`]. Small market data is one fixed-size [`Event`];
//! a [`Book`] has pre-sized levels; [`ExecReport`] and [`Control`] are what must never be lost
//! ([`EventKind::is_critical`]). Money is exact: [`Price`] and [`Quantity`] are integers, parsed
//! from decimal text without a float in between. Nothing here allocates except a book whose levels
//! outgrow their room, and nothing knows of pools, queues or clocks.
//!
//! ```
//! use meltica_event::{Catalog, Event, EventKind, Header, Instrument, Payload, Side, Trade};
//!
//! let mut catalog = Catalog::new();
//! let venue = catalog.venue("binance")?;
//! let instrument = catalog.instrument("BTC-USDT".parse::<Instrument>()?)?;
//!
//! let trade = Trade {
//!     price: "61837.63".parse()?,
//!     quantity: "0.02".parse()?,
//!     id: 3_735_683_259,
//!     aggressor: Some(Side::Sell),
//! };
//! let event = Event::new(Header { venue, instrument, ..Header::default() }, Payload::Trade(trade));
//! assert_eq!(event.header.kind, EventKind::Trade);
//! assert_eq!(trade.price.to_string(), "61837.63");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod book;
mod catalog;
mod content;
mod control;
mod decimal;
mod event;
mod execution;
mod header;
mod instrument;
mod kind;
mod merged;
mod named;
mod text;
mod time;
mod vwap;

pub use self::{
    book::{Book, Level, Levels},
    catalog::{Catalog, CatalogError, InstrumentId, VenueId},
    control::{Control, ControlOutcome},
    decimal::{ParseDecimalError, Price, Quantity},
    event::{Event, Payload, Ticker, TopOfBook, Trade},
    execution::{ExecReport, ExecType, ExecutionId, OrderStatus},
    header::{Header, Numbering, TraceId},
    instrument::{Instrument, InstrumentKind, ParseInstrumentError},
    kind::{EventKind, Side, Topic},
    merged::{Merged, Quote, Sources},
    named::UnknownName,
    text::{Text, TextTooLong},
    time::Timestamp,
    vwap::Vwap,
};
