//! The workers that serve the lanes, where there is a ring: a few for all, and one for each lane whose handler keeps
//! its worker for long.
//!
//! A worker goes from lane to lane, and at each through what it finds there, up to a claim. A lane that is slow twice in
//! a row gets a thread of its own until it has been quick for long. A worker that does not come back from a handler is
//! written off as that lane's own, by the monitor, and another one takes its place: so a handler that blocks keeps
//! nobody else waiting for longer than the monitor takes to notice. A thread that is not needed any more waits as a
//! [spare](spares), and is the next to serve a lane alone or to take somebody's place.
//!
//! Who finds nothing spins, then gives its core away, then sleeps. The publisher wakes one worker, and only if all
//! sleep; a worker that has much to do wakes another.

use std::{
    sync::{
        Arc, Condvar, Mutex,
        atomic::{
            AtomicBool, AtomicU64, AtomicUsize,
            Ordering::{Acquire, Relaxed, Release, SeqCst},
            fence,
        },
    },
    time::Duration,
};

use arc_swap::Cache;

use crate::{
    Protocol, WhenIdle, clock,
    lane::{Lane, Visited},
    shared::Shared,
    sync::{lock, wait, wait_for},
    topology::Topology,
    worker::Worker,
};

mod spares;

pub(crate) use self::spares::Spares;

/// How often the monitor looks while there is something to do, and so about how long a handler may keep its worker.
const LOOK: Duration = Duration::from_millis(1);
/// How often it looks when nothing happens.
const GLANCE: Duration = Duration::from_millis(20);
/// How many looks without anything to see make that.
const QUIET: u32 = 500;
/// How long a round through the lanes may take before another worker is woken to help.
const LONG: Duration = Duration::from_micros(50);
/// How many slow visits in a row give a lane a thread of its own.
const SLOW_IN_A_ROW: u32 = 2;
/// How many quick visits in a row give a lane back to the workers for all.
const QUICK: u32 = 4_096;
/// How often who finds nothing looks again at once, and how often after giving its core away.
const SPINS: u32 = 128;
const YIELDS: u32 = 64;

/// How workers sleep and are woken.
pub(crate) struct Crew {
    /// How many workers for all there should be.
    pub(crate) size: usize,
    /// How many of them are awake, or about to be.
    awake: AtomicUsize,
    bench: Mutex<Bench>,
    wake: Condvar,
    /// Told when it is all over.
    monitor: Condvar,
    is_over: AtomicBool,
    /// Nothing more will come: who finds nothing ends.
    is_draining: AtomicBool,
    names: AtomicUsize,
    pub(crate) own: OwnThreads,
}

/// The lanes that have a thread of their own. On lines of its own: the publisher looks at it with every flush.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct OwnThreads {
    /// How many of these threads sleep, or are about to.
    asleep: AtomicUsize,
    changes: AtomicU64,
}

impl OwnThreads {
    /// Whether any of them sleeps.
    #[inline]
    pub(crate) fn are_asleep(&self) -> bool {
        self.asleep.load(Acquire) > 0
    }

    /// How many times a lane got or gave up a thread of its own.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Acquire)
    }

    /// A lane has got or given up a thread of its own.
    pub(crate) fn changed(&self) {
        self.changes.fetch_add(1, Release);
    }

    pub(crate) fn fall_asleep(&self) {
        // Release: who sees it sees that the lane has a thread of its own.
        self.asleep.fetch_add(1, Release);
    }

    pub(crate) fn awake(&self) {
        self.asleep.fetch_sub(1, Release);
    }
}

#[derive(Default)]
struct Bench {
    sleeping: usize,
    /// How many of the sleepers are to wake.
    called: usize,
}

/// What a worker and the monitor tell one another.
#[derive(Default)]
pub(crate) struct Status {
    /// Odd during a visit, even between; the next number each time. With `WRITTEN_OFF`, once somebody is in its place.
    visit: AtomicU64,
}

const WRITTEN_OFF: u64 = 1 << 63;

