use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek},
    path::{Path, PathBuf},
};

use flate2::bufread::MultiGzDecoder;
use meltica_event::Timestamp;

/// The longest line that is taken for a frame. The largest frames of a venue (a snapshot of 5,000
/// levels a side) have a few hundred thousand bytes.
const MAX_LINE: u64 = 16 << 20;

/// 1973 in nanoseconds; in microseconds or milliseconds, the year 5138 and later. What is less is in
/// another unit than this.
const FIRST_NANOS: i64 = 100_000_000_000_000_000;

/// Recorded frames, one a line: the time of receipt in nanoseconds since 1970, a blank, and the
/// frame as it came (the format of hftbacktest). Plain or compressed by gzip.
pub struct Recording {
    path: PathBuf,
    lines: Box<dyn BufRead>,
    line: u64,
    text: Vec<u8>,
}

/// One recorded frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its line in the file, from 1.
    pub line: u64,
    /// When it was received; `None` if the line does not begin with a time in nanoseconds since 1970
    /// (after 1973; what is less is another unit): then it is malformed, and `bytes` is the whole
    /// line.
    pub received: Option<Timestamp>,
    /// The frame.
    pub bytes: &'a [u8],
}

/// What a recording holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many frames: lines that are not blank.
    pub frames: u64,
}

impl Recording {
    /// Opens a recording.
    ///
    /// # Errors
    ///
    /// [`RecordingError`] if the file cannot be read.
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        let failed = |cause| RecordingError { path: path.to_owned(), line: 0, cause };
        // Asked before it is opened: that would wait for ever for the writer of a pipe.
        if !path.metadata().map_err(|error| failed(Cause::Io(error)))?.is_file() {
            return Err(failed(Cause::NotAFile));
        }
        let mut file = File::open(path).map_err(|error| failed(Cause::Io(error)))?;
        let mut magic = [0; 2];
        let compressed = match file.read_exact(&mut magic) {
            Ok(()) => magic == [0x1f, 0x8b],
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => false,
            Err(error) => return Err(failed(Cause::Io(error))),
        };
        file.rewind().map_err(|error| failed(Cause::Io(error)))?;
        let file = BufReader::with_capacity(1 << 16, file);
        let lines: Box<dyn BufRead> = if compressed {
            Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(file)))
        } else {
            Box::new(file)
        };
        Ok(Self { path: path.to_owned(), lines, line: 0, text: Vec::with_capacity(1 << 16) })
    }

    /// Reads a recording to its end, so that whoever replays it meets no surprise halfway.
    ///
    /// # Errors
    ///
    /// [`RecordingError`] if it cannot be read to its end, or holds no frame.
    pub fn check(path: &Path) -> Result<Summary, RecordingError> {
        let mut recording = Self::open(path)?;
        let mut summary = Summary::default();
        while recording.next_frame()?.is_some() {
            summary.frames += 1;
        }
        if summary.frames == 0 {
            return Err(recording.failed(Cause::NoFrame));
        }
        Ok(summary)
    }

    /// The next frame; `None` at the end. Blank lines are passed over.
    ///
    /// # Errors
    ///
    /// [`RecordingError`] if the file cannot be read on.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, RecordingError> {
        loop {
            self.text.clear();
            let mut line = (&mut self.lines).take(MAX_LINE);
            if let Err(error) = line.read_until(b'\n', &mut self.text) {
                self.line += 1;
                let cause = match error.kind() {
                    io::ErrorKind::UnexpectedEof => Cause::Truncated,
                    _ => Cause::Io(error),
                };
                return Err(self.failed(cause));
            }
            if self.text.is_empty() {
                return Ok(None);
            }
            self.line += 1;
            if self.text.len() as u64 == MAX_LINE {
                return Err(self.failed(Cause::LineTooLong));
            }
            if !self.text.trim_ascii().is_empty() {
                break;
            }
        }
        let text = self.text.trim_ascii();
        let timed = text.iter().position(|byte| *byte == b' ').and_then(|blank| {
            let time: i64 = std::str::from_utf8(&text[..blank]).ok()?.parse().ok()?;
            let time = (time >= FIRST_NANOS).then_some(Timestamp::from_nanos(time))?;
            Some((time, text[blank..].trim_ascii()))
        });
        let (received, bytes) = match timed {
            Some((received, bytes)) => (Some(received), bytes),
            None => (None, text),
        };
        Ok(Some(Frame { line: self.line, received, bytes }))
    }

    fn failed(&self, cause: Cause) -> RecordingError {
        RecordingError { path: self.path.clone(), line: self.line, cause }
    }
}

/// Why a recording cannot be read (on).
#[derive(Debug, thiserror::Error)]
#[error("{}{}: {cause}", path.display(), Line(*line))]
pub struct RecordingError {
    path: PathBuf,
    /// The line at which it happened, from 1; 0 if before the first.
    line: u64,
    #[source]
    cause: Cause,
}

/// Prints as `, line 7`, or as nothing for 0.
struct Line(u64);

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 == 0 { Ok(()) } else { write!(f, ", line {}", self.0) }
    }
}

#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error("{0}")]
    Io(#[source] io::Error),
    #[error("this is no regular file; a recording is read twice, so a pipe will not do")]
    NotAFile,
    #[error("the compressed file ends in the middle; copy it again")]
    Truncated,
    #[error("there is no frame in it; a line is: nanoseconds since 1970, a blank, JSON")]
    NoFrame,
    #[error("the line is longer than 16 MiB; this is no recording of frames")]
    LineTooLong,
}
