use std::{
    fmt,
    num::NonZeroU32,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use arc_swap::{ArcSwap, Cache};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::{
    Builder, Class, DeathCause, LaneId, LaneReport, Outcome, Protocol, Publisher, Report, Routes,
    Shutdown, Stats, Timings, Undelivered,
    backlog::About,
    clock,
    contain::contain,
    handler::Packet,
    lane::{Lane, Next},
    multicast::{Audience, Multicast},
    order::{Accepted, Ready, Sequencer},
    ring::Writer,
    shared::Shared,
    state::CurrentState,
    sync::lock,
    topology::{Routed, Topology},
    watch::{Sampler, Watch},
    worker::{Inside, Worker},
};

/// How long a dispatcher that is dropped without a shutdown waits for its threads.
const DROP_LIMIT: Duration = Duration::from_secs(2);
/// How many messages of a batch are shown to their consumers at a time.
const SHOWN_AT_A_TIME: usize = 16;
/// What a lane's thread gets, after its backlog was taken away, to end the call in progress.
const GRACE: Duration = Duration::from_millis(200);

/// Takes messages from its owner's thread, and hands each consumer its own.
///
/// It is the one writer: whoever owns it publishes. Consumers come and go through
/// [`routes`](Self::routes), from any thread. Dropped without a [`shutdown`](Self::shutdown), it
/// delivers nothing more, sends waiting critical messages to the dead-letter sink, and joins its
/// threads for up to two seconds.
pub struct Dispatcher<P: Protocol> {
    shared: Arc<Shared<P>>,
    newest: Cache<Arc<ArcSwap<Topology<P>>>, Arc<Topology<P>>>,
    /// The snapshot in use: changed by `refresh` alone, between two messages.
    topology: Arc<Topology<P>>,
    /// By key, the lanes of that snapshot that take it.
    resolved: FxHashMap<P::Key, Audience>,
    order: Sequencer<P>,
    state: Option<CurrentState<P>>,
    /// Lanes that missed a conflatable message of a stream, or filtered one, and are to have its whole
    /// state in place of the next; empty unless the state is kept.
    behind: FxHashSet<(LaneId, P::Key)>,
    lanes: Multicast<P>,
    /// Of the lanes of a message, those that are to have the whole state and those that are not; kept for
    /// their room.
    split: (Audience, Audience),
    /// What the sequencer lets pass, on its way to be routed; empty between calls.
    ready: Ready<P::Message>,
    sampler: Sampler,
    /// The last time that was told.
    now: Option<Instant>,
    /// The caller's thread, by name, for handlers that run on it.
    here: Arc<str>,
}

/// What became of a published message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// It was routed to this many lanes; to none, it was dropped.
    Routed {
        /// How many.
        lanes: usize,
    },
    /// It waits for an earlier message of its stream.
    Held,
    /// A newer message of its stream had passed, so it was dropped.
    Late,
}

impl<P: Protocol> Dispatcher<P> {
    /// Settings, all with defaults.
    pub fn builder() -> Builder<P> {
        Builder::new()
    }

    pub(crate) fn new(
        shared: Arc<Shared<P>>,
        writer: Option<Writer<Packet<P>>>,
        gap_wait: Duration,
        gap_capacity: usize,
    ) -> Self {
        let here: Arc<str> = std::thread::current().name().unwrap_or("caller").into();
        Self {
            lanes: Multicast::new(writer, &shared, Arc::clone(&here)),
            newest: Cache::new(Arc::clone(&shared.topology)),
            topology: shared.topology.load_full(),
            resolved: FxHashMap::default(),
            order: Sequencer::new(gap_wait, gap_capacity),
            state: shared.keeps_state.then(CurrentState::new),
            behind: FxHashSet::default(),
            split: Default::default(),
            ready: Ready::new(),
            sampler: Sampler::new(shared.time_one_in),
            now: None,
            here,
            shared,
        }
    }

