//! Coinbase Advanced Trade market data, decoded straight into pooled events, with verified books.
//!
//! | channel | becomes | numbering |
//! | --- | --- | --- |
//! | `l2_data` snapshot | a [`Book`](meltica_event::Book) snapshot | our own count, where the stream begins again |
//! | `l2_data` update | a [`Book`](meltica_event::Book) delta, if any level is in it | our own count, growing: a book has none |
//! | `market_trades` | [`Trade`](meltica_event::Trade)s, oldest first | `trade_id`, dense |
//! | `ticker` | a [`TopOfBook`](meltica_event::TopOfBook) and a [`Ticker`](meltica_event::Ticker) without an open: Coinbase has it in percent only | none |
//! | `heartbeats`, `subscriptions` | nothing, and they count | |
//!
//! `sequence_num` counts every frame of the connection, whatever it is about. When one is missing
//! nobody can say whose it was: every book is given up, and subscribed to anew, while trades and
//! tickers go on. A frame that cannot be read counts as missing; one about a product that was not
//! asked for does not. A frame that comes again is passed over.
//!
//! A trade's `side` is the maker's, so the aggressor is the other. Trades of the snapshot that follows a
//! subscription are history, and passed over; after a reconnect those that were missed are handed on.
//!
//! ```
//! use meltica_event::{Catalog, EventKind, Instrument};
//! use meltica_venue::{Decode, Ingest, Session, VenuePools};
//! use meltica_venue_coinbase::Coinbase;
//!
//! let mut catalog = Catalog::new();
//! let venue = catalog.venue("coinbase")?;
//! let instrument: Instrument = "BTC-USD".parse()?;
//! let mut coinbase = Coinbase::new(venue, VenuePools::new(16));
//! coinbase.add(instrument, catalog.instrument(instrument)?)?;
//!
//! let frame = br#"{"channel":"l2_data","client_id":"","timestamp":"2026-09-30T02:39:53.670986313Z",
//!     "sequence_num":0,"events":[{"type":"snapshot","product_id":"BTC-USD","updates":[
//!     {"side":"bid","event_time":"2026-09-30T02:39:53.407329Z","price_level":"83277.25",
//!     "new_quantity":"0.00715626"}]}]}"#;
//! let mut kinds = vec![];
//! coinbase.decode(frame, Ingest::default(), &mut |decoded| kinds.push(decoded.header().kind))?;
//! assert_eq!(kinds, [EventKind::BookSnapshot]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod coinbase;
mod json;
mod local;

pub use self::{coinbase::Coinbase, local::LocalCoinbase};
