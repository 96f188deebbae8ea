use std::{fmt, time::Duration};

use meltica_dispatcher::{Cancel, DeadLetter, Dispatcher, SubscribeError, WhenFull, WhenIdle};
use meltica_recycler::Recycler;

use crate::{
    Consumer, Fault, Market, MergeRule, Message, Pipeline, PoolSizes, Pools, Select, debug_mode,
    follow::Follow, merging::Merging, repeats::Repeats,
};

/// The most objects a pool can have, and the most identities that are remembered.
const MOST: usize = 1 << 24;

/// One message in so many is measured, unless the user says otherwise: see `benches/telemetry.rs`.
const TIMED_ONE_IN: u32 = 16;

/// How a [`Pipeline`] is to be. Every setting has a default; everything that is wrong is said at
/// once by [`build`](Self::build).
#[must_use]
pub struct Builder {
    consumers: Vec<Planned>,
    merges: Vec<MergeRule>,
    follow: Follow,
    dispatcher: meltica_dispatcher::Builder<Market>,
    recycler: Option<Recycler>,
    pool_sizes: Option<PoolSizes>,
    lane_capacity: usize,
    keeps_state: bool,
    follows_upstream: bool,
    repeats: usize,
    debug_mode: Option<bool>,
    threaded: bool,
    time_one_in: Option<u32>,
}