    /// The handle by which consumers come and go.
    pub fn routes(&self) -> Routes<P> {
        Routes { shared: Arc::clone(&self.shared) }
    }

    /// Lets several threads publish, by turns.
    pub fn share(self) -> Publisher<P> {
        let shared = Arc::clone(&self.shared);
        Publisher::new(self, shared)
    }

    /// Whether it was cancelled: then it takes no message any more.
    pub fn is_cancelled(&self) -> bool {
        self.shared.cancel.is_cancelled()
    }

    /// What has been done so far.
    pub fn stats(&self) -> Stats {
        self.routes().stats()
    }

    /// How long things took so far: see [`Builder::time_one_in`].
    pub fn timings(&self) -> Timings {
        self.routes().timings()
    }

    /// Takes a message, and returns as soon as it waits for its consumers. `now` is the time by
    /// which gaps are waited for; it must not go back.
    ///
    /// No consumer: the message is dropped. One: it gets the message itself. Several: each that wants to own it gets a
    /// duplicate when its turn comes, and the message is dropped here when all have had theirs: at the latest by
    /// the [`poll`](Self::poll) after. Failures reach the fault sink.
    ///
    /// Never waits for a handler of one slow consumer. When all are about equally far behind a full ring, it waits for
    /// them, up to two milliseconds. [`WhenFull::Wait`](crate::WhenFull) has it wait for the slowest.
    ///
    /// # Errors
    ///
    /// [`PublishError::Cancelled`] hands the message back.
    pub fn publish(
        &mut self,
        message: P::Message,
        now: Instant,
    ) -> Result<Published, PublishError<P::Message>> {
        if self.is_cancelled() {
            return Err(PublishError::Cancelled(message));
        }
        Ok(self.take(message, now, None))
    }

    /// Takes messages one after the other, as [`publish`](Self::publish) does, and shows them to their consumers
    /// sixteen at a time: much cheaper than one by one where many come together. If the workers sleep the first is shown
    /// at once, so that they wake while the others come. When it returns, all are shown.
    /// Answers how many were taken.
    ///
    /// # Errors
    ///
    /// [`PublishError::Cancelled`] hands back the message at which the cancellation was seen; the rest is not asked of
    /// the iterator.
    pub fn publish_batch(
        &mut self,
        messages: impl IntoIterator<Item = P::Message>,
        now: Instant,
    ) -> Result<usize, PublishError<P::Message>> {
        let mut taken = 0;
        for message in messages {
            if self.is_cancelled() {
                self.lanes.flush();
                return Err(PublishError::Cancelled(message));
            }
            self.accept(message, now, None);
            taken += 1;
            // Who sleeps takes longer to wake than the others of these take to come.
            if taken % SHOWN_AT_A_TIME == 0 || (taken == 1 && self.lanes.all_sleep()) {
                self.lanes.flush();
            }
        }
        self.lanes.flush();
        self.count_order();
        Ok(taken)
    }

    /// Takes a critical message, and has the [receipt sink](Builder::receipt_sink) told this number once every lane that
    /// it is for is done with it: has handled it, failed on it, refused or filtered it, or left. A lane that is paused is
    /// not done, and what a shutdown hands back, or a cancellation abandons, never is. A message that nobody wants is
    /// told of before this returns. Failures reach the fault sink.
    ///
    /// Costs a lock here and one in each lane.
    ///
    /// # Errors
    ///
    /// [`PublishError::Cancelled`] hands the message back, and so does [`PublishError::NoReceipt`], if it is not critical:
    /// others may become part of newer ones.
    pub fn publish_for_receipt(
        &mut self,
        message: P::Message,
        now: Instant,
        receipt: u64,
    ) -> Result<Published, PublishError<P::Message>> {
        if self.is_cancelled() {
            return Err(PublishError::Cancelled(message));
        }
        if P::class(&message) != Class::Critical {
            return Err(PublishError::NoReceipt(message));
        }
        let number = self.shared.sinks.receipts.begin(receipt);
        let published = self.take(message, now, Some(number));
        if let Published::Routed { lanes } = published {
            // A critical message waits for no other.
            self.shared.sinks.receipts.went_to(number, lanes);
        }
        Ok(published)
    }

