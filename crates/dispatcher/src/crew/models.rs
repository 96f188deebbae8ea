//! No interleaving of publishers, workers, lanes' own threads and the monitor leaves a message where nobody comes for it,
//! delivers it twice, or keeps a thread when it is over.
//!
//! What is modelled is the dispatcher itself, as it is used: with lanes, ring, workers and monitor, threads of loom's for
//! the system's, and a time that passes when a handler says so. Snapshots of the routes are the exception: loom does
//! not know `arc-swap`, and takes each of its operations for one step. A message that is slept through is a deadlock,
//! which loom reports: nobody is told of it by the shutdown, which comes after.
//!
//! `RUSTFLAGS="--cfg meltica_loom" LOOM_MAX_PREEMPTIONS=3 CARGO_TARGET_DIR=target/loom
//!  cargo test -p meltica-dispatcher --release --lib`

use std::time::{Duration, Instant};

use loom::{
    sync::{Arc, Condvar, Mutex},
    thread,
};

use super::{Crew, OwnThread, Spares, Status, give_own_thread};
use crate::{
    Builder, Cancel, Class, Delivery, Dispatcher, LaneId, Protocol, Route, Subscription,
    clock::modelled::{begin, pass},
    sync::{
        AtomicUsize,
        Ordering::{Relaxed, SeqCst},
        fence,
    },
};

enum Numbers {}

impl Protocol for Numbers {
    type Message = u64;
    type Key = ();
    type Fault = ();

    fn key(_: &u64) {}

    fn class(_: &u64) -> Class {
        Class::Critical
    }

    fn duplicate(message: &u64, _: Class) -> Option<u64> {
        Some(*message)
    }
}

/// Longer than a visit may take.
const LONG: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_secs(60);

/// What consumers were given, for who waits for it.
#[derive(Clone)]
struct Seen(Arc<(Mutex<Vec<u64>>, Condvar)>);

impl Seen {
    fn new() -> Self {
        Self(Arc::new((Mutex::new(vec![]), Condvar::new())))
    }

    fn see(&self, number: u64) {
        self.0.0.lock().unwrap().push(number);
        self.0.1.notify_one();
    }

    /// A consumer that has this happen with each number, and then says that it saw it.
    fn by(&self, name: &str, call: impl Fn(u64) + Send + 'static) -> Subscription<Numbers> {
        let seen = self.clone();
        let handler = move |delivery: &Delivery<u64>| {
            call(**delivery);
            seen.see(**delivery);
        };
        Subscription::borrowing(name, handler).to(Route::All)
    }

    /// Waits for so many, which have to be these.
    fn wait_for(&self, numbers: &[u64]) {
        let mut seen = self.0.0.lock().unwrap();
        while seen.len() < numbers.len() {
            seen = self.0.1.wait(seen).unwrap();
        }
        assert_eq!(*seen, numbers);
    }
}

fn builder(workers: usize) -> Builder<Numbers> {
    Dispatcher::builder().workers(workers).ring_capacity(4).lane_capacity(4)
}

fn publish(dispatcher: &mut Dispatcher<Numbers>, number: u64) {
    dispatcher.publish(number, Instant::now()).expect("it takes messages");
}

fn give_thread(dispatcher: &Dispatcher<Numbers>) {
    let shared = &dispatcher.routes().shared;
    let lane = std::sync::Arc::clone(&shared.topology.load().lanes[0].lane);
    give_own_thread(shared, &lane);
}

/// It ends, every thread with it, and everything was delivered.
fn end(dispatcher: Dispatcher<Numbers>) {
    assert!(dispatcher.shutdown(MINUTE).is_clean());
}

/// Runs a model, with as many preemptions as it was asked for.
fn model(run: impl Fn() + Send + Sync + 'static) {
    check(loom::model::Builder::new(), 0, run);
}

/// One with so many threads that one preemption has to do. The monitor looks so often.
fn large_model(looks: u32, run: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(1);
    check(builder, looks, run);
}

