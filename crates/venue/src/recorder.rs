use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use flate2::{Compression, bufread::GzDecoder, write::GzEncoder};
use meltica_event::Timestamp;

use crate::{Happened, recording::MAX_LINE};

/// A block of so many bytes, before compression, is written without waiting for its time.
const BLOCK: usize = 256 << 10;

/// Writes what happens on a connection, byte for byte and with its time, as
/// [`Recording`](crate::Recording) reads it.
///
/// Entries are gathered into blocks. Each block is a gzip member by itself and is written by one call,
/// when it has 256 KiB or is as old as the recorder was told: so a process that is killed loses the
/// last block, and what is in the file can be read, also if that block was written in part. Nothing is
/// synced to the disk before [`finish`](Self::finish); that a machine loses power may cost more.
///
/// Time is an argument: a block's age is told by the times of what is written, and by
/// [`poll`](Self::poll) while nothing is. One recording is of one venue.
#[derive(Debug)]
pub struct Recorder {
    path: PathBuf,
    file: File,
    block: Vec<u8>,
    /// Of the first entry in `block`.
    since: Timestamp,
    max_age: Duration,
    packed: Vec<u8>,
    stats: RecorderStats,
}

/// What a recorder has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecorderStats {
    /// Frames and bodies taken.
    pub frames: u64,
    /// Bytes taken, before compression.
    pub bytes: u64,
    /// Blocks written.
    pub blocks: u64,
    /// Bytes written.
    pub written: u64,
    /// Bytes of a block that had been written in part only, and were taken away before the first was
    /// appended.
    pub cut: u64,
}

impl Recorder {
    /// Begins a recording; appends to it, if there is one. What a killed recorder left of a block is
    /// taken away first. A block is written when its first entry is `max_age` old.
    ///
    /// Reads an existing recording once, to find the end of its last whole block.
    ///
    /// # Errors
    ///
    /// [`RecorderError`] if the file cannot be written, or is no compressed recording.
    pub fn open(path: &Path, max_age: Duration) -> Result<Self, RecorderError> {
        let failed = |cause| RecorderError { path: path.to_owned(), cause };
        // Asked before it is opened: that would wait for ever for the reader of a pipe.
        if path.metadata().is_ok_and(|file| !file.is_file()) {
            return Err(failed(Cause::NotAFile));
        }
        let opened =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = opened.map_err(|error| failed(Cause::Io(error)))?;
        let mut stats = RecorderStats::default();
        let length = file.metadata().map_err(|error| failed(Cause::Io(error)))?.len();
        let whole = whole_blocks(&file).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => failed(Cause::NotOurs),
            _ => failed(Cause::Io(error)),
        })?;
        if whole < length {
            stats.cut = length - whole;
            file.set_len(whole).map_err(|error| failed(Cause::Io(error)))?;
        }
        file.seek(SeekFrom::Start(whole)).map_err(|error| failed(Cause::Io(error)))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            block: Vec::with_capacity(BLOCK + BLOCK / 4),
            since: Timestamp::ABSENT,
            max_age,
            packed: Vec::with_capacity(BLOCK / 4),
            stats,
        })
    }

    /// Takes what happened at this time.
    ///
    /// # Errors
    ///
    /// [`RecorderError`] if it is 16 MiB or larger, which leaves the recording as it was, or if a
    /// block that was due could not be written: then it is kept, and tried again when the next is due.
    pub fn write(&mut self, at: Timestamp, happened: Happened<'_>) -> Result<(), RecorderError> {
        let time = at.nanos().unwrap_or_default();
        let size = match happened {
            Happened::Frame(bytes) | Happened::Fetched(_, bytes) => bytes.len(),
            Happened::Opened(text) | Happened::Closed(text) => text.len(),
            Happened::Resync(_) => 0,
        };
        // A line has a time and a mark too.
        if size as u64 + 200 >= MAX_LINE {
            return Err(self.failed(Cause::TooLarge(size)));
        }
        if self.block.is_empty() {
            self.since = at;
        }
        let block = &mut self.block;
        let before = block.len();
        let told = match happened {
            Happened::Frame(bytes) if fits_a_line(bytes) => {
                write!(block, "{time} ").and_then(|()| block.write_all(bytes))
            }
            Happened::Frame(bytes) => {
                writeln!(block, "{time} #frame {size}").and_then(|()| block.write_all(bytes))
            }
            Happened::Fetched(instrument, bytes) => {
                writeln!(block, "{time} #fetched {instrument} {size}")
                    .and_then(|()| block.write_all(bytes))
            }
            Happened::Resync(instrument) => write!(block, "{time} #resync {instrument}"),
            Happened::Opened(url) => write!(block, "{time} #opened {}", one_line(url)),
            Happened::Closed(reason) => write!(block, "{time} #closed {}", one_line(reason)),
        };
        told.expect("a Vec takes all");
        block.push(b'\n');
        self.stats.bytes += (block.len() - before) as u64;
        if matches!(happened, Happened::Frame(_) | Happened::Fetched(..)) {
            self.stats.frames += 1;
        }
        self.poll(at)
    }

    /// Writes the block that waits, if it is due by now.
    ///
    /// # Errors
    ///
    /// [`RecorderError`] as [`write`](Self::write).
    pub fn poll(&mut self, now: Timestamp) -> Result<(), RecorderError> {
        if self.block.is_empty() {
            return Ok(());
        }
        let age = now.nanos().unwrap_or_default() - self.since.nanos().unwrap_or_default();
        // A clock that was set back would have the block wait for long.
        let due = u64::try_from(age).map_or(true, |age| Duration::from_nanos(age) >= self.max_age);
        if due || self.block.len() >= BLOCK { self.flush() } else { Ok(()) }
    }

    /// Writes the block that waits.
    ///
    /// # Errors
    ///
    /// [`RecorderError`] if it could not be written; the file is as before, and the block is kept.
    pub fn flush(&mut self) -> Result<(), RecorderError> {
        if self.block.is_empty() {
            return Ok(());
        }
        self.packed.clear();
        let mut encoder = GzEncoder::new(&mut self.packed, Compression::fast());
        let packed = encoder.write_all(&self.block).and_then(|()| encoder.finish());
        packed.expect("a Vec takes all");
        if let Err(error) = self.file.write_all(&self.packed) {
            // What was written of it must not stand before the next: a reader would end there.
            let whole = self.file.stream_position().unwrap_or_default();
            let whole = whole_blocks(&self.file).unwrap_or(whole);
            let _ = self.file.set_len(whole).and_then(|()| self.file.seek(SeekFrom::Start(whole)));
            return Err(self.failed(Cause::Io(error)));
        }
        self.stats.blocks += 1;
        self.stats.written += self.packed.len() as u64;
        self.block.clear();
        Ok(())
    }

    /// What it has done so far.
    pub fn stats(&self) -> RecorderStats {
        self.stats
    }

    /// Writes what waits, and has all of it on the disk.
    ///
    /// # Errors
    ///
    /// [`RecorderError`] if that cannot be.
    pub fn finish(mut self) -> Result<RecorderStats, RecorderError> {
        self.flush()?;
        self.file.sync_all().map_err(|error| self.failed(Cause::Io(error)))?;
        Ok(self.stats)
    }

    fn failed(&self, cause: Cause) -> RecorderError {
        RecorderError { path: self.path.clone(), cause }
    }
}

