//! The whole pipeline, single-threaded from a seed, beside an independent plain model.
//!
//! A [`Plan`] is all that happens in a run, made from a seed: venues whose lines lose, repeat, delay
//! and reset; consumers that stall, fail, panic, leave and come back; empty pools; flips and other
//! commands at every point; an end at any. [`run()`] does it to a real [`Pipeline`](meltica::Pipeline)
//! without threads, step by step, and asks after each one whether everything seen is what the model
//! expects: critical messages exactly once for each interested consumer, order within streams, gates,
//! windows, what was folded or dropped told exactly, every lease home. [`shrink`] leaves out of a
//! failing run what it does not need.
//!
//! The model knows what must be, not how it is done: which messages give way when a consumer lags is
//! the dispatcher's to choose, as long as it had a reason and says so. So another dispatcher passes
//! unchanged.

#![forbid(unsafe_code)]

mod body;
mod market;
mod model;
mod plan;
mod run;
mod shrink;
mod world;

pub use self::{
    plan::Plan,
    run::{Failure, Tally, run},
    shrink::shrink,
};
