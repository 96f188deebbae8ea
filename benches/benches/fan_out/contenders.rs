//! Who hands messages to several consumers, and how.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use disruptor::{Polling, Producer};
use meltica_dispatcher::{Class, Delivery, Dispatcher, Protocol, Route, Subscription, WhenFull};
use meltica_recycler::{Lease, Pool};
use tokio::sync::broadcast::{Receiver, Sender};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Payload<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> Payload<WORDS> {
    fn new(word: u64) -> Self {
        Self([word; WORDS])
    }

    /// As a consumer reads it: the first word and the last.
    fn read(&self) -> u64 {
        assert_eq!(std::hint::black_box(self.0[WORDS - 1]), self.0[0]);
        self.0[0]
    }
}

impl<const WORDS: usize> Default for Payload<WORDS> {
    fn default() -> Self {
        Self::new(0)
    }
}

pub(crate) struct Contender<const WORDS: usize> {
    pub(crate) name: &'static str,
    /// Hands so many messages to so many consumers; answers the sum of what they read, and how long that took from the
    /// first message on.
    pub(crate) round: fn(usize, u64) -> (u64, Duration),
}

/// The dispatcher comes first: the others are compared with it.
#[expect(non_snake_case, reason = "a constant that is generic")]
pub(crate) fn CONTENDERS<const WORDS: usize>() -> Vec<Contender<WORDS>> {
    let row = |name, round| Contender { name, round };
    vec![
        row("meltica-dispatcher", lent::<WORDS>),
        row("meltica-dispatcher, in batches", batches::<WORDS>),
        row("meltica-dispatcher, inline", inline::<WORDS>),
        row("meltica-dispatcher, owned duplicates", owned::<WORDS>),
        row("meltica-dispatcher, queues", queued::<WORDS>),
        row("crossbeam-channel, a `Box` each", crossbeam_box::<WORDS>),
        row("crossbeam-channel, an `Arc`", crossbeam_arc::<WORDS>),
        row("crossbeam-channel, an `Arc`, one thread polls", crossbeam_arc_polled::<WORDS>),
        row("crossbeam-channel, in place", crossbeam_in_place::<WORDS>),
        row("flume, an `Arc`", flume_arc::<WORDS>),
        row("kanal, an `Arc`", kanal_arc::<WORDS>),
        row("tokio broadcast", broadcast::<WORDS>),
        row("tokio broadcast, one thread polls", broadcast_polled::<WORDS>),
        row("bus", bus::<WORDS>),
        row("rtrb each, one thread polls", rings::<WORDS>),
        row("disruptor, one thread polls", pollers::<WORDS>),
    ]
}

/// Messages that may wait between the publisher and a consumer.
const CAPACITY: usize = 1_024;

/// A consumer's thread, which answers a sum.
fn consumer(run: impl FnOnce() -> u64 + Send + 'static) -> thread::JoinHandle<u64> {
    thread::Builder::new().name("consumer".to_owned()).spawn(run).expect("a thread")
}

fn sum(threads: Vec<thread::JoinHandle<u64>>) -> u64 {
    threads.into_iter().map(|thread| thread.join().expect("consumers do not panic")).sum()
}

enum Leases<const WORDS: usize> {}

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
#[derive(Clone, Copy)]
struct How {
    queues: bool,
    /// Handlers own their messages.
    owning: bool,
    /// Messages are published 64 at a time.
    batches: bool,
    /// Handlers run on the publisher's thread.
    inline: bool,
}

const LENT: How = How { queues: false, owning: false, batches: false, inline: false };

fn batches<const WORDS: usize>(consumers: usize, events: u64) -> (u64, Duration) {
    dispatcher::<WORDS>(consumers, events, How { batches: true, ..LENT })
}

fn lent<const WORDS: usize>(consumers: usize, events: u64) -> (u64, Duration) {
    dispatcher::<WORDS>(consumers, events, LENT)
}

fn owned<const WORDS: usize>(consumers: usize, events: u64) -> (u64, Duration) {
    dispatcher::<WORDS>(consumers, events, How { owning: true, ..LENT })
}