impl Crew {
    pub(crate) fn new(size: usize) -> Self {
        Self {
            size,
            awake: AtomicUsize::new(0),
            bench: Mutex::default(),
            wake: Condvar::new(),
            monitor: Condvar::new(),
            is_over: AtomicBool::new(false),
            is_draining: AtomicBool::new(false),
            names: AtomicUsize::new(0),
            own: OwnThreads::default(),
        }
    }

    /// Sees to it that somebody is awake, once something is published and a fence has followed.
    #[inline]
    pub(crate) fn wake_if_all_sleep(&self) {
        if self.all_sleep() {
            self.call(1);
        }
    }

    #[inline]
    pub(crate) fn all_sleep(&self) -> bool {
        self.awake.load(Relaxed) == 0
    }

    /// Everybody is to look again.
    pub(crate) fn wake_all(&self) {
        self.call(usize::MAX);
    }

    /// Wakes up to so many.
    #[cold]
    fn call(&self, most: usize) {
        let mut bench = lock(&self.bench);
        let called = bench.sleeping.min(most);
        if called == 0 {
            return;
        }
        bench.sleeping -= called;
        bench.called += called;
        // In their name, so that nobody else is woken for the same.
        self.awake.fetch_add(called, Relaxed);
        drop(bench);
        for _ in 0..called {
            self.wake.notify_one();
        }
    }

    /// Sleeps until called, unless there is something to do after all.
    fn sleep(&self, is_idle: impl Fn() -> bool) {
        let mut bench = lock(&self.bench);
        bench.sleeping += 1;
        self.awake.fetch_sub(1, Relaxed);
        // The publisher stores what it has published, and then looks whether anybody is awake; here it is the other way
        // round. With a fence between each two, one of both sees the other's.
        fence(SeqCst);
        if !is_idle() {
            bench.sleeping -= 1;
            self.awake.fetch_add(1, Relaxed);
            return;
        }
        while bench.called == 0 {
            bench = wait(&self.wake, bench);
        }
        bench.called -= 1;
    }

    /// Nothing more will come: the workers end when they have run through what there is.
    pub(crate) fn drain(&self) {
        self.is_draining.store(true, Release);
        fence(SeqCst);
        self.wake_all();
    }

    /// There will be no more workers.
    pub(crate) fn end(&self) {
        let bench = lock(&self.bench);
        self.is_over.store(true, Relaxed);
        drop(bench);
        self.monitor.notify_all();
    }
}

/// Starts the workers for all, and the one that watches over them, unless that is done. For who holds the lock of
/// `workers`.
pub(crate) fn start<P: Protocol>(
    crew: &Arc<Crew>,
    shared: &Arc<Shared<P>>,
    workers: &mut Vec<Worker>,
) -> std::io::Result<()> {
    let mut monitor = lock(&shared.monitor);
    if monitor.is_some() {
        return Ok(());
    }
    let mut watched = vec![];
    for _ in 0..crew.size {
        watched.push(hire(crew, shared, workers)?);
    }
    let (crew, weak) = (Arc::clone(crew), Arc::downgrade(shared));
    let (name, start) = (format!("{}-monitor", shared.name), shared.thread_start.as_ref());
    *monitor = Some(Worker::spawn(name, start, move |_| watch(&crew, watched, || weak.upgrade()))?);
    Ok(())
}

/// What a thread of the crew does.
pub(crate) enum Work<P: Protocol> {
    /// It goes from lane to lane.
    All(Arc<Status>),
    /// It serves one lane, until that is quick again.
    One(Arc<Lane<P>>),
}

/// One more worker for all.
fn hire<P: Protocol>(
    crew: &Arc<Crew>,
    shared: &Arc<Shared<P>>,
    workers: &mut Vec<Worker>,
) -> std::io::Result<Arc<Status>> {
    let status = Arc::<Status>::default();
    crew.awake.fetch_add(1, Relaxed);
    match employ(crew, shared, workers, Work::All(Arc::clone(&status))) {
        Ok(()) => Ok(status),
        Err(error) => {
            crew.awake.fetch_sub(1, Relaxed);
            Err(error)
        }
    }
}

