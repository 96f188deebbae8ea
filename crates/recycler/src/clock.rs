//! The only clock of this crate: for waits that end, for the age of a lease in debug mode, and for how
//! long a sample of returns took.

use std::time::Instant;

pub(crate) fn now() -> Instant {
    Instant::now()
}