fn queued<const WORDS: usize>(consumers: usize, events: u64) -> (u64, Duration) {
    dispatcher::<WORDS>(consumers, events, How { queues: true, owning: true, ..LENT })
}

fn inline<const WORDS: usize>(consumers: usize, events: u64) -> (u64, Duration) {
    dispatcher::<WORDS>(consumers, events, How { inline: true, ..LENT })
}

fn dispatcher<const WORDS: usize>(consumers: usize, events: u64, how: How) -> (u64, Duration) {
    let done: Arc<[Done]> = (0..consumers).map(|_| Done::default()).collect();
    let sum = Arc::new(AtomicU64::new(0));
    // A ring takes half of that.
    let room = 2 * CAPACITY;
    let mut builder = Dispatcher::<Leases<WORDS>>::builder().lane_capacity(room);
    if how.queues {
        builder = builder.queues();
    }
    // Nothing is to be dropped, as with a bounded channel.
    builder = builder.when_full(WhenFull::Wait(Duration::from_secs(60)));
    let mut dispatcher = builder.build().expect("valid settings");
    for index in 0..consumers {
        let mut sum = Sum { mine: 0, all: Arc::clone(&sum) };
        let name = format!("consumer-{index}");
        let subscription = if how.queues {
            let (done, mut count) = (Arc::clone(&done), 0);
            let handle = move |message: Delivery<Lease<Payload<WORDS>>>| {
                sum.add(&message);
                count += 1;
                done[index].0.store(count, Relaxed);
            };
            Subscription::new(name, handle)
        } else if how.owning {
            Subscription::new(name, move |message: Delivery<_>| sum.add(&message))
        } else {
            Subscription::borrowing(name, move |message: &Delivery<_>| sum.add(message))
        };
        let subscription = if how.inline { subscription.inline() } else { subscription };
        dispatcher.routes().subscribe(subscription.to(Route::All)).expect("a name of its own");
    }
    let room = (consumers + 2) * (room + 1);
    let pool = Pool::new(room, Payload::default, |_: &mut Payload<WORDS>| ());
    let now = Instant::now();
    let lease = |number| {
        let mut message = pool.try_lease().expect("large enough");
        *message = Payload::new(number);
        message
    };
    let batch = if how.batches { 64 } else { events };
    for first in (0..events).step_by(batch as usize).filter(|_| how.batches) {
        let messages = (first..events.min(first + batch)).map(lease);
        assert!(dispatcher.publish_batch(messages, now).is_ok());
    }
    for number in (0..events).filter(|_| !how.batches) {
        // The ring waits by itself.
        if how.queues && number % 64 == 0 && number >= CAPACITY as u64 {
            let behind = number - CAPACITY as u64;
            while done.iter().any(|done| done.0.load(Relaxed) < behind) {
                thread::yield_now();
            }
        }
        assert!(dispatcher.publish(lease(number), now).is_ok());
    }
    // Delivers what waits, and ends every thread.
    assert!(dispatcher.shutdown(Duration::from_secs(60)).is_clean());
    (sum.load(Relaxed), now.elapsed())
}

/// What a consumer of the dispatcher has read, which is added to what all have when its handler is dropped.
struct Sum {
    mine: u64,
    all: Arc<AtomicU64>,
}

