//! How long messages of the sample take to reach their lanes and to be done with, and how much of
//! that happened at the same time (FR-004, FR-026).

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use meltica_stats::SharedHistogram;

use crate::sync::lock;

/// How many fan-outs can be in progress at a time. A lane that is far behind holds many; while all are
/// held, further ones are not measured as a whole.
const PLACES: usize = 1_024;
/// How many places are looked at for one that is free.
const TRIES: usize = 4;

pub(crate) struct FanOuts {
    places: Box<[Mutex<Place>]>,
    /// Where the publisher looks next.
    next: AtomicUsize,
    /// From publishing to a lane's handler being entered.
    pub(crate) reach_ns: SharedHistogram,
    /// From publishing to the last lane being done.
    pub(crate) completion_ns: SharedHistogram,
    /// The time that all handlers took, over that from the first one's entry to the last one's end.
    pub(crate) parallelism_percent: SharedHistogram,
}

/// One fan-out; free while no lane is left.
#[derive(Clone, Copy, Default)]
struct Place {
    left: u32,
    published: Option<Instant>,
    /// Some lane did not have the message itself.
    is_partial: bool,
    ran: Option<(Instant, Instant)>,
    lanes: u32,
    busy: Duration,
}

impl FanOuts {
    /// With room for fan-outs in progress, or without, if none will be begun.
    pub(crate) fn new(measures: bool) -> Self {
        let places = if measures { PLACES } else { 0 };
        Self {
            places: (0..places).map(|_| Mutex::default()).collect(),
            next: AtomicUsize::new(0),
            reach_ns: SharedHistogram::new(),
            completion_ns: SharedHistogram::new(),
            parallelism_percent: SharedHistogram::new(),
        }
    }

    /// Begins one to so many lanes, each of which will report. `None` if there is no place. For the
    /// publisher.
    pub(crate) fn begin(&self, published: Instant, lanes: usize) -> Option<u16> {
        for _ in 0..TRIES {
            let next = self.next.fetch_add(1, Relaxed) % self.places.len().max(1);
            let mut place = lock(self.places.get(next)?);
            if place.left == 0 {
                let (left, published) = (lanes as u32, Some(published));
                *place = Place { left, published, ..Place::default() };
                return Some(next as u16);
            }
        }
        None
    }

    /// A lane is done with it: it ran from one moment to another, or, if the message did not come to
    /// its turn there, not at all.
    pub(crate) fn report(&self, place: u16, ran: Option<(Instant, Instant)>) {
        let mut place = lock(&self.places[place as usize]);
        place.left = place.left.saturating_sub(1);
        match ran {
            Some((started, ended)) => {
                place.lanes += 1;
                place.busy += ended.saturating_duration_since(started);
                let (first, last) = place.ran.unwrap_or((started, ended));
                place.ran = Some((first.min(started), last.max(ended)));
            }
            None => place.is_partial = true,
        }
        let done = *place;
        drop(place);
        if done.left > 0 || done.is_partial {
            return;
        }
        let (Some(published), Some((first, last))) = (done.published, done.ran) else { return };
        self.completion_ns.record(nanos(last.saturating_duration_since(published)));
        let span = last.saturating_duration_since(first).as_nanos();
        if done.lanes > 1 && span > 0 {
            self.parallelism_percent.record((done.busy.as_nanos() * 100 / span) as u64);
        }
    }
}

/// In nanoseconds, up to 584 years.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
