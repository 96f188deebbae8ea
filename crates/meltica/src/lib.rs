//! In-process event distribution for market data: pooled, ordered, isolated, and never losing an
//! execution report.
//!
//! Events travel by value from venues to consumers through one [`Pipeline`]; dropping one, wherever
//! that happens, sends it back to its pool. Every consumer gets its own duplicate in its own time: a
//! slow one is told what it skipped, a panicking one stops nobody, and execution reports and control
//! events reach every interested consumer exactly once whatever the pressure.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use meltica::{Consumer, Message, Pipeline, Select, event::{Payload, Trade}};
//!
//! let mut pipeline = Pipeline::builder()
//!     .consumer(Consumer::new("printer", |m| println!("{:?}", m.header())), [Select::all()])
//!     .build()?;
//! let mut event = pipeline.pools().events.try_lease()?;
//! event.payload = Payload::Trade(Trade { price: "61837.63".parse()?, ..Trade::default() });
//! pipeline.push(Message::from(event), Instant::now())?;
//! assert!(pipeline.shutdown(Duration::from_secs(1)).is_clean());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! This crate is thin: it gives the market's types to crates that know none, and composes them.
//! Each is useful alone, and is here as a module: [`recycler`], [`event`], [`dispatcher`],
//! [`consumer`], [`orchestrator`]; with the feature `telemetry` also `telemetry`, and
//! `Pipeline::metrics` for Prometheus.

#![forbid(unsafe_code)]

pub use meltica_consumer as consumer;
pub use meltica_dispatcher as dispatcher;
pub use meltica_event as event;
pub use meltica_orchestrator as orchestrator;
pub use meltica_recycler as recycler;
#[cfg(feature = "telemetry")]
pub use meltica_telemetry as telemetry;

mod builder;
mod consumers;
mod control;
mod debug_mode;
mod depth;
mod feed;
mod follow;
mod global;
mod market;
mod merge_rule;
mod merging;
mod message;
#[cfg(feature = "telemetry")]
mod metrics;
mod obeying;
mod pipeline;
mod pools;
mod repeats;
mod running;
mod select;
mod stats;
mod view;

pub use self::{
    builder::{BuildError, Builder, Problem},
    control::{Applied, Command, CommandError, Control, ControlError, Pending},
    feed::{Feed, FeedError},
    global::global,
    market::{Delivery, Fault, Key, Market},
    merge_rule::{Incomplete, MergeRule},
    message::Message,
    pipeline::{End, Pipeline, PushError, Pushed, UnknownConsumer},
    pools::{PoolSizes, Pools},
    running::Running,
    select::Select,
    stats::{ConsumerStats, MergeStats, Stats},
};

/// A consumer of the market: a named closure over [`Delivery`], which reads as a [`Message`].
pub type Consumer = meltica_consumer::Consumer<Market>;

#[cfg(doctest)]
mod book;
