use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64},
    },
    thread,
    time::Duration,
};

use arc_swap::ArcSwap;
use crossbeam_utils::CachePadded;
use meltica_stats::SharedCounter;

use crate::{
    Cancel, DeadLetter, Dispatcher, Fault, Protocol, WhenFull, WhenIdle,
    crew::{Crew, Spares},
    fan_outs::FanOuts,
    joined::Joined,
    left::Left,
    receipts::{ReceiptSink, Receipts},
    ring::Ring,
    shared::{DeadLetterSink, FaultSink, Shared, Sinks},
    sync::Mutex,
    topology::Topology,
    worker::ThreadStart,
};

/// How a [`Dispatcher`] is to be. Every setting has a default.
#[must_use]
pub struct Builder<P: Protocol> {
    name: String,
    workers: Option<usize>,
    lane_capacity: usize,
    ring: RingSize,
    gap_wait: Duration,
    gap_capacity: usize,
    keep_current_state: bool,
    follows_upstream: bool,
    time_one_in: u32,
    when_full: WhenFull,
    when_idle: WhenIdle,
    inline_limit: Option<Duration>,
    critical_alarm: usize,
    thread_start: Option<ThreadStart>,
    cancel: Cancel,
    fault_sink: Option<FaultSink<P::Fault>>,
    dead_letter_sink: Option<DeadLetterSink<P::Message>>,
    receipt_sink: Option<ReceiptSink>,
}

impl<P: Protocol> Builder<P> {
    pub(crate) fn new() -> Self {
        Self {
            name: "dispatcher".to_owned(),
            workers: None,
            lane_capacity: 1_024,
            ring: RingSize::Default,
            gap_wait: Duration::from_millis(150),
            gap_capacity: 200,
            keep_current_state: false,
            follows_upstream: false,
            time_one_in: 0,
            when_full: WhenFull::default(),
            when_idle: WhenIdle::default(),
            inline_limit: Some(Duration::from_micros(100)),
            critical_alarm: 65_536,
            thread_start: None,
            cancel: Cancel::new(),
            fault_sink: None,
            dead_letter_sink: None,
            receipt_sink: None,
        }
    }

    /// What its threads' names begin with. By default `dispatcher`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// How many threads serve the lanes. With none, lanes are run by [`Dispatcher::run_once`] on the caller's thread.
    /// With any number, a consumer that blocks keeps no other one waiting for long: its thread becomes its own
    /// after a millisecond or two, and another takes the other consumers, up to one thread a lane. With
    /// [`queues`](Self::queues), each lane has a thread. By default, one less than there are cores: the publisher has
    /// one too.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// How many conflatable, and how many sequential, messages may wait for a lane before its class
    /// gives way; critical ones are not limited. Those in the [ring](Self::ring_capacity) do not count. By default 1,024.
    ///
    /// Their places are made with the lane, up to 4,096 of each class: two and a half times as many as this, of some 60
    /// bytes and the message each (200 KiB a lane by default), so that nothing is allocated when a lane falls behind.
    pub fn lane_capacity(mut self, messages: usize) -> Self {
        self.lane_capacity = messages;
        self
    }

    /// How many messages the ring holds, rounded up to a power of two: consumers that are no further behind than
    /// that read each message there. What one that is has not read waits for it alone, giving way beyond its capacity,
    /// and comes first. A message stays in the ring until another one takes
    /// its place, or until [`poll`](Dispatcher::poll), so a pool must have as many more. By default half of
    /// `lane_capacity`, and no more than 1,024.
    pub fn ring_capacity(mut self, messages: usize) -> Self {
        self.ring = RingSize::Of(messages);
        self
    }

    /// What the publisher does when the ring is full. By default it [leaves behind](WhenFull::LeaveBehind) who is slow.
    pub fn when_full(mut self, when_full: WhenFull) -> Self {
        self.when_full = when_full;
        self
    }

    /// What threads do while nothing waits for their consumers. By default they [sleep](WhenIdle::Sleep), after a while.
    pub fn when_idle(mut self, when_idle: WhenIdle) -> Self {
        self.when_idle = when_idle;
        self
    }