impl Sum {
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

macro_rules! channels {
    ($name:ident, $bounded:path, $handle:ident) => {
        fn $name<const WORDS: usize>(consumers: usize, events: u64) -> (u64, Duration) {
            let (mut senders, mut threads) = (vec![], vec![]);
            for _ in 0..consumers {
                let (sender, receiver) = $bounded(CAPACITY);
                senders.push(sender);
                threads.push(consumer(move || {
                    let mut sum = 0;
                    while let Ok(message) = receiver.recv() {
                        let message: $handle<Payload<WORDS>> = message;
                        sum += message.read();
                    }
                    sum
                }));
            }
            let start = Instant::now();
            for number in 0..events {
                let message = $handle::new(Payload::new(number));
                for sender in &senders {
                    sender.send($handle::clone(&message)).expect("consumers are there");
                }
            }
            drop(senders);
            (sum(threads), start.elapsed())
        }
    };
}

channels!(crossbeam_box, crossbeam_channel::bounded, Box);
channels!(crossbeam_arc, crossbeam_channel::bounded, Arc);
channels!(flume_arc, flume::bounded, Arc);
channels!(kanal_arc, kanal::bounded, Arc);

fn crossbeam_in_place<const WORDS: usize>(consumers: usize, events: u64) -> (u64, Duration) {
    let (mut senders, mut threads) = (vec![], vec![]);
    for _ in 0..consumers {
        let (sender, receiver) = crossbeam_channel::bounded::<Payload<WORDS>>(CAPACITY);
        senders.push(sender);
        threads.push(consumer(move || receiver.iter().map(|message| message.read()).sum()));
    }
    let start = Instant::now();
    for number in 0..events {
        for sender in &senders {
            sender.send(Payload::new(number)).expect("consumers are there");
        }
    }
    drop(senders);
    (sum(threads), start.elapsed())
}

/// What a poll found.
enum Polled {
    /// Messages, of which these are the words, added up.
    Messages(u64),
    Nothing,
    /// Nothing, and nothing more will come.
    End,
}

/// How many messages of a consumer are taken at a time, where one thread polls for all.
const AT_A_TIME: usize = 64;

/// One thread polls for all consumers, in turn.
fn poller<R: Send + 'static>(
    mut receivers: Vec<R>,
    mut poll: impl FnMut(&mut R) -> Polled + Send + 'static,
) -> thread::JoinHandle<u64> {
    consumer(move || {
        let mut sum = 0;
        loop {
            let (mut idle, mut over) = (true, true);
            for receiver in &mut receivers {
                match poll(receiver) {
                    Polled::Messages(words) => {
                        (idle, over) = (false, false);
                        sum += words;
                    }
                    Polled::Nothing => over = false,
                    Polled::End => {}
                }
            }
            if over {
                return sum;
            }
            if idle {
                thread::yield_now();
            }
        }
    })
}

/// Polls one by one.
fn one_by_one(mut poll: impl FnMut() -> Polled) -> Polled {
    let mut sum = 0;
    for taken in 0..AT_A_TIME {
        match poll() {
            Polled::Messages(word) => sum += word,
            other if taken == 0 => return other,
            _ => break,
        }
    }
    Polled::Messages(sum)
}

fn crossbeam_arc_polled<const WORDS: usize>(consumers: usize, events: u64) -> (u64, Duration) {
    use crossbeam_channel::TryRecvError::Empty;
    let channels = (0..consumers).map(|_| crossbeam_channel::bounded(CAPACITY));
    let (senders, receivers): (Vec<_>, Vec<_>) = channels.unzip();
    let poll = |receiver: &mut crossbeam_channel::Receiver<Arc<Payload<WORDS>>>| {
        one_by_one(|| match receiver.try_recv() {
            Ok(message) => Polled::Messages(message.read()),
            Err(Empty) => Polled::Nothing,
            Err(_) => Polled::End,
        })
    };
    let thread = poller(receivers, poll);
    let start = Instant::now();
    for number in 0..events {
        let message = Arc::new(Payload::new(number));
        for sender in &senders {
            while sender.try_send(Arc::clone(&message)).is_err() {
                thread::yield_now();
            }
        }
    }
    drop(senders);
    (sum(vec![thread]), start.elapsed())
}

/// Publishes to the receivers that threads were given.
fn broadcast_to<const WORDS: usize>(
    events: u64,
    threads: impl FnOnce(&Sender<Payload<WORDS>>) -> Vec<thread::JoinHandle<u64>>,
) -> (u64, Duration) {
    let (sender, _) = tokio::sync::broadcast::channel(CAPACITY);
    let threads = threads(&sender);
    let start = Instant::now();
    for number in 0..events {
        while sender.len() >= CAPACITY {
            thread::yield_now();
        }
        assert!(sender.send(Payload::new(number)).is_ok());
    }
    drop(sender);
    (sum(threads), start.elapsed())
}