fn check(mut builder: loom::model::Builder, looks: u32, run: impl Fn() + Send + Sync + 'static) {
    builder.max_branches = 10_000;
    builder.check(move || {
        begin(looks);
        run();
    });
}

/// Would notice a fence that is missing on either side, and who goes to sleep without a second look.
#[test]
fn what_is_published_is_not_slept_through() {
    model(|| {
        let mut dispatcher = builder(1).build().unwrap();
        let seen = Seen::new();
        dispatcher.routes().subscribe(seen.by("a", |_| ())).unwrap();
        publish(&mut dispatcher, 1);
        seen.wait_for(&[1]);
        end(dispatcher);
    });
}

/// Would notice a publisher that wakes the workers alone, or does not know which lanes have a thread.
#[test]
fn what_is_published_is_not_slept_through_by_a_lanes_own_thread() {
    large_model(0, || {
        let mut dispatcher = builder(1).build().unwrap();
        let seen = Seen::new();
        dispatcher.routes().subscribe(seen.by("a", |_| ()).own_thread()).unwrap();
        publish(&mut dispatcher, 1);
        seen.wait_for(&[1]);
        end(dispatcher);
    });
}

/// Would notice a lane that nobody serves, or two threads do, when its worker comes back as it is written off.
#[test]
fn a_worker_is_replaced_while_it_comes_back() {
    large_model(2, || {
        let mut dispatcher = builder(1).build().unwrap();
        let seen = Seen::new();
        dispatcher.routes().subscribe(seen.by("a", |_| ())).unwrap();
        publish(&mut dispatcher, 1);
        seen.wait_for(&[1]);
        end(dispatcher);
    });
}

/// Would notice a lane that two threads run, or none, when it changes hands, and a spare that is not told of the end.
#[test]
fn a_slow_lane_gets_a_thread_and_loses_it_again() {
    large_model(0, || {
        let mut dispatcher = builder(1).build().unwrap();
        let seen = Seen::new();
        let slow = seen.by("a", |number| pass(if number < 3 { LONG } else { Duration::ZERO }));
        dispatcher.routes().subscribe(slow).unwrap();
        (1..4).for_each(|number| publish(&mut dispatcher, number));
        seen.wait_for(&[1, 2, 3]);
        end(dispatcher);
    });
}

/// Would notice a shutdown that wakes nobody, or a worker that takes it for over after it has looked for the last time.
#[test]
fn what_waits_is_delivered_by_who_is_about_to_sleep_when_all_is_over() {
    let run = |own_thread| {
        let mut dispatcher = builder(1).build().unwrap();
        let seen = Seen::new();
        let subscription = seen.by("a", |_| ());
        let subscription = if own_thread { subscription.own_thread() } else { subscription };
        dispatcher.routes().subscribe(subscription).unwrap();
        publish(&mut dispatcher, 1);
        end(dispatcher);
        seen.wait_for(&[1]);
    };
    model(move || run(false));
    large_model(0, move || run(true));
}

/// Would notice a handler that is kept or dropped twice, and what was on its way lost, whoever is later, the closer or the
/// worker.
#[test]
fn a_lane_closes_while_it_is_run() {
    model(|| {
        let (seen, letters) = (Seen::new(), Seen::new());
        let buried = letters.clone();
        let sink = move |letter: crate::DeadLetter<u64>| buried.see(letter.message);
        let mut dispatcher = builder(1).dead_letter_sink(sink).build().unwrap();
        let handler = std::sync::Arc::new(());
        let kept = std::sync::Arc::clone(&handler);
        let keep = move |_| drop(std::sync::Arc::clone(&kept));
        let lane = dispatcher.routes().subscribe(seen.by("a", keep)).unwrap();
        publish(&mut dispatcher, 1);
        dispatcher.routes().unsubscribe(lane).unwrap();
        publish(&mut dispatcher, 2);
        // Keeps the lane, though not its handler.
        let _routes = dispatcher.routes();
        end(dispatcher);
        let ended = [seen, letters].map(|ends| ends.0.0.lock().unwrap().clone()).concat();
        assert_eq!(ended, [1], "delivered or buried, and once");
        assert_eq!(std::sync::Arc::strong_count(&handler), 1, "the handler is dropped");
    });
}

