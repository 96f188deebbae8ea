use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

use crossbeam_utils::CachePadded;
use rustc_hash::FxHashMap;

use crate::{Class, Delivery, Protocol, Skipped, Verdict, backlog::About, watch::Watch};

type Owning<P> = Box<
    dyn FnMut(
            Delivery<<P as Protocol>::Message>,
        ) -> Verdict<<P as Protocol>::Message, <P as Protocol>::Fault>
        + Send,
>;

/// Answers whether the message is handled; if not, the verdict is put in place.
type Borrowing<P> = Box<
    dyn FnMut(&Delivery<<P as Protocol>::Message>, &mut Verdict<(), <P as Protocol>::Fault>) -> bool
        + Send,
>;

/// A handler that reads messages where they are.
///
/// Almost all are simply handled, so that one byte comes back, in a register; a verdict in memory would be waited for.
pub(crate) struct Reading<P: Protocol> {
    handler: Borrowing<P>,
    /// Between messages it is [`Verdict::Handled`].
    verdict: Verdict<(), P::Fault>,
}

impl<P: Protocol> Reading<P> {
    /// Has the handler read a message. Answers whether that was all, or its panic; if it was not all,
    /// [`verdict`](Self::verdict) is to be asked.
    #[inline(always)]
    pub(crate) fn read(&mut self, delivery: &Delivery<P::Message>) -> thread::Result<bool> {
        let Self { handler, verdict } = self;
        catch_unwind(AssertUnwindSafe(|| handler(delivery, verdict)))
    }

    /// What the handler made of the message that it has read last.
    pub(crate) fn verdict(
        &mut self,
        answer: thread::Result<bool>,
    ) -> thread::Result<Verdict<(), P::Fault>> {
        let verdict = std::mem::replace(&mut self.verdict, Verdict::Handled);
        answer.map(|_| verdict)
    }
}

/// What a consumer does with its messages.
pub(crate) enum Handler<P: Protocol> {
    /// It is given a message of its own.
    Owning(Owning<P>),
    /// It reads the message where it is.
    Borrowing(Reading<P>),
}

/// What whoever runs a lane has to itself.
pub(crate) struct Runner<P: Protocol> {
    pub(crate) handler: Handler<P>,
    /// By stream: what had no effect on the consumer since the last delivery, to be told with the next.
    pub(crate) untold: FxHashMap<P::Key, Skipped>,
}

impl<P: Protocol> Handler<P> {
    pub(crate) fn owning<R>(handler: impl FnMut(Delivery<P::Message>) -> R + Send + 'static) -> Self
    where
        R: Into<Verdict<P::Message, P::Fault>>,
    {
        let mut handler = CachePadded::new(handler);
        Self::Owning(Box::new(move |delivery| handler(delivery).into()))
    }

    pub(crate) fn borrowing<R>(
        handler: impl FnMut(&Delivery<P::Message>) -> R + Send + 'static,
    ) -> Self
    where
        R: Into<Verdict<(), P::Fault>>,
    {
        let mut handler = CachePadded::new(handler);
        let handler: Borrowing<P> =
            Box::new(move |delivery, verdict| match handler(delivery).into() {
                Verdict::Handled => true,
                other => {
                    *verdict = other;
                    false
                }
            });
        Self::Borrowing(Reading { handler, verdict: Verdict::Handled })
    }
}

impl<P: Protocol> Runner<P> {
    pub(crate) fn new(handler: Handler<P>) -> Self {
        Self { handler, untold: FxHashMap::default() }
    }

    /// Whether a message that nobody else has is better given to it than lent: a handler that owns its messages, or
    /// something to be told with one.
    #[inline]
    pub(crate) fn wants_its_own(&self) -> bool {
        matches!(self.handler, Handler::Owning(_)) || !self.untold.is_empty()
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
    #[inline]
    pub(crate) fn new(message: P::Message, about: &About<P::Key>) -> Self {
        let About { class, stream, missing, ref watch } = *about;
        let skipped = Skipped { missing, ..Skipped::default() };
        let (is_watched, delivery) = (watch.is_watched(), Delivery { message, skipped });
        // Almost nothing is watched, and what is known need not be copied.
        let watch = if is_watched { *watch } else { Watch::NOBODYS };
        Self { class, is_watched, stream, delivery, watch }
    }

    /// What is known of it beside the message.
    pub(crate) fn about(&self) -> About<P::Key> {
        let Self { ref delivery, class, stream, watch, .. } = *self;
        About { class, stream, missing: delivery.skipped.missing, watch }
    }
}
