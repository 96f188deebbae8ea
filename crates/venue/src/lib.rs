//! What the adapter of a trading venue needs: decoding in place, book assembly, recordings, and a
//! synthetic venue.
//!
//! An adapter implements [`Decode`]: bytes in, leased events out, nothing in between (the feature `json`
//! has what helps).
//! Books are kept next to the venue, and verified before anything travels on: by a [`BookAssembly`]
//! where updates have first and last ids, by a [`CheckedBook`] where something else tells; a [`TopOracle`] checks the result against an independent stream of
//! best prices, where a venue has one. What a connection needs beside decoding (subscriptions,
//! snapshots to fetch, how patient and how fast it is) says [`Session`]; [`LocalVenue`] is the venue's
//! own side, for tests and for runs without a network. [`Recording`] reads what was recorded, [`Synthetic`] makes up
//! what was not. No clocks, no sockets: time is an argument, and whoever has bytes brings them.
//!
//! ```
//! use meltica_event::{Catalog, EventKind, Timestamp};
//! use meltica_venue::{Decoded, Ingest, Synthetic, VenuePools};
//!
//! let mut catalog = Catalog::new();
//! let venue = catalog.venue("synthetic")?;
//! let btc = catalog.instrument("BTC-USDT".parse()?)?;
//! let mut feed = Synthetic::new(venue, [btc], 7, VenuePools::new(16));
//! let ingest = Ingest { time: Timestamp::from_nanos(0), mono_ns: 1 };
//! let first: Decoded = feed.next(ingest);
//! assert_eq!(first.header().kind, EventKind::BookSnapshot, "a stream begins with the whole book");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod assembly;
mod checked;
#[cfg(feature = "conformance")]
pub mod conformance;
mod decode;
#[cfg(feature = "json")]
pub mod json;
mod local;
mod market;
mod oracle;
mod pools;
mod recorder;
mod recording;
mod rfc3339;
mod session;
mod synthetic;

/// What an adapter leases its events from: the recycler's own types, so that adapters need no other
/// crate for them.
pub use meltica_recycler::{Lease, Pool};

pub use self::{
    assembly::{Applied, AssemblyStats, BookAssembly},
    checked::CheckedBook,
    decode::{Decode, DecodeCause, DecodeError, Decoded, Ingest, VenueStats},
    local::LocalVenue,
    market::{BookChange, LocalMarket, Move},
    oracle::TopOracle,
    pools::VenuePools,
    recorder::{Recorder, RecorderError, RecorderStats},
    recording::{Entry, Frame, Happened, Recording, RecordingError, Summary},
    rfc3339::{parse_utc, write_utc},
    session::{BookStatus, Rhythm, Session, Unsupported, Wish},
    synthetic::Synthetic,
};

#[cfg(doctest)]
#[doc = include_str!("../../../docs/writing-a-venue.md")]
mod writing_a_venue {}
