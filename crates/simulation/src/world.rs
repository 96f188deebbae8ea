//! The real pipeline, without threads, and all that its consumers and sinks see.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use meltica::{
    BuildError, Command, CommandError, Consumer, Control, ControlError, Delivery, End, Incomplete,
    MergeRule, Message, Pending, Pipeline, PoolSizes, Pools, PushError, Pushed,
    consumer::Policy as ConsumerPolicy,
    dispatcher::{Cancel, DeathCause, LaneReport, LaneStats, Outcome},
    event::{Event, ExecReport, Merged, TraceId},
    recycler::{Lease, Recycler},
};

use crate::{
    body::Body,
    model::{Counts, Sent, Wrong},
    plan::{
        DEPTH, GAP_WAIT_MS, Hoard, Least, Member, Mood, NAMES, Order, Policy, RULES, Rule, Settings,
    },
};

/// A handler was entered.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) consumer: usize,
    /// The how-manieth consumer it is: one that has left and come back is another.
    pub(crate) generation: u64,
    pub(crate) seen: Body,
    /// Folded and dropped.
    pub(crate) skipped: (u64, u64),
    /// Never came.
    pub(crate) missing: u64,
    /// What it does.
    pub(crate) mood: Mood,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Letter {
    pub(crate) consumer: String,
    pub(crate) trace: TraceId,
    pub(crate) cause: Cause,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    Failed,
    Refused,
    Unsubscribed,
    Abandoned,
    Another,
}

/// What became of a command; the version as of which it is in force, unless it was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Answer {
    pub(crate) trace: TraceId,
    pub(crate) applied: Option<u64>,
}

/// What was seen since somebody last looked.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) entries: VecDeque<Entry>,
    pub(crate) letters: Vec<Letter>,
    /// What the fault sink heard, and what a report told.
    pub(crate) faults: Vec<(TraceId, String)>,
    pub(crate) reported: Vec<(TraceId, String)>,
    pub(crate) answers: Vec<Answer>,
    /// Commands that were sent from inside consumers.
    sent: Vec<(Sent, Pending)>,
}

impl Log {
    /// And what was seen after.
    pub(crate) fn add(&mut self, later: Self) {
        let Self { entries, letters, faults, reported, answers, sent } = later;
        self.entries.extend(entries);
        self.letters.extend(letters);
        self.faults.extend(faults);
        self.reported.extend(reported);
        self.answers.extend(answers);
        self.sent.extend(sent);
    }
}

/// What the pipeline counts.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) repeated: u64,
    pub(crate) late: u64,
    pub(crate) gaps: u64,
    pub(crate) missing: u64,
    pub(crate) version: u64,
    pub(crate) rules: Vec<(&'static str, Counts)>,
    pub(crate) lanes: Vec<LaneStats>,
    /// By name, how many messages its consumer filtered and refused since the last time.
    pub(crate) passed_over: Vec<(usize, (u64, u64))>,
}

impl Told {
    pub(crate) fn without_duplicate(&self, rule: usize) -> u64 {
        let of_name = |(name, _): &&(&str, Counts)| *name == RULES[rule];
        self.rules.iter().find(of_name).map_or(0, |(_, counts)| counts.without_duplicate)
    }
}

pub(crate) struct World {
    pipeline: Pipeline,
    recycler: Recycler,
    shared: Arc<Shared>,
    pools: Pools,
    cancel: Cancel,
    start: Instant,
    now: Duration,
    pending: VecDeque<Pending>,
    passed_over: HashMap<usize, (u64, u64)>,
    hoard: Hoard,
    hoarded: Hoarded,
}

#[derive(Default)]
struct Hoarded {
    events: Vec<Lease<Event>>,
    merged: Vec<Lease<Merged>>,
    reports: Vec<Lease<ExecReport>>,
}

/// What handlers and sinks share.
struct Shared {
    log: Mutex<Log>,
    moods: Mutex<[VecDeque<Mood>; NAMES.len()]>,
    /// Set once there is a pipeline.
    control: Mutex<Option<Control>>,
    born: Mutex<u64>,
}