impl Drop for Recorder {
    /// Writes what waits, if that can be.
    fn drop(&mut self) {
        let _ = self.flush();
    }
}

/// Whether a reader would find this frame again in a line.
fn fits_a_line(frame: &[u8]) -> bool {
    !frame.is_empty()
        && frame.trim_ascii().len() == frame.len()
        && frame[0] != b'#'
        && !frame.contains(&b'\n')
}

/// This text, as far as a line can hold it.
fn one_line(text: &str) -> String {
    text.trim().replace(['\n', '\r'], " ")
}

/// How many bytes of a file are whole gzip members.
fn whole_blocks(file: &File) -> io::Result<u64> {
    let mut file = file;
    file.seek(SeekFrom::Start(0))?;
    let mut rest = Counted { inner: BufReader::with_capacity(1 << 16, file), count: 0 };
    let mut whole = 0;
    while !rest.fill_buf()?.is_empty() {
        let mut member = GzDecoder::new(rest);
        match io::copy(&mut member, &mut io::sink()) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error),
        }
        rest = member.into_inner();
        whole = rest.count;
    }
    Ok(whole)
}

/// Counts what is read through it.
struct Counted<R> {
    inner: R,
    count: u64,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.count += read as u64;
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.count += amount as u64;
        self.inner.consume(amount);
    }
}

/// Why something cannot be recorded.
#[derive(Debug, thiserror::Error)]
#[error("{}: {cause}", path.display())]
pub struct RecorderError {
    path: PathBuf,
    #[source]
    cause: Cause,
}

#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error("{0}")]
    Io(#[source] io::Error),
    #[error("this is no regular file; record into one")]
    NotAFile,
    #[error("there is something else in this file than a compressed recording; choose another")]
    NotOurs,
    #[error("{0} bytes are more than a recording takes as one; the limit is 16 MiB")]
    TooLarge(usize),
}
