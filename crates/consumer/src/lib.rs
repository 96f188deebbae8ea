//! A closure, wrapped for the hot path: version gate, panic isolation, outcome counters.
//!
//! A [`Consumer`] takes each message by value, decides whether it is for now, runs the closure in
//! isolation and sees to it that the message is cleaned up, however that ends: dropped when the
//! closure returns, fails or panics. What it must know about a message comes from an [`Inspect`] on
//! a marker type of yours; nothing is asked of the message itself.
//!
//! Not a queue and not a thread: whoever has messages calls [`Consumer::invoke`].
//!
//! ```
//! use meltica_consumer::{Consumer, Inspect, Outcome};
//!
//! enum Quotes {} // the marker; the message is any type, here (routing version, price)
//!
//! impl Inspect for Quotes {
//!     type Message = (u64, i64);
//!     fn version(message: &(u64, i64)) -> u64 {
//!         message.0
//!     }
//!     fn is_critical(_: &(u64, i64)) -> bool {
//!         false
//!     }
//! }
//!
//! let mut consumer = Consumer::<Quotes>::new("strategy", |(_, price)| {
//!     if *price > 0 { Ok(()) } else { Err(format!("a price of {price}")) }
//! });
//! let gate = consumer.gate(); // moved from any thread
//! assert!(matches!(consumer.invoke((1, 100)), Outcome::Handled));
//! assert!(matches!(consumer.invoke((1, -5)), Outcome::Failed { .. }));
//! gate.raise(2);
//! assert!(matches!(consumer.invoke((1, 101)), Outcome::Filtered(_)));
//! assert_eq!(consumer.stats().filtered, 1);
//! ```
//!
//! The closure may own its message instead, since nobody else wants it:
//! [`Consumer::owning`]. It may return `()` or a `Result`.

#![forbid(unsafe_code)]

mod consumer;
mod gate;
mod inspect;
mod outcome;
mod panic_hook;
mod policy;
mod stats;

pub use self::{
    consumer::Consumer,
    gate::Gate,
    inspect::Inspect,
    outcome::{Cause, Fault, HandlerError, IntoResult, Outcome},
    panic_hook::{PanicHook, install_panic_hook},
    policy::Policy,
    stats::Stats,
};
