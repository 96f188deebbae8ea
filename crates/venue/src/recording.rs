use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek},
    path::{Path, PathBuf},
};

use flate2::bufread::MultiGzDecoder;
use meltica_event::{Instrument, Timestamp};

/// The longest line that is taken for a frame. The largest frames of a venue (a snapshot of 5,000
/// levels a side) have a few hundred thousand bytes.
pub(crate) const MAX_LINE: u64 = 16 << 20;

/// How a gzip member begins.
const GZIP: &[u8] = &[0x1f, 0x8b];

/// 1973 in nanoseconds; in microseconds or milliseconds, the year 5138 and later. What is less is in
/// another unit than this.
const FIRST_NANOS: i64 = 100_000_000_000_000_000;

/// What was recorded of a connection, in order, one entry a line, plain or compressed by gzip.
///
/// A line is the time of receipt in nanoseconds since 1970, a blank, and the frame as it came: the
/// format of hftbacktest. No frame of a venue begins with `#`, so what is no frame of one line does:
///
/// | after time and blank | means |
/// | --- | --- |
/// | `#opened URL` | a connection was opened: numbers that count its frames, and its books, begin anew |
/// | `#closed REASON` | it ended |
/// | `#resync BTC-USD` | this instrument's book was asked for again, its updates having stayed away |
/// | `#fetched BTC-USD 512` | the body of an HTTP answer: the 512 bytes after this line, and an end of line |
/// | `#frame 512` | a frame that a line cannot hold (it has an end of line in it, a blank around it or `#` before it): likewise |
///
/// Two more kinds of lines are read, and never written. A time, a tab and the frame: then the time may
/// be by any clock, and only differences mean something. A line that begins with `{` or `[` is a frame
/// without a time.
///
/// A compressed recording is a chain of gzip members, each of whole entries (see
/// [`Recorder`](crate::Recorder)). One that ends within a member, as a killed recorder may leave it,
/// is read as far as entries are whole; [`is_cut`](Self::is_cut) tells.
pub struct Recording {
    path: PathBuf,
    lines: Box<dyn BufRead + Send>,
    line: u64,
    text: Vec<u8>,
    compressed: bool,
    cut: bool,
}

/// One recorded frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its line in the file, from 1.
    pub line: u64,
    /// When it was received; `None` if the line does not begin with a time in nanoseconds since 1970
    /// (after 1973; what is less is another unit) and a blank, or a time and a tab: then `bytes` is
    /// the whole line, which is a frame without a time if it is JSON, and else malformed.
    pub received: Option<Timestamp>,
    /// The frame.
    pub bytes: &'a [u8],
}

/// Something that was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its first line in the file, from 1.
    pub line: u64,
    /// When it happened; `None` as in [`Frame::received`].
    pub received: Option<Timestamp>,
    /// What happened.
    pub what: Happened<'a>,
}