    /// Gives each consumer a queue and a thread of its own in place of the ring: plainer, and slower. What a ring
    /// is compared with.
    pub fn queues(mut self) -> Self {
        self.ring = RingSize::None;
        self
    }

    /// How long a dense stream waits for a missing message, by the time given to `publish` and
    /// `poll`. By default 150 ms.
    pub fn gap_wait(mut self, wait: Duration) -> Self {
        self.gap_wait = wait;
        self
    }

    /// How many messages of a dense stream may wait for a missing one. By default 200.
    pub fn gap_capacity(mut self, messages: usize) -> Self {
        self.gap_capacity = messages;
        self
    }

    /// Whether subscribers may ask for the current state first. Then also whoever lost a part of a stream
    /// has its whole state next: after a flip, after it had filtered some, after a reroute, and for want
    /// of a duplicate. Costs one duplicate and one fold per conflatable message, and holds one message a
    /// stream. By default not.
    pub fn keep_current_state(mut self, keep: bool) -> Self {
        self.keep_current_state = keep;
        self
    }

    /// Measures one message in so many, on average and irregularly: how long it takes to reach its
    /// consumers and to be done with. Each costs two readings of a clock a consumer; what was found,
    /// [`Routes::timings`](crate::Routes::timings) tells. By default, and for zero, none.
    pub fn time_one_in(mut self, messages: u32) -> Self {
        self.time_one_in = messages;
        self
    }

    /// How long the handler of an [inline](crate::Subscription::inline) consumer may take. One message in 64 is measured,
    /// and after a slow one the next; a consumer that takes longer twice in a row is moved to the workers, and the
    /// log says so. None is moved without a limit, or without workers. By default 100 µs.
    pub fn inline_limit(mut self, limit: Option<Duration>) -> Self {
        self.inline_limit = limit;
        self
    }

    /// How many critical messages may wait for a consumer beside the ring before that is an alarm: logged as an error, and
    /// counted in [`LaneStats::critical_alarms`](crate::LaneStats). They are kept all the same, at the price of memory,
    /// since none may be lost; there is another alarm once fewer than half as many have waited. By default 65,536.
    pub fn critical_alarm(mut self, messages: usize) -> Self {
        self.critical_alarm = messages.max(1);
        self
    }

    /// Has every thread call this first, once and with its name (`dispatcher-worker-1`, `dispatcher-monitor`, and for a
    /// consumer that [asked](crate::Subscription::own_thread) for a thread of its own `dispatcher-strategy`): to pin it to
    /// a core, or to give it a priority, by whatever crate one likes. `examples/pinned.rs` does. If it panics, that is
    /// logged, and the thread goes on.
    ///
    /// Workers with a number above [`workers`](Self::workers) are started when a consumer keeps one, or is slow. Any
    /// worker may serve a slow consumer alone for a while, or wait for work, and goes by its name all the time: so
    /// [`Fault::worker`] is always a thread that the system knows by that name.
    pub fn thread_start(mut self, call: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.thread_start = Some(Arc::new(call));
        self
    }

    /// The token that ends it all. By default one of its own, which nobody cancels.
    pub fn cancel(mut self, cancel: Cancel) -> Self {
        self.cancel = cancel;
        self
    }

    /// Who hears of failures that no joined dispatch waits for. Runs on the thread that failed, and
    /// must be quick. By default they are only logged.
    pub fn fault_sink(mut self, sink: impl Fn(&Fault<P::Fault>) + Send + Sync + 'static) -> Self {
        self.fault_sink = Some(Box::new(sink));
        self
    }

    /// Who gets critical messages that a consumer should have had and will not. By default they are
    /// logged and dropped.
    pub fn dead_letter_sink(
        mut self,
        sink: impl Fn(DeadLetter<P::Message>) + Send + Sync + 'static,
    ) -> Self {
        self.dead_letter_sink = Some(Box::new(sink));
        self
    }

    /// Whether messages come from another dispatcher, by whose versions its consumers' gates go. A message that comes with
    /// a [version](Protocol::version) keeps it then; one that has none gets the present one, which is the highest that
    /// was [followed to](crate::Routes::follow_to), and 0 before the first. Changes of lanes make no version, nor does
    /// [`Routes::flip`](crate::Routes::flip).
    pub fn follows_upstream(mut self, follows: bool) -> Self {
        self.follows_upstream = follows;
        self
    }

