//! How a message comes to its consumer: the handler runs here and now, isolated, and what became of it is told.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    Cancel, Cause, Class, DeathCause, Delivery, Fault, LaneReport, Outcome, Protocol, Skipped,
    Verdict,
    backlog::Entry,
    clock,
    contain::{contain, message_of},
    fan_outs::nanos,
    handler::{Handler, Packet, Runner},
    holes::Holes,
    lane::{Claimed, Lane},
    receipts::is_receipt,
    ring::Claim,
    sync::lock,
    watch::Watch,
    worker::Inside,
};

/// A message that a handler is to have.
enum Given<'a, P: Protocol> {
    /// Its own.
    Own(P::Message),
    /// In the ring, where others read it too.
    Lent(&'a Delivery<P::Message>),
}

/// What is known of it beside.
struct Of<K> {
    class: Class,
    stream: K,
    skipped: Skipped,
    watch: Watch,
}

impl<K: Copy> Of<K> {
    fn packet<P: Protocol<Key = K>>(packet: &Packet<P>) -> Self {
        let Packet { class, stream, watch, .. } = *packet;
        Self { class, stream, skipped: packet.delivery.skipped, watch }
    }
}

/// What a handler made of it; what is left of it, if it is dead; and what is left to be dropped.
struct Made<P: Protocol> {
    outcome: Outcome<P::Fault>,
    letter: Option<(P::Message, DeathCause)>,
    rest: Option<P::Message>,
}

impl<P: Protocol> Lane<P> {
    /// Delivers one message. Nothing that the handler, the message or a sink does leaves this call.
    pub(crate) fn deliver(&self, entry: Entry<P>, worker: &Arc<str>) {
        let mut runner = lock(&self.runner);
        let runner = runner.as_mut().expect("whoever takes an entry sees to the runner afterwards");
        let _inside = Inside::enter();
        let Entry { message, class, stream, skipped, watch, .. } = entry;
        self.give(runner, Given::Own(message), Of { class, stream, skipped, watch }, worker);
    }

    /// Delivers what was claimed, message by message, until the lane is to rest: then at least one, as with a message
    /// from the backlog. Critical messages are claimed alone, so none of them is ever left.
    pub(crate) fn deliver_claimed(
        &self,
        claimed: &mut Claimed<P>,
        worker: &Arc<str>,
        cancel: &Cancel,
    ) {
        let Claimed { claim, tales } = claimed;
        let mut runner = lock(&self.runner);
        let runner = runner.as_mut().expect("whoever claims sees to the runner afterwards");
        tales.drain(..).for_each(|(stream, skipped)| runner.tell(stream, skipped));
        let _inside = Inside::enter();
        while !claim.is_empty() {
            if claim.read(|packet| self.deliver_plain(runner, packet, worker)) {
                self.counts.delivered.add(1);
            } else {
                self.deliver_next(runner, claim, worker);
            }
            claim.advance();
            if self.is_to_rest() || cancel.is_cancelled() {
                return;
            }
        }
    }

    /// Delivers the next message, if there is nothing to be said about it: to a handler that reads it where it is, and
    /// is done with it. Answers whether that was all; if not, the handler has not had it. It is for the caller to count it
    /// as delivered.
    #[inline(always)]
    pub(crate) fn deliver_plain(
        &self,
        runner: &mut Runner<P>,
        packet: &Packet<P>,
        worker: &Arc<str>,
    ) -> bool {
        let has_holes = self.holes.as_ref().is_some_and(Holes::has_filtered);
        if packet.is_watched || !runner.untold.is_empty() || has_holes {
            return false;
        }
        let Handler::Borrowing(handler) = &mut runner.handler else { return false };
        let answer = handler.read(&packet.delivery);
        if !matches!(answer, Ok(true)) {
            self.conclude_plain(runner, packet, answer, worker);
        }
        true
    }

    #[cold]
    fn conclude_plain(
        &self,
        runner: &mut Runner<P>,
        packet: &Packet<P>,
        answer: std::thread::Result<bool>,
        worker: &Arc<str>,
    ) {
        let Packet { class, stream, ref delivery, .. } = *packet;
        self.contained(|| {
            let Handler::Borrowing(handler) = &mut runner.handler else { return };
            let verdict = handler.verdict(answer);
            if let Some(holes) = self.holes.as_ref().filter(|_| class == Class::Conflatable) {
                let is_filtered = matches!(verdict, Ok(Verdict::Filtered));
                holes.note(stream, is_filtered, P::starts_state(&delivery.message));
            }
            let made = self.lent(delivery, class, verdict, worker);
            self.conclude(runner, Of::packet(packet), made, None);
        });
    }

    /// Does something with the lane's messages and sinks, which may panic.
    fn contained(&self, call: impl FnOnce()) {
        contain(format_args!("a message or fault of `{}`", self.name), call);
    }

