use std::{
    fmt,
    sync::{Arc, atomic},
};

use rustc_hash::FxHashSet;

mod close;
mod inline;
mod visit;

use self::close::Gone;
pub(crate) use self::{
    inline::Inline,
    visit::{Claimed, Next, Visited},
};

use crate::{
    Class, DeathCause, LaneStats, LaneTimings, Outcome, Protocol, WhenIdle,
    backlog::{About, Backlog, Pushed},
    crew::{Crew, OwnThread},
    handler::{Handler, Packet, Runner},
    holes::Holes,
    ring::{Post, Reader, Ring},
    shared::{Shared, Sinks},
    stats::LaneCounts,
    sync::{AtomicBool, AtomicUsize, Condvar, Mutex, MutexGuard, Ordering::Relaxed, lock},
    timings::LaneTimes,
    watch::Watch,
};

/// A subscription, for as long as its dispatcher lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId(pub(crate) u64);

impl fmt::Display for LaneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lane {}", self.0)
    }
}

/// One consumer's place: what waits for it, and its handler.
pub(crate) struct Lane<P: Protocol> {
    pub(crate) id: LaneId,
    pub(crate) name: Arc<str>,
    queue: Mutex<Queue<P>>,
    /// How many messages wait beside those in the ring: a hint for whoever does not hold the lock.
    depth: AtomicUsize,
    /// Its place in the ring, if there is one.
    post: Option<Arc<Post>>,
    /// Told, under `queue`'s lock, when there is something for a sleeping worker.
    wake: Condvar,
    own: OwnThread,
    /// Somebody runs it: a hint.
    runs: AtomicBool,
    pub(crate) keeps_thread: bool,
    /// How many visits in a row were slow.
    slow: atomic::AtomicU32,
    /// How many messages are claimed at a time: more while its handler is quick.
    most: atomic::AtomicUsize,
    crew: Option<Arc<Crew>>,
    when_idle: WhenIdle,
    /// How many critical messages are too many to wait beside the ring.
    critical_alarm: usize,
    /// The publisher is to run it.
    inline: AtomicBool,
    /// Whoever runs it is to stop before the next message: it is paused, or closed.
    to_rest: AtomicBool,
    /// Whoever holds it runs the lane: one at a time. `None` when the lane is closed and done,
    /// and while the publisher keeps it to run the lane inline.
    pub(crate) runner: Mutex<Option<Runner<P>>>,
    /// It asked for the current state and has not had it.
    wants_state: atomic::AtomicBool,
    /// Where the current state is kept: streams with a part missing.
    pub(crate) holes: Option<Holes<P::Key>>,
    pub(crate) sinks: Arc<Sinks<P>>,
    pub(crate) counts: LaneCounts,
    /// Unless nothing is measured.
    pub(crate) times: Option<LaneTimes>,
}

/// How a lane is to be run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct How {
    /// It asks for the current state first.
    pub(crate) wants_state: bool,
    pub(crate) keeps_thread: bool,
    pub(crate) is_inline: bool,
}

/// What waits for a lane: what is left of a claim comes first, then the backlog, then what is in the ring. What is in
/// the backlog is older than what is in the ring for it; while the lane is not in the ring, nothing is.
pub(crate) struct Queue<P: Protocol> {
    pub(crate) backlog: Backlog<P>,
    /// Where there is a ring.
    pub(crate) reader: Option<Reader<Packet<P>>>,
    /// Unless whoever runs the lane has it.
    claim: Option<Box<Claimed<P>>>,
    state: State,
    /// The handler is not to run, for now.
    paused: bool,
    /// Somebody runs the lane, and sees to the handler and the claim, not `close`.
    running: bool,
    critical_peak: usize,
    /// Too many critical messages waited, and not half as few since.
    is_alarmed: bool,
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

/// What had to give way when a message was added: is it to be dropped, and who watches what became of it?
pub(crate) struct GivenWay<P: Protocol> {
    message: Option<P::Message>,
    watch: Watch,
    /// In place of dropped.
    is_folded: bool,
}

impl<P: Protocol> GivenWay<P> {
    const NOTHING: Self = Self { message: None, watch: Watch::NOBODYS, is_folded: false };

