use std::time::{Instant, SystemTime, UNIX_EPOCH};

use meltica::event::Timestamp;

/// The monotonic clock by which latencies are measured: nanoseconds since it was made, plus one, so
/// that zero means not measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    pub(crate) fn nanos(&self) -> u64 {
        // 584 years.
        self.start.elapsed().as_nanos() as u64 + 1
    }
}

/// The wall clock of this machine.
pub(crate) fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok();
    since
        .and_then(|since| i64::try_from(since.as_nanos()).ok())
        .map_or(Timestamp::ABSENT, Timestamp::from_nanos)
}