    #[inline]
    fn deliver_next(
        &self,
        runner: &mut Runner<P>,
        claim: &mut Claim<Packet<P>>,
        worker: &Arc<str>,
    ) {
        if runner.wants_its_own() {
            if let Some(packet) = claim.take() {
                self.deliver_own(runner, packet, worker);
                return;
            }
        }
        claim.read(|packet| self.deliver_lent(runner, packet, worker));
    }

    /// Delivers a message that nobody else has.
    pub(crate) fn deliver_own(&self, runner: &mut Runner<P>, packet: Packet<P>, worker: &Arc<str>) {
        let of = Of::packet(&packet);
        self.give(runner, Given::Own(packet.delivery.message), of, worker);
    }

    /// Delivers a message that others have too.
    #[inline(never)]
    pub(crate) fn deliver_lent(
        &self,
        runner: &mut Runner<P>,
        packet: &Packet<P>,
        worker: &Arc<str>,
    ) {
        self.give(runner, Given::Lent(&packet.delivery), Of::packet(packet), worker);
    }

    /// Gives a handler its message. Nothing that the handler, the message or a sink does leaves this call.
    #[inline]
    fn give(&self, runner: &mut Runner<P>, given: Given<'_, P>, of: Of<P::Key>, worker: &Arc<str>) {
        self.contained(|| self.give_uncontained(runner, given, of, worker));
    }

    #[inline]
    fn give_uncontained(
        &self,
        runner: &mut Runner<P>,
        given: Given<'_, P>,
        of: Of<P::Key>,
        worker: &Arc<str>,
    ) {
        let Of { class, stream, mut skipped, watch } = of;
        let is_own_tale = runner.take_untold(&stream).map(|untold| skipped.add(untold)).is_some();
        // Who has something of its own to be told needs a message of its own.
        let given = match given {
            Given::Lent(delivery)
                if is_own_tale || matches!(runner.handler, Handler::Owning(_)) =>
            {
                match self.sinks.duplicate(&delivery.message, class) {
                    Some(message) => Given::Own(message),
                    None => {
                        self.count_lost(class, stream);
                        runner.has_not_told(stream, skipped);
                        self.report(watch, Outcome::Dropped, None);
                        return;
                    }
                }
            }
            given => given,
        };
        // Asked before the message is the handler's.
        let hole = self.holes.as_ref().filter(|_| class == Class::Conflatable);
        let hole = hole.map(|holes| {
            let message = match &given {
                Given::Own(message) => message,
                Given::Lent(delivery) => &delivery.message,
            };
            (holes, P::starts_state(message))
        });
        let started = watch.is_watched().then(clock::now);
        // The way of almost all: what follows the handler moves more about than a delivery costs.
        let is_plain = hole.is_none() && started.is_none();
        let made = match (&mut runner.handler, given) {
            (Handler::Borrowing(handler), Given::Lent(delivery)) => {
                let answer = handler.read(delivery);
                let verdict = handler.verdict(answer);
                self.lent(delivery, class, verdict, worker)
            }
            (Handler::Borrowing(handler), Given::Own(message)) => {
                let delivery = Delivery { message, skipped };
                let answer = handler.read(&delivery);
                let verdict = handler.verdict(answer);
                self.kept(delivery.message, class, verdict, worker)
            }
            (Handler::Owning(handler), Given::Own(message)) => {
                let trace = P::trace(&message);
                let delivery = Delivery { message, skipped };
                let verdict = catch_unwind(AssertUnwindSafe(|| handler(delivery)));
                if is_plain && matches!(verdict, Ok(Verdict::Handled)) {
                    self.counts.delivered.add(1);
                    return;
                }
                self.handed_over(trace, class, verdict, worker)
            }
            (Handler::Owning(_), Given::Lent(_)) => unreachable!("it was duplicated above"),
        };
        self.counts.delivered.add(1);
        let ran = started.map(|started| (started, clock::now()));
        if let Some((holes, is_whole)) = hole {
            holes.note(stream, matches!(made.outcome, Outcome::Filtered), is_whole);
        }
        self.conclude(runner, Of { class, stream, skipped, watch }, made, ran);
    }

    /// What follows once the handler has had a message, and ran from when to when, if that was measured.
    fn conclude(
        &self,
        runner: &mut Runner<P>,
        of: Of<P::Key>,
        made: Made<P>,
        ran: Option<(Instant, Instant)>,
    ) {
        let Of { class, stream, skipped, watch } = of;
        let Made { outcome, letter, rest } = made;
        self.time(watch, &outcome, ran);
        let is_filtered = matches!(outcome, Outcome::Filtered);
        if is_filtered && class != Class::Critical {
            runner.has_not_told(stream, skipped);
        }
        // Whatever is dropped may panic: first what must not be lost, then whoever waits.
        if let Some((message, cause)) = letter {
            self.sinks.dead_letter(message, &self.name, cause);
        }
        self.report(watch, outcome, ran);
        drop(rest);
    }