/// What can happen on a connection to a venue: what a recorder writes, and a replay repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened<'a> {
    /// A connection was opened to this URL.
    Opened(&'a str),
    /// A frame came.
    Frame(&'a [u8]),
    /// The body of an HTTP answer came, which this instrument's book had been waiting for.
    Fetched(Instrument, &'a [u8]),
    /// This instrument's book was asked for again.
    Resync(Instrument),
    /// The connection ended, for this reason.
    Closed(&'a str),
}

/// What a recording holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many frames, bodies of HTTP answers among them.
    pub frames: u64,
    /// How many connections were opened.
    pub connections: u64,
    /// Whether it ends in the middle of a compressed block.
    pub cut: bool,
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
        let mut magic = vec![];
        (&mut file).take(2).read_to_end(&mut magic).map_err(|error| failed(Cause::Io(error)))?;
        file.rewind().map_err(|error| failed(Cause::Io(error)))?;
        // A killed recorder may have left one byte of the two.
        let compressed = !magic.is_empty() && GZIP.starts_with(&magic);
        let file = BufReader::with_capacity(1 << 16, file);
        let lines: Box<dyn BufRead + Send> = if compressed {
            Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(file)))
        } else {
            Box::new(file)
        };
        let text = Vec::with_capacity(1 << 16);
        Ok(Self { path: path.to_owned(), lines, line: 0, text, compressed, cut: false })
    }

    /// Reads a recording to its end, so that whoever replays it meets no surprise halfway.
    ///
    /// # Errors
    ///
    /// [`RecordingError`] if it cannot be read to its end, or holds no frame.
    pub fn check(path: &Path) -> Result<Summary, RecordingError> {
        let mut recording = Self::open(path)?;
        let mut summary = Summary::default();
        while let Some(entry) = recording.next_entry()? {
            match entry.what {
                Happened::Frame(_) | Happened::Fetched(..) => summary.frames += 1,
                Happened::Opened(_) => summary.connections += 1,
                Happened::Resync(_) | Happened::Closed(_) => {}
            }
        }
        summary.cut = recording.cut;
        if summary.frames == 0 {
            let cause = if summary.cut { Cause::CutAtOnce } else { Cause::NoFrame };
            return Err(recording.failed(cause));
        }
        Ok(summary)
    }

    /// Whether the file was found to end in the middle of a compressed block: a part of an entry, or
    /// several, are missing at its end. Known once everything before was read.
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// The next frame, passing over all else; `None` at the end.
    ///
    /// # Errors
    ///
    /// [`RecordingError`] if the file cannot be read on.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, RecordingError> {
        loop {
            let Some(read) = self.read()? else { return Ok(None) };
            if let What::Frame = read.what {
                let Found { line, received, bytes, .. } = read;
                return Ok(Some(Frame { line, received, bytes: &self.text[bytes] }));
            }
        }
    }

    /// The next entry; `None` at the end. Blank lines are passed over.
    ///
    /// # Errors
    ///
    /// [`RecordingError`] if the file cannot be read on.
    pub fn next_entry(&mut self) -> Result<Option<Entry<'_>>, RecordingError> {
        let Some(Found { line, received, what, bytes }) = self.read()? else { return Ok(None) };
        let bytes = &self.text[bytes];
        let told = || std::str::from_utf8(bytes).unwrap_or_default();
        let what = match what {
            What::Frame => Happened::Frame(bytes),
            What::Fetched(instrument) => Happened::Fetched(instrument, bytes),
            What::Resync(instrument) => Happened::Resync(instrument),
            What::Opened => Happened::Opened(told()),
            What::Closed => Happened::Closed(told()),
        };
        Ok(Some(Entry { line, received, what }))
    }

    /// Reads an entry into `text`.
    fn read(&mut self) -> Result<Option<Found>, RecordingError> {
        loop {
            if !self.read_line()? {
                return Ok(None);
            }
            if !self.text.trim_ascii().is_empty() {
                break;
            }
        }
        let line = self.line;
        let text = self.text.trim_ascii();
        // Where `text` begins, in `self.text`.
        let lead = self.text.len() - self.text.trim_ascii_start().len();
        let whole = lead..lead + text.len();
        let frame = |received, bytes| Ok(Some(Found { line, received, what: What::Frame, bytes }));
        let Some((received, blank)) = timed(text) else { return frame(None, whole) };
        let rest = text[blank..].trim_ascii_start();
        let bytes = whole.end - rest.len()..whole.end;
        if !rest.starts_with(b"#") {
            return frame(Some(received), bytes);
        }
        let rest = String::from_utf8_lossy(rest).into_owned();
        let (mark, told) = rest.split_once(' ').unwrap_or((&rest, ""));
        let told_bytes = bytes.end - told.len().min(bytes.len())..bytes.end;
        let unknown = || self.failed(Cause::Mark(rest.clone()));
        let instrument = |text: &str| text.parse::<Instrument>().map_err(|_| unknown());
        let length = |text: &str| text.parse::<u64>().map_err(|_| unknown());
        let (what, length) = match mark {
            "#opened" => (What::Opened, None),
            "#closed" => (What::Closed, None),
            "#resync" => (What::Resync(instrument(told)?), None),
            "#frame" => (What::Frame, Some(length(told)?)),
            "#fetched" => {
                let (name, size) = told.split_once(' ').ok_or_else(unknown)?;
                (What::Fetched(instrument(name)?), Some(length(size)?))
            }
            _ => return Err(unknown()),
        };
        let received = Some(received);
        let Some(length) = length else {
            return Ok(Some(Found { line, received, what, bytes: told_bytes }));
        };
        if !self.read_block(length)? {
            return Ok(None);
        }
        Ok(Some(Found { line, received, what, bytes: 0..self.text.len() - 1 }))
    }

    /// Reads a line into `text`; answers whether there was one.
    fn read_line(&mut self) -> Result<bool, RecordingError> {
        self.text.clear();
        let read = (&mut self.lines).take(MAX_LINE).read_until(b'\n', &mut self.text);
        self.line += 1;
        self.whole(read)?;
        if self.text.len() as u64 == MAX_LINE {
            return Err(self.failed(Cause::LineTooLong));
        }
        if self.text.is_empty() {
            self.line -= 1;
        }
        Ok(!self.text.is_empty())
    }

    /// Reads so many bytes and an end of line into `text`; answers whether they were there.
    fn read_block(&mut self, length: u64) -> Result<bool, RecordingError> {
        if length >= MAX_LINE {
            return Err(self.failed(Cause::LineTooLong));
        }
        self.text.clear();
        let read = (&mut self.lines).take(length + 1).read_to_end(&mut self.text);
        self.whole(read)?;
        if self.cut {
            return Ok(false);
        }
        if self.text.len() as u64 != length + 1 || self.text.last() != Some(&b'\n') {
            return Err(self.failed(Cause::Length(length)));
        }
        self.line += self.text.iter().filter(|byte| **byte == b'\n').count() as u64;
        Ok(true)
    }

    /// What was read in part, where the file is cut, is as if it was not there.
    fn whole(&mut self, read: io::Result<usize>) -> Result<(), RecordingError> {
        match read {
            Ok(_) if self.cut => self.text.clear(),
            Ok(_) => {}
            Err(error) if self.compressed && error.kind() == io::ErrorKind::UnexpectedEof => {
                self.cut = true;
                self.text.clear();
            }
            Err(error) => return Err(self.failed(Cause::Io(error))),
        }
        Ok(())
    }

    fn failed(&self, cause: Cause) -> RecordingError {
        RecordingError { path: self.path.clone(), line: self.line, cause }
    }
}