/// Has a thread do this: one that waits, or else a new one. It keeps its name, whatever it does after that.
fn employ<P: Protocol>(
    crew: &Arc<Crew>,
    shared: &Arc<Shared<P>>,
    workers: &mut Vec<Worker>,
    work: Work<P>,
) -> std::io::Result<()> {
    let Some(first) = shared.spares.hire(work) else { return Ok(()) };
    let name = format!("{}-worker-{}", shared.name, crew.names.fetch_add(1, Relaxed) + 1);
    let (crew, ours) = (Arc::clone(crew), Arc::clone(shared));
    let spawned = Worker::spawn(name, shared.thread_start.as_ref(), move |name| {
        let mut next = Some(first);
        while let Some(work) = next {
            match work {
                Work::All(status) => serve(&crew, &ours, &status, name),
                Work::One(lane) => serve_one(&ours, &lane, name),
            }
            next = ours.spares.rest();
        }
    });
    match spawned {
        Ok(worker) => {
            workers.push(worker);
            Ok(())
        }
        Err(error) => {
            shared.spares.miss();
            Err(error)
        }
    }
}

/// Writes off workers that do not come back from a handler.
fn watch<P: Protocol>(
    crew: &Arc<Crew>,
    mut watched: Vec<Arc<Status>>,
    shared: impl Fn() -> Option<Arc<Shared<P>>>,
) {
    let mut last = vec![0; watched.len()];
    let mut quiet = 0;
    let mut bench = lock(&crew.bench);
    while !crew.is_over.load(Relaxed) {
        bench = wait_for(&crew.monitor, bench, if quiet < QUIET { LOOK } else { GLANCE });
        quiet = if crew.awake.load(Relaxed) > 0 { 0 } else { quiet.saturating_add(1) };
        for (status, last) in watched.iter_mut().zip(&mut last) {
            let visit = status.visit.load(Relaxed);
            if visit % 2 == 0 || std::mem::replace(last, visit) != visit {
                continue;
            }
            drop(bench);
            if let Some(shared) = shared() {
                replace(crew, &shared, status, visit);
            }
            bench = lock(&crew.bench);
        }
    }
}

/// Puts another worker in the place of one that is in the same visit for long, if it still is.
fn replace<P: Protocol>(
    crew: &Arc<Crew>,
    shared: &Arc<Shared<P>>,
    status: &mut Arc<Status>,
    visit: u64,
) {
    let swap = |from, to| status.visit.compare_exchange(from, to, SeqCst, SeqCst).is_ok();
    if !swap(visit, visit | WRITTEN_OFF) {
        return;
    }
    match hire(crew, shared, &mut lock(&shared.workers)) {
        Ok(instead) => {
            crew.awake.fetch_sub(1, Relaxed);
            *status = instead;
        }
        Err(error) => {
            tracing::error!(%error, "no thread in place of a worker that is kept");
            // Unless it is back, and serves that lane alone from now on.
            swap(visit | WRITTEN_OFF, visit);
        }
    }
}

