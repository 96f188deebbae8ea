use std::{
    fmt::{Arguments, Display},
    io::{self, Write},
};

/// Tells the user something beside the summary, on stderr. Where nobody reads it any more, nothing
/// is said, and nothing fails: a run does not depend on its audience.
pub(crate) fn say(what: impl Display) {
    write(format_args!("{what}\n"));
}

/// As [`say`], without an end of line.
pub(crate) fn say_in_place(what: impl Display) {
    write(format_args!("{what}"));
}

fn write(what: Arguments<'_>) {
    // Locked for this alone: a consumer that has something to say must not wait for long.
    let mut out = io::stderr().lock();
    let _ = out.write_fmt(what).and_then(|()| out.flush());
}