/// Where an entry lies.
struct Found {
    line: u64,
    received: Option<Timestamp>,
    what: What,
    /// In [`Recording::text`].
    bytes: std::ops::Range<usize>,
}

enum What {
    Frame,
    Opened,
    Closed,
    Resync(Instrument),
    Fetched(Instrument),
}

/// The time that a line begins with, and where it ends.
fn timed(text: &[u8]) -> Option<(Timestamp, usize)> {
    let blank = text.iter().position(|byte| matches!(byte, b' ' | b'\t'))?;
    let time: i64 = std::str::from_utf8(&text[..blank]).ok()?.parse().ok()?;
    let any_clock = text[blank] == b'\t' && time >= 0;
    (any_clock || time >= FIRST_NANOS).then_some((Timestamp::from_nanos(time), blank))
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
    #[error(
        "the compressed file ends before its first entry does; if it was copied, copy it again"
    )]
    CutAtOnce,
    #[error("{0:?} is no mark of a recording")]
    Mark(String),
    #[error("what should be {0} bytes and an end of line is not; the file was changed")]
    Length(u64),
    #[error("there is no frame in it; a line is: nanoseconds since 1970, a blank, JSON")]
    NoFrame,
    #[error("the line is longer than 16 MiB; this is no recording of frames")]
    LineTooLong,
}