    /// Takes a message, and waits until every consumer is done with it, or until `limit`. Paused
    /// consumers are not waited for, and stand as [`Outcome::Pending`](crate::Outcome).
    ///
    /// # Errors
    ///
    /// [`DispatchError`] hands the message back, undelivered.
    pub fn dispatch(
        &mut self,
        message: P::Message,
        now: Instant,
        limit: Option<Duration>,
    ) -> Result<Report<P::Fault>, DispatchError<P::Message>> {
        if Inside::is_inside() {
            return Err(DispatchError::InsideConsumer(message));
        }
        if self.is_cancelled() {
            return Err(DispatchError::Cancelled(message));
        }
        let mut report = Report::new(P::trace(&message));
        let key = P::key(&message);
        let limit = limit.map(clock::after);
        let join = self.shared.sinks.joined.begin();
        let expected = match self.take(message, now, Some(join)) {
            Published::Routed { lanes } => lanes,
            published => {
                report.held = published == Published::Held;
                report.late = published == Published::Late;
                0
            }
        };
        let lanes: Vec<_> = match self.resolved.get(&key) {
            Some(audience) if expected > 0 => {
                let lane = |index: &usize| Arc::clone(&self.topology.lanes[*index].lane);
                audience.lanes().iter().map(lane).collect()
            }
            _ => vec![],
        };
        // Whoever is paused is not waited for: who would resume it, while we wait here?
        let are_done = |reports: &[LaneReport<P::Fault>]| {
            let reported = |lane: &Lane<P>| reports.iter().any(|report| report.lane == lane.id);
            lanes.iter().all(|lane| reported(lane) || lane.is_paused())
        };
        if expected > 0 {
            report.version = self.topology.version;
            let cancel = self.shared.cancel.clone();
            if self.shared.threaded {
                self.shared.sinks.joined.wait(are_done, limit, || cancel.is_cancelled());
            } else {
                let over = || limit.is_some_and(|limit| clock::now() >= limit);
                while !self.shared.sinks.joined.is(are_done) && !over() && self.run_once() {}
            }
        }
        report.lanes = self.shared.sinks.joined.end();
        if report.lanes.len() < expected {
            report.cut_short = true;
            add_pending(&mut report, &lanes);
        } else if expected > 0 {
            self.lanes.settle(&lanes);
        }
        Ok(report)
    }

    /// Has the receipt sink told this number now: for owners who know that nothing more will come of its message.
    pub fn give_receipt(&self, receipt: u64) {
        self.shared.sinks.receipts.tell(receipt);
    }

    /// Hands a message that it could not take to the dead-letter sink, under its own name in place of a
    /// consumer's, if it is critical; other messages are dropped. For owners who were refused by
    /// [`publish`](Self::publish) and have no use for what was handed back.
    pub fn bury(&self, message: P::Message) {
        if P::class(&message) == Class::Critical {
            self.shared.sinks.dead_letter(message, &self.shared.name, DeathCause::Abandoned);
        }
    }

    /// Does what time asks for: gives up gaps that were waited for long enough, and sends the
    /// current state to consumers that are new.
    pub fn poll(&mut self, now: Instant) {
        self.now = Some(now);
        self.refresh();
        self.order.release_due(now, &mut self.ready);
        self.route_ready(None);
        self.lanes.flush();
        self.lanes.reclaim();
        self.count_order();
    }