struct Planned {
    consumer: Consumer,
    selections: Vec<Select>,
    with_state: bool,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            consumers: vec![],
            merges: vec![],
            follow: Follow::default(),
            dispatcher: Dispatcher::builder().name("meltica"),
            recycler: None,
            pool_sizes: None,
            lane_capacity: 1_024,
            keeps_state: false,
            follows_upstream: false,
            repeats: 16_384,
            debug_mode: None,
            threaded: true,
            time_one_in: None,
        }
    }

    /// Adds a consumer of what is selected.
    pub fn consumer(
        mut self,
        consumer: Consumer,
        selections: impl IntoIterator<Item = Select>,
    ) -> Self {
        let selections = selections.into_iter().collect();
        self.consumers.push(Planned { consumer, selections, with_state: false });
        self
    }

    /// Merges messages of several venues by this rule.
    pub fn merge(mut self, rule: MergeRule) -> Self {
        self.merges.push(rule);
        self
    }

    /// Tells the log the path of one message in so many, those whose trace id is a multiple of it: when
    /// it is taken, merged, routed, and what each consumer made of it, at level `INFO` with its `trace`.
    /// By default, and for zero, of none.
    pub fn follow_one_in(mut self, messages: u64) -> Self {
        self.follow = Follow::one_in(messages);
        self
    }

    /// What its threads' names begin with. By default `meltica`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.dispatcher = self.dispatcher.name(name);
        self
    }

    /// How many threads serve the consumers; with none, [`Pipeline::run_once`] does. By default, as
    /// many as it takes.
    pub fn workers(mut self, workers: usize) -> Self {
        self.threaded = workers > 0;
        self.dispatcher = self.dispatcher.workers(workers);
        self
    }

    /// How many conflatable, and how many sequential, messages may wait for a consumer before its
    /// class gives way; critical ones are not limited. By default 1,024.
    pub fn lane_capacity(mut self, messages: usize) -> Self {
        self.lane_capacity = messages;
        self.dispatcher = self.dispatcher.lane_capacity(messages);
        self
    }

    /// What the pipeline does when the dispatcher's ring is full. By default it leaves behind who is slow.
    pub fn when_full(mut self, when_full: WhenFull) -> Self {
        self.dispatcher = self.dispatcher.when_full(when_full);
        self
    }

    /// What the dispatcher's threads do while nothing waits for their consumers. By default they sleep, after a while.
    pub fn when_idle(mut self, when_idle: WhenIdle) -> Self {
        self.dispatcher = self.dispatcher.when_idle(when_idle);
        self
    }

    /// How many critical messages may wait for a consumer before that is an alarm, logged and counted; they are kept all
    /// the same. By default 65,536.
    pub fn critical_alarm(mut self, messages: usize) -> Self {
        self.dispatcher = self.dispatcher.critical_alarm(messages);
        self
    }

    /// Has every thread of the dispatcher call this first, with its name: to pin it to a core, say.
    pub fn thread_start(mut self, call: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.dispatcher = self.dispatcher.thread_start(call);
        self
    }

    /// Gives each consumer a queue and a thread of its own in place of the dispatcher's ring: plainer, and slower.
    pub fn queues(mut self) -> Self {
        self.dispatcher = self.dispatcher.queues();
        self
    }

    /// How long a dense stream waits for a missing message. By default 150 ms.
    pub fn gap_wait(mut self, wait: Duration) -> Self {
        self.dispatcher = self.dispatcher.gap_wait(wait);
        self
    }

    /// How many messages of a dense stream may wait for a missing one. By default 200.
    pub fn gap_capacity(mut self, messages: usize) -> Self {
        self.dispatcher = self.dispatcher.gap_capacity(messages);
        self
    }

    /// Whether consumers that subscribe later may ask for the current state first. Then also whoever lost a
    /// part of a stream has the whole book next: after a flip, after it had filtered some, and after it
    /// selected anew. Costs one duplicate and one fold per conflatable message, and holds one message a
    /// stream, which the pools must have. By default not.
    pub fn keep_current_state(mut self, keep: bool) -> Self {
        self.keeps_state = keep;
        self.dispatcher = self.dispatcher.keep_current_state(keep);
        self
    }

    /// Measures one message in so many: how long it takes to reach its consumers, and what each of them
    /// takes over it. By default one in 16, and without workers none: there, time is the caller's.
    /// Zero measures none.
    pub fn time_one_in(mut self, messages: u32) -> Self {
        self.time_one_in = Some(messages);
        self
    }

    /// How many critical messages are remembered in order to recognise repeats. By default 16,384.
    pub fn repeats_remembered(mut self, messages: usize) -> Self {
        self.repeats = messages;
        self
    }

    /// How many objects each pool has. By default, what the consumers and merge rules added here need.
    pub fn pool_sizes(mut self, sizes: PoolSizes) -> Self {
        self.pool_sizes = Some(sizes);
        self
    }

    /// The recycler that is to own the pools. By default a new one.
    pub fn recycler(mut self, recycler: Recycler) -> Self {
        self.recycler = Some(recycler);
        self
    }

    /// Whether the recycler is in debug mode. By default what the environment variable
    /// `RECYCLER_DEBUG_MODE` says: `true` or `false`.
    pub fn debug_mode(mut self, debug: bool) -> Self {
        self.debug_mode = Some(debug);
        self
    }

    /// The token that ends it all.
    pub fn cancel(mut self, cancel: Cancel) -> Self {
        self.dispatcher = self.dispatcher.cancel(cancel);
        self
    }

    /// Who hears of consumers' failures that no joined dispatch waits for. Runs on the thread that
    /// failed, and must be quick. By default they are only logged.
    pub fn fault_sink(mut self, sink: impl Fn(&Fault) + Send + Sync + 'static) -> Self {
        self.dispatcher = self.dispatcher.fault_sink(sink);
        self
    }

    /// Who gets critical messages that a consumer should have had and will not.
    pub fn dead_letter_sink(
        mut self,
        sink: impl Fn(DeadLetter<Message>) + Send + Sync + 'static,
    ) -> Self {
        self.dispatcher = self.dispatcher.dead_letter_sink(sink);
        self
    }

    /// Who hears that every interested consumer is done with a message that was [pushed for a
    /// receipt](Pipeline::push_for_receipt). Runs on the thread that was last done, and must be quick.
    pub fn receipt_sink(mut self, sink: impl Fn(u64) + Send + Sync + 'static) -> Self {
        self.dispatcher = self.dispatcher.receipt_sink(sink);
        self
    }

    /// Whether its messages are another pipeline's, whose routing versions they bring: then consumers' gates go by those.
    /// A message that comes with a version keeps it; one with a higher version than any before makes a flip first, just
    /// as [`flip`](Pipeline::flip) does; one without, as a local venue's or a view that is merged here, gets the present
    /// version, which is 0 before the first. Changes of consumers make no version, [`Command::Flip`](crate::Command::Flip)
    /// is refused, and control events are never taken for repeats: their numbers are those of several pipelines, or of
    /// several starts of one.
    pub fn follows_upstream(mut self, follows: bool) -> Self {
        self.follows_upstream = follows;
        self.dispatcher = self.dispatcher.follows_upstream(follows);
        self
    }

    /// The pipeline, with its consumers subscribed.
    ///
    /// # Errors
    ///
    /// [`BuildError`] lists everything that is wrong; nothing was started.
    pub fn build(self) -> Result<Pipeline, BuildError> {
        let (debug, problems) = self.check();
        if !problems.is_empty() {
            return Err(BuildError { problems });
        }
        let one = |problem| BuildError { problems: vec![problem] };
        let sizes = self.sizes();
        let by_default = if self.threaded { TIMED_ONE_IN } else { 0 };
        let dispatcher = self.dispatcher.time_one_in(self.time_one_in.unwrap_or(by_default));
        let dispatcher = dispatcher.build().map_err(|e| one(Problem::Dispatcher(e)))?;
        let recycler = self.recycler.unwrap_or_default();
        if debug {
            debug_mode::enable(&recycler);
        }
        let pools = Pools::new(&recycler, sizes);
        let merging = Merging::new(self.merges, pools.clone(), self.follow);
        let repeats = Repeats::new(self.repeats, !self.follows_upstream);
        let mut pipeline =
            Pipeline::new(dispatcher, recycler, pools, merging, repeats, self.follow);
        pipeline.follows_upstream = self.follows_upstream;
        for Planned { consumer, selections, with_state } in self.consumers {
            pipeline
                .add(consumer, selections, with_state)
                .map_err(|error| one(Problem::Subscribe(error)))?;
        }
        Ok(pipeline)
    }

    fn sizes(&self) -> PoolSizes {
        let computed = || {
            let sizes = PoolSizes::for_consumers(self.consumers.len(), self.lane_capacity);
            self.merges.iter().fold(sizes, PoolSizes::with_merge)
        };
        self.pool_sizes.unwrap_or_else(computed)
    }

    /// Everything that is wrong, and whether debug mode is wanted.
    fn check(&self) -> (bool, Vec<Problem>) {
        let mut problems = vec![];
        if cfg!(panic = "abort") {
            problems.push(Problem::PanicAbort);
        }
        let debug = self.debug_mode.map_or_else(debug_mode::wanted, Ok).unwrap_or_else(|value| {
            problems.push(Problem::DebugMode { value });
            false
        });
        if self.lane_capacity == 0 {
            problems.push(Problem::NoRoom { setting: "lane_capacity" });
        }
        if self.repeats == 0 {
            problems.push(Problem::NoRoom { setting: "repeats_remembered" });
        }
        if self.repeats > MOST {
            problems.push(Problem::TooMuch { setting: "repeats_remembered" });
        }
        for (index, planned) in self.consumers.iter().enumerate() {
            let name = planned.consumer.id();
            if name.trim().is_empty() {
                problems.push(Problem::NamelessConsumer { index });
            } else if self.consumers[..index].iter().any(|other| other.consumer.id() == name) {
                problems.push(Problem::NameTaken { consumer: name.to_string() });
            }
            if planned.selections.is_empty() {
                problems.push(Problem::SelectsNothing { consumer: name.to_string() });
            }
        }
        for (index, rule) in self.merges.iter().enumerate() {
            problems.extend(rule.check(self.merges[..index].iter()));
        }
        let sizes = self.sizes();
        let in_windows: usize = self.merges.iter().map(MergeRule::holds).sum();
        let needed = PoolSizes::least_events(self.consumers.len(), self.lane_capacity);
        let needed = needed.saturating_add(in_windows);
        for (pool, capacity, needed) in [
            ("events", sizes.events, needed),
            ("books", sizes.books, 1),
            ("merged", sizes.merged, 1),
            ("executions", sizes.executions, 1),
            ("controls", sizes.controls, 1),
        ] {
            if capacity < needed {
                problems.push(Problem::PoolTooSmall { pool, capacity, needed });
            }
            if capacity > MOST {
                problems.push(Problem::PoolTooLarge { pool, capacity });
            }
        }
        (debug, problems)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.consumers.iter().map(|planned| planned.consumer.id()).collect();
        f.debug_struct("Builder")
            .field("consumers", &names)
            .field("lane_capacity", &self.lane_capacity)
            .finish_non_exhaustive()
    }
}