/// Nothing that is locked here is left half done by a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    pub(crate) fn new(settings: &Settings) -> Result<Self, BuildError> {
        let shared = Arc::new(Shared {
            log: Mutex::default(),
            moods: Mutex::default(),
            control: Mutex::default(),
            born: Mutex::default(),
        });
        let cancel = Cancel::new();
        let recycler = Recycler::new();
        let (letters, faults) = (Arc::clone(&shared), Arc::clone(&shared));
        let mut builder = Pipeline::builder()
            .workers(0)
            .debug_mode(false)
            .cancel(cancel.clone())
            .recycler(recycler.clone())
            .lane_capacity(settings.lane_capacity)
            .keep_current_state(settings.keeps_state)
            .gap_wait(Duration::from_millis(GAP_WAIT_MS))
            .gap_capacity(settings.gap_capacity)
            .repeats_remembered(settings.repeats)
            .pool_sizes(PoolSizes {
                events: 768,
                books: 512,
                merged: 256,
                executions: 32,
                controls: 32,
                book_levels: 8,
            })
            .dead_letter_sink(move |letter| {
                let consumer = letter.consumer.to_string();
                let (trace, cause) = (TraceId(letter.trace), letter.cause.into());
                lock(&letters.log).letters.push(Letter { consumer, trace, cause });
            })
            .fault_sink(move |fault| {
                let row = (TraceId(fault.trace), fault.consumer.to_string());
                lock(&faults.log).faults.push(row);
            });
        if settings.queues {
            builder = builder.queues();
        }
        for rule in &settings.rules {
            builder = builder.merge(merge_rule(rule));
        }
        let pipeline = builder.build()?;
        *lock(&shared.control) = Some(pipeline.control());
        Ok(Self {
            pools: pipeline.pools().clone(),
            recycler,
            pipeline,
            shared,
            cancel,
            start: Instant::now(),
            now: Duration::ZERO,
            pending: VecDeque::new(),
            passed_over: HashMap::new(),
            hoard: Hoard::default(),
            hoarded: Hoarded::default(),
        })
    }

    fn now(&self) -> Instant {
        self.start + self.now
    }

    // What is done.

    pub(crate) fn push(&mut self, body: &Body) -> Result<Pushed, Message> {
        let message = self.message(body);
        self.pipeline.push(message, self.now()).map_err(PushError::into_message)
    }

    /// Waits for the message's consumers; `None` if it was a repeat, or is held. Also answers who was not
    /// waited for.
    pub(crate) fn dispatch(&mut self, body: &Body) -> Result<(Option<Pushed>, Vec<String>), Wrong> {
        let message = self.message(body);
        let report = self.pipeline.dispatch(message, self.now(), None);
        let report = report.map_err(|refused| format!("it was not dispatched: {refused}"))?;
        let Some(report) = report else { return Ok((None, vec![])) };
        let rows =
            report.failures().map(|fault| (TraceId(fault.trace), fault.consumer.to_string()));
        lock(&self.shared.log).reported.extend(rows);
        let is_pending = |row: &&LaneReport<_>| matches!(row.outcome, Outcome::Pending);
        let pending: Vec<_> = report.lanes.iter().filter(is_pending).collect();
        if report.cut_short == pending.is_empty() {
            return Err(format!("cut short: {}, and {pending:?} pending", report.cut_short));
        }
        let pending = pending.iter().map(|row| row.consumer.to_string()).collect();
        let pushed = match (report.held, report.late) {
            (true, _) => Pushed::Held,
            (_, true) => Pushed::Late,
            _ => Pushed::Routed { lanes: report.lanes.len() },
        };
        Ok((Some(pushed), pending))
    }

    fn message(&mut self, body: &Body) -> Message {
        let event = matches!(body, Body::Event(_)).then(|| self.hoarded.events.pop()).flatten();
        body.message(&self.pools, event)
    }

    pub(crate) fn pass(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
        self.pipeline.poll(self.now());
    }

    pub(crate) fn poll(&mut self) {
        self.pipeline.poll(self.now());
    }

    /// Whether the consumer had a message to take.
    pub(crate) fn run(&mut self, name: usize) -> bool {
        self.pipeline.run_consumer(NAMES[name])
    }

    pub(crate) fn run_all(&mut self) {
        while self.pipeline.run_once() {}
    }

    pub(crate) fn set_moods(&self, name: usize, moods: &[Mood]) {
        lock(&self.shared.moods)[name] = moods.iter().cloned().collect();
    }

    pub(crate) fn send(&mut self, order: &Order) -> Sent {
        let sent = self.shared.send(&order.as_of(self.pipeline.version()));
        let (sent, pending) = sent.expect("the pipeline is there");
        self.pending.push_back(pending);
        sent
    }

    /// Does without a command what can be done without. Answers of which generation a consumer is, and
    /// whether it was done; `None` if there is no such way.
    pub(crate) fn carry_out(&mut self, order: &Order) -> Option<(u64, bool)> {
        let done = match order {
            Order::Subscribe(member) => {
                let (consumer, generation) = self.shared.consumer(member);
                let selections = member.wants.iter().map(|want| want.select());
                let subscribed = if member.with_state {
                    self.pipeline.subscribe_with_state(consumer, selections)
                } else {
                    self.pipeline.subscribe(consumer, selections)
                };
                return Some((generation, subscribed.is_ok()));
            }
            Order::Unsubscribe(name) => self.pipeline.unsubscribe(NAMES[*name]).is_ok(),
            Order::Flip => {
                self.pipeline.flip();
                true
            }
            Order::Inline(name, inline) => self.pipeline.set_inline(NAMES[*name], *inline).is_ok(),
            _ => return None,
        };
        Some((0, done))
    }

    pub(crate) fn hoard(&self) -> Hoard {
        self.hoard
    }

    pub(crate) fn set_hoard(&mut self, hoard: Hoard) {
        self.hoarded = Hoarded::default();
        self.hoard = hoard;
        self.top_up();
    }

    /// Takes what has come back meanwhile.
    pub(crate) fn top_up(&mut self) {
        let Hoarded { events, merged, reports } = &mut self.hoarded;
        if self.hoard.events {
            events.extend(std::iter::from_fn(|| self.pools.events.try_lease().ok()));
        }
        if self.hoard.merged {
            merged.extend(std::iter::from_fn(|| self.pools.merged.try_lease().ok()));
        }
        if self.hoard.critical {
            reports.extend(std::iter::from_fn(|| self.pools.executions.try_lease().ok()));
        }
    }

    pub(crate) fn cancel(&self) {
        self.cancel.cancel();
    }

    // What is seen.

    /// The commands that were sent from inside consumers.
    pub(crate) fn sent_inside(&mut self) -> Vec<Sent> {
        let sent = std::mem::take(&mut lock(&self.shared.log).sent);
        let take = |(sent, pending)| {
            self.pending.push_back(pending);
            sent
        };
        sent.into_iter().map(take).collect()
    }

    pub(crate) fn log(&mut self) -> Log {
        let mut log = std::mem::take(&mut *lock(&self.shared.log));
        while let Some(result) = self.pending.front().and_then(|p| p.wait(Duration::ZERO)) {
            let Some(pending) = self.pending.pop_front() else { break };
            if matches!(result, Err(CommandError::Stopped)) {
                continue;
            }
            let applied = result.ok().map(|applied| applied.version);
            log.answers.push(Answer { trace: pending.trace(), applied });
        }
        log
    }

    pub(crate) fn told(&mut self) -> Told {
        let stats = self.pipeline.stats();
        let mut passed_over = vec![];
        for consumer in &stats.consumers {
            let name = NAMES.iter().position(|name| **name == *consumer.consumer);
            let name = name.expect("there are no others");
            let now = (consumer.stats.filtered, consumer.stats.refused);
            let before = self.passed_over.insert(name, now).unwrap_or_default();
            passed_over.push((name, (now.0 - before.0, now.1 - before.1)));
        }
        told(&stats, passed_over)
    }

    /// Shuts down, giving consumers so long. Also answers what the pipeline told at the end.
    pub(crate) fn shutdown(self, limit: Duration) -> Over {
        let Self { pipeline, shared, recycler, pending, passed_over, hoarded, .. } = self;
        drop(hoarded);
        let End { undelivered, refused, stuck, stats, .. } = pipeline.shutdown(limit);
        let undelivered = undelivered.into_iter();
        let undelivered =
            undelivered.map(|one| (one.consumer.to_string(), Body::seen(&one.message))).collect();
        let mut over = Over { undelivered, ..Over::of(&shared, pending, &recycler) };
        let rows = stats.consumers.iter().map(|consumer| {
            let name = NAMES.iter().position(|name| **name == *consumer.consumer);
            let name = name.expect("there are no others");
            let before = passed_over.get(&name).copied().unwrap_or_default();
            let (filtered, refused) = (consumer.stats.filtered, consumer.stats.refused);
            (name, (filtered - before.0, refused - before.1))
        });
        over.told = told(&stats, rows.collect());
        over.left_behind = stuck.len() + refused.len();
        over
    }

    /// Drops it without a shutdown.
    pub(crate) fn drop_it(self) -> Over {
        let Self { pipeline, shared, recycler, pending, pools, hoarded, .. } = self;
        drop((pipeline, pools, hoarded));
        Over::of(&shared, pending, &recycler)
    }
}

