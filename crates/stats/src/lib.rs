//! Counters and histograms for the hot path: one writer, any number of readers.
//!
//! A stage of a pipeline knows what happened; a metrics endpoint wants to know it once a second.
//! Between them stand these types: the stage updates them with plain loads and stores (a
//! nanosecond or two, no locked instruction), and anyone may read them at any time. They have no
//! names, labels or exporters: whoever reads them gives them a name.
//!
//! Not for what several threads write: there [`SharedCounter`] and [`SharedHistogram`] pay for atomic
//! additions.
//!
//! ```
//! use meltica_stats::{Counter, Histogram};
//!
//! let delivered = Counter::new();
//! let latency_ns = Histogram::new();
//! for ns in [800, 950, 1_200] {
//!     delivered.add(1);
//!     latency_ns.record(ns);
//! }
//! assert_eq!(delivered.get(), 3);
//! let seen = latency_ns.snapshot();
//! assert_eq!((seen.count(), seen.max()), (3, Some(1_200)));
//! // A quantile is read to within 1/32 of its value, and never above the maximum.
//! assert!((950..=980).contains(&seen.quantile(0.5).unwrap()));
//! ```

#![forbid(unsafe_code)]

mod counter;
mod histogram;
mod peak;

pub use self::{
    counter::{Counter, SharedCounter},
    histogram::{Histogram, SharedHistogram, Snapshot},
    peak::Peak,
};
