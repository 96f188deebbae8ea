//! The peers, each in the modes that suit it: with a thread for each consumer, or with one that polls for all.

use std::{sync::Arc, thread};

use disruptor::{Polling, Producer};
use tokio::sync::broadcast::{Receiver, Sender};

use crate::contenders::{CAPACITY, Clock, Load, Payload, Round};

/// A consumer's thread, which answers a sum.
fn consumer(run: impl FnOnce() -> u64 + Send + 'static) -> thread::JoinHandle<u64> {
    thread::Builder::new().name("consumer".to_owned()).spawn(run).expect("a thread")
}

fn sum(threads: Vec<thread::JoinHandle<u64>>) -> u64 {
    threads.into_iter().map(|thread| thread.join().expect("consumers do not panic")).sum()
}

macro_rules! channels {
    ($name:ident, $bounded:path, $handle:ident) => {
        pub(crate) fn $name<const WORDS: usize>(load: Load) -> Round {
            let (mut senders, mut threads) = (vec![], vec![]);
            for index in 0..load.consumers {
                let (sender, receiver) = $bounded(CAPACITY);
                senders.push(sender);
                threads.push(consumer(move || {
                    let mut sum = 0;
                    while let Ok(message) = receiver.recv() {
                        let message: $handle<Payload<WORDS>> = message;
                        sum += message.read();
                        load.nap(index);
                    }
                    sum
                }));
            }
            let mut clock = Clock::start(load);
            for number in 0..load.events {
                clock.tick(number);
                let message = $handle::new(Payload::new(number));
                for sender in &senders {
                    sender.send($handle::clone(&message)).expect("consumers are there");
                }
            }
            clock.published();
            drop(senders);
            clock.stop(sum(threads))
        }
    };
}

channels!(crossbeam_box, crossbeam_channel::bounded, Box);
channels!(crossbeam_arc, crossbeam_channel::bounded, Arc);
channels!(flume_arc, flume::bounded, Arc);
channels!(kanal_arc, kanal::bounded, Arc);