/// How it ended.
pub(crate) struct Over {
    pub(crate) log: Log,
    pub(crate) told: Told,
    pub(crate) undelivered: Vec<(String, Body)>,
    /// Threads, and messages of feeds: there are none.
    pub(crate) left_behind: usize,
    /// Objects that are still out.
    pub(crate) leaked: u64,
    /// Commands that will never be obeyed, and say so.
    pub(crate) stopped: usize,
    /// Commands that consumers sent while it ended.
    pub(crate) sent: usize,
}

impl Over {
    fn of(shared: &Shared, pending: VecDeque<Pending>, recycler: &Recycler) -> Self {
        let mut log = std::mem::take(&mut *lock(&shared.log));
        let mut stopped = 0;
        let inside = std::mem::take(&mut log.sent).into_iter().map(|(_, pending)| pending);
        let sent = inside.len();
        for pending in pending.into_iter().chain(inside) {
            match pending.wait(Duration::ZERO) {
                Some(Err(CommandError::Stopped)) => stopped += 1,
                Some(result) => {
                    let applied = result.ok().map(|applied| applied.version);
                    log.answers.push(Answer { trace: pending.trace(), applied });
                }
                None => {}
            }
        }
        let leaked = recycler.leak_report().count();
        let (told, undelivered, left_behind) = (Told::default(), vec![], 0);
        Self { log, told, undelivered, left_behind, leaked, stopped, sent }
    }
}

