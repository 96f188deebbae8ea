use std::{
    fmt, io,
    sync::Arc,
    time::{Duration, Instant},
};

use meltica_consumer::{Gate, Outcome};
use meltica_dispatcher::{
    Class, DispatchError, Dispatcher, LaneId, Protocol, PublishError, Published, Report, Routes,
    Skipped, SubscribeError, Subscription, Timings, Undelivered, UnknownLane, Verdict,
};
use meltica_event::{Header, TraceId};
use meltica_recycler::{LeakReport, Recycler};

use crate::{
    Builder, Consumer, Control, Delivery, Market, Message, Pools, Running, Select, Stats,
    consumers::Consumers,
    control::Orders,
    follow::{Follow, PATH},
    merging::{MergeStatsHandles, Merging},
    repeats::Repeats,
    stats::Counts,
};

/// From the venues to the consumers: takes messages, gives each a trace id, recognises repeats, merges
/// what is to be merged, restores order, routes, and hands every interested consumer its own.
///
/// Driven by its caller through [`push`](Self::push) and [`poll`](Self::poll), from one thread; or
/// given a thread of its own by [`spawn`](Self::spawn). Changed while it runs by its [`Control`], from
/// any thread.
pub struct Pipeline {
    /// Before the dispatcher: who waits for a command in a consumer must not be waited for.
    pub(crate) orders: Orders,
    pub(crate) dispatcher: Dispatcher<Market>,
    recycler: Recycler,
    pools: Pools,
    pub(crate) merging: Merging,
    repeats: Repeats,
    pub(crate) counts: Arc<Counts>,
    next_trace: u64,
    /// The last time that was told.
    pub(crate) now: Option<Instant>,
    follow: Follow,
    pub(crate) consumers: Consumers,
    control: Control,
    /// Whether its routing versions are another pipeline's.
    pub(crate) follows_upstream: bool,
    /// The highest of its versions that came.
    followed: u64,
}

/// What became of a pushed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It went to this many consumers; to none, it went home.
    Routed {
        /// How many.
        lanes: usize,
    },
    /// It waits for an earlier one of its stream.
    Held,
    /// A newer one of its stream had passed, so it went home.
    Late,
    /// A critical message that had come before; it went home.
    Repeated,
    /// A merge rule holds it: it waits in a window, or went home if that refused it, and goes no
    /// further by itself.
    Windowed,
}

