//! The dispatcher, in its several ways.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use meltica_dispatcher::{
    Builder, Class, Delivery, Dispatcher, Protocol, Route, Subscription, WhenFull,
};
use meltica_recycler::{Lease, Pool};

use crate::contenders::{CAPACITY, Clock, Load, Payload, Round};

/// Pooled messages, all of one key.
pub(crate) enum Leases<const WORDS: usize> {}

impl<const WORDS: usize> Protocol for Leases<WORDS> {
    type Message = Lease<Payload<WORDS>>;
    type Key = ();
    type Fault = String;

    fn key(_: &Self::Message) {}

    fn class(_: &Self::Message) -> Class {
        Class::Sequential
    }

    fn duplicate(message: &Self::Message, _: Class) -> Option<Self::Message> {
        message.try_duplicate().ok()
    }
}

/// What the dispatcher is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    Lent,
    Queues,
    /// Handlers own their messages.
    Owning,
    /// Messages are published 64 at a time.
    Batches,
    /// Handlers run on the publisher's thread.
    Inline,
    /// Two threads publish.
    Shared,
}

pub(crate) fn lent<const WORDS: usize>(load: Load) -> Round {
    dispatcher::<WORDS>(load, How::Lent)
}

pub(crate) fn batches<const WORDS: usize>(load: Load) -> Round {
    dispatcher::<WORDS>(load, How::Batches)
}

pub(crate) fn inline<const WORDS: usize>(load: Load) -> Round {
    dispatcher::<WORDS>(load, How::Inline)
}

pub(crate) fn shared<const WORDS: usize>(load: Load) -> Round {
    dispatcher::<WORDS>(load, How::Shared)
}

pub(crate) fn owned<const WORDS: usize>(load: Load) -> Round {
    dispatcher::<WORDS>(load, How::Owning)
}

pub(crate) fn queued<const WORDS: usize>(load: Load) -> Round {
    dispatcher::<WORDS>(load, How::Queues)
}

/// Room for as many in the ring as channels have.
pub(crate) fn builder<P: Protocol>() -> Builder<P> {
    Dispatcher::builder().lane_capacity(2 * CAPACITY)
}

/// A pool that does not run empty.
pub(crate) fn pool<const WORDS: usize>(consumers: usize) -> Pool<Payload<WORDS>> {
    Pool::new((consumers + 2) * (2 * CAPACITY + 64), Payload::default, |_: &mut Payload<WORDS>| ())
}

/// A message of a number.
pub(crate) fn lease<const WORDS: usize>(
    pool: &Pool<Payload<WORDS>>,
    number: u64,
) -> Lease<Payload<WORDS>> {
    let mut message = pool.try_lease().expect("large enough");
    *message = Payload::new(number);
    message
}

fn dispatcher<const WORDS: usize>(load: Load, how: How) -> Round {
    let done: Arc<[Done]> = (0..load.consumers).map(|_| Done::default()).collect();
    let all = Arc::new(AtomicU64::new(0));
    // Nothing is to be dropped, as with a bounded channel.
    let mut builder = builder::<Leases<WORDS>>().when_full(WhenFull::Wait(Duration::from_secs(60)));
    if how == How::Queues {
        builder = builder.queues();
    }
    let mut dispatcher = builder.build().expect("valid settings");
    for index in 0..load.consumers {
        let mut sum = Sum { mine: 0, all: Arc::clone(&all) };
        let name = format!("consumer-{index}");
        let subscription = match how {
            How::Queues => {
                let (done, mut count) = (Arc::clone(&done), 0);
                let handle = move |message: Delivery<Lease<Payload<WORDS>>>| {
                    sum.add(&message);
                    count += 1;
                    done[index].0.store(count, Relaxed);
                };
                Subscription::new(name, handle)
            }
            How::Owning => Subscription::new(name, move |message: Delivery<_>| sum.add(&message)),
            _ => Subscription::borrowing(name, move |message: &Delivery<_>| sum.add(message)),
        };
        let subscription = if how == How::Inline { subscription.inline() } else { subscription };
        dispatcher.routes().subscribe(subscription.to(Route::All)).expect("a name of its own");
    }
    let pool = pool::<WORDS>(load.consumers);
    let now = Instant::now();
    let mut clock = Clock::start(load);
    match how {
        How::Batches => {
            for first in (0..load.events).step_by(64) {
                let messages = first..load.events.min(first + 64);
                let messages = messages.map(|number| lease(&pool, number));
                assert!(dispatcher.publish_batch(messages, now).is_ok());
            }
        }
        How::Shared => {
            let publisher = dispatcher.share();
            let publish = |first| {
                for number in (first..load.events).step_by(2) {
                    assert!(publisher.publish(lease(&pool, number), now).is_ok());
                }
            };
            thread::scope(|scope| {
                scope.spawn(|| publish(1));
                publish(0);
            });
            clock.published();
            let end = publisher.shutdown(Duration::from_secs(60));
            assert!(end.is_some_and(|end| end.is_clean()));
            return clock.stop(all.load(Relaxed));
        }
        _ => {
            for number in 0..load.events {
                // The ring waits by itself.
                if how == How::Queues && number % 64 == 0 && number >= CAPACITY as u64 {
                    let behind = number - CAPACITY as u64;
                    while done.iter().any(|done| done.0.load(Relaxed) < behind) {
                        thread::yield_now();
                    }
                }
                assert!(dispatcher.publish(lease(&pool, number), now).is_ok());
            }
        }
    }
    clock.published();
    // Delivers what waits, and ends every thread.
    assert!(dispatcher.shutdown(Duration::from_secs(60)).is_clean());
    clock.stop(all.load(Relaxed))
}

/// What a consumer has read, which is added to what all have when its handler is dropped.
struct Sum {
    mine: u64,
    all: Arc<AtomicU64>,
}

impl Sum {
    #[inline]
    fn add<const WORDS: usize>(&mut self, message: &Lease<Payload<WORDS>>) {
        self.mine += message.read();
    }
}

impl Drop for Sum {
    fn drop(&mut self) {
        self.all.fetch_add(self.mine, Relaxed);
    }
}

/// How many a consumer has read, on a line of its own.
#[derive(Default)]
#[repr(align(128))]
struct Done(AtomicU64);
