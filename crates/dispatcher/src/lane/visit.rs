//! How a lane is run: what waits is taken under its lock, and delivered outside of it.

use std::{sync::Arc, time::Duration};

use super::{Lane, Queue, State, close::Gone};
use crate::{
    Cancel, Protocol, Skipped, WhenIdle,
    backlog::Entry,
    clock,
    crew::OwnThreads,
    handler::Packet,
    ring::{Claim, MOST_CLAIMED, Reader},
    sync::{Ordering::Relaxed, lock, looks, thread},
};

/// What a worker may do next.
pub(crate) enum Next<P: Protocol> {
    /// For whoever has it: to be run, and then finished.
    Run(Job<P>),
    /// Nothing waits, for now, or somebody else is at it.
    Idle,
    /// Nothing will come any more.
    End,
}

/// Whether a visit found something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visited {
    Ran,
    Nothing,
}

/// How long a visit may take.
const SLOW: Duration = Duration::from_micros(200);
/// How many messages of a backlog are run in one visit: more than are claimed, so that it is caught up with.
const MOST_ENTRIES: usize = 256;
/// How often a lane's own thread gives its core away before it goes to sleep. Waking it costs the publisher some 16 µs,
/// so a short pause between messages should not send it there.
const YIELDS: u32 = looks(32);
/// How often it looks without the lock, where it does not sleep.
const LOOKS: u32 = looks(256);

/// What whoever runs a lane was given.
pub(crate) enum Job<P: Protocol> {
    /// One message, from the backlog.
    Entry(Entry<P>),
    /// Messages in the ring.
    Claim(Box<Claimed<P>>),
}

/// What a lane has claimed in the ring. It is handed about in its box: what comes back in memory, from a call that has
/// just written it, is waited for.
pub(crate) struct Claimed<P: Protocol> {
    pub(crate) claim: Claim<Packet<P>>,
    /// What the next of some streams are to tell.
    pub(crate) tales: Vec<(P::Key, Skipped)>,
}

impl<P: Protocol> Claimed<P> {
    /// Of this lane, with nothing in it.
    pub(super) fn new(reader: &Reader<Packet<P>>) -> Self {
        Self { claim: Claim::new(reader), tales: vec![] }
    }
}

impl<P: Protocol> Lane<P> {
    /// What there is to do, at most so many messages; `cancelled` ends the lane's work as closing does.
    pub(crate) fn next(&self, most: usize, cancelled: bool) -> Next<P> {
        let mut queue = lock(&self.queue);
        self.take(&mut queue, most, cancelled)
    }

    /// As [`next`](Self::next), asleep until there is something.
    pub(crate) fn next_asleep(&self, most: usize, cancelled: impl Fn() -> bool) -> Next<P> {
        let mut queue = lock(&self.queue);
        loop {
            match self.take(&mut queue, most, cancelled()) {
                Next::Idle => {
                    queue = self.own.sleep(self.own_threads(), &self.wake, queue, |queue| {
                        let has_unread = self.post.as_ref().is_some_and(|post| post.has_unread());
                        has_unread && !queue.paused && !queue.running
                    });
                }
                next => return next,
            }
        }
    }

    /// What comes next, for its own thread, which waits for it as it is told to.
    fn next_when_idle(&self, cancel: &Cancel) -> Next<P> {
        let most = self.most.load(Relaxed);
        if self.when_idle == WhenIdle::Sleep {
            return self.next_asleep(most, || cancel.is_cancelled());
        }
        loop {
            match self.next(most, cancel.is_cancelled()) {
                Next::Idle => self.when_idle.pause(),
                next => return next,
            }
            // The lock is for whoever has something to say, such as that it is over.
            let mut looks = 0;
            while self.is_idle() && looks < LOOKS {
                looks += 1;
                self.when_idle.pause();
            }
        }
    }

    /// Wakes who sleeps over this lane, once something is published to it and a fence has followed.
    pub(crate) fn wake_if_asleep(&self) {
        self.own.wake_if_asleep(&self.queue, &self.wake);
    }

    /// Runs what is there, for a bit. What waits beside the ring is run message by message, unless the handler is slow.
    pub(crate) fn visit(&self, worker: &Arc<str>, cancel: &Cancel) -> Visited {
        let mut visited = Visited::Nothing;
        for _ in 0..MOST_ENTRIES {
            let most = self.most.load(Relaxed);
            let Next::Run(job) = self.next(most, cancel.is_cancelled()) else { break };
            visited = Visited::Ran;
            let is_entry = matches!(job, Job::Entry(_));
            self.run(job, worker, cancel);
            if !is_entry || self.slow.load(Relaxed) > 0 {
                break;
            }
        }
        visited
    }

    /// Runs what comes next, asleep until there is something. Answers how many times in a row that was slow; `None` if
    /// nothing will come.
    pub(crate) fn visit_asleep(&self, worker: &Arc<str>, cancel: &Cancel) -> Option<u32> {
        let mut yields = 0;
        while self.is_idle() && yields < YIELDS {
            yields += 1;
            thread::yield_now();
        }
        match self.next_when_idle(cancel) {
            Next::Run(job) => {
                let begun = clock::now();
                self.run(job, worker, cancel);
                Some(self.learn(clock::now() - begun))
            }
            Next::Idle | Next::End => None,
        }
    }

