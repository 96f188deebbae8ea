use std::{
    collections::HashSet,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use crate::{
    Cause, Class, DeathCause, Delivery, Fault, LaneReport, LaneStats, LaneTimings, Outcome,
    Protocol, Skipped, Verdict,
    backlog::{About, Backlog, Entry, Pushed},
    clock,
    contain::{contain, message_of},
    fan_outs::nanos,
    holes::Holes,
    shared::{Shared, Sinks},
    stats::LaneCounts,
    sync::{lock, wait},
    timings::LaneTimes,
    watch::Watch,
    worker::Inside,
};

/// A subscription, for as long as its dispatcher lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId(pub(crate) u64);

impl fmt::Display for LaneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lane {}", self.0)
    }
}

pub(crate) type Handler<P> = Box<
    dyn FnMut(
            Delivery<<P as Protocol>::Message>,
        ) -> Verdict<<P as Protocol>::Message, <P as Protocol>::Fault>
        + Send,
>;

/// One consumer's place: what waits for it, and its handler.
pub(crate) struct Lane<P: Protocol> {
    pub(crate) id: LaneId,
    pub(crate) name: Arc<str>,
    queue: Mutex<Queue<P>>,
    /// How many messages wait: a hint for whoever does not hold the lock.
    depth: AtomicUsize,
    /// Told, under `queue`'s lock, when there is something for a sleeping worker.
    wake: Condvar,
    /// Whoever holds it runs the lane: one at a time. `None` when the lane is closed and done.
    handler: Mutex<Option<Handler<P>>>,
    /// It asked for the current state and has not had it.
    wants_state: AtomicBool,
    /// Where the current state is kept: streams with a part missing.
    holes: Option<Holes<P::Key>>,
    sinks: Arc<Sinks<P>>,
    counts: LaneCounts,
    /// Unless nothing is measured.
    times: Option<LaneTimes>,
}

struct Queue<P: Protocol> {
    backlog: Backlog<P>,
    state: State,
    sleeping: bool,
    /// The handler is not to run, for now.
    paused: bool,
    /// An entry was taken and is not done with: whoever took it sees to the handler, not `close`.
    running: bool,
    critical_peak: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Takes messages.
    Open,
    /// Takes no more; what waits is still delivered.
    Draining,
    /// Takes no more, delivers no more.
    Closed,
}

/// What a worker may do next.
pub(crate) enum Next<P: Protocol> {
    Run(Entry<P>),
    /// Nothing waits, for now.
    Idle,
    /// Nothing will come any more.
    End,
}

impl<P: Protocol> Lane<P> {
    pub(crate) fn new(
        id: LaneId,
        name: Arc<str>,
        capacity: usize,
        handler: Handler<P>,
        wants_state: bool,
        shared: &Shared<P>,
    ) -> Self {
        let queue = Queue {
            backlog: Backlog::new(capacity),
            state: State::Open,
            sleeping: false,
            paused: false,
            running: false,
            critical_peak: 0,
        };
        Self {
            id,
            name,
            queue: Mutex::new(queue),
            depth: AtomicUsize::new(0),
            wake: Condvar::new(),
            handler: Mutex::new(Some(handler)),
            wants_state: AtomicBool::new(wants_state),
            holes: shared.keeps_state.then(Holes::new),
            sinks: Arc::clone(&shared.sinks),
            counts: LaneCounts::default(),
            times: (shared.time_one_in > 0).then(LaneTimes::default),
        }
    }

    /// Whether the current state is to be sent to it first; says so once.
    pub(crate) fn take_wants_state(&self) -> bool {
        self.wants_state.load(Relaxed) && self.wants_state.swap(false, Relaxed)
    }

    /// The streams that came to a handler in parts since the last time.
    pub(crate) fn take_lost(&self) -> HashSet<P::Key> {
        self.holes.as_ref().map_or_else(HashSet::new, Holes::take_lost)
    }

    /// Puts a message where it waits for the handler.
    pub(crate) fn push(&self, message: P::Message, about: About<P::Key>) {
        let About { class, watch, .. } = about;
        let mut queue = lock(&self.queue);
        self.counts.published.add(1);
        if queue.state != State::Open {
            drop(queue);
            self.discard(message, class, watch, DeathCause::Unsubscribed);
            return;
        }
        let (displaced, given_way) = match queue.backlog.push(message, about) {
            Pushed::Added => (None, None),
            Pushed::Folded { watch } => {
                self.counts.folded.add(1);
                (None, Some((watch, Outcome::Conflated)))
            }
            Pushed::Dropped { displaced, watch } => {
                self.counts.dropped.add(1);
                (Some(displaced), Some((watch, Outcome::Dropped)))
            }
        };
        queue.critical_peak = queue.critical_peak.max(queue.backlog.critical_len());
        self.depth.store(queue.backlog.len(), Relaxed);
        let wake = !queue.paused && std::mem::take(&mut queue.sleeping);
        drop(queue);
        if wake {
            self.wake.notify_one();
        }
        drop(displaced);
        if let Some((watch, outcome)) = given_way {
            self.report(watch, outcome, None);
        }
    }

