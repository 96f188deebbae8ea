use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use crossbeam_utils::CachePadded;
use meltica_stats::SharedCounter;

use crate::{
    Cancel, Class, DeadLetter, DeathCause, Fault, Protocol, WhenFull, WhenIdle,
    contain::contain,
    crew::{Crew, Spares, Work},
    fan_outs::FanOuts,
    handler::Packet,
    joined::Joined,
    left::Left,
    receipts::Receipts,
    ring::Ring,
    stats::PublisherCounts,
    sync::Mutex,
    topology::Topology,
    worker::{ThreadStart, Worker},
};

pub(crate) type FaultSink<F> = Box<dyn Fn(&Fault<F>) + Send + Sync>;
pub(crate) type DeadLetterSink<M> = Box<dyn Fn(DeadLetter<M>) + Send + Sync>;

/// What the dispatcher and every [`Routes`](crate::Routes) handle have in common.
pub(crate) struct Shared<P: Protocol> {
    pub(crate) name: Arc<str>,
    /// Whether lanes have threads; else they are stepped.
    pub(crate) threaded: bool,
    pub(crate) lane_capacity: usize,
    pub(crate) keeps_state: bool,
    /// Unless each lane has a queue of its own.
    pub(crate) ring: Option<Arc<Ring<Packet<P>>>>,
    /// One message in so many is measured; zero is none.
    pub(crate) time_one_in: u32,
    pub(crate) when_full: WhenFull,
    pub(crate) when_idle: WhenIdle,
    /// How long a call may take on the publisher's thread.
    pub(crate) inline_limit: Option<Duration>,
    /// How many critical messages that wait for a lane are too many.
    pub(crate) critical_alarm: usize,
    /// What every thread calls first.
    pub(crate) thread_start: Option<ThreadStart>,
    pub(crate) topology: Arc<ArcSwap<Topology<P>>>,
    /// Held by whoever makes a new snapshot; holds every thread that was ever started and is not
    /// joined yet.
    pub(crate) workers: Mutex<Vec<Worker>>,
    /// Where there is a ring, and lanes have threads.
    pub(crate) crew: Option<Arc<Crew>>,
    /// The crew's threads that have nothing to do.
    pub(crate) spares: Spares<Work<P>>,
    /// The thread that watches over the crew.
    pub(crate) monitor: Mutex<Option<Worker>>,
    /// Held by whoever removes a lane, and whoever reads what all of them did.
    pub(crate) left: Mutex<Left<P>>,
    pub(crate) next_lane: AtomicU64,
    pub(crate) stopped: AtomicBool,
    pub(crate) cancel: Cancel,
    pub(crate) sinks: Arc<Sinks<P>>,
    /// Apart: the publisher writes it with every message, and workers read what is beside.
    pub(crate) counts: CachePadded<PublisherCounts>,
}

/// Where failures, dead letters and joined reports go.
pub(crate) struct Sinks<P: Protocol> {
    pub(crate) fault: Option<FaultSink<P::Fault>>,
    pub(crate) dead_letter: Option<DeadLetterSink<P::Message>>,
    pub(crate) joined: Joined<P::Fault>,
    pub(crate) receipts: Receipts,
    pub(crate) fan_outs: FanOuts,
    pub(crate) dead_letters: SharedCounter,
    pub(crate) duplicates_failed: SharedCounter,
}

impl<P: Protocol> Sinks<P> {
    /// Says it to the sink, or, where there is none, to the log. A sink that panics is contained.
    pub(crate) fn fault(&self, fault: &Fault<P::Fault>) {
        match &self.fault {
            Some(sink) => {
                contain("the fault sink", || sink(fault));
            }
            None => tracing::warn!(
                trace = format_args!("{:016x}", fault.trace),
                consumer = &*fault.consumer,
                worker = &*fault.worker,
                cause = ?fault.cause,
                "a consumer failed"
            ),
        }
    }

    /// A duplicate; that there is none is counted, and told if the message is critical.
    #[inline]
    pub(crate) fn duplicate(&self, message: &P::Message, class: Class) -> Option<P::Message> {
        let duplicate = P::duplicate(message, class);
        if duplicate.is_none() {
            self.duplicates_failed.add(1);
            if class == Class::Critical {
                let trace = P::trace(message);
                tracing::error!(trace, "a critical message has no duplicate");
            }
        }
        duplicate
    }

    /// Hands it to the sink, or, where there is none, says so in the log and drops it. Whatever of
    /// these panics is contained.
    pub(crate) fn dead_letter(&self, message: P::Message, consumer: &Arc<str>, cause: DeathCause) {
        self.dead_letters.add(1);
        contain("a dead letter or its sink", || {
            let trace = P::trace(&message);
            match &self.dead_letter {
                Some(sink) => {
                    let consumer = Arc::clone(consumer);
                    sink(DeadLetter { message, trace, consumer, cause });
                }
                None => tracing::warn!(
                    trace = format_args!("{trace:016x}"),
                    consumer = &**consumer,
                    ?cause,
                    "a critical message was not handled"
                ),
            }
        });
    }
}

impl<P: Protocol> Shared<P> {
    /// After a cancellation: every sleeping worker, and a publisher that waits, look again.
    pub(crate) fn wake_everybody(&self) {
        for routed in self.topology.load().lanes.iter() {
            routed.lane.wake();
        }
        if let Some(crew) = &self.crew {
            crew.wake_all();
        }
        self.spares.end();
        self.sinks.joined.wake();
    }
}