/// Goes from lane to lane until all is over.
fn serve<P: Protocol>(crew: &Crew, shared: &Arc<Shared<P>>, status: &Status, name: &Arc<str>) {
    let mut topology = Cache::new(Arc::clone(&shared.topology));
    let (mut idle, mut first, mut visit) = (0_u32, 0, 0);
    loop {
        let lanes = Arc::clone(&topology.load().lanes);
        // Before it looks: what was published before that is seen.
        let is_last = crew.is_draining.load(Acquire);
        let mut ran = false;
        let mut at = clock::now();
        let begun = at;
        first += 1;
        for index in 0..lanes.len() {
            let lane = &lanes[(first + index) % lanes.len()].lane;
            if lane.has_own_thread() || lane.is_running() || lane.is_idle() {
                continue;
            }
            visit += 2;
            status.visit.store(visit - 1, Relaxed);
            let visited = lane.visit(name, &shared.cancel);
            ran |= visited == Visited::Ran;
            if status.visit.swap(visit, SeqCst) & WRITTEN_OFF != 0 {
                // Somebody else is in its place.
                if lane.take_own_thread() {
                    serve_one(shared, lane, name);
                }
                return;
            }
            let now = clock::now();
            if lane.learn(now - at) >= SLOW_IN_A_ROW {
                give_own_thread(shared, lane);
            }
            at = now;
        }
        if ran {
            idle = 0;
            if at - begun > LONG && lanes.iter().any(|routed| has_work(&routed.lane)) {
                crew.call(1);
            }
            continue;
        }
        if is_last || shared.cancel.is_cancelled() {
            crew.awake.fetch_sub(1, Relaxed);
            return;
        }
        idle = idle.wrapping_add(1);
        if shared.when_idle != WhenIdle::Sleep {
            shared.when_idle.pause();
        } else if idle < SPINS {
            std::hint::spin_loop();
        } else if idle < SPINS + YIELDS {
            std::thread::yield_now();
        } else {
            idle = 0;
            drop(lanes);
            crew.sleep(|| !needs_somebody(shared, crew));
        }
    }
}

fn has_work<P: Protocol>(lane: &Lane<P>) -> bool {
    !lane.has_own_thread() && !lane.is_idle() && !lane.is_to_rest() && !lane.is_running()
}

fn needs_somebody<P: Protocol>(shared: &Shared<P>, crew: &Crew) -> bool {
    crew.is_draining.load(Relaxed)
        || shared.cancel.is_cancelled()
        || shared.topology.load().lanes.iter().any(|routed| has_work(&routed.lane))
}

/// Gives a lane a thread of its own. Where there is none, it stays with the others. One that is to keep its thread has a
/// new one, which is named after it and ends with it; the others are served by one of the crew's.
pub(crate) fn give_own_thread<P: Protocol>(shared: &Arc<Shared<P>>, lane: &Arc<Lane<P>>) {
    let Some(crew) = &shared.crew else { return };
    let mut workers = lock(&shared.workers);
    if shared.stopped.load(Relaxed) || !lane.take_own_thread() {
        return;
    }
    let theirs = Arc::clone(lane);
    let given = if lane.keeps_thread {
        let (mine, name) = (Arc::clone(shared), format!("{}-{}", shared.name, lane.name));
        let serve = move |name: &Arc<str>| serve_one(&mine, &theirs, name);
        let spawned = Worker::spawn(name, shared.thread_start.as_ref(), serve);
        spawned.map(|worker| workers.push(worker))
    } else {
        employ(crew, shared, &mut workers, Work::One(theirs))
    };
    if let Err(error) = given {
        lane.give_up_own_thread();
        tracing::warn!(consumer = &*lane.name, %error, "no thread for a slow consumer");
    }
}

/// As many threads as there may be with these lanes: the workers for all, and one for each that has none of its own for
/// good.
pub(crate) fn limit<P: Protocol>(shared: &Shared<P>, topology: &Topology<P>) {
    if let Some(crew) = &shared.crew {
        let served = topology.lanes.iter().filter(|routed| !routed.lane.keeps_thread).count();
        shared.spares.limit(crew.size + served);
    }
}

/// Serves one lane until it has been quick for long, or it is over.
fn serve_one<P: Protocol>(shared: &Arc<Shared<P>>, lane: &Arc<Lane<P>>, name: &Arc<str>) {
    let mut quick = 0;
    while quick < QUICK {
        match lane.visit_asleep(name, &shared.cancel) {
            None => return,
            Some(0) if !lane.keeps_thread => quick += 1,
            Some(_) => quick = 0,
        }
    }
    lane.give_up_own_thread();
    // What came meanwhile may have been left to this thread.
    fence(SeqCst);
    if let Some(crew) = &shared.crew {
        crew.wake_if_all_sleep();
    }
}
