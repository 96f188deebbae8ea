//! The only clock of this crate: for waits that end, and for how long a joined consumer took.
//! Everything that decides about messages takes its time as an argument.

use std::time::{Duration, Instant};

pub(crate) fn now() -> Instant {
    Instant::now()
}

/// A moment so far away that nobody waits for it, if the limit is too large to be added.
pub(crate) fn after(limit: Duration) -> Instant {
    let now = now();
    now.checked_add(limit).unwrap_or_else(|| now + Duration::from_secs(365 * 24 * 3600))
}