    /// Who hears that every lane is done with a message that was [published for a
    /// receipt](Dispatcher::publish_for_receipt). Runs on the thread that was last done, and must be quick.
    pub fn receipt_sink(mut self, sink: impl Fn(u64) + Send + Sync + 'static) -> Self {
        self.receipt_sink = Some(Box::new(sink));
        self
    }

    /// How many messages the ring holds, if there is one.
    fn ring_size(&self) -> Option<usize> {
        match self.ring {
            RingSize::None => None,
            RingSize::Of(messages) => Some(messages),
            // A power of two, so that it is not rounded up.
            RingSize::Default => Some(1 << (self.lane_capacity / 2).clamp(1, 1_024).ilog2()),
        }
    }

    /// The dispatcher.
    ///
    /// # Errors
    ///
    /// [`BuildError`] for a setting that cannot be.
    pub fn build(self) -> Result<Dispatcher<P>, BuildError> {
        if cfg!(panic = "abort") {
            return Err(BuildError::PanicAbort);
        }
        if self.lane_capacity == 0 {
            return Err(BuildError::NoRoom { setting: "lane_capacity" });
        }
        if self.ring == RingSize::Of(0) {
            return Err(BuildError::NoRoom { setting: "ring_capacity" });
        }
        if self.gap_capacity == 0 {
            return Err(BuildError::NoRoom { setting: "gap_capacity" });
        }
        let writer = self.ring_size().map(Ring::with_writer);
        let crew = (writer.is_some() && self.workers != Some(0)).then(|| {
            // One core is the publisher's.
            let cores = || thread::available_parallelism().map_or(1, |cores| cores.get() - 1);
            Arc::new(Crew::new(self.workers.unwrap_or_else(cores).max(1)))
        });
        let topology = Topology {
            edition: 1,
            version: u64::from(!self.follows_upstream),
            flips: 0,
            follows: self.follows_upstream,
            lanes: Arc::new([]),
        };
        let sinks = Sinks {
            fault: self.fault_sink,
            dead_letter: self.dead_letter_sink,
            joined: Joined::new(),
            receipts: Receipts::new(self.receipt_sink),
            fan_outs: FanOuts::new(self.time_one_in > 0),
            dead_letters: SharedCounter::new(),
            duplicates_failed: SharedCounter::new(),
        };
        let shared = Arc::new(Shared {
            ring: writer.as_ref().map(|writer| Arc::clone(writer.ring())),
            name: self.name.into(),
            threaded: self.workers != Some(0),
            lane_capacity: self.lane_capacity,
            keeps_state: self.keep_current_state,
            time_one_in: self.time_one_in,
            when_full: self.when_full,
            when_idle: self.when_idle,
            inline_limit: self.inline_limit.filter(|_| self.workers != Some(0)),
            critical_alarm: self.critical_alarm,
            thread_start: self.thread_start,
            topology: Arc::new(ArcSwap::from_pointee(topology)),
            workers: Mutex::new(vec![]),
            crew,
            spares: Spares::new(),
            monitor: Mutex::new(None),
            left: Mutex::new(Left::new()),
            next_lane: AtomicU64::new(1),
            stopped: AtomicBool::new(false),
            cancel: self.cancel,
            sinks: Arc::new(sinks),
            counts: CachePadded::default(),
        });
        let weak = Arc::downgrade(&shared);
        shared.cancel.on_cancel(move || {
            if let Some(shared) = weak.upgrade() {
                shared.wake_everybody();
            }
        });
        Ok(Dispatcher::new(shared, writer, self.gap_wait, self.gap_capacity))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum RingSize {
    Default,
    Of(usize),
    None,
}

/// Why there is no dispatcher.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A capacity of zero.
    #[error("{setting} is zero, so that nothing could ever wait; give it room for one at least")]
    NoRoom {
        /// Which setting.
        setting: &'static str,
    },
    /// Built so that a panic ends the process.
    #[error(
        "this program is built with panic = \"abort\", so a panicking consumer would end it; \
         remove that line from the profile"
    )]
    PanicAbort,
}
