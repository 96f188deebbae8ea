//! What becomes of what consumers fail on: each failure is in the log and counted, each dead letter also in a file, with
//! the trace id by which the message's path is found.

use std::{
    collections::HashSet,
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use meltica::{
    Builder, End, Message,
    dispatcher::{Class, DeathCause},
};
use meltica_nats::{Encoder, Envelope, Frame, Names, frame_to_json};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{bridge, say::say};

/// Why there are no dead letters on disk.
#[derive(Debug, thiserror::Error)]
#[error("{}: {cause}; choose another file by --dead-letters", path.display())]
pub(crate) struct DeadLettersError {
    path: PathBuf,
    cause: io::Error,
}

/// Takes dead letters: counts them, names them in the log, and keeps them in a file, if there is one.
#[derive(Clone, Default)]
pub(crate) struct Failures {
    dead_letters: Arc<AtomicU64>,
    file: Option<Arc<Letters>>,
}

/// A dead letter, as a line of the file.
#[derive(Serialize)]
struct Line<'a> {
    /// Nanoseconds since 1970.
    time: String,
    consumer: &'a str,
    cause: &'static str,
    trace: String,
    /// As `docs/wire.md` has it; absent if it has no frame.
    message: Option<Box<RawValue>>,
}

impl Failures {
    /// Hears of failures and takes dead letters, which are appended to this file, if any.
    pub(crate) fn heard(
        builder: Builder,
        file: Option<&Path>,
        names: &Names,
    ) -> Result<(Self, Builder), DeadLettersError> {
        let file = file.map(|path| Letters::open(path, names)).transpose()?.map(Arc::new);
        let failures = Self { dead_letters: Arc::default(), file };
        let told = Mutex::new(HashSet::new());
        let builder = builder.fault_sink(move |fault| {
            // Each consumer's first failure is told, all are counted, and all are in the log at level debug.
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.insert(Arc::clone(&fault.consumer)) {
                say(format_args!("{fault} (told once, counted always)"));
            }
            drop(told);
            let (consumer, worker) = (&*fault.consumer, &*fault.worker);
            let trace = format_args!("{:016x}", fault.trace);
            tracing::debug!(trace, consumer, worker, %fault, "failed");
        });
        let taker = failures.clone();
        let builder = builder.dead_letter_sink(move |letter| {
            taker.dead_letters.fetch_add(1, Relaxed);
            taker.take(&letter.consumer, cause(letter.cause), &letter.message);
        });
        Ok((failures, builder))
    }

    /// Takes what was critical and not delivered when it was over, and sends everything home. Answers how many those were.
    pub(crate) fn undelivered(&self, end: &mut End, mut each: impl FnMut(&str, &Message)) -> u64 {
        let mut count = 0;
        for left in end.undelivered.drain(..).filter(|left| left.class == Class::Critical) {
            count += 1;
            each(&left.consumer, &left.message);
            self.take(&left.consumer, "undelivered", &left.message);
        }
        for message in end.refused.drain(..).filter(Message::is_critical) {
            count += 1;
            self.take("the pipeline", "undelivered", &message);
        }
        count
    }

    fn take(&self, consumer: &str, cause: &'static str, message: &Message) {
        let trace = format_args!("{:016x}", message.header().trace.0);
        tracing::error!(trace, consumer, cause, "a critical message was not handled");
        if let Some(file) = &self.file {
            file.append(consumer, cause, message);
        }
    }

    pub(crate) fn dead_letters(&self) -> u64 {
        self.dead_letters.load(Relaxed)
    }
}

fn cause(cause: DeathCause) -> &'static str {
    match cause {
        DeathCause::Failed => "failed",
        DeathCause::Refused => "refused",
        DeathCause::Unsubscribed => "unsubscribed",
        DeathCause::Abandoned => "abandoned",
        _ => "other",
    }
}

/// The file of dead letters.
struct Letters {
    path: PathBuf,
    open: Mutex<Open>,
}

struct Open {
    file: File,
    encoder: Encoder,
    /// Whether its last line may be without an end, so that the next begins with one.
    is_cut: bool,
}

impl Letters {
    fn open(path: &Path, names: &Names) -> Result<Self, DeadLettersError> {
        let wrong = |cause| DeadLettersError { path: path.to_owned(), cause };
        let mut file =
            File::options().create(true).read(true).append(true).open(path).map_err(wrong)?;
        let is_cut = ends_within_a_line(&mut file).map_err(wrong)?;
        let open = Mutex::new(Open { file, encoder: Encoder::new(names.clone()), is_cut });
        Ok(Self { path: path.to_owned(), open })
    }

    /// What cannot be written is in the log, and counted, all the same.
    fn append(&self, consumer: &str, cause: &'static str, message: &Message) {
        let mut held = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Open { file, encoder, is_cut } = &mut *held;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let line = Line {
            time: now.as_nanos().to_string(),
            consumer,
            cause,
            trace: format!("{:016x}", message.header().trace.0),
            message: framed(encoder, message),
        };
        let written = serde_json::to_vec(&line).map_err(io::Error::from).and_then(|text| {
            let end: &[u8] = if *is_cut { b"\n" } else { b"" };
            *is_cut = true;
            file.write_all(&[end, &text, b"\n"].concat())?;
            *is_cut = false;
            Ok(())
        });
        if let Err(error) = written {
            tracing::error!(file = %self.path.display(), %error, "a dead letter is not in the file");
        }
    }
}

/// Whether whoever wrote it last was stopped in the middle.
fn ends_within_a_line(file: &mut File) -> io::Result<bool> {
    // What is no regular file, as a pipe, has no last line to be read.
    if !file.metadata()?.is_file() || file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

fn framed(encoder: &mut Encoder, message: &Message) -> Option<Box<RawValue>> {
    // Nobody sent it: it has no place in an outbox.
    let envelope = Envelope { origin: "local".parse().ok()?, incarnation: 0, chain: 0, number: 0 };
    let mut bytes = vec![];
    encoder.encode(bridge::view(message), &envelope, &mut bytes).ok()?;
    RawValue::from_string(frame_to_json(&Frame::parse(&bytes).ok()?)).ok()
}

#[cfg(test)]
mod tests;