    /// It took no messages of some keys for a while: none that comes now is folded into what waited before.
    /// `takes_anew` says of a key whether that is so; it is asked without a lock.
    pub(crate) fn seal(&self, takes_anew: impl Fn(&P::Key) -> bool) {
        let mut waiting = lock(&self.queue).backlog.waiting();
        waiting.retain(|(_, key)| takes_anew(key));
        lock(&self.queue).backlog.seal(waiting.into_iter().map(|(stream, _)| stream));
    }

    /// A message could not be had for this lane.
    pub(crate) fn miss(&self, about: About<P::Key>) {
        let mut queue = lock(&self.queue);
        self.counts.published.add(1);
        self.counts.dropped.add(1);
        self.counts.without_duplicate.add(1);
        queue.backlog.miss(about.stream, about.missing);
        drop(queue);
        self.report(about.watch, Outcome::Dropped, None);
    }

    /// What there is to do; `cancelled` ends the lane's work as closing does.
    pub(crate) fn next(&self, cancelled: bool) -> Next<P> {
        let mut queue = lock(&self.queue);
        self.take(&mut queue, cancelled)
    }

    /// As [`next`](Self::next), asleep until there is something.
    pub(crate) fn next_asleep(&self, cancelled: impl Fn() -> bool) -> Next<P> {
        let mut queue = lock(&self.queue);
        loop {
            match self.take(&mut queue, cancelled()) {
                Next::Idle => {
                    queue.sleeping = true;
                    queue = wait(&self.wake, queue);
                    queue.sleeping = false;
                }
                next => return next,
            }
        }
    }

    /// Whether it is worth asking for [`next`](Self::next): a hint without a lock.
    pub(crate) fn is_idle(&self) -> bool {
        self.depth.load(Relaxed) == 0
    }

    fn take(&self, queue: &mut Queue<P>, cancelled: bool) -> Next<P> {
        if queue.state == State::Closed || cancelled {
            return Next::End;
        }
        let next = if queue.paused { None } else { queue.backlog.pop() };
        let Some(entry) = next else {
            return if queue.state == State::Draining { Next::End } else { Next::Idle };
        };
        self.depth.store(queue.backlog.len(), Relaxed);
        queue.running = true;
        Next::Run(entry)
    }

    /// Wakes a sleeping worker, so that it looks at the state, or at a cancellation, again.
    pub(crate) fn wake(&self) {
        drop(lock(&self.queue));
        self.wake.notify_all();
    }

    /// Keeps the handler from running, or lets it run again. Answers whether that is a change. Once this is
    /// over no message is taken for it any more; one that was taken before is still handled.
    pub(crate) fn set_paused(&self, paused: bool) -> bool {
        let mut queue = lock(&self.queue);
        let was = std::mem::replace(&mut queue.paused, paused);
        drop(queue);
        self.wake.notify_all();
        // A dispatch does not wait for who is paused.
        self.sinks.joined.wake();
        was != paused
    }

    pub(crate) fn is_paused(&self) -> bool {
        lock(&self.queue).paused
    }

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
    /// would have been delivered. At most the call in progress goes on.
    pub(crate) fn close(&self, mut undelivered: impl FnMut(Entry<P>)) {
        let mut queue = lock(&self.queue);
        queue.state = State::Closed;
        let mut entries = Vec::with_capacity(queue.backlog.len());
        while let Some(entry) = queue.backlog.pop() {
            entries.push(entry);
        }
        self.depth.store(0, Relaxed);
        let running = queue.running;
        drop(queue);
        self.wake.notify_all();
        self.counts.discarded.add(entries.len() as u64);
        for entry in entries {
            // One message that panics when dropped must not cost the others their way out.
            contain("a message, when dropped,", || undelivered(entry));
        }
        if !running {
            self.drop_handler();
        }
    }

