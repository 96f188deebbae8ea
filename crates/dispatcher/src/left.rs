use std::sync::Arc;

use crate::{LaneStats, Protocol, lane::Lane};

/// Lanes that have left: what they did is told as before.
pub(crate) struct Left<P: Protocol> {
    /// Those that somebody still holds: a call may be in progress, or the publisher has yet to hear of it.
    leaving: Vec<Arc<Lane<P>>>,
    /// What the others did, by name.
    sums: Vec<LaneStats>,
}

impl<P: Protocol> Left<P> {
    pub(crate) fn new() -> Self {
        Self { leaving: vec![], sums: vec![] }
    }

    /// A lane leaves. To be called where its being gone becomes visible, under the same lock.
    pub(crate) fn leave(&mut self, lane: Arc<Lane<P>>) {
        // Nobody else has these: nothing changes in them any more.
        self.leaving.retain(|earlier| {
            let is_held = Arc::strong_count(earlier) > 1;
            if !is_held {
                add(&mut self.sums, earlier.stats());
            }
            is_held
        });
        self.leaving.push(lane);
    }

    /// What they did, by name.
    pub(crate) fn stats(&self) -> Vec<LaneStats> {
        let mut sums = self.sums.clone();
        self.leaving.iter().for_each(|lane| add(&mut sums, lane.stats()));
        sums
    }
}

fn add(sums: &mut Vec<LaneStats>, stats: LaneStats) {
    match sums.iter_mut().find(|earlier| earlier.consumer == stats.consumer) {
        Some(earlier) => earlier.add(&stats),
        None => sums.push(stats),
    }
}
