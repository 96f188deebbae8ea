//! Where critical messages lie until the server has them: a file that is appended to, on local disk.
//!
//! A message is in the file before it is sent, so neither an absent server nor the end of this process loses it. It is
//! sent from the file, and goes by a number that is never given twice: a receiver that knows which number comes next
//! knows what is missing, and what came before.
//!
//! A crash of the machine may take messages that were sent already off the end of the file. Their numbers are not known
//! then, so those that come after it belong to a new chain, whose numbers begin again with 1.
//!
//! ```text
//! offset  size
//!      0     8  "MELTICAO"
//!      8     8  chain of the messages to come: when it was begun, nanoseconds since 1970; little-endian, as all that
//!               follows
//!     16     8  base: how many messages the outbox had before the first one of this file
//!     24     4  CRC32 of the 24 bytes before, and of the 8 of the start where that is not 0
//!     28     4  CRC32 of the id of the boot while a process writes without waiting for the disk; 0 once all is there
//!     32    12  acknowledged: number of the last message that the server has, and the CRC32 of these 8 bytes
//!     44     4  start, lower half: how many messages the outbox had before the first one of the chain
//!     48    12  acknowledged again: the two are written in turn, and the greater one counts
//!     60     4  start, upper half
//!     64        records: length of the content (4), CRC32 of the content (4), content
//! ```
//!
//! The content of a record is the number (8), the length of the subject (2) and of the message id (2), and then subject,
//! message id and frame. These numbers count all messages of the outbox; in its chain a message's is less by the start.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

const MAGIC: &[u8; 8] = b"MELTICAO";
/// Where records begin.
const HEADER: u64 = 64;
/// What precedes a record's content.
const PREFIX: usize = 8;
/// Beyond any frame that a server takes.
const LONGEST: u32 = 64 << 20;
/// So much acknowledged space is given back at once.
const GIVE_BACK: u64 = 4 << 20;
/// So much is looked through, or copied, at once.
const PIECE: usize = 1 << 20;
/// Where the system says which boot this is.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Whether what is written must survive the machine, and not only this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// It survives the end of this process, however sudden: the system has it. A crash of the machine may take the last
    /// seconds.
    #[default]
    Process,
    /// It survives a crash of the machine: each message waits for the disk, some milliseconds.
    Machine,
}

/// The file, open for one process.
#[derive(Debug)]
pub(crate) struct Outbox {
    path: PathBuf,
    file: File,
    durability: Durability,
    limit: u64,
    chain: u64,
    /// How many messages came before the first one of the chain.
    start: u64,
    /// What the file says of the boot: see [`boot`].
    boot: u32,
    /// The number of the last message written.
    last: u64,
    /// The number of the last message that the server has.
    acknowledged: u64,
    /// Up to where the file is whole. This and other places count from the first message since it was opened: they
    /// stay what they are when space is given back.
    end: u64,
    /// Where the first message begins that is not acknowledged.
    unsent: u64,
    /// How much space was given back.
    given_back: u64,
    /// Before so much is acknowledged no space is given back: the last time it could not be.
    give_back_after: u64,
    /// Whether it was said that space could not be given back.
    told_give_back: bool,
    /// Whether the disk may not know yet which file has the name.
    folder_behind: bool,
    /// Which of the two places the next acknowledgement is written to.
    second_place: bool,
    /// Whether there may be something behind the end: an append failed half-way.
    torn: bool,
    scratch: Vec<u8>,
}

/// A message of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Among all of the outbox, whatever their chain.
    pub(crate) number: u64,
    pub(crate) subject: String,
    pub(crate) id: String,
    pub(crate) frame: Vec<u8>,
    /// Where the next one begins.
    pub(crate) next: u64,
}

