use std::{
    collections::HashSet,
    fmt,
    sync::{
        Arc, Condvar, Mutex, MutexGuard,
        atomic::{
            AtomicBool, AtomicU32, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
            fence,
        },
    },
    thread,
    time::Duration,
};

use crate::{
    Cancel, Class, DeathCause, LaneStats, LaneTimings, Outcome, Protocol, Skipped,
    backlog::{About, Backlog, Entry, Pushed},
    clock,
    contain::contain,
    crew::{Crew, OwnThreads},
    handler::{Handler, Packet, Runner},
    holes::Holes,
    ring::{Claim, MOST_CLAIMED, Post, Reader, Ring},
    shared::{Shared, Sinks},
    stats::LaneCounts,
    sync::{lock, wait},
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
    slow: AtomicU32,
    /// How many messages are claimed at a time: more while its handler is quick.
    most: AtomicUsize,
    crew: Option<Arc<Crew>>,
    /// Whoever runs it is to stop before the next message: it is paused, or closed.
    to_rest: AtomicBool,
    /// Whoever holds it runs the lane: one at a time. `None` when the lane is closed and done.
    pub(crate) runner: Mutex<Option<Runner<P>>>,
    /// It asked for the current state and has not had it.
    wants_state: AtomicBool,
    /// Where the current state is kept: streams with a part missing.
    pub(crate) holes: Option<Holes<P::Key>>,
    pub(crate) sinks: Arc<Sinks<P>>,
    pub(crate) counts: LaneCounts,
    /// Unless nothing is measured.
    pub(crate) times: Option<LaneTimes>,
}

/// On a line of its own: the publisher looks at it for every message, while others hardly write to it.
#[repr(align(128))]
struct OwnThread {
    /// It sleeps, or is about to.
    asleep: AtomicBool,
    /// The lane has a thread of its own, for as long as it is slow, or for good.
    is_there: AtomicBool,
}

