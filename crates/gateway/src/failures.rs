//! What becomes of what consumers fail on: each failure is in the log and counted, each dead letter also in a file, with
//! the trace id by which the message's path is found.

use std::{
    collections::HashSet,
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use meltica::{
    Builder, Message,
    dispatcher::{DeadLetter, DeathCause},
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

/// Counts dead letters, to be asked when it is over.
#[derive(Clone, Default)]
pub(crate) struct Failures {
    dead_letters: Arc<AtomicU64>,
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
        let failures = Self::default();
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
        let file = file.map(|path| Letters::open(path, names)).transpose()?;
        let count = Arc::clone(&failures.dead_letters);
        let builder = builder.dead_letter_sink(move |letter| {
            count.fetch_add(1, Relaxed);
            let (consumer, trace) = (&*letter.consumer, format_args!("{:016x}", letter.trace));
            tracing::error!(
                trace,
                consumer,
                cause = cause(letter.cause),
                "a critical message was not handled"
            );
            if let Some(file) = &file {
                file.append(&letter);
            }
        });
        Ok((failures, builder))
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
    file: Mutex<(File, Encoder)>,
}

impl Letters {
    fn open(path: &Path, names: &Names) -> Result<Self, DeadLettersError> {
        let wrong = |cause| DeadLettersError { path: path.to_owned(), cause };
        let file = File::options().create(true).append(true).open(path).map_err(wrong)?;
        let file = Mutex::new((file, Encoder::new(names.clone())));
        Ok(Self { path: path.to_owned(), file })
    }

    /// What cannot be written is in the log, and counted, all the same.
    fn append(&self, letter: &DeadLetter<Message>) {
        let mut held = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, encoder) = &mut *held;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let line = Line {
            time: now.as_nanos().to_string(),
            consumer: &letter.consumer,
            cause: cause(letter.cause),
            trace: format!("{:016x}", letter.trace),
            message: message(encoder, &letter.message),
        };
        let written = serde_json::to_vec(&line).map_err(io::Error::from).and_then(|mut text| {
            text.push(b'\n');
            file.write_all(&text)
        });
        if let Err(error) = written {
            tracing::error!(file = %self.path.display(), %error, "a dead letter is not in the file");
        }
    }
}

fn message(encoder: &mut Encoder, message: &Message) -> Option<Box<RawValue>> {
    // Nobody sent it: it has no place in an outbox.
    let envelope = Envelope { origin: "local".parse().ok()?, incarnation: 0, chain: 0, number: 0 };
    let mut bytes = vec![];
    encoder.encode(bridge::view(message), &envelope, &mut bytes).ok()?;
    RawValue::from_string(frame_to_json(&Frame::parse(&bytes).ok()?)).ok()
}

#[cfg(test)]
mod tests;
