//! Merges what several sources say about one thing, window by window.
//!
//! The first partial view of a key opens its window. The window closes when every expected source is
//! in, when its time is up, when it holds a given count, or when a partial of a later period comes;
//! then [`Merge::merge`], a function of yours, makes one message of it, and the partials are dropped
//! there and then. The merge sees them in order of source and sequence, so its result does not depend
//! on the order in which they came.
//!
//! - A partial that is not newer than what its source already gave to a closed window is *late*; one
//!   that its window has already is *repeated*. Both come back in a [`PushError`], and are counted.
//! - A window that closes with sources missing is suppressed and counted, or, by
//!   [`Builder::incomplete`], merged and marked.
//! - Windows are forgotten by a restart, and by [`Orchestrator::forget`].
//!
//! There is no clock and no thread in here: time is an argument of [`push`](Orchestrator::push) and
//! [`poll`](Orchestrator::poll). A push costs the same however many windows are open, and grows with
//! the number of sources in one. Memory is bounded by [`Builder::windows`] times
//! [`Builder::partials`], and nothing is allocated once every window has been as full as it gets.
//!
//! ```
//! use std::time::Instant;
//! use meltica_orchestrator::{Merge, Orchestrator, Sequence, Window};
//!
//! /// The best price of three shops.
//! struct Best;
//! struct Offer { article: u32, shop: u8, number: u64, cents: u64 }
//!
//! impl Merge for Best {
//!     type Partial = Offer;
//!     type Key = u32;
//!     type Source = u8;
//!     type Merged = (u64, u8);
//!
//!     fn key(&self, offer: &Offer) -> u32 { offer.article }
//!     fn source(&self, offer: &Offer) -> u8 { offer.shop }
//!     fn sequence(&self, offer: &Offer) -> Sequence { Sequence::Numbered(offer.number) }
//!     fn expected(&self, _: u32) -> &[u8] { &[1, 2, 3] }
//!     fn merge(&mut self, window: Window<'_, Self>) -> Option<(u64, u8)> {
//!         window.partials().map(|offer| (offer.cents, offer.shop)).min()
//!     }
//! }
//!
//! let mut orchestrator = Orchestrator::builder(Best).build()?;
//! let now = Instant::now();
//! for (shop, cents) in [(3, 990), (1, 950), (2, 999)] {
//!     orchestrator.push(Offer { article: 7, shop, number: 1, cents }, now).expect("on time");
//! }
//! assert_eq!(orchestrator.pop(), Some((950, 1)));
//! let late = orchestrator.push(Offer { article: 7, shop: 1, number: 1, cents: 1 }, now);
//! assert_eq!(late.unwrap_err().to_string(), "the partial is late: its source gave a closed window one as new");
//! # Ok::<(), meltica_orchestrator::BuildError>(())
//! ```

#![forbid(unsafe_code)]

mod builder;
mod merge;
mod orchestrator;
mod slot;
mod stats;
mod table;
mod window;

pub use self::{
    builder::{BuildError, Builder, Incomplete},
    merge::{Merge, Sequence},
    orchestrator::{Orchestrator, PushError, Pushed},
    stats::Stats,
    window::{Closed, Window},
};