/// Why an outbox cannot be used, or did not take a message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboxError {
    /// The system does not let us.
    #[error("the outbox {}: {cause}", path.display())]
    System {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// Another process has it open.
    #[error("the outbox {} is in use by another process; give each publisher one of its own", .0.display())]
    InUse(PathBuf),
    /// It is something else.
    #[error("{} is no outbox of meltica's; name another file, or one that does not exist yet", .0.display())]
    NotAnOutbox(PathBuf),
    /// A message in the middle of it cannot be read any more.
    #[error(
        "the outbox {} is damaged at byte {at}: {left} bytes of messages after it may not have been sent; move the file \
         away to go on without them", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        at: u64,
        /// How much lies behind it.
        left: u64,
    },
    /// It has grown to its limit, because the server has taken nothing for long.
    #[error("the outbox {} is full: {waiting} bytes wait for the server, and it may have {limit}", path.display())]
    Full {
        /// The file.
        path: PathBuf,
        /// How many bytes the server does not have yet.
        waiting: u64,
        /// How large it may be, in bytes.
        limit: u64,
    },
    /// The message is larger than any server takes.
    #[error("a message of {bytes} bytes is larger than an outbox holds")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
}

impl Outbox {
    /// Opens the file, made now if it is not there, for this process alone. What an append left unfinished, because the
    /// process ended, was never taken, and goes.
    pub(crate) fn open(
        path: &Path,
        durability: Durability,
        limit: u64,
    ) -> Result<Self, OutboxError> {
        let system = |cause| OutboxError::System { path: path.to_owned(), cause };
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path);
        let file = file.map_err(system)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OutboxError::InUse(path.to_owned())),
            Err(TryLockError::Error(cause)) => return Err(system(cause)),
        }
        let length = file.metadata().map_err(system)?.len();
        let mut outbox = Self {
            path: path.to_owned(),
            file,
            durability,
            limit,
            chain: 0,
            start: 0,
            boot: 0,
            last: 0,
            acknowledged: 0,
            end: HEADER,
            unsent: HEADER,
            given_back: 0,
            give_back_after: 0,
            told_give_back: false,
            folder_behind: false,
            second_place: false,
            torn: false,
            scratch: vec![],
        };
        let boot = if durability == Durability::Process { boot() } else { 0 };
        if outbox.is_new(length).map_err(system)? {
            outbox.chain = now();
            outbox.boot = boot;
            outbox.begin(&outbox.file, 0).map_err(system)?;
        } else {
            let (base, before) = outbox.read_header(length)?;
            outbox.read_records(length)?;
            outbox.go_on(base, before, boot).map_err(system)?;
        }
        // An earlier start may have ended between making the file and this.
        outbox.folder_behind = durability == Durability::Machine;
        outbox.sync_folder().map_err(system)?;
        Ok(outbox)
    }

    /// Whether nothing was ever in it, since an earlier start ended before its header was whole.
    fn is_new(&self, length: u64) -> io::Result<bool> {
        if length >= HEADER {
            return Ok(false);
        }
        let mut bytes = vec![0; length as usize];
        self.file.read_exact_at(&mut bytes, 0)?;
        let begun = &bytes[..bytes.len().min(MAGIC.len())];
        Ok(MAGIC.starts_with(begun) || bytes.iter().all(|byte| *byte == 0))
    }

    /// Readies the file for the next messages, where `before` is what it said of the boot.
    fn go_on(&mut self, base: u64, before: u32, boot: u32) -> io::Result<()> {
        let crashed = before != 0 && ![0, before].contains(&self::boot());
        if self.acknowledged.max(self.start) <= self.last && !crashed {
            if before != boot {
                self.note_boot(boot)?;
            }
            self.boot = boot;
            return Ok(());
        }
        // The server may have had messages that the file does not have any more. Under a number of theirs a new one
        // would be taken for a repeat, and be lost.
        tracing::warn!(
            outbox = %self.path.display(),
            last = self.last,
            acknowledged = self.acknowledged,
            "a crash of the machine may have taken the last messages; the next ones belong to a new chain"
        );
        // The clock may be behind after such a crash.
        self.chain = now().max(self.chain.saturating_add(1));
        self.start = self.last;
        self.acknowledged = self.acknowledged.min(self.last);
        self.boot = boot;
        // Before any message of the new chain, which the old header would count among those that the server has.
        let begun = self.begin(&self.file, base).and_then(|()| self.file.sync_data());
        if begun.is_err() {
            // What the file says of the crash stays.
            self.boot = 0;
        }
        begun
    }

    /// Says in the file which boot it is.
    fn note_boot(&self, boot: u32) -> io::Result<()> {
        // That all is on disk is true before it is said; that it may not be is said before it is true.
        if boot == 0 {
            self.file.sync_data()?;
        }
        self.file.write_all_at(&boot.to_le_bytes(), 28)?;
        if boot == 0 { Ok(()) } else { self.file.sync_data() }
    }

    /// Writes the header of a file that holds what comes after the first `base` messages.
    fn begin(&self, file: &File, base: u64) -> io::Result<()> {
        let mut header = [0; HEADER as usize];
        header[..8].copy_from_slice(MAGIC);
        header[8..16].copy_from_slice(&self.chain.to_le_bytes());
        header[16..24].copy_from_slice(&base.to_le_bytes());
        header[28..32].copy_from_slice(&self.boot.to_le_bytes());
        for place in [32, 48] {
            header[place..place + 12].copy_from_slice(&checked(self.acknowledged));
        }
        let start = self.start.to_le_bytes();
        header[44..48].copy_from_slice(&start[..4]);
        header[60..].copy_from_slice(&start[4..]);
        let sum = header_sum(&header);
        header[24..28].copy_from_slice(&sum.to_le_bytes());
        file.write_all_at(&header, 0)?;
        self.sync(file)
    }

    /// Answers the base, and what the file says of the boot.
    fn read_header(&mut self, length: u64) -> Result<(u64, u32), OutboxError> {
        let alien = || OutboxError::NotAnOutbox(self.path.clone());
        let mut header = [0; HEADER as usize];
        if length < HEADER {
            return Err(alien());
        }
        self.file.read_exact_at(&mut header, 0).map_err(|cause| self.system(cause))?;
        let sum = u32::from_le_bytes(array(&header[24..28]));
        if &header[..8] != MAGIC || header_sum(&header) != sum {
            return Err(alien());
        }
        let base = u64::from_le_bytes(array(&header[16..24]));
        let place = |at: usize| uncheck(array(&header[at..at + 12]));
        self.chain = u64::from_le_bytes(array(&header[8..16]));
        self.start = start_of(&header);
        self.last = base;
        // Where both are unreadable nothing is known to be there: what is sent again is recognised by its number.
        self.acknowledged = place(32).max(place(48)).unwrap_or(base).max(base);
        self.second_place = place(32) > place(48);
        Ok((base, u32::from_le_bytes(array(&header[28..32]))))
    }

    fn read_records(&mut self, length: u64) -> Result<(), OutboxError> {
        loop {
            let record = match self.read(self.end, length) {
                Ok(Some(record)) => record,
                Ok(None) => break,
                Err(OutboxError::Damaged { .. }) if self.is_unfinished(length)? => break,
                Err(error) => return Err(error),
            };
            if record.number != self.last + 1 {
                return Err(self.damaged(self.end, record.next, length));
            }
            self.last = record.number;
            if record.number <= self.acknowledged {
                self.unsent = record.next;
            }
            self.end = record.next;
        }
        if self.end < length {
            tracing::warn!(
                outbox = %self.path.display(),
                bytes = length - self.end,
                "the last message was not written to its end, and so was never taken"
            );
            self.file.set_len(self.end).map_err(|cause| self.system(cause))?;
        }
        Ok(())
    }

    /// Whether what cannot be read at the end of what could be was not written to its end: behind that, nothing was.
    fn is_unfinished(&self, length: u64) -> Result<bool, OutboxError> {
        let mut prefix = [0; PREFIX];
        self.file.read_exact_at(&mut prefix, self.end).map_err(|cause| self.system(cause))?;
        let next = next_after(self.end, prefix);
        if next <= length {
            // A crash of the machine leaves zeros where the file had grown and the disk had nothing yet.
            return self.is_zero(next, length);
        }
        // It may be the length that is wrong, in the midst of others.
        Ok(!self.has_record_behind(length)?)
    }

    fn is_zero(&self, mut at: u64, length: u64) -> Result<bool, OutboxError> {
        let mut piece = vec![0; (length - at).min(PIECE as u64) as usize];
        while at < length {
            let size = piece.len().min((length - at) as usize);
            let piece = &mut piece[..size];
            self.file.read_exact_at(piece, at).map_err(|cause| self.system(cause))?;
            if piece.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            at += size as u64;
        }
        Ok(true)
    }

    /// Whether a later message can be read anywhere behind the end of what could be.
    fn has_record_behind(&self, length: u64) -> Result<bool, OutboxError> {
        let most = length - self.end;
        let mut piece = vec![0; most.min(PIECE as u64) as usize];
        let mut at = self.end + 1;
        while at + (PREFIX + 12) as u64 <= length {
            let size = piece.len().min((length - at) as usize);
            let piece = &mut piece[..size];
            self.file.read_exact_at(piece, at).map_err(|cause| self.system(cause))?;
            for (offset, bytes) in piece.windows(PREFIX + 12).enumerate() {
                let number = u64::from_le_bytes(array(&bytes[PREFIX..PREFIX + 8]));
                if number <= self.last || number - self.last > most {
                    continue;
                }
                match self.read(at + offset as u64, length) {
                    Ok(found) => return Ok(found.is_some()),
                    Err(OutboxError::Damaged { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            at += (size - (PREFIX + 12) + 1) as u64;
        }
        Ok(false)
    }

    /// What begins at this place of a file of this length; `None` at its end.
    fn read(&self, at: u64, length: u64) -> Result<Option<Record>, OutboxError> {
        if at + PREFIX as u64 > length {
            return Ok(None);
        }
        let mut prefix = [0; PREFIX];
        let place = at - self.given_back;
        self.file.read_exact_at(&mut prefix, place).map_err(|cause| self.system(cause))?;
        let next = next_after(at, prefix);
        let damaged = || self.damaged(at, next, length);
        let size = next - at - PREFIX as u64;
        if next > length || !(12..=u64::from(LONGEST)).contains(&size) {
            return Err(damaged());
        }
        let mut content = vec![0; size as usize];
        let read = self.file.read_exact_at(&mut content, place + PREFIX as u64);
        read.map_err(|cause| self.system(cause))?;
        let (subject, id) = (
            usize::from(u16::from_le_bytes(array(&content[8..10]))),
            usize::from(u16::from_le_bytes(array(&content[10..12]))),
        );
        let sum = u32::from_le_bytes(array(&prefix[4..]));
        if crc32fast::hash(&content) != sum || 12 + subject + id > content.len() {
            return Err(damaged());
        }
        let number = u64::from_le_bytes(array(&content[..8]));
        let frame = content.split_off(12 + subject + id);
        let text = |range: std::ops::Range<usize>| {
            String::from_utf8(content[range].to_vec()).map_err(|_| damaged())
        };
        let (subject, id) = (text(12..12 + subject)?, text(12 + subject..content.len())?);
        Ok(Some(Record { number, subject, id, frame, next }))
    }

    /// What is at this place cannot be read. Where not even its length can be right, all from there on is left.
    fn damaged(&self, at: u64, next: u64, length: u64) -> OutboxError {
        let left = length.checked_sub(next).unwrap_or(length - at);
        OutboxError::Damaged { path: self.path.clone(), at: at - self.given_back, left }
    }

    /// The chain that the next messages belong to. What waits from before may be of another.
    pub(crate) fn chain(&self) -> u64 {
        self.chain
    }

    /// The number in its chain that the next message will have.
    pub(crate) fn next_number(&self) -> u64 {
        self.last - self.start + 1
    }

    /// How many messages the server does not have yet.
    pub(crate) fn waiting(&self) -> u64 {
        self.last - self.acknowledged
    }

    /// How large the file is, in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.end - self.given_back
    }

    /// Where the first message lies that the server does not have.
    pub(crate) fn first_unsent(&self) -> u64 {
        self.unsent
    }

    /// Writes the next message, whose number is [`next_number`](Self::next_number). Once this is over, it is not lost.
    pub(crate) fn append(
        &mut self,
        subject: &str,
        id: &str,
        frame: &[u8],
    ) -> Result<(), OutboxError> {
        let size = 12 + subject.len() + id.len() + frame.len();
        let (Ok(subject_size), Ok(id_size)) =
            (u16::try_from(subject.len()), u16::try_from(id.len()))
        else {
            return Err(OutboxError::TooLarge { bytes: size });
        };
        if size > LONGEST as usize {
            return Err(OutboxError::TooLarge { bytes: size });
        }
        let length = (PREFIX + size) as u64;
        if self.size() + length > self.limit && self.done() >= GIVE_BACK {
            // More is to be copied than is usual, which is better than to refuse a message.
            self.give_back();
        }
        if self.size() + length > self.limit {
            let (path, waiting, limit) = (self.path.clone(), self.end - self.unsent, self.limit);
            return Err(OutboxError::Full { path, waiting, limit });
        }
        self.sync_folder().map_err(|cause| self.system(cause))?;
        let mut record = std::mem::take(&mut self.scratch);
        record.clear();
        record.extend_from_slice(&(size as u32).to_le_bytes());
        record.extend_from_slice(&[0; 4]);
        record.extend_from_slice(&(self.last + 1).to_le_bytes());
        record.extend_from_slice(&subject_size.to_le_bytes());
        record.extend_from_slice(&id_size.to_le_bytes());
        record.extend_from_slice(subject.as_bytes());
        record.extend_from_slice(id.as_bytes());
        record.extend_from_slice(frame);
        let sum = crc32fast::hash(&record[PREFIX..]);
        record[4..PREFIX].copy_from_slice(&sum.to_le_bytes());
        let written = self.write(&record);
        self.scratch = record;
        written.map_err(|cause| self.system(cause))?;
        self.end += length;
        self.last += 1;
        Ok(())
    }

    /// Writes a record behind the last. Of one that fails nothing stays: a shorter one after it would not cover it.
    fn write(&mut self, record: &[u8]) -> io::Result<()> {
        self.mend()?;
        let written =
            self.file.write_all_at(record, self.size()).and_then(|()| self.sync(&self.file));
        if written.is_err() {
            self.torn = true;
            // Where this fails too, the next append begins with it.
            let _ = self.mend();
        }
        written
    }

    /// Cuts off what an append left that failed half-way.
    fn mend(&mut self) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.size())?;
            self.torn = false;
        }
        Ok(())
    }

    /// The message that begins at this place; `None` at the end.
    pub(crate) fn message_at(&self, at: u64) -> Result<Option<Record>, OutboxError> {
        self.read(at, self.end)
    }

    /// The server has all up to this number, after which the file goes on at `next`. Gives space back now and then.
    pub(crate) fn acknowledge(&mut self, number: u64, next: u64) -> Result<(), OutboxError> {
        self.acknowledged = number;
        self.unsent = next;
        let place = if self.second_place { 48 } else { 32 };
        self.second_place = !self.second_place;
        let noted = self.file.write_all_at(&checked(number), place);
        noted.map_err(|cause| self.system(cause))?;
        if self.done() >= GIVE_BACK && self.end - self.unsent <= self.done() {
            self.give_back();
        }
        Ok(())
    }

    /// How much of the file is acknowledged.
    fn done(&self) -> u64 {
        self.unsent - self.given_back - HEADER
    }

    /// Gives back what is acknowledged. Where that fails the file is what it was: it costs space, and no message.
    fn give_back(&mut self) {
        if self.unsent < self.give_back_after {
            return;
        }
        match self.shrink() {
            Ok(()) => self.told_give_back = false,
            Err(error) => {
                self.give_back_after = self.unsent + GIVE_BACK;
                if !std::mem::replace(&mut self.told_give_back, true) {
                    tracing::warn!(
                        outbox = %self.path.display(),
                        %error,
                        "the outbox gives no space back, and grows (told once until it does again)"
                    );
                }
            }
        }
    }

    /// Copies what is not acknowledged into a new file that takes the place of this one. Whenever this ends early, one
    /// of the two is there, whole.
    fn shrink(&mut self) -> io::Result<()> {
        let mut beside = self.path.clone().into_os_string();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        let new =
            File::options().read(true).write(true).create(true).truncate(true).open(&beside)?;
        let moved = self.copy_rest(&new).and_then(|()| fs::rename(&beside, &self.path));
        if let Err(error) = moved {
            // It would take the space that is short.
            let _ = fs::remove_file(&beside);
            return Err(error);
        }
        // The name belongs to the new file, whatever fails from here on.
        self.file = new;
        self.torn = false;
        self.given_back = self.unsent - HEADER;
        self.folder_behind = self.durability == Durability::Machine;
        self.sync_folder()
    }

    fn copy_rest(&self, new: &File) -> io::Result<()> {
        new.try_lock()?;
        self.begin(new, self.acknowledged)?;
        let mut piece = vec![0; (self.end - self.unsent).min(PIECE as u64) as usize];
        let mut at = self.unsent;
        while at < self.end {
            let size = piece.len().min((self.end - at) as usize);
            let piece = &mut piece[..size];
            self.file.read_exact_at(piece, at - self.given_back)?;
            new.write_all_at(piece, HEADER + at - self.unsent)?;
            at += size as u64;
        }
        // Whatever the durability: it takes the place of one that has been on disk for long.
        new.sync_data()
    }

    /// Has the disk know the file's name: what is in a file without one is lost with the machine.
    fn sync_folder(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.folder_behind) {
            let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let synced =
                File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all());
            self.folder_behind = synced.is_err();
            return synced;
        }
        Ok(())
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        match self.durability {
            Durability::Process => Ok(()),
            Durability::Machine => file.sync_data(),
        }
    }

    fn system(&self, cause: io::Error) -> OutboxError {
        OutboxError::System { path: self.path.clone(), cause }
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        // Where it fails, the next boot begins a chain that was not needed.
        if self.boot != 0 {
            let _ = self.note_boot(0);
        }
    }
}

