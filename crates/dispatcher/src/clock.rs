//! The only clock of this crate: for waits that end, and for how long a joined consumer took.
//! Everything that decides about messages takes its time as an argument.

use std::{
    num::NonZeroU64,
    sync::LazyLock,
    time::{Duration, Instant},
};

pub(crate) fn now() -> Instant {
    #[cfg(meltica_loom)]
    return modelled::now();
    #[cfg(not(meltica_loom))]
    Instant::now()
}

/// The time of a model, which is the same in each of its runs: it passes when the model says so.
#[cfg(meltica_loom)]
pub(crate) mod modelled {
    use std::{
        cell::Cell,
        sync::LazyLock,
        time::{Duration, Instant},
    };

    static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);

    // All of a model's threads are one of the system's.
    thread_local! {
        static PASSED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
        static LOOKS: Cell<u32> = const { Cell::new(0) };
    }

    /// For a model that begins: no time has passed, and a wait that is limited may end that often by itself.
    pub(crate) fn begin(looks: u32) {
        PASSED.set(Duration::ZERO);
        LOOKS.set(looks);
    }

    pub(super) fn now() -> Instant {
        *FIRST + PASSED.get()
    }

    /// Lets so much time pass.
    pub(crate) fn pass(time: Duration) {
        PASSED.set(PASSED.get() + time);
    }

    /// Whether a wait that is limited ends by itself.
    pub(crate) fn is_up() -> bool {
        let looks = LOOKS.get();
        LOOKS.set(looks.saturating_sub(1));
        looks > 0
    }
}

/// A moment so far away that nobody waits for it, if the limit is too large to be added.
pub(crate) fn after(limit: Duration) -> Instant {
    let now = now();
    now.checked_add(limit).unwrap_or_else(|| now + Duration::from_secs(365 * 24 * 3600))
}

/// What moments are counted from: a day before the first one that was asked for.
static BEGINNING: LazyLock<Instant> = LazyLock::new(|| {
    let now = now();
    now.checked_sub(Duration::from_secs(24 * 3600)).unwrap_or(now)
});

/// A time in one word: nanoseconds since the beginning, and one more. What lies before the beginning is that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment(NonZeroU64);

impl Moment {
    pub(crate) fn of(time: Instant) -> Self {
        let nanos = time.saturating_duration_since(*BEGINNING).as_nanos();
        Self(NonZeroU64::MIN.saturating_add(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    pub(crate) fn instant(self) -> Instant {
        *BEGINNING + Duration::from_nanos(self.0.get() - 1)
    }
}