    fn dropped(message: Option<P::Message>, watch: Watch) -> Self {
        Self { message, watch, is_folded: false }
    }

    /// Whether there is nothing to be done about it.
    pub(crate) fn is_nothing(&self) -> bool {
        self.message.is_none() && !self.watch.is_watched()
    }
}

impl<P: Protocol> Lane<P> {
    pub(crate) fn new(
        id: LaneId,
        name: Arc<str>,
        capacity: usize,
        handler: Handler<P>,
        how: How,
        shared: &Shared<P>,
    ) -> Self {
        let reader = shared.ring.as_ref().map(Ring::seat);
        let post = reader.as_ref().map(|reader| Arc::clone(reader.post()));
        let queue = Queue {
            backlog: Backlog::new(capacity),
            claim: reader.as_ref().map(|reader| Box::new(Claimed::new(reader))),
            reader,
            state: State::Open,
            paused: false,
            running: false,
            critical_peak: 0,
            is_alarmed: false,
        };
        Self {
            id,
            name,
            queue: Mutex::new(queue),
            depth: AtomicUsize::new(0),
            post,
            wake: Condvar::new(),
            own: OwnThread::new(),
            runs: AtomicBool::new(false),
            keeps_thread: how.keeps_thread,
            slow: atomic::AtomicU32::new(0),
            most: atomic::AtomicUsize::new(1),
            crew: shared.crew.clone(),
            when_idle: shared.when_idle,
            critical_alarm: shared.critical_alarm,
            inline: AtomicBool::new(how.is_inline),
            to_rest: AtomicBool::new(false),
            runner: Mutex::new(Some(Runner::new(handler))),
            wants_state: atomic::AtomicBool::new(how.wants_state),
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
    pub(crate) fn take_lost(&self) -> FxHashSet<P::Key> {
        self.holes.as_ref().map_or_else(FxHashSet::default, Holes::take_lost)
    }

    /// For the publisher, who has it enter and leave the ring.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Queue<P>> {
        lock(&self.queue)
    }

    /// Puts a message where it waits for the handler, beside the ring.
    pub(crate) fn push(&self, message: P::Message, about: About<P::Key>) {
        let mut queue = lock(&self.queue);
        self.counts.published.add(1);
        if queue.state != State::Open {
            drop(queue);
            self.discard(message, about.class, about.watch, DeathCause::Unsubscribed);
            return;
        }
        let given_way = self.add(&mut queue, message, &about);
        let wake = !queue.paused;
        drop(queue);
        if wake {
            self.wake_if_asleep();
        }
        self.tell(given_way);
    }

    /// Adds a message to the backlog. It is counted as published already. What had to give way for it is to be
    /// [told](Self::tell) outside of the lock.
    #[inline]
    pub(crate) fn add(
        &self,
        queue: &mut Queue<P>,
        message: P::Message,
        about: &About<P::Key>,
    ) -> GivenWay<P> {
        let given_way = match queue.backlog.push(message, about) {
            Pushed::Added => GivenWay::NOTHING,
            Pushed::Folded { watch } => {
                self.counts.folded.add(1);
                GivenWay { message: None, watch, is_folded: true }
            }
            Pushed::Dropped { displaced, watch } => {
                self.counts.dropped.add(1);
                GivenWay::dropped(Some(displaced), watch)
            }
        };
        if about.class == Class::Critical {
            self.watch_critical(queue);
        }
        self.hint(queue);
        given_way
    }

    /// Sees how many critical messages wait: none is ever dropped, so too many have to be known.
    fn watch_critical(&self, queue: &mut Queue<P>) {
        let waiting = queue.backlog.critical_len();
        queue.critical_peak = queue.critical_peak.max(waiting);
        if waiting < self.critical_alarm {
            queue.is_alarmed &= waiting >= self.critical_alarm / 2;
        } else if !std::mem::replace(&mut queue.is_alarmed, true) {
            self.counts.critical_alarms.add(1);
            tracing::error!(
                consumer = &*self.name,
                waiting,
                "critical messages pile up, and are kept"
            );
        }
    }

    /// Drops what had to give way, and tells who watched it.
    pub(crate) fn tell(&self, given_way: GivenWay<P>) {
        let GivenWay { message, watch, is_folded } = given_way;
        drop(message);
        if watch.is_watched() {
            let outcome = if is_folded { Outcome::Conflated } else { Outcome::Dropped };
            self.report(watch, outcome, None);
        }
    }

    fn hint(&self, queue: &Queue<P>) {
        let claimed = queue.claim.as_ref().map_or(0, |claimed| claimed.claim.len());
        self.depth.store(queue.backlog.len() + claimed, Relaxed);
    }

    /// It took no messages of some keys for a while: none that comes now is folded into what waited before.
    /// `takes_anew` says of a key whether that is so; it is asked without a lock. It must not be in the ring.
    pub(crate) fn seal(&self, takes_anew: impl Fn(&P::Key) -> bool) {
        let mut waiting = lock(&self.queue).backlog.waiting();
        waiting.retain(|(_, key)| takes_anew(key));
        lock(&self.queue).backlog.seal(waiting.into_iter().map(|(stream, _)| stream));
    }

    /// A message could not be had for this lane, which is not in the ring.
    pub(crate) fn miss(&self, about: About<P::Key>) {
        let mut queue = lock(&self.queue);
        self.counts.published.add(1);
        let given_way = self.lose(&mut queue, &about);
        drop(queue);
        self.tell(given_way);
    }

    /// As [`miss`](Self::miss), of one that is counted as published already.
    pub(crate) fn lose(&self, queue: &mut Queue<P>, about: &About<P::Key>) -> GivenWay<P> {
        queue.backlog.miss(about.stream, about.missing);
        self.count_lost(about.class, about.stream);
        GivenWay::dropped(None, about.watch)
    }

    /// A message could not be had: counted, and the publisher hears of it.
    pub(crate) fn count_lost(&self, class: Class, stream: P::Key) {
        self.counts.dropped.add(1);
        self.counts.without_duplicate.add(1);
        if let Some(holes) = self.holes.as_ref().filter(|_| class == Class::Conflatable) {
            holes.lose(stream);
        }
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
        self.to_rest.store(paused || queue.state == State::Closed, Relaxed);
        drop(queue);
        self.wake.notify_all();
        if let Some(crew) = &self.crew {
            crew.wake_all();
        }
        // A dispatch does not wait for who is paused.
        self.sinks.joined.wake();
        was != paused
    }

    pub(crate) fn is_paused(&self) -> bool {
        lock(&self.queue).paused
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
        let (depth, told, critical_peak, paused) = {
            let queue = lock(&self.queue);
            let claimed = queue.claim.as_ref().map_or(0, |claimed| claimed.claim.len());
            let unread = queue.reader.as_ref().map_or(0, Reader::len);
            let told = queue.reader.as_ref().map_or(0, Reader::told);
            (claimed + queue.backlog.len() + unread, told, queue.critical_peak, queue.paused)
        };
        let counts = &self.counts;
        let inline = counts.inline.get();
        LaneStats {
            lane: self.id,
            consumer: Arc::clone(&self.name),
            published: counts.published.get() + told + inline,
            delivered: counts.delivered.get() + inline,
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
            critical_alarms: counts.critical_alarms.get(),
            paused,
            inline: self.is_inline(),
        }
    }
}

impl<P: Protocol> Queue<P> {
    /// Passes over what is in the ring.
    fn skip_unread(&mut self, gone: &mut Gone<P>) {
        if let Some(reader) = &mut self.reader {
            reader.skip(|packet| gone.add(packet));
        }
    }

    /// Whether it can take from the ring what comes from now on, of which there may be as many as the ring holds. If it is
    /// to be patient, only when there is room for all of it beside what waits.
    pub(crate) fn may_enter(&self, ring: usize, is_patient: bool) -> bool {
        let is_ready = self.state == State::Open && !self.paused && self.reader.is_some();
        is_ready && (!is_patient || self.backlog.has_room_for(ring))
    }
}