    /// Drops the handler. For whoever knows that it does not run, and will not.
    pub(crate) fn drop_handler(&self) {
        let handler = lock(&self.handler).take();
        contain(format_args!("the handler of `{}`, when dropped,", self.name), || drop(handler));
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

    /// Sends an undelivered message where its class demands, and tells whoever waits for it.
    pub(crate) fn bury(&self, message: P::Message, class: Class, watch: Watch, cause: DeathCause) {
        if class == Class::Critical {
            self.sinks.dead_letter(message, &self.name, cause);
        }
        self.report(watch, Outcome::Discarded, None);
    }

    /// Delivers one message: the handler runs here and now, isolated. Nothing that it, the message or
    /// a sink does leaves this call.
    pub(crate) fn run(&self, entry: Entry<P>, worker: &Arc<str>) {
        contain(format_args!("a message or fault of `{}`", self.name), || {
            self.deliver(entry, worker);
        });
        let closed = {
            let mut queue = lock(&self.queue);
            queue.running = false;
            queue.state == State::Closed
        };
        if closed {
            self.drop_handler();
        }
    }

    fn deliver(&self, entry: Entry<P>, worker: &Arc<str>) {
        let Entry { message, class, stream, skipped, watch, .. } = entry;
        // Asked before the message is the handler's.
        let hole = self.holes.as_ref().filter(|_| class == Class::Conflatable);
        let hole = hole.map(|holes| (holes, P::starts_state(&message)));
        let mut slot = lock(&self.handler);
        let handler = slot.as_mut().expect("whoever takes an entry sees to the handler afterwards");
        let started = watch.is_watched().then(clock::now);
        let (outcome, dead) = {
            let _inside = Inside::enter();
            self.call(handler, message, skipped, worker)
        };
        self.counts.delivered.add(1);
        let ran = started.map(|started| (started, clock::now()));
        self.time(watch, &outcome, ran);
        drop(slot);
        if let Some((holes, is_whole)) = hole {
            holes.note(stream, matches!(outcome, Outcome::Filtered), is_whole);
        }
        if matches!(outcome, Outcome::Filtered) && class != Class::Critical {
            lock(&self.queue).backlog.untold(stream, skipped);
        }
        // Whatever is dropped may panic: first what must not be lost, then whoever waits.
        let (letter, rest) = match dead {
            Some(dead) if class == Class::Critical => (Some(dead), None),
            dead => (None, dead),
        };
        if let Some((message, cause)) = letter {
            self.sinks.dead_letter(message, &self.name, cause);
        }
        self.report(watch, outcome, ran);
        drop(rest);
    }

    /// Notes how long it took, under the handler's lock.
    fn time(&self, watch: Watch, outcome: &Outcome<P::Fault>, ran: Option<(Instant, Instant)>) {
        let (Some(times), Some(probe), Some((started, ended))) = (&self.times, watch.probe, ran)
        else {
            return;
        };
        let waited = nanos(started.saturating_duration_since(probe.at));
        times.waited_ns.record(waited);
        self.sinks.fan_outs.reach_ns.record(waited);
        if matches!(outcome, Outcome::Handled | Outcome::Failed(_)) {
            times.took_ns.record(nanos(ended - started));
        }
    }

    #[expect(clippy::type_complexity, reason = "an outcome, and a message with why it is dead")]
    fn call(
        &self,
        handler: &mut Handler<P>,
        message: P::Message,
        skipped: Skipped,
        worker: &Arc<str>,
    ) -> (Outcome<P::Fault>, Option<(P::Message, DeathCause)>) {
        let trace = P::trace(&message);
        let delivery = Delivery { message, skipped };
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
        match catch_unwind(AssertUnwindSafe(|| handler(delivery))) {
            Ok(Verdict::Handled) => (Outcome::Handled, None),
            Ok(Verdict::Filtered) => {
                self.counts.filtered.add(1);
                (Outcome::Filtered, None)
            }
            Ok(Verdict::Failed { fault: cause, message }) => {
                (fault(Cause::Failed(cause)), message.map(|m| (m, DeathCause::Failed)))
            }
            Ok(Verdict::Refused(message)) => {
                self.counts.refused.add(1);
                (Outcome::Refused, Some((message, DeathCause::Refused)))
            }
            Err(payload) => {
                self.counts.panicked.add(1);
                (fault(Cause::Panicked(message_of(payload))), None)
            }
        }
    }

    /// Tells who watches what became of a message; `ran` is from when to when, if it came to its turn.
    /// A failure that no dispatch waits for, or waits for any more, is told to the fault sink.
    fn report(&self, watch: Watch, outcome: Outcome<P::Fault>, ran: Option<(Instant, Instant)>) {
        if let Some(place) = watch.probe.and_then(|probe| probe.fan_out) {
            self.sinks.fan_outs.report(place, ran);
        }
        let unheard = match watch.join {
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

    /// How long things took here; `None` if nothing is measured.
    pub(crate) fn timings(&self) -> Option<LaneTimings> {
        let times = self.times.as_ref()?;
        Some(LaneTimings {
            lane: self.id,
            consumer: Arc::clone(&self.name),
            waited_ns: times.waited_ns.snapshot(),
            took_ns: times.took_ns.snapshot(),
        })
    }

    pub(crate) fn stats(&self) -> LaneStats {
        let (depth, critical_peak, paused) = {
            let queue = lock(&self.queue);
            (queue.backlog.len(), queue.critical_peak, queue.paused)
        };
        let counts = &self.counts;
        LaneStats {
            lane: self.id,
            consumer: Arc::clone(&self.name),
            published: counts.published.get(),
            delivered: counts.delivered.get(),
            filtered: counts.filtered.get(),
            failed: counts.failed.get(),
            panicked: counts.panicked.get(),
            refused: counts.refused.get(),
            folded: counts.folded.get(),
            dropped: counts.dropped.get(),
            without_duplicate: counts.without_duplicate.get(),
            discarded: counts.discarded.get(),
            depth,
            critical_peak,
            paused,
        }
    }
}