    /// When [`poll`](Self::poll) next has to be called; `None` if nothing waits for time. New
    /// consumers that ask for the current state have it at the next call of any kind: whoever is
    /// idle for long should poll now and then all the same.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.order.next_deadline()
    }

    /// Runs one message of each lane on this thread, in order of subscription; false if there was
    /// none. For dispatchers without [workers](Builder::workers); with workers it does nothing.
    pub fn run_once(&mut self) -> bool {
        if self.shared.threaded {
            return false;
        }
        self.refresh();
        self.lanes.flush();
        let mut ran = false;
        for routed in self.topology.lanes.iter() {
            ran |= self.step(&routed.lane);
        }
        self.lanes.reclaim();
        ran
    }

    /// Runs one message of one lane on this thread; false if there was none, or no such lane. As
    /// [`run_once`](Self::run_once), for who wants to say in which order consumers take their turns.
    pub fn run_lane(&mut self, lane: LaneId) -> bool {
        if self.shared.threaded {
            return false;
        }
        self.refresh();
        self.lanes.flush();
        let routed = self.topology.lanes.iter().find(|routed| routed.lane.id == lane);
        let ran = routed.is_some_and(|routed| self.step(&routed.lane));
        self.lanes.reclaim();
        ran
    }

    fn step(&self, lane: &Lane<P>) -> bool {
        let cancel = &self.shared.cancel;
        let Next::Run(job) = lane.next(1, cancel.is_cancelled()) else { return false };
        lane.run(job, &self.here, cancel);
        true
    }

    /// Stops: takes no more, delivers what waits until `limit` is over, joins every thread, and
    /// hands back what was not delivered. Messages that waited for order are let pass first.
    ///
    /// If it was cancelled before, nothing more is delivered. A thread whose handler does not
    /// return is named in the answer and left behind.
    pub fn shutdown(mut self, limit: Duration) -> Shutdown<P::Message> {
        self.stop(limit)
    }

    fn take(&mut self, message: P::Message, now: Instant, join: Option<NonZeroU32>) -> Published {
        let published = self.accept(message, now, join);
        self.lanes.flush();
        self.count_order();
        published
    }

    /// Takes a message in, and routes what may pass. Nobody is shown it yet.
    fn accept(&mut self, message: P::Message, now: Instant, join: Option<NonZeroU32>) -> Published {
        self.shared.counts.published.add(1);
        self.now = Some(now);
        self.refresh();
        if P::class(&message) == Class::Critical {
            return Published::Routed { lanes: self.route(message, 0, join) };
        }
        self.order.release_due(now, &mut self.ready);
        self.route_ready(None);
        match self.order.accept(message, now, &mut self.ready) {
            Accepted::Alone(message) => Published::Routed { lanes: self.route(message, 0, join) },
            Accepted::Passed(place) => {
                Published::Routed { lanes: self.route_ready(Some((place, join))) }
            }
            Accepted::Held => {
                // It may have been one too many, so that others had to go on without what they waited for.
                self.route_ready(None);
                Published::Held
            }
            Accepted::Late => Published::Late,
        }
    }

    /// Routes what the sequencer let pass. Of these, one may be `of_interest`, by its place, with the
    /// dispatch that waits for it; answers how many lanes that one went to.
    fn route_ready(&mut self, of_interest: Option<(usize, Option<NonZeroU32>)>) -> usize {
        let mut lanes_of_interest = 0;
        let mut place = 0;
        while let Some((message, missing)) = self.ready.pop_front() {
            match of_interest {
                Some((wanted, join)) if wanted == place => {
                    lanes_of_interest = self.route(message, missing, join);
                }
                _ => {
                    self.route(message, missing, None);
                }
            }
            place += 1;
        }
        lanes_of_interest
    }

    /// Stamps a message and hands it out by the same snapshot, on this thread: they cannot
    /// disagree. So many of its stream before it never came.
    fn route(&mut self, mut message: P::Message, missing: u64, join: Option<NonZeroU32>) -> usize {
        let topology = &self.topology;
        // Another dispatcher's stamp says by which routes it was sent there.
        if !(topology.follows && P::version(&message) > 0) {
            P::stamp(&mut message, topology.version);
        }
        let key = P::key(&message);
        let audience = match self.resolved.get_mut(&key) {
            Some(audience) => audience,
            None => {
                let lanes = topology.lanes.iter().enumerate();
                let taking = lanes.filter(|(_, routed)| routed.takes(&key));
                let audience = self.resolved.entry(key).or_default();
                audience.change_to(taking.map(|(index, _)| index));
                audience
            }
        };
        let lanes = audience.lanes();
        let expected = lanes.len();
        let class = P::class(&message);
        let stream = P::stream(&message);
        let mut renewed = false;
        if let Some(state) = &mut self.state {
            if missing > 0 {
                state.lose(&message);
            }
            renewed = state.note(&message, class, topology);
            for index in lanes.iter() {
                let lane = &topology.lanes[*index].lane;
                self.behind.extend(lane.take_lost().into_iter().map(|stream| (lane.id, stream)));
            }
        }
        let mut about = About { class, stream, missing, watch: Watch::joined(join) };
        if self.sampler.chooses() && !lanes.is_empty() {
            if let Some(now) = self.now {
                about.watch.measure(now, self.shared.sinks.fan_outs.begin(now, lanes.len()));
            }
        }
        let counts = &self.shared.counts;
        counts.routed.add(u64::from(!lanes.is_empty()));
        counts.unrouted.add(u64::from(lanes.is_empty()));
        // Only a conflatable message can be replaced by the state that it is part of: where the lane
        // missed an earlier one, or may have filtered it since a flip made it stale.
        let state = self.state.as_ref().and_then(|state| state.of(&stream));
        let state = state.filter(|_| class == Class::Conflatable);
        match state {
            Some(state) if renewed || !self.behind.is_empty() => {
                let (due, others) = &mut self.split;
                let is_due = |index: &usize| {
                    renewed || self.behind.contains(&(topology.lanes[*index].lane.id, stream))
                };
                due.change_to(lanes.iter().copied().filter(is_due));
                others.change_to(lanes.iter().copied().filter(|index| !is_due(index)));
                let whole = if due.lanes().is_empty() { None } else { P::duplicate(state, class) };
                match whole {
                    Some(whole) => {
                        for index in due.lanes() {
                            self.behind.remove(&(topology.lanes[*index].lane.id, stream));
                        }
                        self.lanes.send(due, whole, &about);
                        if !others.lanes().is_empty() {
                            self.lanes.send(others, message, &about);
                        }
                    }
                    None => self.lanes.send(audience, message, &about),
                }
            }
            _ if expected == 0 => {}
            _ => self.lanes.send(audience, message, &about),
        }
        expected
    }

    /// Changes to the newest snapshot, and sees to it that lanes new in it have the current state
    /// before their first message.
    fn refresh(&mut self) {
        let newest = self.newest.load();
        if self.topology.edition == newest.edition {
            return;
        }
        let newest = Arc::clone(newest);
        if self.topology.flips != newest.flips {
            // What waits for order was published before the flip, and is routed as it was then.
            self.order.release_all(&mut self.ready);
            self.route_ready(None);
            self.count_order();
        }
        let before = std::mem::replace(&mut self.topology, newest);
        if Arc::ptr_eq(&before.lanes, &self.topology.lanes) {
            return;
        }
        self.resolved.clear();
        self.behind.retain(|(lane, _)| self.topology.lanes.iter().any(|r| r.lane.id == *lane));
        self.lanes.change_lanes(&self.topology);
        self.welcome(&before);
    }

    /// Sends the current state to lanes that are new since a snapshot and asked for it, and has those
    /// that take a stream anew start with its whole state.
    fn welcome(&mut self, before: &Topology<P>) {
        for (index, routed) in self.topology.lanes.iter().enumerate() {
            let is_it = |old: &&Routed<P>| old.lane.id == routed.lane.id;
            let Some(old) = before.lanes.iter().find(is_it) else { continue };
            if Arc::ptr_eq(&old.routes, &routed.routes) {
                continue;
            }
            let takes_anew = |key: &P::Key| routed.takes(key) && !old.takes(key);
            self.lanes.leave(index);
            routed.lane.seal(takes_anew);
            let Some(state) = &mut self.state else { continue };
            let keys = state.iter_mut().map(|message| (P::key(message), P::stream(message)));
            let new = keys.filter(|(key, _)| takes_anew(key));
            self.behind.extend(new.map(|(_, stream)| (routed.lane.id, stream)));
        }
        let Some(state) = &mut self.state else { return };
        for (index, routed) in self.topology.lanes.iter().enumerate() {
            if !routed.lane.take_wants_state() {
                continue;
            }
            for message in state.iter_mut().filter(|message| routed.takes(&P::key(message))) {
                // Here and once: duplicates may share what it says.
                P::stamp(message, self.topology.version);
                let (class, stream) = (P::class(message), P::stream(message));
                let about = About { class, stream, missing: 0, watch: Watch::default() };
                self.lanes.send_first(index, message, about);
            }
        }
    }

    fn count_order(&self) {
        let (order, counts) = (self.order.counts, &self.shared.counts);
        counts.late.add(order.late - counts.late.get());
        counts.gaps.add(order.gaps - counts.gaps.get());
        counts.missing.add(order.missing - counts.missing.get());
    }

    /// Joins the workers that end in time. Meanwhile some may be hired in place of others that are kept.
    fn join_workers(&self, deadline: Instant, unfinished: &mut Vec<Worker>) {
        loop {
            let workers = std::mem::take(&mut *lock(&self.shared.workers));
            if workers.is_empty() {
                return;
            }
            unfinished.extend(workers.into_iter().filter_map(|w| w.join_until(deadline).err()));
        }
    }

    fn stop(&mut self, limit: Duration) -> Shutdown<P::Message> {
        let deadline = clock::after(limit);
        {
            let _workers = lock(&self.shared.workers);
            self.shared.stopped.store(true, Ordering::Relaxed);
        }
        // Nobody subscribes any more: this snapshot is the last but for lanes that leave.
        self.refresh();
        self.order.release_all(&mut self.ready);
        self.route_ready(None);
        self.count_order();
        self.lanes.flush();
        self.lanes.let_all_go();
        for routed in self.topology.lanes.iter() {
            routed.lane.drain();
        }
        if let Some(crew) = &self.shared.crew {
            crew.drain();
        }
        self.shared.spares.end();
        while clock::now() < deadline && self.run_once() {}
        let mut unfinished = vec![];
        self.join_workers(deadline, &mut unfinished);
        if let Some(crew) = &self.shared.crew {
            crew.end();
        }
        // Once it has ended it hires nobody any more.
        let monitor = lock(&self.shared.monitor).take();
        let soon = clock::after(GRACE);
        unfinished.extend(monitor.and_then(|monitor| monitor.join_until(soon).err()));
        self.join_workers(deadline, &mut unfinished);
        // So that all that waits can be handed back.
        self.lanes.leave_all();
        let mut undelivered = vec![];
        for routed in self.topology.lanes.iter() {
            hand_back(&routed.lane, &mut undelivered);
        }
        undelivered.sort_by_key(|undelivered| undelivered.class != Class::Critical);
        let grace = clock::after(GRACE);
        let stuck: Vec<_> = unfinished
            .into_iter()
            .filter_map(|worker| Some(worker.join_until(grace).err()?.name))
            .collect();
        let lanes = self.topology.lanes.iter().map(|routed| &routed.lane);
        let kept_by = lanes.filter(|lane| !stuck.is_empty() && lane.is_running());
        let kept_by: Vec<_> = kept_by.map(|lane| Arc::clone(&lane.name)).collect();
        for consumer in &kept_by {
            tracing::error!(consumer = &**consumer, "its handler would not return");
        }
        // Patterns may hold a handle to the routes, and so keep everything alive in a circle.
        self.shared.topology.rcu(|last| Topology {
            lanes: last
                .lanes
                .iter()
                .map(|routed| Routed { lane: Arc::clone(&routed.lane), routes: Arc::new([]) })
                .collect(),
            ..**last
        });
        Shutdown { undelivered, stuck, kept_by }
    }
}

