//! Up to where each outbox's messages were settled here: a small file, so that a receiver that starts again knows what
//! it had, also where the server does not know that yet.
//!
//! ```text
//! offset  size
//!      0     8  "MELTICAP"
//!      8    56  zero
//!     64        entries of 64 bytes
//! ```
//!
//! An entry: length of the origin (1), origin (31, the rest zero), chain (8), number (8), little-endian, CRC32 of the 48
//! bytes before (4), zero (12). It is written as a whole in its place; one whose sum is wrong was cut off by a crash of
//! the machine, and counts as not there.

use std::{
    collections::HashMap,
    fs::{File, TryLockError},
    io,
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
    #[error("the positions {} have entries of {MOST} outboxes; move the file away", .0.display())]
    Full(PathBuf),
}

impl Positions {
    /// Opens the file, made now if it is not there, for this process alone; and what is in it.
    pub(crate) fn open(path: &Path) -> Result<(Self, Vec<(ChainId, u64)>), PositionsError> {
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
        let (mut places, mut known) = (HashMap::new(), vec![]);
        let mut bytes = [0; ENTRY];
        for place in 1..length / ENTRY as u64 {
            file.read_exact_at(&mut bytes, place * ENTRY as u64).map_err(system)?;
            let Some((id, number)) = entry(&bytes) else { continue };
            places.insert(id, place);
            known.push((id, number));
        }
        Ok((Self { path: path.to_owned(), file, places }, known))
    }

    /// Notes that all of this outbox up to this number are settled.
    pub(crate) fn note(&mut self, id: ChainId, number: u64) -> Result<(), PositionsError> {
        let system = |cause| PositionsError::System { path: self.path.clone(), cause };
        let place = match self.places.get(&id) {
            Some(place) => *place,
            None => {
                let end = self.file.metadata().map_err(system)?.len().div_ceil(ENTRY as u64);
                if end > MOST {
                    return Err(PositionsError::Full(self.path.clone()));
                }
                end
            }
        };
        let mut bytes = [0; ENTRY];
        let name = id.origin.to_string();
        bytes[0] = name.len() as u8;
        bytes[1..=name.len()].copy_from_slice(name.as_bytes());
        bytes[32..40].copy_from_slice(&id.chain.to_le_bytes());
        bytes[40..48].copy_from_slice(&number.to_le_bytes());
        let sum = crc32fast::hash(&bytes[..48]);
        bytes[48..52].copy_from_slice(&sum.to_le_bytes());
        self.file.write_all_at(&bytes, place * ENTRY as u64).map_err(system)?;
        // Only now: where it was not written the file may not have grown, and the next one gets this place.
        self.places.insert(id, place);
        Ok(())
    }
}

fn entry(bytes: &[u8; ENTRY]) -> Option<(ChainId, u64)> {
    let number = |at: usize| {
        let mut eight = [0; 8];
        eight.copy_from_slice(&bytes[at..at + 8]);
        u64::from_le_bytes(eight)
    };
    let sum = crc32fast::hash(&bytes[..48]).to_le_bytes();
    if bytes[48..52] != sum {
        return None;
    }
    let name = std::str::from_utf8(bytes.get(1..=usize::from(bytes[0]))?).ok()?;
    Some((ChainId { origin: name.parse().ok()?, chain: number(32) }, number(40)))
}

#[cfg(test)]
mod tests;
