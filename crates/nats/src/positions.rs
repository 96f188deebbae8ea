//! Up to where each outbox's messages were settled here, and which of those before that never came: a small file, so that
//! a receiver that starts again knows what it had, also where the server does not know that yet.
//!
//! ```text
//! offset  size
//!      0     8  "MELTICAP"
//!      8    56  zero
//!     64        entries of 64 bytes
//! ```
//!
//! An entry: length of the origin (1), origin (31, the rest zero), chain (8), number (8), little-endian, CRC32 (4) of the 48
//! bytes before and of the end where that is not 0, end (8), zero (4). Without an end, all up to the number are settled; with
//! one, those from the number to before the end were given up and have not come. It is written as a whole in its place; one
//! whose sum is wrong was cut off by a crash of the machine, or is not needed any more, and counts as not there.

use std::{
    collections::HashMap,
    fs::{File, TryLockError},
    io,
    ops::Range,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use crate::inbound::ChainId;

const MAGIC: &[u8; 8] = b"MELTICAP";
const ENTRY: usize = 64;
/// So many outboxes are more than one receiver ever hears of.
const MOST: u64 = 65_536;

/// The file, open for one process.
#[derive(Debug)]
pub(crate) struct Positions {
    path: PathBuf,
    file: File,
    places: HashMap<ChainId, u64>,
    gaps: HashMap<ChainId, Vec<(Range<u64>, u64)>>,
    /// Places of entries that are not needed any more.
    free: Vec<u64>,
}

/// What an entry says of an outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Noted {
    /// Up to this number all are settled, but for gaps.
    Done(u64),
    /// These were given up, and have not come.
    Gap(Range<u64>),
}

/// Why the positions cannot be kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PositionsError {
    /// The system does not let us.
    #[error("the positions {}: {cause}", path.display())]
    System {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// Another process has it open.
    #[error("the positions {} are in use by another process; give each receiver a file of its own", .0.display())]
    InUse(PathBuf),
    /// It is something else.
    #[error("{} has no positions of meltica's; name another file, or one that does not exist yet", .0.display())]
    NotPositions(PathBuf),
    /// Nobody has so many senders.
    #[error("the positions {} have {MOST} entries; move the file away", .0.display())]
    Full(PathBuf),
}

