//! Lanes whose handlers run on the publisher's own thread, as a part of publishing.
//!
//! While a lane is inline the publisher runs it, as a worker does during a visit, and keeps the handler. Nothing waits
//! then: each message is delivered before the next is published. It lets go of a lane that is paused, closed, or to
//! be inline no more; what comes for that one waits beside the ring, as for any lane that is not in it.

use std::{sync::Arc, time::Duration};

use super::{Lane, State};
use crate::{
    Cancel, Protocol,
    handler::{Packet, Runner},
    ring::MOST_CLAIMED,
    sync::{Ordering::Relaxed, lock},
};

/// How many slow calls in a row move a lane to the workers, of those that are measured.
const SLOW_IN_A_ROW: u32 = 2;

/// What the publisher keeps of a lane that is inline.
pub(crate) struct Inline<P: Protocol> {
    pub(crate) runner: Runner<P>,
    slow: u32,
}

impl<P: Protocol> Inline<P> {
    /// Learns from how long a call took. Answers whether the lane is too slow to stay.
    pub(crate) fn learn(&mut self, took: Duration, limit: Duration) -> bool {
        self.slow = if took > limit { self.slow + 1 } else { 0 };
        self.slow >= SLOW_IN_A_ROW
    }
}

impl<P: Protocol> Lane<P> {
    /// Whether it is to be run by the publisher.
    #[inline]
    pub(crate) fn is_inline(&self) -> bool {
        self.inline.load(Relaxed)
    }

    /// Whether the publisher is to run it from now on. Answers what was so before.
    pub(crate) fn set_inline(&self, inline: bool) -> bool {
        self.inline.swap(inline, Relaxed)
    }

    /// For the publisher: has it run the lane, once what waits is delivered, here and now. `None` if it is not to be
    /// inline or not to run, or somebody else runs it still. It must not be in the ring.
    pub(crate) fn go_inline(&self, worker: &Arc<str>, cancel: &Cancel) -> Option<Inline<P>> {
        if !self.is_inline() {
            return None;
        }
        let mut queue = lock(&self.queue);
        if queue.running {
            return None;
        }
        queue.running = true;
        while queue.state == State::Open && !queue.paused && !cancel.is_cancelled() {
            if let Some(job) = self.job(&mut queue, MOST_CLAIMED) {
                drop(queue);
                let claimed = self.perform(job, worker, cancel);
                queue = lock(&self.queue);
                self.give_back(&mut queue, claimed);
                continue;
            }
            let mut tales = vec![];
            queue.backlog.take_tales(&mut tales);
            drop(queue);
            let runner = lock(&self.runner).take();
            let mut runner = runner.expect("a lane that is open has a handler");
            tales.into_iter().for_each(|(stream, skipped)| runner.tell(stream, skipped));
            return Some(Inline { runner, slow: 0 });
        }
        drop(queue);
        self.finish(None);
        None
    }

    /// For the publisher: others may run it again.
    pub(crate) fn let_go(&self, inline: Inline<P>) {
        *lock(&self.runner) = Some(inline.runner);
        self.finish(None);
    }

    /// Delivers a message that others have too, here and now.
    #[inline(always)]
    pub(crate) fn deliver_inline(
        &self,
        runner: &mut Runner<P>,
        packet: &Packet<P>,
        worker: &Arc<str>,
    ) {
        if self.deliver_plain(runner, packet, worker) {
            self.counts.inline.add(1);
        } else {
            self.counts.published.add(1);
            self.deliver_lent(runner, packet, worker);
        }
    }
}
