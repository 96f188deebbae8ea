//! Threads are used again, go by one name, and are all gone in the end (FR-017, 021).

mod common;

use std::{
    cell::RefCell,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use common::{Message, Test, message};
use crossbeam_channel::{Receiver, Sender, bounded};
use meltica_dispatcher::{
    Builder, Cancel, Class, Delivery, Dispatcher, Fault, Route, Routes, Subscription,
};

const MINUTE: Duration = Duration::from_secs(60);

/// Counts threads that have started, and have ended.
#[derive(Default)]
struct Threads {
    started: AtomicUsize,
    ended: AtomicUsize,
}

/// Dropped when its thread ends.
struct Life(Arc<Threads>);

impl Drop for Life {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

thread_local! {
    static LIFE: RefCell<Option<Life>> = const { RefCell::new(None) };
}

impl Threads {
    fn watch(self: &Arc<Self>, builder: Builder<Test>) -> Builder<Test> {
        let threads = Arc::clone(self);
        builder.thread_start(move |_| {
            threads.started.fetch_add(1, Ordering::Relaxed);
            LIFE.set(Some(Life(Arc::clone(&threads))));
        })
    }

    fn started(&self) -> usize {
        self.started.load(Ordering::Relaxed)
    }

    fn ended(&self) -> usize {
        self.ended.load(Ordering::Relaxed)
    }
}

/// A consumer of key 1 that keeps its worker until it is let go.
fn keeper(
    routes: &Routes<Test>,
    name: &str,
) -> (meltica_dispatcher::LaneId, Receiver<()>, Sender<()>) {
    let (entered, has_entered) = bounded(1);
    let (let_go, held) = bounded::<()>(0);
    let keep = move |_: Delivery<Message>| {
        entered.send(()).expect("waited for");
        let _ = held.recv();
    };
    let lane =
        routes.subscribe(Subscription::new(name, keep).to(Route::Key(1))).expect("a free name");
    (lane, has_entered, let_go)
}

/// Has a worker be kept, and replaced: what the others of the only worker get would not be delivered else.
fn write_off(dispatcher: &mut Dispatcher<Test>) {
    let routes = dispatcher.routes();
    let (lane, has_entered, let_go) = keeper(&routes, "keeper");
    dispatcher.publish(message(1, Class::Critical, 1), Instant::now()).expect("it takes messages");
    has_entered.recv_timeout(MINUTE).expect("somebody serves it");
    let report = dispatcher.dispatch(message(2, Class::Critical, 2), Instant::now(), Some(MINUTE));
    assert!(report.is_ok_and(|report| report.is_complete()), "somebody serves the others");
    routes.unsubscribe(lane).expect("it is there");
    drop(let_go);
    // Until its thread is back, or nearly so, and has dropped the handler.
    assert!(has_entered.recv_timeout(MINUTE).is_err_and(|error| error.is_disconnected()));
}

/// A dispatcher of one worker with some lanes: the first gets what has key 2, the others nothing.
fn crowd(builder: Builder<Test>, lanes: usize) -> Dispatcher<Test> {
    let dispatcher = builder.workers(1).build().expect("valid settings");
    for lane in 0..lanes {
        let quick = Subscription::borrowing(format!("quick-{lane}"), |_: &Delivery<Message>| ());
        let route = Route::Key(if lane == 0 { 2 } else { 0 });
        dispatcher.routes().subscribe(quick.to(route)).expect("a free name");
    }
    dispatcher
}

#[test]
fn a_thread_that_was_kept_is_used_again() {
    const LANES: usize = 40;
    let threads = Arc::<Threads>::default();
    let mut dispatcher = crowd(threads.watch(Dispatcher::builder()), LANES);
    (0..120).for_each(|_| write_off(&mut dispatcher));
    let started = threads.started();
    // The worker, a thread for each lane at most, and the monitor; each time one more, if none were used again.
    assert!(started <= 1 + (LANES + 1) + 1, "{started} threads for {LANES} lanes");
    assert!(started >= 3, "a worker was replaced");
    assert!(dispatcher.shutdown(MINUTE).is_clean());
    assert_eq!((threads.started(), threads.ended()), (started, started));
}

#[test]
fn threads_that_fewer_lanes_do_not_need_end() {
    let threads = Arc::<Threads>::default();
    let mut dispatcher = crowd(threads.watch(Dispatcher::builder()), 1);
    let routes = dispatcher.routes();
    // Kept at the same time, so that there have to be as many threads.
    let keepers: Vec<_> = (0..6)
        .map(|keeper| {
            let (lane, has_entered, let_go) = self::keeper(&routes, &format!("keeper-{keeper}"));
            dispatcher.publish(message(1, Class::Critical, 1), Instant::now()).unwrap();
            has_entered.recv_timeout(MINUTE).unwrap();
            (lane, let_go)
        })
        .collect();
    assert!(threads.started() > 6);
    for (lane, let_go) in keepers {
        // What waits for it is discarded first: it enters only once.
        routes.unsubscribe(lane).unwrap();
        drop(let_go);
    }
    let begun = Instant::now();
    // The monitor, a worker, and a thread for the lane that is left.
    while threads.started() - threads.ended() > 3 {
        assert!(begun.elapsed() < MINUTE, "{} of {}", threads.ended(), threads.started());
        thread::yield_now();
    }
    write_off(&mut dispatcher);
    assert!(dispatcher.shutdown(MINUTE).is_clean());
    assert_eq!(threads.ended(), threads.started());
}

#[test]
fn spares_end_with_their_dispatcher_however_that_ends() {
    let ends: [fn(Dispatcher<Test>, &Cancel); 4] = [
        |dispatcher, _| assert!(dispatcher.shutdown(MINUTE).is_clean()),
        |dispatcher, _| drop(dispatcher),
        |dispatcher, cancel| {
            cancel.cancel();
            drop(dispatcher);
        },
        |dispatcher, _| {
            let owner = thread::Builder::new().name("owner".to_owned()).spawn(move || {
                let _mine = dispatcher;
                std::panic::resume_unwind(Box::new("the owner"));
            });
            assert!(owner.unwrap().join().is_err());
        },
    ];
    for end in ends {
        let (threads, cancel) = (Arc::<Threads>::default(), Cancel::new());
        let builder = Dispatcher::builder().cancel(cancel.clone());
        let mut dispatcher = crowd(threads.watch(builder), 2);
        (0..3).for_each(|_| write_off(&mut dispatcher));
        end(dispatcher, &cancel);
        assert_eq!(threads.ended(), threads.started());
    }
}

#[test]
fn a_cancellation_ends_spares_by_itself() {
    let (threads, cancel) = (Arc::<Threads>::default(), Cancel::new());
    let builder = Dispatcher::builder().cancel(cancel.clone());
    let mut dispatcher = crowd(threads.watch(builder), 2);
    (0..3).for_each(|_| write_off(&mut dispatcher));
    cancel.cancel();
    let begun = Instant::now();
    // All but the monitor, which is there until the shutdown.
    while threads.started() - threads.ended() > 1 {
        assert!(begun.elapsed() < MINUTE, "{} of {}", threads.ended(), threads.started());
        thread::yield_now();
    }
    assert!(dispatcher.shutdown(MINUTE).is_clean());
    assert_eq!(threads.ended(), threads.started());
}

#[test]
fn a_fault_names_the_thread_that_it_happened_on_whatever_that_did_before() {
    let faults = Arc::<Mutex<Vec<Arc<str>>>>::default();
    let told = Arc::clone(&faults);
    let builder = Dispatcher::builder().name("d").fault_sink(move |fault: &Fault<String>| {
        told.lock().unwrap().push(Arc::clone(&fault.worker));
    });
    let mut dispatcher = crowd(builder, 1);
    let names = Arc::<Mutex<Vec<Arc<str>>>>::default();
    let seen = Arc::clone(&names);
    let fails = move |_: &Delivery<Message>| {
        seen.lock().unwrap().push(thread::current().name().unwrap().into());
        Err::<(), _>("always".to_owned())
    };
    let fails = Subscription::borrowing("fails", fails).to(Route::Key(3));
    dispatcher.routes().subscribe(fails).unwrap();
    for round in 0..4 {
        write_off(&mut dispatcher);
        dispatcher.publish(message(3, Class::Critical, round), Instant::now()).unwrap();
    }
    assert!(dispatcher.shutdown(MINUTE).is_clean());
    let (faults, names) = (faults.lock().unwrap().clone(), names.lock().unwrap().clone());
    assert_eq!(faults, names);
    assert!(names.iter().all(|name| name.starts_with("d-worker-")), "{names:?}");
}