fn told(stats: &meltica::Stats, passed_over: Vec<(usize, (u64, u64))>) -> Told {
    let rules = stats.merges.iter().map(|merge| {
        let name = RULES.iter().find(|name| ***name == *merge.rule).expect("there are no others");
        let windows = &merge.windows;
        let counts = Counts {
            complete: windows.complete,
            marked: windows.marked,
            suppressed: windows.suppressed,
            unmade: windows.unmade,
            late: windows.late,
            repeated: windows.repeated,
            superseded: windows.superseded,
            without_duplicate: merge.without_duplicate,
            without_base: merge.without_base,
        };
        (*name, counts)
    });
    Told {
        repeated: stats.repeated,
        late: stats.dispatcher.late,
        gaps: stats.dispatcher.gaps,
        missing: stats.dispatcher.missing,
        version: stats.dispatcher.version,
        rules: rules.collect(),
        lanes: stats.dispatcher.lanes.clone(),
        passed_over,
    }
}

impl Shared {
    /// Sends a command; `None` if the pipeline is shutting down.
    fn send(self: &Arc<Self>, order: &Order) -> Option<(Sent, Pending)> {
        let (command, generation) = self.command(order);
        let control = lock(&self.control).clone().expect("the pipeline was built");
        let pending = match control.send(command) {
            Ok(pending) => pending,
            Err(ControlError::Stopped(_)) => return None,
            Err(error) => panic!("there is room for some commands: {error}"),
        };
        let (number, trace) = (pending.command(), pending.trace());
        Some((Sent { order: order.clone(), generation, number, trace }, pending))
    }