/// Would notice two who run a lane, and messages that overtake those which wait.
#[test]
fn a_lane_is_moved_to_the_publisher_and_back_while_a_worker_runs_it() {
    large_model(0, || {
        let mut dispatcher = builder(1).build().unwrap();
        let seen = Seen::new();
        let lane: LaneId = dispatcher.routes().subscribe(seen.by("a", |_| ())).unwrap();
        publish(&mut dispatcher, 1);
        dispatcher.routes().set_inline(lane, true).unwrap();
        publish(&mut dispatcher, 2);
        dispatcher.routes().set_inline(lane, false).unwrap();
        publish(&mut dispatcher, 3);
        seen.wait_for(&[1, 2, 3]);
        end(dispatcher);
    });
}

/// Would notice a resumption that tells only one of the lane's thread and the workers.
#[test]
fn a_lane_that_is_resumed_is_served() {
    let run = |own_thread| {
        let mut dispatcher = builder(1).build().unwrap();
        let seen = Seen::new();
        let subscription = seen.by("a", |_| ());
        let subscription = if own_thread { subscription.own_thread() } else { subscription };
        let lane = dispatcher.routes().subscribe(subscription).unwrap();
        dispatcher.routes().pause(lane).unwrap();
        publish(&mut dispatcher, 1);
        dispatcher.routes().resume(lane).unwrap();
        seen.wait_for(&[1]);
        end(dispatcher);
    };
    large_model(0, move || run(false));
    large_model(0, move || run(true));
}

/// Would notice who sleeps on, a spare among them.
#[test]
fn a_cancellation_wakes_everybody() {
    large_model(0, || {
        let cancel = Cancel::new();
        let mut dispatcher = builder(1).cancel(cancel.clone()).build().unwrap();
        let seen = Seen::new();
        dispatcher.routes().subscribe(seen.by("a", |_| ())).unwrap();
        give_thread(&dispatcher);
        publish(&mut dispatcher, 1);
        cancel.cancel();
        let left = dispatcher.shutdown(MINUTE);
        assert!(left.stuck.is_empty());
        assert_eq!(left.undelivered.len() + seen.0.0.lock().unwrap().len(), 1);
    });
}

/// Would notice an order for nobody, one carried out twice, and a spare that is not told of the end.
#[test]
fn an_order_is_carried_out_once_and_no_spare_is_left() {
    model(|| {
        let spares = Arc::new(Spares::<u64>::new());
        spares.limit(2);
        let done = Seen::new();
        let start = |first: u64| {
            let (spares, done) = (Arc::clone(&spares), done.clone());
            thread::spawn(move || {
                let mut next = Some(first);
                while let Some(work) = next {
                    done.see(work);
                    next = spares.rest();
                }
            })
        };
        let mut threads = vec![];
        for work in 1..3 {
            threads.extend(spares.hire(work).map(start));
        }
        spares.limit(1);
        threads.extend(spares.hire(3).map(start));
        spares.end();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let mut done = done.0.0.lock().unwrap().clone();
        done.sort_unstable();
        assert_eq!(done, [1, 2, 3]);
    });
}

/// What a worker waits for, in little: the number of messages, and how many were served.
struct Work {
    crew: Crew,
    own: OwnThread,
    published: AtomicUsize,
    served: AtomicUsize,
    seen: Seen,
}

impl Work {
    fn new() -> Arc<Self> {
        let (published, served) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (crew, own, seen) = (Crew::new(2), OwnThread::new(), Seen::new());
        Arc::new(Self { crew, own, published, served, seen })
    }

    fn waits(&self) -> bool {
        !self.own.is_there() && self.published.load(Relaxed) > self.served.load(Relaxed)
    }

