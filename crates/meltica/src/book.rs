//! The book's pages and the README, for what is in them to be compiled and run as tests.

#[doc = include_str!("../../../README.md")]
mod readme {}

#[doc = include_str!("../../../docs/api.md")]
mod api {}

#[cfg(feature = "telemetry")]
#[doc = include_str!("../../../docs/quickstart.md")]
mod quickstart {}

#[doc = include_str!("../../../docs/concepts.md")]
mod concepts {}

#[doc = include_str!("../../../docs/consumers.md")]
mod consumers {}

#[doc = include_str!("../../../docs/back-pressure.md")]
mod back_pressure {}

#[doc = include_str!("../../../docs/flips.md")]
mod flips {}

#[doc = include_str!("../../../docs/leaks.md")]
mod leaks {}
