//! Binance spot market data, decoded straight into pooled events, with verified books.
//!
//! Understood are the combined streams `trade`, `bookTicker` and `depth`, and the REST depth
//! snapshot, as Binance documents them for spot. Prices and quantities come as text and are read
//! exactly; nothing is allocated once the books have seen their largest.
//!
//! | frame | becomes | numbering |
//! | --- | --- | --- |
//! | `trade` | [`Trade`](meltica_event::Trade), `E` as exchange time | `t`, dense |
//! | `bookTicker` | [`TopOfBook`](meltica_event::TopOfBook), without a time: Binance sends none | `u`, growing |
//! | `depth` | a [`Book`](meltica_event::Book) delta, once it follows a snapshot | `U` to `u`, growing |
//! | `executionReport`, bare or wrapped | an [`ExecReport`](meltica_event::ExecReport), `T` as exchange time | none |
//! | depth snapshot | a [`Book`](meltica_event::Book) snapshot | `lastUpdateId`, where the stream begins again |
//!
//! Books follow the rule of `U` and `u` (see [`BookAssembly`](meltica_venue::BookAssembly)), and are
//! compared with `bookTicker` wherever both are of the same update. Prices have at most eight digits
//! after the point on Binance, quantities too.
//!
//! ```
//! use meltica_event::{Catalog, EventKind, Instrument};
//! use meltica_venue::{Decode, Ingest, Session, VenuePools};
//! use meltica_venue_binance::BinanceSpot;
//!
//! let mut catalog = Catalog::new();
//! let venue = catalog.venue("binance")?;
//! let instrument: Instrument = "BTC-USDT".parse()?;
//! let id = catalog.instrument(instrument)?;
//!
//! let mut binance = BinanceSpot::new(venue, VenuePools::new(16));
//! binance.add(instrument, id)?;
//! let frame = br#"{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT",
//!     "t":3735683259,"p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}}"#;
//! let mut kinds = vec![];
//! binance.decode(frame, Ingest::default(), &mut |decoded| kinds.push(decoded.header().kind))?;
//! assert_eq!(kinds, [EventKind::Trade]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod execution;
mod json;
mod local;
mod spot;

pub use self::{local::LocalBinance, spot::BinanceSpot};
