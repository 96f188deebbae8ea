//! Kraken market data by WebSocket v2, decoded straight into pooled events, with verified books.
//!
//! | channel | becomes | numbering |
//! | --- | --- | --- |
//! | `book` snapshot | a [`Book`](meltica_event::Book) snapshot | our own count, where the stream begins again |
//! | `book` update | a [`Book`](meltica_event::Book) delta | our own count, growing: Kraken has none |
//! | `trade` | [`Trade`](meltica_event::Trade)s, oldest first | `trade_id`, growing |
//! | `ticker` | a [`TopOfBook`](meltica_event::TopOfBook) and a [`Ticker`](meltica_event::Ticker), whose open is `last` less `change` | none |
//! | `heartbeat`, `status`, acknowledgements | nothing; a refusal is an error | |
//!
//! Every book message carries a CRC32 over the best ten levels of each side, as decimal text with its
//! trailing zeros. Numbers are bare JSON numbers, so they are read as text and never become floats. A
//! book that differs from its checksum is not handed on, and subscribed to anew, by itself. At a depth
//! of 10, which is the default, the checksum covers the whole book; at a greater one it covers the ten
//! best, and what is below them is only as good as the transport.
//!
//! An offer whose price is beyond the range of [`Price`](meltica_event::Price) (they exist: somebody
//! asks 9,999,999,997 for a coin worth 13) counts for checksum and depth, and is left out of what is
//! handed on. Trades of the snapshot that follows a subscription are history, and passed over; after
//! a reconnect those that were missed are handed on.
//!
//! Kraken sends a heartbeat a second while there is nothing else, so 10 s without one mean that the
//! connection is dead, while a thin book may well rest for minutes.
//!
//! ```
//! use meltica_event::{Catalog, EventKind, Instrument};
//! use meltica_venue::{Decode, Ingest, Session, VenuePools, Wish};
//! use meltica_venue_kraken::Kraken;
//!
//! let mut catalog = Catalog::new();
//! let venue = catalog.venue("kraken")?;
//! let instrument: Instrument = "BTC-USD".parse()?;
//! let mut kraken = Kraken::new(venue, VenuePools::new(16));
//! kraken.add(instrument, catalog.instrument(instrument)?)?;
//!
//! kraken.opened();
//! let Some(Wish::Send(subscribe)) = kraken.next_wish() else { panic!("it subscribes first") };
//! assert!(subscribe.contains(r#""symbol":["BTC/USD"]"#));
//!
//! let frame = br#"{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"buy",
//!     "price":78871.6,"qty":0.01266503,"ord_type":"market","trade_id":4665906,
//!     "timestamp":"2026-08-24T22:21:58.343688Z"}]}"#;
//! let mut kinds = vec![];
//! kraken.decode(frame, Ingest::default(), &mut |decoded| kinds.push(decoded.header().kind))?;
//! assert_eq!(kinds, [EventKind::Trade]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod json;
mod kraken;
mod ladder;
mod local;
mod number;

pub use self::{kraken::Kraken, ladder::Ladder, local::LocalKraken, number::Number};