/// Names the consumers that a dispatch was cut short on.
fn add_pending<P: Protocol>(report: &mut Report<P::Fault>, lanes: &[Arc<Lane<P>>]) {
    for lane in lanes {
        if report.lanes.iter().all(|row| row.lane != lane.id) {
            report.lanes.push(LaneReport {
                lane: lane.id,
                consumer: Arc::clone(&lane.name),
                outcome: Outcome::Pending,
                took: Duration::ZERO,
            });
        }
    }
}

/// Closes a lane, and keeps what it did not deliver.
fn hand_back<P: Protocol>(lane: &Lane<P>, undelivered: &mut Vec<Undelivered<P::Message>>) {
    let consumer = &lane.name;
    lane.close(|entry| {
        let (message, class) = (entry.message, entry.class);
        undelivered.push(Undelivered { message, class, consumer: Arc::clone(consumer) });
    });
}

impl<P: Protocol> Drop for Dispatcher<P> {
    fn drop(&mut self) {
        if self.shared.stopped.load(Ordering::Relaxed) {
            return;
        }
        // Whoever drops it without a shutdown does not wait for deliveries, only for threads.
        self.refresh();
        for routed in self.topology.lanes.iter() {
            routed.lane.close(|entry| {
                let (message, class) = (entry.message, entry.class);
                routed.lane.bury(message, class, entry.watch, DeathCause::Abandoned);
            });
        }
        // The owner may be unwinding because of a user's `Protocol`, which would panic here again.
        contain("the protocol, while its dispatcher was dropped,", || drop(self.stop(DROP_LIMIT)));
    }
}

