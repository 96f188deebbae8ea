//! OKX market data and orders by WebSocket v5, decoded straight into pooled events, with verified
//! books.
//!
//! | channel | becomes | numbering |
//! | --- | --- | --- |
//! | `books` snapshot | a [`Book`](meltica_event::Book) snapshot of 400 levels a side | `seqId`, where the stream begins again |
//! | `books` update | a [`Book`](meltica_event::Book) delta, if any level is in it | `prevSeqId` to `seqId`, growing |
//! | `bbo-tbt` | a [`TopOfBook`](meltica_event::TopOfBook) | `seqId`, growing |
//! | `trades` | [`Trade`](meltica_event::Trade)s | `tradeId`, growing: several fills may come as one |
//! | `orders` | an [`ExecReport`](meltica_event::ExecReport) | none |
//!
//! Each update names the one before. If that is not the last that was seen, an update is missing: the
//! book is given up and subscribed to anew, by itself. When OKX has nothing to say for a minute it
//! sends an update that names itself as the one before, and holds nothing. After maintenance numbers
//! may begin again: such an update names the last one, and has a smaller number; it is handed on as one
//! where the stream begins again. (The checksum is not looked at: it has been zero since June of 2026.)
//!
//! Books are compared with `bbo-tbt` wherever both have the same number. Quantities are of the base
//! currency for spot, and contracts for perpetuals (`BTC-USDT-SWAP`) and futures (`BTC-USDT-251226`).
//!
//! ```
//! use meltica_event::{Catalog, EventKind, Instrument};
//! use meltica_venue::{Decode, Ingest, Session, VenuePools};
//! use meltica_venue_okx::Okx;
//!
//! let mut catalog = Catalog::new();
//! let venue = catalog.venue("okx")?;
//! let instrument: Instrument = "BTC-USDT-PERP".parse()?;
//! let mut okx = Okx::new(venue, VenuePools::new(16));
//! okx.add(instrument, catalog.instrument(instrument)?)?;
//!
//! let frame = br#"{"arg":{"channel":"trades","instId":"BTC-USDT-SWAP"},"data":[{"count":"1",
//!     "instId":"BTC-USDT-SWAP","tradeId":"2953620209","px":"84093.4","sz":"0.01","side":"sell",
//!     "ts":"1790439594782","source":"0","seqId":342177336862}]}"#;
//! let mut kinds = vec![];
//! okx.decode(frame, Ingest::default(), &mut |decoded| kinds.push(decoded.header().kind))?;
//! assert_eq!(kinds, [EventKind::Trade]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod execution;
mod json;
mod local;
mod okx;

pub use self::{local::LocalOkx, okx::Okx};
