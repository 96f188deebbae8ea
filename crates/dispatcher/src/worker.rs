//! Threads with names, which can be waited for.

use std::{cell::Cell, sync::Arc, time::Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, TryRecvError, bounded};

use crate::{
    Protocol,
    contain::contain,
    lane::Lane,
    shared::Shared,
    sync::thread::{self, JoinHandle},
};

/// What a thread calls first, with its name.
pub(crate) type ThreadStart = Arc<dyn Fn(&str) + Send + Sync>;

/// A thread, as its owner holds it.
pub(crate) struct Worker {
    pub(crate) name: Arc<str>,
    thread: JoinHandle<()>,
    /// Disconnected when the thread's work is over, however it ends.
    ended: Receiver<()>,
}

impl Worker {
    /// Starts a thread that works under this name, after a call to whoever wants to know of it.
    pub(crate) fn spawn(
        name: String,
        start: Option<&ThreadStart>,
        work: impl FnOnce(&Arc<str>) + Send + 'static,
    ) -> std::io::Result<Self> {
        // A thread's name ends at a NUL for the system, which refuses it.
        let name: Arc<str> = name.replace('\0', "?").into();
        let (ends, ended) = bounded(0);
        let thread = {
            let (name, start) = (Arc::clone(&name), start.cloned());
            thread::Builder::new().name(name.to_string()).spawn(move || {
                let _ends = ends;
                if let Some(start) = start {
                    contain("what threads are to call first", || start(&name));
                }
                work(&name);
            })?
        };
        Ok(Self { name, thread, ended })
    }

    /// One that serves a lane for as long as there is one.
    pub(crate) fn start<P: Protocol>(
        lane: Arc<Lane<P>>,
        shared: &Shared<P>,
    ) -> std::io::Result<Self> {
        let (cancel, start) = (shared.cancel.clone(), shared.thread_start.as_ref());
        Self::spawn(format!("{}-{}", shared.name, lane.name), start, move |name| {
            while lane.visit_asleep(name, &cancel).is_some() {}
            lane.drop_runner();
        })
    }

    /// Takes out those whose work is over, to be joined where no lock is held: they may still be dropping what is not
    /// ours.
    pub(crate) fn take_ended(workers: &mut Vec<Self>) -> Vec<Self> {
        let (over, running) = std::mem::take(workers).into_iter().partition(Self::is_over);
        *workers = running;
        over
    }

    /// Whether the thread's work is over.
    fn is_over(&self) -> bool {
        matches!(self.ended.try_recv(), Err(TryRecvError::Disconnected))
    }

    /// Joins a thread, if its work is over in time. Gives it back if not.
    pub(crate) fn join_until(self, deadline: Instant) -> Result<(), Self> {
        if self.thread.thread().id() == thread::current().id() {
            // Dropped inside one of its own handlers: that thread ends by itself.
            return Ok(());
        }
        // In loom there is no deadline, nor anything that a channel of this world could wait for.
        let is_late = !cfg!(meltica_loom)
            && self.ended.recv_deadline(deadline) == Err(RecvTimeoutError::Timeout);
        if is_late {
            return Err(self);
        }
        self.join();
        Ok(())
    }

    /// Joins a thread whose work is over.
    pub(crate) fn join(self) {
        // Handlers are isolated, so a panic here is one of ours; the thread is over all the same.
        if self.thread.join().is_err() {
            tracing::error!(thread = &*self.name, "a worker panicked outside of its handler");
        }
    }
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