impl Positions {
    /// Opens the file, made now if it is not there, for this process alone; and what is in it.
    pub(crate) fn open(path: &Path) -> Result<(Self, Vec<(ChainId, Noted)>), PositionsError> {
        let system = |cause| PositionsError::System { path: path.to_owned(), cause };
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path);
        let file = file.map_err(system)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(PositionsError::InUse(path.to_owned())),
            Err(TryLockError::Error(cause)) => return Err(system(cause)),
        }
        let length = file.metadata().map_err(system)?.len();
        let (mut header, mut there) = ([0; ENTRY], vec![0; length.min(ENTRY as u64) as usize]);
        header[..8].copy_from_slice(MAGIC);
        file.read_exact_at(&mut there, 0).map_err(system)?;
        if there.len() < ENTRY && (header.starts_with(&there) || there.iter().all(|b| *b == 0)) {
            // Nothing was ever in it: an earlier start ended before its header was whole.
            file.write_all_at(&header, 0).map_err(system)?;
        } else if there.len() < ENTRY || !there.starts_with(MAGIC) {
            return Err(PositionsError::NotPositions(path.to_owned()));
        }
        let mut positions = Self {
            path: path.to_owned(),
            file,
            places: HashMap::new(),
            gaps: HashMap::new(),
            free: vec![],
        };
        let (mut known, mut bytes) = (vec![], [0; ENTRY]);
        for place in 1..length / ENTRY as u64 {
            positions.file.read_exact_at(&mut bytes, place * ENTRY as u64).map_err(system)?;
            match entry(&bytes) {
                None => positions.free.push(place),
                Some((id, noted)) => {
                    match &noted {
                        Noted::Done(_) => drop(positions.places.insert(id, place)),
                        Noted::Gap(gap) => {
                            positions.gaps.entry(id).or_default().push((gap.clone(), place));
                        }
                    }
                    known.push((id, noted));
                }
            }
        }
        // Positions first: to know one is to begin anew.
        known.sort_by_key(|(_, noted)| match noted {
            Noted::Done(_) => 0,
            Noted::Gap(gap) => gap.start,
        });
        Ok((positions, known))
    }

    /// Notes that all of this outbox up to this number are settled.
    pub(crate) fn note(&mut self, id: ChainId, number: u64) -> Result<(), PositionsError> {
        let bytes = bytes(id, number, 0);
        if let Some(place) = self.places.get(&id) {
            return self.write(*place, &bytes);
        }
        let place = self.write_anew(&bytes)?;
        self.places.insert(id, place);
        Ok(())
    }

    /// Notes which of this outbox were given up and have not come, in place of what was noted of that before.
    pub(crate) fn note_gaps<'g>(
        &mut self,
        id: ChainId,
        gaps: impl Iterator<Item = &'g Range<u64>>,
    ) -> Result<(), PositionsError> {
        let mut before = self.gaps.remove(&id).unwrap_or_default();
        let mut now = vec![];
        let mut noted = Ok(());
        for gap in gaps {
            if let Some(index) = before.iter().position(|(known, _)| known == gap) {
                now.push(before.swap_remove(index));
                continue;
            }
            match self.write_anew(&bytes(id, gap.start, gap.end)) {
                Ok(place) => now.push((gap.clone(), place)),
                Err(error) => noted = Err(error),
            }
        }
        // What is noted twice for a moment is handed on if it comes, which is better than to miss it.
        for (_, place) in before {
            noted = noted.and(self.write(place, &[0; ENTRY]));
            self.free.push(place);
        }
        if !now.is_empty() {
            self.gaps.insert(id, now);
        }
        noted
    }

    /// Writes an entry where there is none, and answers where. The place is its only once it is written: else the next one
    /// gets it.
    fn write_anew(&mut self, bytes: &[u8; ENTRY]) -> Result<u64, PositionsError> {
        if let Some(place) = self.free.last().copied() {
            self.write(place, bytes)?;
            self.free.pop();
            return Ok(place);
        }
        let end = self.end()?;
        self.write(end, bytes)?;
        Ok(end)
    }

    /// Behind the last entry.
    fn end(&self) -> Result<u64, PositionsError> {
        let system = |cause| PositionsError::System { path: self.path.clone(), cause };
        let end = self.file.metadata().map_err(system)?.len().div_ceil(ENTRY as u64);
        if end > MOST {
            return Err(PositionsError::Full(self.path.clone()));
        }
        Ok(end)
    }

    fn write(&self, place: u64, bytes: &[u8; ENTRY]) -> Result<(), PositionsError> {
        let system = |cause| PositionsError::System { path: self.path.clone(), cause };
        self.file.write_all_at(bytes, place * ENTRY as u64).map_err(system)
    }
}

fn bytes(id: ChainId, number: u64, end: u64) -> [u8; ENTRY] {
    let mut bytes = [0; ENTRY];
    let name = id.origin.to_string();
    bytes[0] = name.len() as u8;
    bytes[1..=name.len()].copy_from_slice(name.as_bytes());
    bytes[32..40].copy_from_slice(&id.chain.to_le_bytes());
    bytes[40..48].copy_from_slice(&number.to_le_bytes());
    bytes[52..60].copy_from_slice(&end.to_le_bytes());
    let sum = sum(&bytes);
    bytes[48..52].copy_from_slice(&sum.to_le_bytes());
    bytes
}

fn sum(bytes: &[u8; ENTRY]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&bytes[..48]);
    if bytes[52..60] != [0; 8] {
        sum.update(&bytes[52..60]);
    }
    sum.finalize()
}

fn entry(bytes: &[u8; ENTRY]) -> Option<(ChainId, Noted)> {
    let number = |at: usize| {
        let mut eight = [0; 8];
        eight.copy_from_slice(&bytes[at..at + 8]);
        u64::from_le_bytes(eight)
    };
    if bytes[48..52] != sum(bytes).to_le_bytes() {
        return None;
    }
    let name = std::str::from_utf8(bytes.get(1..=usize::from(bytes[0]))?).ok()?;
    let id = ChainId { origin: name.parse().ok()?, chain: number(32) };
    let noted = match number(52) {
        0 => Noted::Done(number(40)),
        end => Noted::Gap(number(40)..end),
    };
    Some((id, noted))
}

#[cfg(test)]
mod tests;