fn broadcast_polled<const WORDS: usize>(consumers: usize, events: u64) -> (u64, Duration) {
    use tokio::sync::broadcast::error::TryRecvError::Empty;
    broadcast_to::<WORDS>(events, |sender| {
        let receivers: Vec<_> = (0..consumers).map(|_| sender.subscribe()).collect();
        let poll = |receiver: &mut Receiver<Payload<WORDS>>| {
            one_by_one(|| match receiver.try_recv() {
                Ok(message) => Polled::Messages(message.read()),
                Err(Empty) => Polled::Nothing,
                // A lag is an end too, which the sum would show.
                Err(_) => Polled::End,
            })
        };
        vec![poller(receivers, poll)]
    })
}

fn broadcast<const WORDS: usize>(consumers: usize, events: u64) -> (u64, Duration) {
    broadcast_to::<WORDS>(events, |sender| {
        let thread = |_| {
            let mut receiver = sender.subscribe();
            consumer(move || {
                let mut sum = 0;
                // It would tell of a lag, which the sum would show.
                while let Ok(message) = receiver.blocking_recv() {
                    sum += message.read();
                }
                sum
            })
        };
        (0..consumers).map(thread).collect()
    })
}

fn bus<const WORDS: usize>(consumers: usize, events: u64) -> (u64, Duration) {
    let mut bus = bus::Bus::<Payload<WORDS>>::new(CAPACITY);
    let threads = (0..consumers).map(|_| {
        let reader = bus.add_rx();
        consumer(move || reader.into_iter().map(|message| message.read()).sum())
    });
    let threads = threads.collect();
    let start = Instant::now();
    (0..events).for_each(|number| bus.broadcast(Payload::new(number)));
    drop(bus);
    (sum(threads), start.elapsed())
}

fn rings<const WORDS: usize>(consumers: usize, events: u64) -> (u64, Duration) {
    let rings = (0..consumers).map(|_| rtrb::RingBuffer::<Payload<WORDS>>::new(CAPACITY));
    let (mut producers, readers): (Vec<_>, Vec<_>) = rings.unzip();
    let poll = |reader: &mut rtrb::Consumer<Payload<WORDS>>| {
        one_by_one(|| match reader.pop() {
            Ok(message) => Polled::Messages(message.read()),
            // In this order: what was pushed last may have come in between.
            Err(_) if reader.is_abandoned() && reader.is_empty() => Polled::End,
            Err(_) => Polled::Nothing,
        })
    };
    let thread = poller(readers, poll);
    let start = Instant::now();
    for number in 0..events {
        for producer in &mut producers {
            while producer.push(Payload::new(number)).is_err() {
                thread::yield_now();
            }
        }
    }
    drop(producers);
    (sum(vec![thread]), start.elapsed())
}

/// One thread polls a disruptor. A macro, since the type of a poller cannot be named outside.
macro_rules! polled {
    ($pollers:expr, $producer:expr, $events:expr) => {{
        let mut producer = $producer;
        let thread = poller($pollers, |poller| match poller.take(AT_A_TIME as u64) {
            Ok(mut messages) => {
                Polled::Messages((&mut messages).map(|message| message.read()).sum())
            }
            Err(Polling::NoEvents) => Polled::Nothing,
            Err(Polling::Shutdown) => Polled::End,
        });
        let start = Instant::now();
        for number in 0..$events {
            while producer.try_publish(|slot| *slot = Payload::new(number)).is_err() {
                thread::yield_now();
            }
        }
        drop(producer);
        (sum(vec![thread]), start.elapsed())
    }};
}

fn pollers<const WORDS: usize>(consumers: usize, events: u64) -> (u64, Duration) {
    let wait = disruptor::BusySpin;
    let builder = disruptor::build_single_producer(CAPACITY, Payload::<WORDS>::default, wait);
    let (first, builder) = builder.new_event_poller();
    if consumers == 1 {
        return polled!(vec![first], builder.build(), events);
    }
    // From the second one on the builder's type stays the same.
    let (second, mut builder) = builder.new_event_poller();
    let mut pollers = vec![first, second];
    while pollers.len() < consumers {
        let (poller, again) = builder.new_event_poller();
        pollers.push(poller);
        builder = again;
    }
    polled!(pollers, builder.build(), events)
}
