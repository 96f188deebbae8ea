use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Keeps to a venue's limits: a least time between two, and at most so many in so much time.
#[derive(Clone, Debug)]
pub(crate) struct Pacing {
    gap: Duration,
    most: usize,
    span: Duration,
    /// The last `most` of them.
    past: VecDeque<Instant>,
}

impl Pacing {
    /// At most `most` in any `span`, one at least `gap` after the other.
    pub(crate) fn new(gap: Duration, (most, span): (u32, Duration)) -> Self {
        Self { gap, most: most.max(1) as usize, span, past: VecDeque::new() }
    }

    /// One at least `gap` after the other.
    pub(crate) fn gap(gap: Duration) -> Self {
        Self::new(gap, (1, gap))
    }

    /// When the next may go.
    pub(crate) fn next(&self, now: Instant) -> Instant {
        let spaced = self.past.back().map_or(now, |last| *last + self.gap);
        let full = (self.past.len() == self.most).then(|| self.past[0] + self.span);
        now.max(spaced).max(full.unwrap_or(now))
    }

    /// One goes now.
    pub(crate) fn note(&mut self, now: Instant) {
        if self.past.len() == self.most {
            self.past.pop_front();
        }
        self.past.push_back(now);
    }
}

#[cfg(test)]
mod tests;