impl Pipeline {
    /// Settings, all with defaults.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn new(
        dispatcher: Dispatcher<Market>,
        recycler: Recycler,
        pools: Pools,
        merging: Merging,
        repeats: Repeats,
        follow: Follow,
    ) -> Self {
        let (control, orders) = Control::new();
        Self {
            dispatcher,
            recycler,
            pools,
            merging,
            repeats,
            counts: Arc::default(),
            next_trace: 1,
            now: None,
            follow,
            consumers: Consumers::default(),
            control,
            orders,
            follows_upstream: false,
            followed: 0,
        }
    }

    /// The pools to lease messages from.
    pub fn pools(&self) -> &Pools {
        &self.pools
    }

    /// The owner of the pools: debug mode, and what is still out.
    pub fn recycler(&self) -> &Recycler {
        &self.recycler
    }

    /// A handle by which others change it while it runs.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    pub(crate) fn routes(&self) -> Routes<Market> {
        self.dispatcher.routes()
    }

    /// The routing version, from 1 on: that of the next message.
    pub fn version(&self) -> u64 {
        self.routes().version()
    }

    /// Whether it was cancelled: then it takes no message any more.
    pub fn is_cancelled(&self) -> bool {
        self.dispatcher.is_cancelled()
    }

    /// Adds a consumer, which gets what is pushed from now on.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`]; everything is as before.
    pub fn subscribe(
        &self,
        consumer: Consumer,
        selections: impl IntoIterator<Item = Select>,
    ) -> Result<(), SubscribeError> {
        self.add(consumer, selections, false)
    }

    /// Adds a consumer, which first gets the last quote and the whole book of every stream it
    /// selects, and then what is pushed from now on. The pipeline must be built with
    /// [`keep_current_state`](Builder::keep_current_state).
    ///
    /// # Errors
    ///
    /// [`SubscribeError`]; everything is as before.
    pub fn subscribe_with_state(
        &self,
        consumer: Consumer,
        selections: impl IntoIterator<Item = Select>,
    ) -> Result<(), SubscribeError> {
        self.add(consumer, selections, true)
    }

    /// Removes the consumer of this name. What waits for it is discarded and counted, its critical
    /// messages go to the dead-letter sink; a call in progress goes on.
    ///
    /// # Errors
    ///
    /// [`UnknownConsumer`] if none of this name is subscribed.
    pub fn unsubscribe(&self, consumer: &str) -> Result<(), UnknownConsumer> {
        self.change_lane(consumer, |lane| {
            self.routes().unsubscribe(lane)?;
            self.consumers.leave(lane);
            Ok(())
        })
    }

    /// Does something to the lane of the consumer of this name.
    pub(crate) fn change_lane<T>(
        &self,
        consumer: &str,
        change: impl FnOnce(LaneId) -> Result<T, UnknownLane>,
    ) -> Result<T, UnknownConsumer> {
        let lane = self.consumers.lane(consumer);
        // One that leaves between the two is as unknown.
        lane.and_then(|lane| change(lane).ok()).ok_or_else(|| UnknownConsumer(consumer.to_owned()))
    }

    pub(crate) fn add(
        &self,
        mut consumer: Consumer,
        selections: impl IntoIterator<Item = Select>,
        with_state: bool,
    ) -> Result<(), SubscribeError> {
        let newcomer = self.consumers.meet(&consumer);
        if self.follows_upstream {
            // A message has the version it brings, not that of the snapshot that routes it: what comes late from before
            // a flip is stale for a newcomer too.
            consumer.gate().raise(self.version());
        }
        let name = consumer.id().to_string();
        let follow = self.follow;
        let mut subscription = if consumer.borrows() {
            Subscription::borrowing(name, move |delivery: &Delivery| {
                let outcome = consumer.invoke_borrowed(delivery);
                if follow.follows(delivery.header().trace) {
                    followed(delivery.header(), delivery.skipped, consumer.id(), &outcome);
                }
                match outcome {
                    Outcome::Handled => Verdict::Handled,
                    Outcome::Filtered(()) => Verdict::Filtered,
                    Outcome::Failed { fault, .. } => Verdict::Failed { fault, message: None },
                    Outcome::Refused(()) => Verdict::Refused(()),
                }
            })
        } else {
            Subscription::new(name, move |delivery: Delivery| {
                let (header, skipped) = (*delivery.header(), delivery.skipped);
                // The handler owns what it is given, and may fail with it: then this is the dead letter.
                let critical = delivery.is_critical();
                let kept = critical
                    .then(|| Market::duplicate(&delivery.message, Class::Critical))
                    .flatten();
                let outcome = consumer.invoke(delivery);
                if follow.follows(header.trace) {
                    followed(&header, skipped, consumer.id(), &outcome);
                }
                match outcome {
                    Outcome::Handled => Verdict::Handled,
                    Outcome::Filtered(_) => Verdict::Filtered,
                    Outcome::Failed { fault, message } => Verdict::Failed {
                        fault,
                        message: message.map(Delivery::into_message).or(kept),
                    },
                    Outcome::Refused(delivery) => Verdict::Refused(delivery.into_message()),
                }
            })
        };
        for select in selections {
            subscription = subscription.to(select.into());
        }
        if with_state {
            subscription = subscription.with_current_state();
        }
        newcomer.came(self.routes().subscribe(subscription)?);
        Ok(())
    }

    /// Whether a consumer runs on the thread that pushes, as a part of pushing, or on the workers': the fastest way there
    /// is, for consumers that take far less than a microsecond. Its time is everybody's time then, and one that does
    /// not return ends it all; one that turns out slow, 100 µs twice in a row where that is measured, goes back to
    /// the workers. Takes effect with the next message; nothing is lost or repeated. Answers whether it was so before.
    ///
    /// # Errors
    ///
    /// [`UnknownConsumer`] if none of this name is subscribed.
    pub fn set_inline(&self, consumer: &str, inline: bool) -> Result<bool, UnknownConsumer> {
        self.change_lane(consumer, |lane| self.routes().set_inline(lane, inline))
    }

    /// The gate of the consumer of this name; the latest, if there were several. `None` if there
    /// never was one.
    pub fn gate(&self, consumer: &str) -> Option<Gate> {
        self.consumers.gate(consumer)
    }

    /// What has been done so far.
    pub fn stats(&self) -> Stats {
        self.stats_source().read()
    }

    /// How long messages took so far, of those measured: see
    /// [`time_one_in`](Builder::time_one_in).
    pub fn timings(&self) -> Timings {
        self.dispatcher.timings()
    }

    /// Where the statistics are read from, on any thread.
    pub(crate) fn stats_source(&self) -> StatsSource {
        StatsSource {
            counts: Arc::clone(&self.counts),
            merges: self.merging.stats(),
            routes: self.routes(),
            consumers: self.consumers.clone(),
            recycler: self.recycler.clone(),
        }
    }

    /// Takes a message and returns as soon as it waits for its consumers. `now` is the time by which
    /// gaps and merge windows are waited for; it must not go back. Failures reach the fault sink.
    ///
    /// # Errors
    ///
    /// [`PushError::Cancelled`] hands the message back.
    pub fn push(&mut self, message: Message, now: Instant) -> Result<Pushed, PushError> {
        self.push_with(message, now, None)
    }

    /// As [`push`](Self::push), of a critical message, and has the [receipt sink](Builder::receipt_sink) told this number
    /// when every interested consumer is done with it: has handled it, failed on it, refused it, or left. One that is
    /// paused is not done, and what a shutdown hands back never is. Of a repeat, and of a message that nobody wants, it is
    /// told at once.
    ///
    /// # Errors
    ///
    /// [`PushError`] hands the message back.
    pub fn push_for_receipt(
        &mut self,
        message: Message,
        now: Instant,
        receipt: u64,
    ) -> Result<Pushed, PushError> {
        if !message.is_critical() {
            return Err(PushError::NoReceipt(message));
        }
        self.push_with(message, now, Some(receipt))
    }

    pub(crate) fn push_with(
        &mut self,
        mut message: Message,
        now: Instant,
        receipt: Option<u64>,
    ) -> Result<Pushed, PushError> {
        if self.dispatcher.is_cancelled() {
            return Err(PushError::Cancelled(message));
        }
        self.now = Some(now);
        self.obey_all(now);
        if self.admit(&mut message) {
            if let Some(receipt) = receipt {
                self.dispatcher.give_receipt(receipt);
            }
            return Ok(Pushed::Repeated);
        }
        self.follow_flip(message.header().routing_version);
        let trace = message.header().trace;
        let Some(message) = self.merging.take(message, now) else {
            self.publish_merged(now);
            return Ok(Pushed::Windowed);
        };
        let published = match receipt {
            None => self.dispatcher.publish(message, now),
            Some(receipt) => self.dispatcher.publish_for_receipt(message, now, receipt),
        };
        let pushed = match published {
            Ok(Published::Routed { lanes }) => Pushed::Routed { lanes },
            Ok(Published::Held) => Pushed::Held,
            Ok(Published::Late) => Pushed::Late,
            Err(PublishError::Cancelled(message)) => {
                self.repeats.forget(&message);
                return Err(PushError::Cancelled(message));
            }
            Err(_) => unreachable!("there is no other reason"),
        };
        if self.follow.follows(trace) {
            tracing::info!(target: PATH, %trace, ?pushed, "routed");
        }
        self.publish_merged(now);
        Ok(pushed)
    }

    /// Takes a message and waits until every consumer is done with it, or until `limit`. `None` if
    /// it was a repeat, or if a merge rule holds it.
    ///
    /// # Errors
    ///
    /// [`DispatchError`] hands the message back.
    pub fn dispatch(
        &mut self,
        mut message: Message,
        now: Instant,
        limit: Option<Duration>,
    ) -> Result<Option<Report<meltica_consumer::Fault>>, DispatchError<Message>> {
        // Before anything has become of it: who is refused may push it.
        if meltica_dispatcher::is_inside_consumer() {
            return Err(DispatchError::InsideConsumer(message));
        }
        if self.dispatcher.is_cancelled() {
            return Err(DispatchError::Cancelled(message));
        }
        self.now = Some(now);
        self.obey_all(now);
        if self.admit(&mut message) {
            return Ok(None);
        }
        self.follow_flip(message.header().routing_version);
        let Some(message) = self.merging.take(message, now) else {
            self.publish_merged(now);
            return Ok(None);
        };
        let report = self.dispatcher.dispatch(message, now, limit);
        if let Err(DispatchError::Cancelled(message)) = &report {
            self.repeats.forget(message);
        }
        self.publish_merged(now);
        report.map(Some)
    }

    /// Hands what windows became to the dispatcher. Merged views are market data: after a cancellation
    /// they go home.
    pub(crate) fn publish_merged(&mut self, now: Instant) {
        while let Some(merged) = self.merging.pop() {
            drop(self.dispatcher.publish(merged, now));
        }
    }

    /// Gives a message its trace id; true if it is a repeat.
    fn admit(&mut self, message: &mut Message) -> bool {
        // Whoever fills a message in place need not think of the header's kind. A shared book is
        // only copied for it where it is wrong.
        let kind = message.kind();
        if message.header().kind != kind {
            message.header_mut().kind = kind;
        }
        if message.header().trace == TraceId::ABSENT {
            message.header_mut().trace = TraceId(self.next_trace);
            self.next_trace += 1;
        }
        if self.repeats.is_repeat(message) {
            tracing::debug!(trace = %message.header().trace, "a critical message came again");
            self.counts.repeated.add(1);
            return true;
        }
        self.follow.taken(message.header());
        false
    }

    /// Does what time and [`Control`]s ask for: closes merge windows, and see [`Dispatcher::poll`].
    pub fn poll(&mut self, now: Instant) {
        self.now = Some(now);
        self.obey_all(now);
        self.merging.poll(now);
        self.publish_merged(now);
        self.dispatcher.poll(now);
    }

    /// When [`poll`](Self::poll) next has to be called; `None` if nothing waits for time. Commands are
    /// not foreseen: whoever is idle for long should poll now and then all the same.
    pub fn next_deadline(&self) -> Option<Instant> {
        [self.merging.next_deadline(), self.dispatcher.next_deadline()].into_iter().flatten().min()
    }

    /// Runs one message of each consumer on this thread; false if there was none. For pipelines
    /// without workers.
    pub fn run_once(&mut self) -> bool {
        self.dispatcher.run_once()
    }

    /// Runs one message of one consumer on this thread; false if there was none. As
    /// [`run_once`](Self::run_once), for who wants to say in which order consumers take their turns.
    pub fn run_consumer(&mut self, consumer: &str) -> bool {
        let lane = self.consumers.lane(consumer);
        lane.is_some_and(|lane| self.dispatcher.run_lane(lane))
    }

    /// Makes a new routing version and raises every gate to it, between two messages: market data that
    /// was routed before and is still waiting is filtered from now on, critical messages come all the
    /// same. Answers the version.
    ///
    /// Merge windows close first, as if their time was up, and what waits for order is let pass: all of
    /// that is routed as of before, and so is filtered where it was not handled yet. Where the
    /// [current state is kept](Builder::keep_current_state), consumers of books have the whole book in
    /// place of the next delta.
    ///
    /// Costs one allocation, and one atomic operation a consumer.
    ///
    /// Where another pipeline's versions are [followed](Builder::follows_upstream) that one flips, and this only answers the
    /// present version.
    pub fn flip(&mut self) -> u64 {
        if self.follows_upstream {
            return self.version();
        }
        self.flush_merging();
        let version = self.routes().flip();
        self.flipped(version)
    }

    /// A message of this version came: where that is another pipeline's new one, its flip is made here too.
    #[inline]
    fn follow_flip(&mut self, version: u64) {
        if self.follows_upstream && version > self.followed {
            self.flush_merging();
            self.followed = self.routes().follow_to(version);
            self.flipped(version);
        }
    }

    fn flipped(&mut self, version: u64) -> u64 {
        // What waits for order passes now, not with the next message; without a time that was told
        // nothing waits.
        if let Some(now) = self.now {
            self.dispatcher.poll(now);
        }
        self.consumers.raise_gates(version);
        version
    }

    fn flush_merging(&mut self) {
        // Without a time that was told there is no message that could wait.
        let Some(now) = self.now else { return };
        self.merging.flush(now);
        self.publish_merged(now);
    }

    /// Gives the pipeline a thread of its own, fed through a queue of `capacity` messages.
    ///
    /// # Errors
    ///
    /// What the system says when it gives no thread; the pipeline is dropped.
    ///
    /// # Panics
    ///
    /// If `capacity` is zero.
    pub fn spawn(self, capacity: usize) -> io::Result<Running> {
        Running::start(self, capacity)
    }

    /// Stops: carries out the commands that wait, takes no more, closes merge windows, delivers what
    /// waits until `limit` is over, joins every thread, and says what is still out.
    pub fn shutdown(mut self, limit: Duration) -> End {
        self.obey_all(self.now.unwrap_or_else(Instant::now));
        self.flush_merging();
        let stats = self.stats_source();
        let Self { orders, dispatcher, recycler, .. } = self;
        // What is sent from now on is refused, also to consumers that wait for it.
        drop(orders);
        let shutdown = dispatcher.shutdown(limit);
        End {
            stats: stats.read(),
            undelivered: shutdown.undelivered,
            refused: vec![],
            stuck: shutdown.stuck,
            recycler,
        }
    }
}

