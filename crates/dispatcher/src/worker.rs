//! Threads with names, which can be waited for.

use std::{
    cell::Cell,
    sync::Arc,
    thread::{self, JoinHandle},
};

use crossbeam_channel::{Receiver, TryRecvError, bounded};

use crate::{Cancel, Protocol, lane::Lane};

/// A thread, as its owner holds it.
pub(crate) struct Worker {
    pub(crate) name: Arc<str>,
    pub(crate) thread: JoinHandle<()>,
    /// Disconnected when the thread's work is over, however it ends.
    pub(crate) ended: Receiver<()>,
}

impl Worker {
    /// Starts a thread that works under this name.
    pub(crate) fn spawn(
        name: String,
        work: impl FnOnce(&Arc<str>) + Send + 'static,
    ) -> std::io::Result<Self> {
        // A thread's name ends at a NUL for the system, which refuses it.
        let name: Arc<str> = name.replace('\0', "?").into();
        let (ends, ended) = bounded(0);
        let thread = {
            let name = Arc::clone(&name);
            thread::Builder::new().name(name.to_string()).spawn(move || {
                let _ends = ends;
                work(&name);
            })?
        };
        Ok(Self { name, thread, ended })
    }

    /// One that serves a lane for as long as there is one.
    pub(crate) fn start<P: Protocol>(
        lane: Arc<Lane<P>>,
        dispatcher: &str,
        cancel: Cancel,
    ) -> std::io::Result<Self> {
        Self::spawn(format!("{dispatcher}-{}", lane.name), move |name| {
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