    /// Learns from how long a visit took. Answers how many in a row were slow, this one included.
    pub(crate) fn learn(&self, took: Duration) -> u32 {
        let (slow, most) = if took > SLOW {
            // Not one at once: it may have been the scheduler, and the lane would fall behind the others.
            (self.slow.load(Relaxed) + 1, (self.most.load(Relaxed) / 4).max(1))
        } else {
            (0, (2 * self.most.load(Relaxed)).min(MOST_CLAIMED))
        };
        self.slow.store(slow, Relaxed);
        self.most.store(most, Relaxed);
        slow
    }

    pub(crate) fn has_own_thread(&self) -> bool {
        self.own.is_there()
    }

    /// It is to have a thread of its own; false if it has one.
    pub(crate) fn take_own_thread(&self) -> bool {
        self.own.take(self.own_threads())
    }

    fn own_threads(&self) -> Option<&OwnThreads> {
        self.crew.as_ref().map(|crew| &crew.own)
    }

    /// For its own thread: the workers are to serve it again, and with what waits. Answers whether it has to go on itself,
    /// since they may have ended.
    pub(crate) fn end_own_thread(&self) -> bool {
        self.crew.as_ref().is_some_and(|crew| crew.give_back(&self.own))
    }

    /// It has no thread of its own after all.
    pub(crate) fn give_up_own_thread(&self) {
        self.own.give_up(self.own_threads());
    }

    /// Whether somebody runs it: a hint.
    pub(crate) fn is_running(&self) -> bool {
        self.runs.load(Relaxed)
    }

    /// Whether it is worth asking for [`next`](Self::next): a hint without a lock.
    pub(crate) fn is_idle(&self) -> bool {
        let has_unread = self.post.as_ref().is_some_and(|post| post.has_unread());
        self.depth.load(Relaxed) == 0 && !has_unread
    }

    /// Whether whoever runs it is to stop before the next message.
    #[inline]
    pub(crate) fn is_to_rest(&self) -> bool {
        self.to_rest.load(Relaxed)
    }

    fn take(&self, queue: &mut Queue<P>, most: usize, cancelled: bool) -> Next<P> {
        if queue.state == State::Closed || cancelled {
            return Next::End;
        }
        if queue.running {
            return Next::Idle;
        }
        let job = if queue.paused { None } else { self.job(queue, most) };
        match job {
            Some(job) => {
                queue.running = true;
                self.runs.store(true, Relaxed);
                Next::Run(job)
            }
            None if queue.state == State::Draining => Next::End,
            None => Next::Idle,
        }
    }

    /// What comes next, if anything does. For who runs the lane, or is about to.
    pub(super) fn job(&self, queue: &mut Queue<P>, most: usize) -> Option<Job<P>> {
        if queue.claim.as_ref().is_some_and(|claimed| !claimed.claim.is_empty()) {
            let claimed = queue.claim.take()?;
            self.hint(queue);
            return Some(Job::Claim(claimed));
        }
        if let Some(entry) = queue.backlog.pop() {
            self.hint(queue);
            return Some(Job::Entry(entry));
        }
        let (reader, claimed) = (queue.reader.as_mut()?, queue.claim.as_mut()?);
        if !reader.claim(most, &mut claimed.claim) {
            return None;
        }
        queue.backlog.take_tales(&mut claimed.tales);
        queue.claim.take().map(Job::Claim)
    }

    /// Runs what was given: the handler runs here and now, isolated. Then the lane may be run by others.
    pub(crate) fn run(&self, job: Job<P>, worker: &Arc<str>, cancel: &Cancel) {
        let claimed = self.perform(job, worker, cancel);
        self.finish(claimed);
    }

    /// Delivers what was given. What is left of a claim is to be [given back](Self::give_back).
    pub(super) fn perform(
        &self,
        job: Job<P>,
        worker: &Arc<str>,
        cancel: &Cancel,
    ) -> Option<Box<Claimed<P>>> {
        match job {
            Job::Entry(entry) => {
                self.deliver(entry, worker);
                None
            }
            Job::Claim(mut claimed) => {
                self.deliver_claimed(&mut claimed, worker, cancel);
                Some(claimed)
            }
        }
    }

    /// Puts a claim where whoever runs the lane next finds it, or releases it.
    pub(super) fn give_back(&self, queue: &mut Queue<P>, claimed: Option<Box<Claimed<P>>>) {
        if claimed.is_some() {
            queue.claim = claimed;
            self.release(queue);
            self.hint(queue);
        }
    }

    /// Nobody runs the lane any more.
    pub(super) fn finish(&self, claimed: Option<Box<Claimed<P>>>) {
        let mut queue = lock(&self.queue);
        queue.running = false;
        self.runs.store(false, Relaxed);
        self.give_back(&mut queue, claimed);
        if queue.state != State::Closed {
            drop(queue);
            // Its own thread may have found another one here, and sleep over what is left.
            self.wake_if_asleep();
            return;
        }
        let mut gone = Gone::new();
        self.take_claimed(&mut queue, &mut gone);
        queue.skip_unread(&mut gone);
        drop(queue);
        self.discard_all(gone);
        self.drop_runner();
    }

    /// Gives the claim back, if nothing is left of it.
    pub(super) fn release(&self, queue: &mut Queue<P>) {
        if let (Some(reader), Some(claimed)) = (&mut queue.reader, &mut queue.claim) {
            let claim = &mut claimed.claim;
            if claim.is_empty() && reader.is_claimed() {
                reader.release(claim);
            }
        }
    }
}
