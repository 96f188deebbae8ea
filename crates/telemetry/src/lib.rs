//! Names for what meltica's stages count, rendered for Prometheus.
//!
//! Stages keep counters and histograms, and know no names. [`Metrics`] holds handles to them, reads
//! them when it is [rendered](Metrics::render), and is the only place where a metric's name, help and
//! unit are known: see [`families`]. Nothing in the data path reads what is in here (LM-08).
//!
//! ```
//! use meltica_recycler::Recycler;
//! use meltica_telemetry::Metrics;
//!
//! let recycler = Recycler::new();
//! let pool = recycler.pool("event", 8, || [0u64; 16], |event| event[0] = 0);
//! drop(pool.try_lease().unwrap());
//!
//! let metrics = Metrics::new().recycler(recycler);
//! let text = metrics.render();
//! assert!(text.contains("# TYPE recycler_events_total counter\n"));
//! assert!(text.contains("recycler_events_total{event_kind=\"event\"} 1\n"));
//! ```
//!
//! The format is rendered here, in a hundred lines, since neither of the two libraries that are in
//! wide use does it alone: `prometheus-client` renders OpenMetrics only, which `promtool check
//! metrics` does not read, and `prometheus` wants to own every counter.

#![forbid(unsafe_code)]

mod family;
mod metrics;
mod scrape;
mod stages;
mod text;

pub use self::{
    family::{Family, Kind, Unit, families},
    metrics::Metrics,
    scrape::Value,
};