    /// What a worker for all does, until all is over.
    fn start(work: &Arc<Self>) -> thread::JoinHandle<()> {
        let work = Arc::clone(work);
        work.crew.bench.join();
        thread::spawn(move || {
            let bench = &work.crew.bench;
            loop {
                let is_last = bench.is_last_round();
                if work.waits() {
                    work.served.fetch_add(1, Relaxed);
                    work.seen.see(1);
                } else if is_last {
                    bench.leave();
                    return;
                } else {
                    bench.sleep(|| !work.waits() && !bench.is_draining());
                }
            }
        })
    }

    fn publish(&self) {
        self.published.fetch_add(1, Relaxed);
        fence(SeqCst);
        self.crew.wake_if_all_sleep();
    }
}

/// Would notice `Crew::give_back` without its fence, or without its look at who is awake.
#[test]
fn what_comes_while_a_lane_is_given_back_is_served() {
    model(|| {
        let work = Work::new();
        work.own.take(None);
        let worker = Work::start(&work);
        let own = {
            let work = Arc::clone(&work);
            thread::spawn(move || {
                work.crew.give_back(&work.own);
            })
        };
        work.publish();
        own.join().unwrap();
        work.seen.wait_for(&[1]);
        work.crew.drain();
        worker.join().unwrap();
    });
}

/// Would notice workers that end before a lane is given back, and a thread that leaves it to them all the same.
#[test]
fn what_waits_is_delivered_by_who_gives_a_lane_back_when_all_is_over() {
    model(|| {
        let work = Work::new();
        work.own.take(None);
        let worker = Work::start(&work);
        let own = {
            let work = Arc::clone(&work);
            thread::spawn(move || {
                if work.crew.give_back(&work.own) && work.published.load(Relaxed) > 0 {
                    work.served.fetch_add(1, Relaxed);
                }
            })
        };
        work.publish();
        work.crew.drain();
        [worker, own].into_iter().for_each(|thread| thread.join().unwrap());
        assert!(work.served.load(Relaxed) > 0);
    });
}

/// Would notice who is woken and not counted as awake, or counted twice: then all seem awake for ever.
#[test]
fn workers_that_are_woken_are_counted_once() {
    model(|| {
        let work = Work::new();
        let workers = [Work::start(&work), Work::start(&work)];
        work.crew.bench.call(1);
        work.crew.wake_all();
        work.crew.drain();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        assert!(work.crew.all_sleep());
    });
}

/// Would notice a decision in two steps: both believe the other, and the lane has two threads or none.
#[test]
fn a_worker_is_back_or_written_off() {
    model(|| {
        let status = Arc::new(Status::new());
        status.begin(0);
        let monitor = {
            let status = Arc::clone(&status);
            thread::spawn(move || status.visit().is_some_and(|visit| status.write_off(visit)))
        };
        let mut was_written_off = status.end(0);
        status.begin(1);
        was_written_off |= status.end(1);
        assert_eq!(monitor.join().unwrap(), was_written_off);
    });
}

/// Would notice a missing fence, or look, in `OwnThread::sleep`, and `wake_if_asleep` without the lock.
#[test]
fn a_lanes_own_thread_sleeps_through_nothing() {
    model(|| {
        let work = Work::new();
        let queue = Arc::new((Mutex::new(()), Condvar::new()));
        let thread = {
            let (work, queue) = (Arc::clone(&work), Arc::clone(&queue));
            thread::spawn(move || {
                let mut held = queue.0.lock().unwrap();
                while work.published.load(Relaxed) == 0 {
                    let has_work = |_: &()| work.published.load(Relaxed) > 0;
                    held = work.own.sleep(Some(&work.crew.own), &queue.1, held, has_work);
                }
            })
        };
        work.publish();
        if work.crew.own.are_asleep() {
            work.own.wake_if_asleep(&queue.0, &queue.1);
        }
        thread.join().unwrap();
    });
}