    /// The handler has read a message that is others' too.
    fn lent(
        &self,
        delivery: &Delivery<P::Message>,
        class: Class,
        verdict: std::thread::Result<Verdict<(), P::Fault>>,
        worker: &Arc<str>,
    ) -> Made<P> {
        let (outcome, cause) = self.judge(P::trace(&delivery.message), verdict, worker);
        let cause = cause.filter(|_| class == Class::Critical);
        let letter = cause.and_then(|cause| Some((P::duplicate(&delivery.message, class)?, cause)));
        Made { outcome, letter, rest: None }
    }

    /// The handler has read a message that is this lane's.
    fn kept(
        &self,
        message: P::Message,
        class: Class,
        verdict: std::thread::Result<Verdict<(), P::Fault>>,
        worker: &Arc<str>,
    ) -> Made<P> {
        let (outcome, cause) = self.judge(P::trace(&message), verdict, worker);
        match cause {
            Some(cause) if class == Class::Critical => {
                Made { outcome, letter: Some((message, cause)), rest: None }
            }
            _ => Made { outcome, letter: None, rest: Some(message) },
        }
    }

    /// The handler was given the message.
    fn handed_over(
        &self,
        trace: u64,
        class: Class,
        verdict: std::thread::Result<Verdict<P::Message, P::Fault>>,
        worker: &Arc<str>,
    ) -> Made<P> {
        let mut back = None;
        let verdict = verdict.map(|verdict| match verdict {
            Verdict::Handled => Verdict::Handled,
            Verdict::Filtered => Verdict::Filtered,
            Verdict::Failed { fault, message } => {
                back = message;
                Verdict::Failed { fault, message: None }
            }
            Verdict::Refused(message) => {
                back = Some(message);
                Verdict::Refused(())
            }
        });
        let (outcome, cause) = self.judge(trace, verdict, worker);
        match (back, cause) {
            (Some(message), Some(cause)) if class == Class::Critical => {
                Made { outcome, letter: Some((message, cause)), rest: None }
            }
            (rest, _) => Made { outcome, letter: None, rest },
        }
    }

    /// What became of a message, counted; and why it is dead, if it is.
    fn judge(
        &self,
        trace: u64,
        verdict: std::thread::Result<Verdict<(), P::Fault>>,
        worker: &Arc<str>,
    ) -> (Outcome<P::Fault>, Option<DeathCause>) {
        let fault = |cause| {
            self.counts.failed.add(1);
            Outcome::Failed(Fault {
                trace,
                lane: self.id,
                consumer: Arc::clone(&self.name),
                worker: Arc::clone(worker),
                cause,
            })
        };
        match verdict {
            Ok(Verdict::Handled) => (Outcome::Handled, None),
            Ok(Verdict::Filtered) => {
                self.counts.filtered.add(1);
                (Outcome::Filtered, None)
            }
            Ok(Verdict::Failed { fault: cause, .. }) => {
                (fault(Cause::Failed(cause)), Some(DeathCause::Failed))
            }
            Ok(Verdict::Refused(())) => {
                self.counts.refused.add(1);
                (Outcome::Refused, Some(DeathCause::Refused))
            }
            Err(payload) => {
                self.counts.panicked.add(1);
                (fault(Cause::Panicked(message_of(payload))), Some(DeathCause::Failed))
            }
        }
    }

    /// Notes how long it took. For whoever runs the lane.
    fn time(&self, watch: Watch, outcome: &Outcome<P::Fault>, ran: Option<(Instant, Instant)>) {
        let (Some(times), Some(published), Some((started, ended))) =
            (&self.times, watch.published(), ran)
        else {
            return;
        };
        let waited = nanos(started.saturating_duration_since(published));
        times.waited_ns.record(waited);
        self.sinks.fan_outs.reach_ns.record(waited);
        if matches!(outcome, Outcome::Handled | Outcome::Failed(_)) {
            times.took_ns.record(nanos(ended - started));
        }
    }

    /// Tells who watches what became of a message; `ran` is from when to when, if it came to its turn.
    /// A failure that no dispatch waits for, or waits for any more, is told to the fault sink.
    #[inline]
    pub(crate) fn report(
        &self,
        watch: Watch,
        outcome: Outcome<P::Fault>,
        ran: Option<(Instant, Instant)>,
    ) {
        if let Some(place) = watch.fan_out() {
            self.sinks.fan_outs.report(place, ran);
        }
        let unheard = match watch.join {
            Some(receipt) if is_receipt(receipt) => {
                // Its failures are nobody's who waits.
                if let Outcome::Failed(fault) = &outcome {
                    self.sinks.fault(fault);
                }
                self.sinks.receipts.report(receipt);
                return;
            }
            Some(join) => {
                let took = ran.map_or(Duration::ZERO, |(started, ended)| ended - started);
                let consumer = Arc::clone(&self.name);
                let row = LaneReport { lane: self.id, consumer, outcome, took };
                self.sinks.joined.report(join, row).err().map(|row| row.outcome)
            }
            None => Some(outcome),
        };
        if let Some(Outcome::Failed(fault)) = unheard {
            self.sinks.fault(&fault);
        }
    }
}
