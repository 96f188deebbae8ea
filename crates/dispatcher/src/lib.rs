//! Fan-out of owned messages by key: each consumer gets its own duplicate, in order, in its own
//! time, and what must not be lost is not.
//!
//! What a message is comes from a [`Protocol`] on a marker type of yours: its key, its [`Class`]
//! and how to duplicate it. A [`Dispatcher`] takes messages by value from one thread; consumers
//! [subscribe](Routes::subscribe) to keys and patterns from any thread, while it runs. A slow or
//! panicking consumer stops nobody: under pressure, each class gives way in its own
//! manner, and a delivery says what was [skipped](Delivery::skipped) before it.
//!
//! Not for work queues (every consumer gets every message it asked for) and not for crossing
//! processes.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use meltica_dispatcher::{Class, Delivery, Dispatcher, Protocol, Route, Subscription};
//!
//! enum Temperatures {} // the marker; the message is any type, here (city, degrees)
//!
//! impl Protocol for Temperatures {
//!     type Message = (u32, i32);
//!     type Key = u32;
//!     type Fault = String;
//!
//!     fn key(message: &(u32, i32)) -> u32 {
//!         message.0
//!     }
//!     fn class(_: &(u32, i32)) -> Class {
//!         Class::Conflatable
//!     }
//!     fn duplicate(message: &(u32, i32), _: Class) -> Option<(u32, i32)> {
//!         Some(*message)
//!     }
//! }
//!
//! let mut dispatcher = Dispatcher::<Temperatures>::builder().build()?;
//! dispatcher.routes().subscribe(
//!     Subscription::new("alarm", |reading: Delivery<(u32, i32)>| {
//!         if reading.1 > 40 { Err(format!("city {} burns", reading.0)) } else { Ok(()) }
//!     })
//!     .to(Route::All),
//! )?;
//! dispatcher.publish((7, 21), Instant::now())?;          // returns at once
//! let report = dispatcher.dispatch((8, 41), Instant::now(), None)?; // waits for its consumers
//! assert_eq!(report.failures().count(), 1);
//! let end = dispatcher.shutdown(Duration::from_secs(1));
//! assert!(end.is_clean());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Messages lie in a ring, each once, where every consumer reads it in its own time; what one has not read that is so far
//! behind that the publisher would have to wait for it is put beside the ring, for it alone, where it gives way by class.
//! A consumer that only [reads](Subscription::borrowing) its messages needs
//! no duplicate of them. [`Builder::queues`] gives each consumer a queue in place of the ring: plainer, and what
//! the ring is compared with.

#![deny(unsafe_code)]

mod backlog;
mod builder;
mod cancel;
mod clock;
mod contain;
mod crew;
mod deliver;
mod delivery;
mod dispatcher;
mod fan_outs;
mod fault;
mod handler;
mod holes;
mod idle;
mod joined;
mod lane;
mod left;
mod multicast;
mod order;
mod protocol;
mod publisher;
mod receipts;
mod report;
#[expect(
    unsafe_code,
    reason = "messages read in place; states and moves are at the top of the file"
)]
mod ring;
mod routes;
mod shared;
mod shutdown;
mod state;
mod stats;
mod sync;
mod timings;
mod topology;
mod watch;
mod worker;

pub use meltica_stats::Snapshot;

pub use self::{
    builder::{BuildError, Builder},
    cancel::Cancel,
    delivery::{Delivery, Skipped, Verdict},
    dispatcher::{DispatchError, Dispatcher, PublishError, Published},
    fault::{Cause, DeadLetter, DeathCause, Fault},
    idle::WhenIdle,
    lane::LaneId,
    multicast::WhenFull,
    protocol::{Class, Protocol, Sequence},
    publisher::Publisher,
    report::{LaneReport, Outcome, Report},
    routes::{Routes, SubscribeError, Subscription, UnknownLane},
    shutdown::{Shutdown, Undelivered},
    stats::{LaneStats, Stats},
    timings::{LaneTimings, Timings},
    topology::Route,
    worker::is_inside_consumer,
};
