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

use std::{sync::Arc, time::Duration};

use arc_swap::Cache;

use self::{bench::Bench, status::Status};
use crate::{
    Protocol, WhenIdle, clock,
    lane::{Lane, Visited},
    shared::Shared,
    sync::{
        AtomicUsize, Condvar, Mutex, MutexGuard,
        Ordering::{Relaxed, SeqCst},
        fence, lock, looks, thread, wait_for,
    },
    topology::Topology,
    worker::Worker,
};

mod bench;
mod own_thread;
mod spares;
mod status;

pub(crate) use self::{
    own_thread::{OwnThread, OwnThreads},
    spares::Spares,
};

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
const QUICK: u32 = if cfg!(meltica_loom) { 1 } else { 4_096 };
/// How often who finds nothing looks again at once, and how often after giving its core away.
const SPINS: u32 = looks(128);
const YIELDS: u32 = looks(64);

/// What all who serve lanes have in common, whatever the messages are.
pub(crate) struct Crew {
    /// How many workers for all there should be.
    pub(crate) size: usize,
    bench: Bench,
    names: AtomicUsize,
    pub(crate) own: OwnThreads,
    is_over: Mutex<bool>,
    /// Told when it is all over.
    monitor: Condvar,
}

impl Crew {
    pub(crate) fn new(size: usize) -> Self {
        Self {
            size,
            bench: Bench::new(),
            names: AtomicUsize::new(0),
            own: OwnThreads::new(),
            is_over: Mutex::new(false),
            monitor: Condvar::new(),
        }
    }

    /// Sees to it that somebody is awake, once something is published and a fence has followed.
    #[inline]
    pub(crate) fn wake_if_all_sleep(&self) {
        if self.bench.all_sleep() {
            self.bench.call(1);
        }
    }

    #[inline]
    pub(crate) fn all_sleep(&self) -> bool {
        self.bench.all_sleep()
    }

    /// Everybody is to look again.
    pub(crate) fn wake_all(&self) {
        self.bench.call(usize::MAX);
    }

    /// A lane is the workers' again: what came meanwhile may have been left to its own thread. When all is over they may
    /// have ended before that, having no business there: then it is its own thread's again, which the answer says.
    pub(crate) fn give_back(&self, own: &OwnThread) -> bool {
        own.give_up(Some(&self.own));
        fence(SeqCst);
        self.wake_if_all_sleep();
        self.bench.is_draining() && own.take(Some(&self.own))
    }

    /// Nothing more will come: the workers end when they have run through what there is.
    pub(crate) fn drain(&self) {
        self.bench.drain();
    }

    /// For the monitor: waits for so long, unless it is all over.
    fn wait<'a>(&'a self, is_over: MutexGuard<'a, bool>, limit: Duration) -> MutexGuard<'a, bool> {
        #[cfg(meltica_loom)]
        if clock::modelled::is_up() {
            drop(is_over);
            thread::yield_now();
            return lock(&self.is_over);
        }
        wait_for(&self.monitor, is_over, limit)
    }

    /// There will be no more workers.
    pub(crate) fn end(&self) {
        *lock(&self.is_over) = true;
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
    let status = Arc::new(Status::new());
    crew.bench.join();
    match employ(crew, shared, workers, Work::All(Arc::clone(&status))) {
        Ok(()) => Ok(status),
        Err(error) => {
            crew.bench.leave();
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
    let mut last = vec![None; watched.len()];
    let mut quiet = 0;
    let mut is_over = lock(&crew.is_over);
    while !*is_over {
        is_over = crew.wait(is_over, if quiet < QUIET { LOOK } else { GLANCE });
        quiet = if crew.all_sleep() { u32::saturating_add(quiet, 1) } else { 0 };
        for (status, last) in watched.iter_mut().zip(&mut last) {
            let visit = status.visit();
            if visit.is_none() || std::mem::replace(last, visit) != visit {
                continue;
            }
            drop(is_over);
            if let (Some(shared), Some(visit)) = (shared(), visit) {
                replace(crew, &shared, status, visit);
            }
            is_over = lock(&crew.is_over);
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
    if !status.write_off(visit) {
        return;
    }
    match hire(crew, shared, &mut lock(&shared.workers)) {
        Ok(instead) => {
            crew.bench.leave();
            *status = instead;
        }
        Err(error) => {
            tracing::error!(%error, "no thread in place of a worker that is kept");
            // Unless it is back, and serves that lane alone from now on.
            status.take_back(visit);
        }
    }
}

/// Goes from lane to lane until all is over.
fn serve<P: Protocol>(crew: &Crew, shared: &Arc<Shared<P>>, status: &Status, name: &Arc<str>) {
    let mut topology = Cache::new(Arc::clone(&shared.topology));
    let (mut idle, mut first, mut visits) = (0_u32, 0, 0);
    loop {
        let lanes = Arc::clone(&topology.load().lanes);
        // Before it looks: what was published before that is seen.
        let is_last = crew.bench.is_last_round();
        let mut ran = false;
        let mut at = clock::now();
        let begun = at;
        first += 1;
        for index in 0..lanes.len() {
            let lane = &lanes[(first + index) % lanes.len()].lane;
            if lane.has_own_thread() || lane.is_running() || lane.is_idle() {
                continue;
            }
            status.begin(visits);
            let visited = lane.visit(name, &shared.cancel);
            ran |= visited == Visited::Ran;
            if status.end(visits) {
                // Somebody else is in its place.
                if lane.take_own_thread() {
                    serve_one(shared, lane, name);
                }
                return;
            }
            visits += 1;
            let now = clock::now();
            if lane.learn(now - at) >= SLOW_IN_A_ROW {
                give_own_thread(shared, lane);
            }
            at = now;
        }
        if ran {
            idle = 0;
            if at - begun > LONG && lanes.iter().any(|routed| has_work(&routed.lane)) {
                crew.bench.call(1);
            }
            continue;
        }
        if is_last || shared.cancel.is_cancelled() {
            crew.bench.leave();
            return;
        }
        idle = idle.wrapping_add(1);
        if shared.when_idle != WhenIdle::Sleep {
            shared.when_idle.pause();
        } else if idle < SPINS {
            std::hint::spin_loop();
        } else if idle < SPINS + YIELDS {
            thread::yield_now();
        } else {
            idle = 0;
            drop(lanes);
            crew.bench.sleep(|| !needs_somebody(shared, crew));
        }
    }
}

fn has_work<P: Protocol>(lane: &Lane<P>) -> bool {
    !lane.has_own_thread() && !lane.is_idle() && !lane.is_to_rest() && !lane.is_running()
}

fn needs_somebody<P: Protocol>(shared: &Shared<P>, crew: &Crew) -> bool {
    crew.bench.is_draining()
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
    loop {
        let mut quick = 0;
        while quick < QUICK {
            match lane.visit_asleep(name, &shared.cancel) {
                None => return,
                Some(0) if !lane.keeps_thread => quick += 1,
                Some(_) => quick = 0,
            }
        }
        if !lane.end_own_thread() {
            return;
        }
    }
}

#[cfg(all(test, meltica_loom))]
mod models;
