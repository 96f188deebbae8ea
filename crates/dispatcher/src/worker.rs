//! Who runs the lanes: in this implementation one named thread each, or the caller, step by step.

use std::{
    cell::Cell,
    sync::Arc,
    thread::{self, JoinHandle},
};

use crossbeam_channel::{Receiver, TryRecvError, bounded};

use crate::{
    Cancel, Protocol,
    lane::{Lane, Next},
    ring::MOST_CLAIMED,
};

/// How often a worker that finds nothing gives its core away before it goes to sleep. Waking it
/// costs the publisher some 16 µs, so a short pause between messages should not send it there.
const YIELDS: u32 = 32;

/// A lane's thread, as its owner holds it.
pub(crate) struct Worker<P: Protocol> {
    pub(crate) lane: Arc<Lane<P>>,
    pub(crate) name: Arc<str>,
    pub(crate) thread: JoinHandle<()>,
    /// Disconnected when the thread's work is over, however it ends.
    pub(crate) ended: Receiver<()>,
}

impl<P: Protocol> Worker<P> {
    pub(crate) fn start(
        lane: Arc<Lane<P>>,
        dispatcher: &str,
        cancel: Cancel,
    ) -> std::io::Result<Self> {
        // A thread's name ends at a NUL for the system, which refuses it.
        let name: Arc<str> = format!("{dispatcher}-{}", lane.name).replace('\0', "?").into();
        let (ends, ended) = bounded(0);
        let thread = {
            let (lane, name) = (Arc::clone(&lane), Arc::clone(&name));
            thread::Builder::new().name(name.to_string()).spawn(move || {
                let _ends = ends;
                serve(&lane, &name, &cancel);
            })?
        };
        Ok(Self { lane, name, thread, ended })
    }
}

impl<P: Protocol> Worker<P> {
    /// Whether the thread's work is over.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.ended.try_recv(), Err(TryRecvError::Disconnected))
    }

    /// Joins a thread whose work is over.
    pub(crate) fn join(self) {
        // Handlers are isolated, so a panic here is one of ours; the thread is over all the same.
        if self.thread.join().is_err() {
            tracing::error!(thread = &*self.name, "a worker panicked outside of its handler");
        }
    }
}

fn serve<P: Protocol>(lane: &Lane<P>, name: &Arc<str>, cancel: &Cancel) {
    let mut yields = 0;
    loop {
        if lane.is_idle() && yields < YIELDS {
            yields += 1;
            thread::yield_now();
            continue;
        }
        yields = 0;
        match lane.next_asleep(MOST_CLAIMED, || cancel.is_cancelled()) {
            Next::Run(job) => lane.run(job, name, cancel),
            Next::Idle | Next::End => break,
        }
    }
    lane.drop_runner();
}

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is in a consumer's handler just now, where [`Dispatcher::dispatch`](crate::Dispatcher)
/// would wait for itself and is refused.
pub fn is_inside_consumer() -> bool {
    Inside::is_inside()
}

/// Marks this thread as running a handler, until dropped.
pub(crate) struct Inside {
    before: bool,
}

impl Inside {
    pub(crate) fn enter() -> Self {
        Self { before: INSIDE.replace(true) }
    }

    /// Whether this thread runs a handler.
    pub(crate) fn is_inside() -> bool {
        INSIDE.get()
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(self.before);
    }
}
