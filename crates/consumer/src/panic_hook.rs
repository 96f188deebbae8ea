use std::{
    backtrace::Backtrace,
    cell::{Cell, RefCell},
    panic,
    sync::{
        Arc, Once,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
};

/// How the process-wide hook treats panics inside of consumers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PanicHook {
    /// How many stacks are kept. A stack costs some microseconds to capture and some memory until
    /// its fault is dropped, and the thousandth says no more than the first.
    pub stacks: u32,
    /// Whether such panics are also printed, as other panics are.
    pub print: bool,
}

impl Default for PanicHook {
    /// 100 stacks, nothing printed: the fault is reported anyway.
    fn default() -> Self {
        Self { stacks: 100, print: false }
    }
}

impl PanicHook {
    /// With so many stacks at the most.
    #[must_use]
    pub const fn stacks(self, stacks: u32) -> Self {
        Self { stacks, ..self }
    }

    /// Printing, or not.
    #[must_use]
    pub const fn print(self, print: bool) -> Self {
        Self { print, ..self }
    }
}

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    static STACK: RefCell<Option<Arc<Backtrace>>> = const { RefCell::new(None) };
}

static STACKS_LEFT: AtomicI64 = AtomicI64::new(0);

/// Installs a hook, for the process, that keeps the stacks of panics inside of consumers, so that
/// their faults can tell them: a stack can only be seen there. Panics elsewhere go to the hook that
/// was installed before. Calling it again renews the number of stacks, and installs nothing.
///
/// For programs to call, not for libraries: without it, faults have a message but no stack.
pub fn install_panic_hook(settings: PanicHook) {
    static INSTALL: Once = Once::new();
    STACKS_LEFT.store(i64::from(settings.stacks), Relaxed);
    INSTALL.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            // A thread that is shutting down has no marker any more, and runs no consumer.
            let inside = INSIDE.try_with(Cell::get).unwrap_or(false);
            if inside {
                let wanted = STACKS_LEFT.fetch_sub(1, Relaxed) > 0;
                let stack = wanted.then(|| Arc::new(Backtrace::force_capture()));
                // Also where none is wanted, lest an earlier one be taken for this panic's. One
                // that cannot be kept is only missing from the report.
                let _ = STACK.try_with(|kept| kept.try_borrow_mut().map(|mut kept| *kept = stack));
            }
            if !inside || settings.print {
                previous(info);
            }
        }));
    });
}

/// Marks this thread as running a handler, until dropped.
pub(crate) struct Inside {
    before: bool,
}

impl Inside {
    pub(crate) fn enter() -> Self {
        Self { before: INSIDE.replace(true) }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(self.before);
    }
}

/// The stack of the panic that was just caught on this thread.
pub(crate) fn take_stack() -> Option<Arc<Backtrace>> {
    STACK.with(|kept| kept.borrow_mut().take())
}