pub(crate) fn crossbeam_in_place<const WORDS: usize>(load: Load) -> Round {
    let (mut senders, mut threads) = (vec![], vec![]);
    for _ in 0..load.consumers {
        let (sender, receiver) = crossbeam_channel::bounded::<Payload<WORDS>>(CAPACITY);
        senders.push(sender);
        threads.push(consumer(move || receiver.iter().map(|message| message.read()).sum()));
    }
    let mut clock = Clock::start(load);
    for number in 0..load.events {
        clock.tick(number);
        for sender in &senders {
            sender.send(Payload::new(number)).expect("consumers are there");
        }
    }
    clock.published();
    drop(senders);
    clock.stop(sum(threads))
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
    mut receivers: Vec<(usize, R)>,
    mut poll: impl FnMut(usize, &mut R) -> Polled + Send + 'static,
) -> thread::JoinHandle<u64> {
    consumer(move || {
        let mut sum = 0;
        loop {
            let (mut idle, mut over) = (true, true);
            for (index, receiver) in &mut receivers {
                match poll(*index, receiver) {
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

/// One thread polls channels. It answers the sum of what `read` answers of each message.
pub(crate) fn poll_channels<T: Send + 'static>(
    receivers: Vec<crossbeam_channel::Receiver<T>>,
    read: impl Fn(T) -> u64 + Send + 'static,
) -> thread::JoinHandle<u64> {
    use crossbeam_channel::TryRecvError::Empty;
    let poll = move |_, receiver: &mut crossbeam_channel::Receiver<T>| {
        one_by_one(|| match receiver.try_recv() {
            Ok(message) => Polled::Messages(read(message)),
            Err(Empty) => Polled::Nothing,
            Err(_) => Polled::End,
        })
    };
    poller(receivers.into_iter().enumerate().collect(), poll)
}

pub(crate) fn crossbeam_polled<const WORDS: usize>(load: Load) -> Round {
    let channels = (0..load.consumers).map(|_| crossbeam_channel::bounded(CAPACITY));
    let (senders, receivers): (Vec<_>, Vec<_>) = channels.unzip();
    let thread = poll_channels(receivers, |message: Arc<Payload<WORDS>>| message.read());
    let mut clock = Clock::start(load);
    for number in 0..load.events {
        clock.tick(number);
        let message = Arc::new(Payload::new(number));
        for sender in &senders {
            while sender.try_send(Arc::clone(&message)).is_err() {
                thread::yield_now();
            }
        }
    }
    clock.published();
    drop(senders);
    clock.stop(sum(vec![thread]))
}

/// Publishes to the receivers that threads were given.
fn broadcast_to<const WORDS: usize>(
    load: Load,
    threads: impl FnOnce(&Sender<Payload<WORDS>>) -> Vec<thread::JoinHandle<u64>>,
) -> Round {
    let (sender, _) = tokio::sync::broadcast::channel(CAPACITY);
    let threads = threads(&sender);
    let mut clock = Clock::start(load);
    for number in 0..load.events {
        clock.tick(number);
        while sender.len() >= CAPACITY {
            thread::yield_now();
        }
        assert!(sender.send(Payload::new(number)).is_ok());
    }
    clock.published();
    drop(sender);
    clock.stop(sum(threads))
}

pub(crate) fn broadcast_polled<const WORDS: usize>(load: Load) -> Round {
    use tokio::sync::broadcast::error::TryRecvError::Empty;
    broadcast_to::<WORDS>(load, |sender| {
        let receivers = (0..load.consumers).map(|_| sender.subscribe()).enumerate().collect();
        let poll = |_, receiver: &mut Receiver<Payload<WORDS>>| {
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

pub(crate) fn broadcast<const WORDS: usize>(load: Load) -> Round {
    broadcast_to::<WORDS>(load, |sender| {
        let thread = |index| {
            let mut receiver = sender.subscribe();
            consumer(move || {
                let mut sum = 0;
                // It would tell of a lag, which the sum would show.
                while let Ok(message) = receiver.blocking_recv() {
                    sum += message.read();
                    load.nap(index);
                }
                sum
            })
        };
        (0..load.consumers).map(thread).collect()
    })
}

pub(crate) fn bus<const WORDS: usize>(load: Load) -> Round {
    let mut bus = bus::Bus::<Payload<WORDS>>::new(CAPACITY);
    let threads = (0..load.consumers).map(|index| {
        let reader = bus.add_rx();
        let read = move |message: Payload<WORDS>| {
            load.nap(index);
            message.read()
        };
        consumer(move || reader.into_iter().map(read).sum())
    });
    let threads = threads.collect();
    let mut clock = Clock::start(load);
    for number in 0..load.events {
        clock.tick(number);
        bus.broadcast(Payload::new(number));
    }
    clock.published();
    drop(bus);
    clock.stop(sum(threads))
}

pub(crate) fn rings<const WORDS: usize>(load: Load) -> Round {
    let rings = (0..load.consumers).map(|_| rtrb::RingBuffer::<Payload<WORDS>>::new(CAPACITY));
    let (mut producers, readers): (Vec<_>, Vec<_>) = rings.unzip();
    let poll = |_, reader: &mut rtrb::Consumer<Payload<WORDS>>| {
        one_by_one(|| match reader.pop() {
            Ok(message) => Polled::Messages(message.read()),
            // In this order: what was pushed last may have come in between.
            Err(_) if reader.is_abandoned() && reader.is_empty() => Polled::End,
            Err(_) => Polled::Nothing,
        })
    };
    let thread = poller(readers.into_iter().enumerate().collect(), poll);
    let mut clock = Clock::start(load);
    for number in 0..load.events {
        clock.tick(number);
        for producer in &mut producers {
            while producer.push(Payload::new(number)).is_err() {
                thread::yield_now();
            }
        }
    }
    clock.published();
    drop(producers);
    clock.stop(sum(vec![thread]))
}

/// Threads poll a disruptor. A macro, since the type of a poller cannot be named outside.
macro_rules! polled {
    ($pollers:expr, $producer:expr, $load:expr, $threads:expr) => {{
        let (load, threads): (Load, usize) = ($load, $threads);
        let mut producer = $producer;
        let mut shares: Vec<Vec<_>> = (0..threads).map(|_| vec![]).collect();
        for (index, reader) in $pollers.into_iter().enumerate() {
            shares[index % threads].push((index, reader));
        }
        let threads = shares.into_iter().map(|share| {
            poller(share, move |index, poller| match poller.take(AT_A_TIME as u64) {
                Ok(mut messages) => Polled::Messages(
                    (&mut messages)
                        .map(|message| {
                            load.nap(index);
                            message.read()
                        })
                        .sum(),
                ),
                Err(Polling::NoEvents) => Polled::Nothing,
                Err(Polling::Shutdown) => Polled::End,
            })
        });
        let threads = threads.collect();
        let mut clock = Clock::start(load);
        for number in 0..load.events {
            clock.tick(number);
            while producer.try_publish(|slot| *slot = Payload::new(number)).is_err() {
                thread::yield_now();
            }
        }
        clock.published();
        drop(producer);
        clock.stop(sum(threads))
    }};
}

pub(crate) fn disruptor_polled<const WORDS: usize>(load: Load) -> Round {
    pollers::<WORDS>(load, 1)
}

pub(crate) fn disruptor_threads<const WORDS: usize>(load: Load) -> Round {
    pollers::<WORDS>(load, 2)
}

fn pollers<const WORDS: usize>(load: Load, threads: usize) -> Round {
    let wait = disruptor::BusySpin;
    let builder = disruptor::build_single_producer(CAPACITY, Payload::<WORDS>::default, wait);
    let (first, builder) = builder.new_event_poller();
    if load.consumers == 1 {
        return polled!(vec![first], builder.build(), load, 1);
    }
    // From the second one on the builder's type stays the same.
    let (second, mut builder) = builder.new_event_poller();
    let mut pollers = vec![first, second];
    while pollers.len() < load.consumers {
        let (poller, again) = builder.new_event_poller();
        pollers.push(poller);
        builder = again;
    }
    polled!(pollers, builder.build(), load, threads)
}
