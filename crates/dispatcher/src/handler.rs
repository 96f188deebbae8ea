use std::collections::HashMap;

use crate::{Class, Delivery, Protocol, Skipped, Verdict, backlog::About, watch::Watch};

type Owning<P> = Box<
    dyn FnMut(
            Delivery<<P as Protocol>::Message>,
        ) -> Verdict<<P as Protocol>::Message, <P as Protocol>::Fault>
        + Send,
>;

type Borrowing<P> = Box<
    dyn FnMut(&Delivery<<P as Protocol>::Message>) -> Verdict<(), <P as Protocol>::Fault> + Send,
>;

/// What a consumer does with its messages.
pub(crate) enum Handler<P: Protocol> {
    /// It is given a message of its own.
    Owning(Owning<P>),
    /// It reads the message where it is.
    Borrowing(Borrowing<P>),
}

/// What whoever runs a lane has to itself.
pub(crate) struct Runner<P: Protocol> {
    pub(crate) handler: Handler<P>,
    /// By stream: what had no effect on the consumer since the last delivery, to be told with the next.
    pub(crate) untold: HashMap<P::Key, Skipped>,
}

impl<P: Protocol> Runner<P> {
    pub(crate) fn new(handler: Handler<P>) -> Self {
        Self { handler, untold: HashMap::new() }
    }

    /// A message of this stream had no effect after all: the next is to say so, and to pass on what this one
    /// would have told. What was folded into it had none either.
    pub(crate) fn has_not_told(&mut self, stream: P::Key, skipped: Skipped) {
        let dropped = 1 + skipped.folded + skipped.dropped;
        let gone = Skipped { folded: 0, dropped, missing: skipped.missing };
        self.tell(stream, gone);
    }

    /// The next of this stream is to tell this too.
    pub(crate) fn tell(&mut self, stream: P::Key, skipped: Skipped) {
        self.untold.entry(stream).or_default().add(skipped);
    }

    /// What the next of this stream is to tell beside its own.
    #[inline]
    pub(crate) fn take_untold(&mut self, stream: &P::Key) -> Option<Skipped> {
        if self.untold.is_empty() { None } else { self.untold.remove(stream) }
    }
}

/// A message in the ring, for all of its lanes.
///
/// In this order, so that what almost all are asked for lies on as few cache lines as may be.
#[repr(C)]
pub(crate) struct Packet<P: Protocol> {
    pub(crate) class: Class,
    pub(crate) is_watched: bool,
    pub(crate) stream: P::Key,
    /// With what all of them have missed.
    pub(crate) delivery: Delivery<P::Message>,
    pub(crate) watch: Watch,
}

impl<P: Protocol> Packet<P> {
    pub(crate) fn new(message: P::Message, about: About<P::Key>) -> Self {
        let About { class, stream, missing, watch } = about;
        let skipped = Skipped { missing, ..Skipped::default() };
        let (is_watched, delivery) = (watch.is_watched(), Delivery { message, skipped });
        Self { class, is_watched, stream, delivery, watch }
    }

    /// What is known of it beside the message.
    pub(crate) fn about(&self) -> About<P::Key> {
        let Self { ref delivery, class, stream, watch, .. } = *self;
        About { class, stream, missing: delivery.skipped.missing, watch }
    }
}
