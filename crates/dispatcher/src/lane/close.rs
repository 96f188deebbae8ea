//! How a lane ends, and what becomes of what waits in it.

use super::{Claimed, Lane, Queue, State};
use crate::{
    Class, DeathCause, Outcome, Protocol,
    backlog::Entry,
    contain::contain,
    handler::Packet,
    sync::{Ordering::Relaxed, lock},
    watch::Watch,
};

impl<P: Protocol> Lane<P> {
    /// Takes no more messages, and ends when it has delivered what waits.
    pub(crate) fn drain(&self) {
        let mut queue = lock(&self.queue);
        if queue.state == State::Open {
            queue.state = State::Draining;
        }
        drop(queue);
        self.wake.notify_all();
    }

    /// Takes and delivers no more; what waited is handed to `undelivered`, in the order in which it
    /// would have been delivered. Of what is in the ring, these are duplicates of the critical messages, the
    /// others are discarded. At most the call in progress goes on.
    pub(crate) fn close(&self, mut undelivered: impl FnMut(Entry<P>)) {
        let mut queue = lock(&self.queue);
        queue.state = State::Closed;
        self.to_rest.store(true, Relaxed);
        let running = queue.running;
        let mut entries = Vec::with_capacity(queue.backlog.len());
        let mut gone = Gone::new();
        self.take_claimed(&mut queue, &mut gone);
        entries.append(&mut gone.critical);
        while let Some(entry) = queue.backlog.pop() {
            entries.push(entry);
        }
        queue.skip_unread(&mut gone);
        entries.append(&mut gone.critical);
        self.hint(&queue);
        drop(queue);
        self.wake.notify_all();
        self.discard_all(gone);
        self.counts.discarded.add(entries.len() as u64);
        for entry in entries {
            // One message that panics when dropped must not cost the others their way out.
            contain("a message, when dropped,", || undelivered(entry));
        }
        if !running {
            self.drop_runner();
        }
    }

    /// Drops the handler. For whoever knows that it does not run, and will not.
    pub(crate) fn drop_runner(&self) {
        let runner = lock(&self.runner).take();
        contain(format_args!("the handler of `{}`, when dropped,", self.name), || drop(runner));
    }

    /// What is left of the claim, unless whoever runs the lane has it.
    pub(super) fn take_claimed(&self, queue: &mut Queue<P>, gone: &mut Gone<P>) {
        if let Some(Claimed { claim, .. }) = queue.claim.as_deref_mut() {
            while !claim.is_empty() {
                claim.read(|packet| gone.add(packet));
                claim.advance();
            }
        }
        self.release(queue);
    }

    pub(super) fn discard_all(&self, gone: Gone<P>) {
        gone.others.into_iter().for_each(|watch| self.discard_shared(watch));
        for Entry { message, class, watch, .. } in gone.critical {
            self.discard(message, class, watch, DeathCause::Unsubscribed);
        }
    }

    /// A message that nobody will deliver.
    pub(crate) fn discard(
        &self,
        message: P::Message,
        class: Class,
        watch: Watch,
        cause: DeathCause,
    ) {
        self.counts.discarded.add(1);
        self.bury(message, class, watch, cause);
    }

    /// As [`discard`](Self::discard), of one that is others' too, and not critical.
    pub(crate) fn discard_shared(&self, watch: Watch) {
        self.counts.discarded.add(1);
        self.report(watch, Outcome::Discarded, None);
    }

    /// Sends an undelivered message where its class demands, and tells whoever waits for it.
    pub(crate) fn bury(&self, message: P::Message, class: Class, watch: Watch, cause: DeathCause) {
        if class == Class::Critical {
            self.sinks.dead_letter(message, &self.name, cause);
        }
        // Of what was abandoned the consumer did not want to be rid.
        let watch = if cause == DeathCause::Abandoned { watch.without_receipt() } else { watch };
        self.report(watch, Outcome::Discarded, None);
    }
}

/// What a lane that is closed has in the ring: duplicates of what must not be lost, and who watches the rest.
pub(super) struct Gone<P: Protocol> {
    pub(super) critical: Vec<Entry<P>>,
    others: Vec<Watch>,
}

impl<P: Protocol> Gone<P> {
    pub(super) fn new() -> Self {
        Self { critical: vec![], others: vec![] }
    }

    pub(super) fn add(&mut self, packet: &Packet<P>) {
        let duplicate = || P::duplicate(&packet.delivery.message, packet.class);
        match (packet.class == Class::Critical).then(duplicate).flatten() {
            Some(message) => self.critical.push(Entry::new(message, packet.about())),
            None => self.others.push(packet.watch),
        }
    }
}