/// Everything that is wrong with a pipeline's settings.
#[derive(Debug, thiserror::Error)]
#[error("the pipeline cannot be built:{}", .problems.iter().map(|p| format!("\n- {p}")).collect::<String>())]
pub struct BuildError {
    /// At least one.
    pub problems: Vec<Problem>,
}

/// Something that is wrong with a pipeline's settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A consumer without a name.
    #[error("consumer number {index} (from 0) has no name")]
    NamelessConsumer {
        /// Which.
        index: usize,
    },
    /// Two consumers of one name.
    #[error("there are two consumers named `{consumer}`")]
    NameTaken {
        /// The name.
        consumer: String,
    },
    /// A consumer that wants nothing.
    #[error("consumer `{consumer}` selects nothing; give it a selection, as Select::all()")]
    SelectsNothing {
        /// The consumer.
        consumer: String,
    },
    /// A capacity of zero.
    #[error("{setting} is zero")]
    NoRoom {
        /// Which setting.
        setting: &'static str,
    },
    /// More than can be held.
    #[error("{setting} is above 16,777,216")]
    TooMuch {
        /// Which setting.
        setting: &'static str,
    },
    /// A pool that would run empty with its consumers' lanes no more than full.
    #[error(
        "the pool of {pool} has {capacity} objects where the consumers and merges need {needed}"
    )]
    PoolTooSmall {
        /// Which pool.
        pool: &'static str,
        /// How many it has.
        capacity: usize,
        /// How many it needs.
        needed: usize,
    },
    /// A pool beyond what can be addressed.
    #[error("the pool of {pool} has {capacity} objects where 16,777,216 is the most")]
    PoolTooLarge {
        /// Which pool.
        pool: &'static str,
        /// How many it would have.
        capacity: usize,
    },
    /// A merge rule that cannot be.
    #[error("merge rule `{rule}`: {why}")]
    MergeRule {
        /// Its name.
        rule: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The environment asks for something that is neither on nor off.
    #[error("RECYCLER_DEBUG_MODE is {value:?}; write true or false")]
    DebugMode {
        /// What it is.
        value: String,
    },
    /// Built so that a panic ends the process.
    #[error(
        "this program is built with panic = \"abort\", so a panicking consumer would end it; \
         remove that line from the profile"
    )]
    PanicAbort,
    /// The dispatcher refused its settings.
    #[error("{0}")]
    Dispatcher(#[source] meltica_dispatcher::BuildError),
    /// A consumer could not be subscribed.
    #[error("{0}")]
    Subscribe(#[source] SubscribeError),
}
