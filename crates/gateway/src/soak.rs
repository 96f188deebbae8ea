//! `meltica soak`: the promises that are numbers, measured on this machine.

mod checker;
mod criteria;
mod endurance;
mod endured;
mod lot;
mod memory;
mod traces;
mod traffic;

use meltica::{BuildError, ControlError, PushError};

pub(crate) use self::{
    criteria::measure,
    endurance::{Length, Plan, endure},
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum SoakError {
    #[error("{0}")]
    Build(#[from] BuildError),
    #[error("{0}")]
    Push(#[from] PushError),
    #[error("{0}")]
    Control(#[from] ControlError),
    #[error("no thread: {0}")]
    Thread(#[from] std::io::Error),
    #[error("{0} messages were not delivered at the end of a measurement")]
    Undelivered(usize),
    #[error("{0} messages wait for consumers, which handled none of them for a minute")]
    Standstill(u64),
}
