use std::{
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
};

/// Whether the user has asked to stop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens for Ctrl-C (and a polite kill) from now on, and wakes this thread when it comes. A
    /// second one ends the process at once.
    pub(crate) fn listen() -> Result<Self, ctrlc::Error> {
        let interrupt = Self::default();
        let (flag, waiting) = (interrupt.clone(), thread::current());
        ctrlc::set_handler(move || {
            if flag.0.swap(true, Relaxed) {
                process::exit(130);
            }
            waiting.unpark();
        })?;
        Ok(interrupt)
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Relaxed)
    }

    /// Asks to stop, as the user could.
    pub(crate) fn set(&self) {
        self.0.store(true, Relaxed);
    }
}