    fn command(self: &Arc<Self>, order: &Order) -> (Command, u64) {
        let consumer = |name: &usize| NAMES[*name].to_owned();
        let mut generation = 0;
        let command = match order {
            Order::Subscribe(member) => {
                let (consumer, born) = self.consumer(member);
                generation = born;
                let selections = member.wants.iter().map(|want| want.select()).collect();
                Command::Subscribe { consumer, selections, with_state: member.with_state }
            }
            Order::Unsubscribe(name) => Command::Unsubscribe { consumer: consumer(name) },
            Order::Reselect(name, wants) => {
                let selections = wants.iter().map(|want| want.select()).collect();
                Command::Reselect { consumer: consumer(name), selections }
            }
            Order::SetMerge(rule) => Command::SetMerge(Box::new(merge_rule(rule))),
            Order::RemoveMerge(rule) => Command::RemoveMerge { rule: RULES[*rule].to_owned() },
            Order::Flip => Command::Flip,
            Order::MinVersion(name, least) => {
                let Least::At(version) = *least else { unreachable!("it was seen from somewhere") };
                Command::SetMinVersion { consumer: consumer(name), version }
            }
            Order::Pause(name) => Command::Pause { consumer: consumer(name) },
            Order::Resume(name) => Command::Resume { consumer: consumer(name) },
            Order::Inline(name, inline) => {
                Command::SetInline { consumer: consumer(name), inline: *inline }
            }
        };
        (command, generation)
    }

    fn consumer(self: &Arc<Self>, member: &Member) -> (Consumer, u64) {
        let generation = {
            let mut born = lock(&self.born);
            *born += 1;
            *born
        };
        let (shared, name) = (Arc::clone(self), member.name);
        let consumer = if member.owning {
            let handler = move |delivery: Delivery| shared.handle(name, generation, &delivery);
            Consumer::owning(NAMES[name], handler)
        } else {
            let handler = move |delivery: &Delivery| shared.handle(name, generation, delivery);
            Consumer::new(NAMES[name], handler)
        };
        let consumer = consumer.policy(match member.policy {
            Policy::CarryOn => ConsumerPolicy::CarryOn,
            Policy::Quarantine(after) => ConsumerPolicy::Quarantine { after },
            Policy::Stop(after) => ConsumerPolicy::Stop { after },
        });
        (consumer, generation)
    }

    fn handle(
        self: &Arc<Self>,
        consumer: usize,
        generation: u64,
        delivery: &Delivery,
    ) -> Result<(), String> {
        let mood = lock(&self.moods)[consumer].pop_front().unwrap_or(Mood::Fine);
        let seen = Body::seen(&delivery.message);
        let skipped = (delivery.skipped.folded, delivery.skipped.dropped);
        let missing = delivery.skipped.missing;
        let entry = Entry { consumer, generation, seen, skipped, missing, mood: mood.clone() };
        lock(&self.log).entries.push_back(entry);
        match mood {
            Mood::Fine => Ok(()),
            Mood::Fails => Err("as planned".to_owned()),
            // A panic that no hook hears of.
            Mood::Panics => std::panic::resume_unwind(Box::new("as planned")),
            Mood::Sends(order) => {
                let sent = self.send(&order.as_of(delivery.header().routing_version));
                lock(&self.log).sent.extend(sent);
                Ok(())
            }
        }
    }
}

impl From<DeathCause> for Cause {
    fn from(cause: DeathCause) -> Self {
        match cause {
            DeathCause::Failed => Self::Failed,
            DeathCause::Refused => Self::Refused,
            DeathCause::Unsubscribed => Self::Unsubscribed,
            DeathCause::Abandoned => Self::Abandoned,
            _ => Self::Another,
        }
    }
}

fn merge_rule(rule: &Rule) -> MergeRule {
    let (name, venues) = (RULES[rule.name], rule.venues.iter().copied());
    let merge = if rule.depth {
        MergeRule::depth(name, venues, DEPTH)
    } else {
        MergeRule::view(name, venues)
    };
    let merge = match rule.instrument {
        Some(instrument) => merge.instruments([instrument]),
        None => merge,
    };
    let merge = merge
        .window(Duration::from_millis(rule.window_ms))
        .partials(rule.partials)
        // Enough for every instrument.
        .windows(4)
        .published_as(rule.published_as)
        .incomplete(if rule.marks { Incomplete::Mark } else { Incomplete::Suppress });
    if rule.holds { merge.hold() } else { merge }
}