/// What waits for a lane: what is left of a claim comes first, then the backlog, then what is in the ring. What is in
/// the backlog is older than what is in the ring for it; while the lane is not in the ring, nothing is.
pub(crate) struct Queue<P: Protocol> {
    pub(crate) backlog: Backlog<P>,
    /// Where there is a ring.
    pub(crate) reader: Option<Reader<Packet<P>>>,
    /// Unless whoever runs the lane has it.
    claim: Option<Box<Claim<Packet<P>>>>,
    state: State,
    /// The handler is not to run, for now.
    paused: bool,
    /// Somebody runs the lane, and sees to the handler and the claim, not `close`.
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
const YIELDS: u32 = 32;

/// What whoever runs a lane was given.
pub(crate) enum Job<P: Protocol> {
    /// One message, from the backlog.
    Entry(Entry<P>),
    /// Messages in the ring, and what the next of some streams are to tell.
    Claim(Box<Claim<Packet<P>>>, Vec<(P::Key, Skipped)>),
}

/// What had to give way when a message was added.
pub(crate) struct GivenWay<P: Protocol> {
    message: Option<P::Message>,
    told: Option<(Watch, Outcome<P::Fault>)>,
}

impl<P: Protocol> Lane<P> {
    pub(crate) fn new(
        id: LaneId,
        name: Arc<str>,
        capacity: usize,
        handler: Handler<P>,
        wants_state: bool,
        keeps_thread: bool,
        shared: &Shared<P>,
    ) -> Self {
        let reader = shared.ring.as_ref().map(Ring::seat);
        let post = reader.as_ref().map(|reader| Arc::clone(reader.post()));
        let queue = Queue {
            backlog: Backlog::new(capacity),
            claim: reader.as_ref().map(|reader| Box::new(Claim::new(reader))),
            reader,
            state: State::Open,
            paused: false,
            running: false,
            critical_peak: 0,
        };
        Self {
            id,
            name,
            queue: Mutex::new(queue),
            depth: AtomicUsize::new(0),
            post,
            wake: Condvar::new(),
            own: OwnThread { asleep: AtomicBool::new(false), is_there: AtomicBool::new(false) },
            runs: AtomicBool::new(false),
            keeps_thread,
            slow: AtomicU32::new(0),
            most: AtomicUsize::new(1),
            crew: shared.crew.clone(),
            to_rest: AtomicBool::new(false),
            runner: Mutex::new(Some(Runner::new(handler))),
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
        let given_way = self.add(&mut queue, message, about);
        let wake = !queue.paused;
        drop(queue);
        if wake {
            self.wake_if_asleep();
        }
        self.tell(given_way);
    }

    /// Adds a message to the backlog. It is counted as published already. What had to give way for it is to be
    /// [told](Self::tell) outside of the lock.
    pub(crate) fn add(
        &self,
        queue: &mut Queue<P>,
        message: P::Message,
        about: About<P::Key>,
    ) -> GivenWay<P> {
        let given_way = match queue.backlog.push(message, about) {
            Pushed::Added => GivenWay { message: None, told: None },
            Pushed::Folded { watch } => {
                self.counts.folded.add(1);
                GivenWay { message: None, told: Some((watch, Outcome::Conflated)) }
            }
            Pushed::Dropped { displaced, watch } => {
                self.counts.dropped.add(1);
                GivenWay { message: Some(displaced), told: Some((watch, Outcome::Dropped)) }
            }
        };
        queue.critical_peak = queue.critical_peak.max(queue.backlog.critical_len());
        self.hint(queue);
        given_way
    }

    /// Drops what had to give way, and tells who watched it.
    pub(crate) fn tell(&self, given_way: GivenWay<P>) {
        drop(given_way.message);
        if let Some((watch, outcome)) = given_way.told {
            self.report(watch, outcome, None);
        }
    }

    fn hint(&self, queue: &Queue<P>) {
        let claimed = queue.claim.as_ref().map_or(0, |claim| claim.len());
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
        GivenWay { message: None, told: Some((about.watch, Outcome::Dropped)) }
    }

    /// A message could not be had: counted, and the publisher hears of it.
    pub(crate) fn count_lost(&self, class: Class, stream: P::Key) {
        self.counts.dropped.add(1);
        self.counts.without_duplicate.add(1);
        if let Some(holes) = self.holes.as_ref().filter(|_| class == Class::Conflatable) {
            holes.lose(stream);
        }
    }

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
                    self.own.asleep.store(true, Relaxed);
                    self.own_threads().inspect(|own| own.fall_asleep());
                    // The publisher stores what it has published, and then looks whether anybody sleeps; here it is
                    // the other way round. With a fence between each two, one of both sees the other's.
                    fence(SeqCst);
                    let has_unread = self.post.as_ref().is_some_and(|post| post.has_unread());
                    if queue.paused || queue.running || !has_unread {
                        queue = wait(&self.wake, queue);
                    }
                    self.own_threads().inspect(|own| own.awake());
                    self.own.asleep.store(false, Relaxed);
                }
                next => return next,
            }
        }
    }

    /// Wakes who sleeps over this lane, once something is published to it and a fence has followed.
    pub(crate) fn wake_if_asleep(&self) {
        if self.own.asleep.load(Relaxed) {
            // Under the lock, lest who is about to sleep does not yet.
            drop(lock(&self.queue));
            self.wake.notify_one();
        }
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
        match self.next_asleep(self.most.load(Relaxed), || cancel.is_cancelled()) {
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
        self.own.is_there.load(Relaxed)
    }

    /// It is to have a thread of its own; false if it has one.
    pub(crate) fn take_own_thread(&self) -> bool {
        let is_new = !self.own.is_there.swap(true, Relaxed);
        self.own_threads().inspect(|own| own.changed());
        is_new
    }

    fn own_threads(&self) -> Option<&OwnThreads> {
        self.crew.as_ref().map(|crew| &crew.own)
    }

    /// Others may serve it again.
    pub(crate) fn give_up_own_thread(&self) {
        self.own.is_there.store(false, Relaxed);
        self.own_threads().inspect(|own| own.changed());
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

    fn job(&self, queue: &mut Queue<P>, most: usize) -> Option<Job<P>> {
        if queue.claim.as_ref().is_some_and(|claim| !claim.is_empty()) {
            let claim = queue.claim.take()?;
            self.hint(queue);
            return Some(Job::Claim(claim, vec![]));
        }
        if let Some(entry) = queue.backlog.pop() {
            self.hint(queue);
            return Some(Job::Entry(entry));
        }
        let (reader, claim) = (queue.reader.as_mut()?, queue.claim.as_mut()?);
        if !reader.claim(most, claim) {
            return None;
        }
        let tales = queue.backlog.take_tales();
        Some(Job::Claim(queue.claim.take()?, tales))
    }

    /// Runs what was given: the handler runs here and now, isolated. Then the lane may be run by others.
    pub(crate) fn run(&self, job: Job<P>, worker: &Arc<str>, cancel: &Cancel) {
        let claim = match job {
            Job::Entry(entry) => {
                self.deliver(entry, worker);
                None
            }
            Job::Claim(mut claim, tales) => {
                self.deliver_claimed(&mut claim, tales, worker, cancel);
                Some(claim)
            }
        };
        self.finish(claim);
    }

    fn finish(&self, claim: Option<Box<Claim<Packet<P>>>>) {
        let mut queue = lock(&self.queue);
        queue.running = false;
        self.runs.store(false, Relaxed);
        if let Some(claim) = claim {
            queue.claim = Some(claim);
            self.release(&mut queue);
            self.hint(&queue);
        }
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
    fn release(&self, queue: &mut Queue<P>) {
        if let (Some(reader), Some(claim)) = (&mut queue.reader, &mut queue.claim) {
            if claim.is_empty() && reader.is_claimed() {
                reader.release(claim);
            }
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
    fn take_claimed(&self, queue: &mut Queue<P>, gone: &mut Gone<P>) {
        if let Some(claim) = &mut queue.claim {
            while !claim.is_empty() {
                claim.read(|packet| gone.add(packet));
                claim.advance();
            }
        }
        self.release(queue);
    }

    fn discard_all(&self, gone: Gone<P>) {
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
        self.report(watch, Outcome::Discarded, None);
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
            let claimed = queue.claim.as_ref().map_or(0, |claim| claim.len());
            let unread = queue.reader.as_ref().map_or(0, Reader::len);
            let told = queue.reader.as_ref().map_or(0, Reader::told);
            (claimed + queue.backlog.len() + unread, told, queue.critical_peak, queue.paused)
        };
        let counts = &self.counts;
        LaneStats {
            lane: self.id,
            consumer: Arc::clone(&self.name),
            published: counts.published.get() + told,
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

/// What a lane that is closed has in the ring: duplicates of what must not be lost, and who watches the rest.
struct Gone<P: Protocol> {
    critical: Vec<Entry<P>>,
    others: Vec<Watch>,
}

impl<P: Protocol> Gone<P> {
    fn new() -> Self {
        Self { critical: vec![], others: vec![] }
    }

    fn add(&mut self, packet: &Packet<P>) {
        let duplicate = || P::duplicate(&packet.delivery.message, packet.class);
        match (packet.class == Class::Critical).then(duplicate).flatten() {
            Some(message) => self.critical.push(Entry::new(message, packet.about())),
            None => self.others.push(packet.watch),
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

    /// Whether it can take from the ring what comes from now on, of which there may be as many as the ring holds, and has
    /// room for all of it beside what waits.
    pub(crate) fn may_enter(&self, ring: usize) -> bool {
        let claimed = self.reader.as_ref().is_none_or(Reader::is_claimed);
        self.state == State::Open && !self.paused && !claimed && self.backlog.has_room_for(ring)
    }
}
