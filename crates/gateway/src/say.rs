use std::{
    fmt::{Arguments, Display},
    io::{self, IsTerminal, Write},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

/// Whether the log is for machines: then what is said is an event of it.
static IS_LOGGED: AtomicBool = AtomicBool::new(false);

/// From now on what is said goes to the log, as an object of its own.
pub(crate) fn log_from_now_on() {
    IS_LOGGED.store(true, Relaxed);
}

/// Tells the user something beside the summary, on stderr. Where nobody reads it any more, nothing
/// is said, and nothing fails: a run does not depend on its audience.
pub(crate) fn say(what: impl Display) {
    if IS_LOGGED.load(Relaxed) {
        tracing::info!("{what}");
    } else {
        write(format_args!("{what}\n"));
    }
}

/// Says why it ends.
pub(crate) fn say_error(why: impl Display) {
    if IS_LOGGED.load(Relaxed) {
        tracing::error!("{why}");
    } else {
        write(format_args!("error: {why}\n"));
    }
}

/// How far long work is, again and again: a line of a terminal that changes, or a line each time; nothing in a log for
/// machines, who have the metrics.
pub(crate) struct ProgressLine {
    is_in_place: bool,
}

impl ProgressLine {
    pub(crate) fn start() -> Self {
        Self { is_in_place: io::stderr().is_terminal() }
    }

    /// Whether it is a line that changes.
    pub(crate) fn is_in_place(&self) -> bool {
        self.is_in_place
    }

    pub(crate) fn show(&self, line: Arguments<'_>) {
        match (IS_LOGGED.load(Relaxed), self.is_in_place) {
            (true, _) => {}
            (false, true) => write(format_args!("\r{line}")),
            (false, false) => write(format_args!("{line}\n")),
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if self.is_in_place && !IS_LOGGED.load(Relaxed) {
            write(format_args!("\n"));
        }
    }
}

fn write(what: Arguments<'_>) {
    // Locked for this alone: a consumer that has something to say must not wait for long.
    let mut out = io::stderr().lock();
    let _ = out.write_fmt(what).and_then(|()| out.flush());
}