/// What a followed message met with at a consumer.
fn followed<M>(header: &Header, skipped: Skipped, consumer: &str, outcome: &Outcome<M>) {
    let outcome = match outcome {
        Outcome::Handled => "handled",
        Outcome::Filtered(_) => "filtered",
        Outcome::Failed { .. } => "failed",
        Outcome::Refused(_) => "refused",
    };
    let Header { trace, kind, routing_version: version, .. } = header;
    let Skipped { folded, dropped, .. } = skipped;
    tracing::info!(target: PATH, %trace, consumer, %kind, version, folded, dropped, outcome, "delivered");
}

/// Where statistics are read from, on any thread.
#[derive(Clone)]
pub(crate) struct StatsSource {
    pub(crate) counts: Arc<Counts>,
    pub(crate) merges: MergeStatsHandles,
    pub(crate) routes: Routes<Market>,
    pub(crate) consumers: Consumers,
    pub(crate) recycler: Recycler,
}

impl StatsSource {
    pub(crate) fn read(&self) -> Stats {
        Stats {
            repeated: self.counts.repeated.get(),
            commands_applied: self.counts.commands_applied.get(),
            commands_rejected: self.counts.commands_rejected.get(),
            merges: self.merges.read(),
            dispatcher: self.routes.stats(),
            consumers: self.consumers.stats(),
            pools: self.recycler.stats(),
        }
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// How a pipeline ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct End {
    /// What was not delivered in time, critical messages first. Dropping one sends it home.
    pub undelivered: Vec<Undelivered<Message>>,
    /// What feeds handed over after a cancellation, for which it was too late.
    pub refused: Vec<Message>,
    /// Threads whose consumer would not return.
    pub stuck: Vec<Arc<str>>,
    /// What was done, all told.
    pub stats: Stats,
    recycler: Recycler,
}

impl End {
    /// What is still out of the pools now, the undelivered ones included.
    pub fn leaks(&self) -> LeakReport {
        self.recycler.leak_report()
    }

    /// Whether everything was delivered, every thread is joined and every object is home.
    pub fn is_clean(&self) -> bool {
        self.undelivered.is_empty()
            && self.refused.is_empty()
            && self.stuck.is_empty()
            && self.leaks().is_clean()
    }
}

/// Why a message was not pushed; it comes back with the answer.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// The pipeline was cancelled.
    #[error("the pipeline was cancelled")]
    Cancelled(Message),
    /// It is market data, which may be dropped or become part of newer ones.
    #[error("only critical messages have receipts")]
    NoReceipt(Message),
}

impl PushError {
    /// The message.
    pub fn into_message(self) -> Message {
        let (Self::Cancelled(message) | Self::NoReceipt(message)) = self;
        message
    }
}

impl fmt::Debug for PushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cancelled(_) => "Cancelled(..)",
            Self::NoReceipt(_) => "NoReceipt(..)",
        })
    }
}

/// No consumer of this name is subscribed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no consumer `{0}` is subscribed")]
pub struct UnknownConsumer(pub String);
