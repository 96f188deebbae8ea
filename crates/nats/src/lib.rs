//! meltica's pipeline over [NATS](https://nats.io): what a consumer has on one machine, consumers have on others.
//!
//! Market data travel over core subjects, at most once and newest first; execution reports and control events
//! travel over JetStream, and each reaches the application exactly once.

#![forbid(unsafe_code)]

mod message;
mod names;

/// What a connection is made with, for those who look into the server themselves.
pub use async_nats;

pub use self::{
    message::{NatsPools, Received, View},
    names::Names,
};