/// The CRC32 of the id of this boot, which is never 0; 0 where the system does not say.
fn boot() -> u32 {
    fs::read(BOOT_ID).map_or(0, |id| crc32fast::hash(&id).max(1))
}

/// Nanoseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_nanos() as u64
}

fn header_sum(header: &[u8; HEADER as usize]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&header[..24]);
    let start = start_of(header);
    if start != 0 {
        sum.update(&start.to_le_bytes());
    }
    sum.finalize()
}

fn start_of(header: &[u8; HEADER as usize]) -> u64 {
    let half = |at: usize| u64::from(u32::from_le_bytes(array(&header[at..at + 4])));
    half(60) << 32 | half(44)
}

/// Where the next record begins after one at this place, if its prefix is right.
fn next_after(at: u64, prefix: [u8; PREFIX]) -> u64 {
    at + PREFIX as u64 + u64::from(u32::from_le_bytes(array(&prefix[..4])))
}

/// A number and its CRC32.
fn checked(number: u64) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    let sum = crc32fast::hash(&bytes[..8]);
    bytes[8..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

fn uncheck(bytes: [u8; 12]) -> Option<u64> {
    let sum = u32::from_le_bytes(array(&bytes[8..]));
    (crc32fast::hash(&bytes[..8]) == sum).then(|| u64::from_le_bytes(array(&bytes[..8])))
}

/// Of exactly as many bytes as the caller has cut.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(bytes);
    array
}

#[cfg(test)]
mod tests;