impl<P: Protocol> fmt::Debug for Dispatcher<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// Why a message was not published; it comes back with the answer.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum PublishError<M> {
    /// The dispatcher was cancelled.
    #[error("the dispatcher was cancelled")]
    Cancelled(M),
    /// It is not critical, and so may become part of a newer one.
    #[error("only critical messages have receipts")]
    NoReceipt(M),
    /// The dispatcher, which is [shared](Dispatcher::share), was shut down.
    #[error("the dispatcher was shut down")]
    Stopped(M),
    /// A consumer that the publisher runs published to that publisher, whose turn is not over.
    #[error("a consumer that is run inline cannot publish to the publisher that runs it")]
    InsideConsumer(M),
}

/// Why a message was not dispatched; it comes back with the answer.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum DispatchError<M> {
    /// The dispatcher was cancelled.
    #[error("the dispatcher was cancelled")]
    Cancelled(M),
    /// A consumer waited for consumers, itself among them: that would never end.
    #[error("a consumer cannot wait for consumers; publish from here instead")]
    InsideConsumer(M),
}

impl<M> PublishError<M> {
    /// The message.
    pub fn into_message(self) -> M {
        let (Self::Cancelled(message)
        | Self::NoReceipt(message)
        | Self::Stopped(message)
        | Self::InsideConsumer(message)) = self;
        message
    }
}

impl<M> fmt::Debug for PublishError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cancelled(_) => "Cancelled(..)",
            Self::NoReceipt(_) => "NoReceipt(..)",
            Self::Stopped(_) => "Stopped(..)",
            Self::InsideConsumer(_) => "InsideConsumer(..)",
        })
    }
}

impl<M> fmt::Debug for DispatchError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cancelled(_) => "Cancelled(..)",
            Self::InsideConsumer(_) => "InsideConsumer(..)",
        })
    }
}
