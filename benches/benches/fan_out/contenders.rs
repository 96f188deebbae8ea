//! Who hands messages to several consumers, and what all of them are asked for.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{dispatcher, peers};

/// Messages that may wait between the publisher and a consumer.
pub(crate) const CAPACITY: usize = 1_024;
/// How long the one that sleeps does, over every message.
pub(crate) const NAP: Duration = Duration::from_millis(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Payload<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> Payload<WORDS> {
    pub(crate) fn new(word: u64) -> Self {
        Self([word; WORDS])
    }

    /// As a consumer reads it: the first word and the last.
    #[inline]
    pub(crate) fn read(&self) -> u64 {
        assert_eq!(std::hint::black_box(self.0[WORDS - 1]), self.0[0]);
        self.0[0]
    }
}

impl<const WORDS: usize> Default for Payload<WORDS> {
    fn default() -> Self {
        Self::new(0)
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) consumers: usize,
    pub(crate) events: u64,
    /// The first consumer sleeps over every message.
    pub(crate) sleeper: bool,
}

impl Load {
    pub(crate) fn of(consumers: usize, events: u64) -> Self {
        Self { consumers, events, sleeper: false }
    }

    /// What a consumer does beside reading.
    #[inline]
    pub(crate) fn nap(self, consumer: usize) {
        if self.sleeper && consumer == 0 {
            thread::sleep(NAP);
        }
    }
}

/// What came of it.
pub(crate) struct Round {
    /// What all consumers read, added up.
    pub(crate) sum: u64,
    /// From the first message until every consumer had read all.
    pub(crate) took: Duration,
    /// What one message took to be published, once as many had been as may wait.
    pub(crate) pace: Duration,
}

/// The publisher's clock.
pub(crate) struct Clock {
    begun: Instant,
    events: u64,
    waits: Option<Instant>,
    published: Duration,
}

impl Clock {
    pub(crate) fn start(load: Load) -> Self {
        let begun = Instant::now();
        Self { begun, events: load.events, waits: None, published: Duration::ZERO }
    }

    /// A message of this number comes next.
    #[inline]
    pub(crate) fn tick(&mut self, number: u64) {
        if number == CAPACITY as u64 {
            self.waits = Some(Instant::now());
        }
    }

    /// All are published.
    pub(crate) fn published(&mut self) {
        let since = self.waits.unwrap_or(self.begun);
        let messages = self.events.saturating_sub(CAPACITY as u64).max(1);
        self.published = since.elapsed() / messages as u32;
    }

    /// All are read.
    pub(crate) fn stop(self, sum: u64) -> Round {
        Round { sum, took: self.begun.elapsed(), pace: self.published }
    }
}

pub(crate) struct Contender<const WORDS: usize> {
    pub(crate) name: &'static str,
    pub(crate) round: fn(Load) -> Round,
    /// Whether it is worth asking with a lot of consumers: who needs a thread for each is not.
    pub(crate) with_many: bool,
}

impl<const WORDS: usize> Contender<WORDS> {
    /// One that needs a thread a consumer.
    fn threads(name: &'static str, round: fn(Load) -> Round) -> Self {
        Self { name, round, with_many: false }
    }

    fn polled(name: &'static str, round: fn(Load) -> Round) -> Self {
        Self { name, round, with_many: true }
    }
}

/// The dispatcher comes first: the others are compared with it.
pub(crate) fn contenders<const WORDS: usize>() -> Vec<Contender<WORDS>> {
    type C<const WORDS: usize> = Contender<WORDS>;
    vec![
        C::polled("meltica-dispatcher", dispatcher::lent::<WORDS>),
        C::polled("meltica-dispatcher, in batches", dispatcher::batches::<WORDS>),
        C::polled("meltica-dispatcher, inline", dispatcher::inline::<WORDS>),
        C::threads("meltica-dispatcher, two publishers", dispatcher::shared::<WORDS>),
        C::threads("meltica-dispatcher, owned duplicates", dispatcher::owned::<WORDS>),
        C::threads("meltica-dispatcher, queues", dispatcher::queued::<WORDS>),
        C::threads("crossbeam-channel, a `Box` each", peers::crossbeam_box::<WORDS>),
        C::threads("crossbeam-channel, an `Arc`", peers::crossbeam_arc::<WORDS>),
        C::polled(
            "crossbeam-channel, an `Arc`, one thread polls",
            peers::crossbeam_polled::<WORDS>,
        ),
        C::threads("crossbeam-channel, in place", peers::crossbeam_in_place::<WORDS>),
        C::threads("flume, an `Arc`", peers::flume_arc::<WORDS>),
        C::threads("kanal, an `Arc`", peers::kanal_arc::<WORDS>),
        C::threads("tokio broadcast", peers::broadcast::<WORDS>),
        C::polled("tokio broadcast, one thread polls", peers::broadcast_polled::<WORDS>),
        C::threads("bus", peers::bus::<WORDS>),
        C::polled("rtrb each, one thread polls", peers::rings::<WORDS>),
        C::threads("disruptor, two threads poll", peers::disruptor_threads::<WORDS>),
        C::polled("disruptor, one thread polls", peers::disruptor_polled::<WORDS>),
    ]
}
