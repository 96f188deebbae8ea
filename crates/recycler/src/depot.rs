use meltica_stats::Peak;

use crate::{
    stack::{Popped, Stack},
    sync::{AtomicU32, Mutex, Ordering::Relaxed, lock},
};

/// The most slots that one thread's magazine holds.
pub(crate) const MAGAZINE: usize = if cfg!(meltica_loom) { 2 } else { 64 };

/// How many slots a pool has, and in what portions they move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// What was asked for.
    pub(crate) capacity: u32,
    /// How many slots move at once between a magazine and the depot: half a magazine. Zero where
    /// there are no magazines.
    pub(crate) batch: u32,
    /// How many threads at a time have a magazine.
    pub(crate) magazines: u32,
}

impl Geometry {
    /// No magazines, and so not a slot more than asked for.
    pub(crate) fn exact(capacity: u32) -> Self {
        Self { capacity, batch: 0, magazines: 0 }
    }

    /// Magazines that together hold up to a quarter of the capacity, for which there are slots beyond
    /// it; none below a capacity of 64.
    pub(crate) fn with_magazines(capacity: u32) -> Self {
        let (least, batch) = if cfg!(meltica_loom) { (2, 1) } else { (64, 4.max(capacity / 128)) };
        if capacity < least {
            return Self::exact(capacity);
        }
        let batch = batch.min(MAGAZINE as u32 / 2);
        Self { capacity, batch, magazines: (capacity / 4 / (2 * batch)).clamp(1, 64) }
    }

    pub(crate) fn magazine(&self) -> u32 {
        2 * self.batch
    }

    /// All slots: the capacity is free whatever lies idle in magazines.
    pub(crate) fn slots(&self) -> u32 {
        self.capacity + self.magazines * self.magazine()
    }
}

/// Where free slots lie that are in no thread's magazine. Every slot that is free is in one place: here,
/// in one magazine, or in the hands of whoever is moving it.
///
/// With magazines, slots come and go in batches, and lie here in rows of that length; single ones, for
/// threads that have no magazine, lie loose behind a lock. Without magazines each slot lies on the
/// stack by itself.
///
/// An empty answer is true of one moment: [`take_one`](Self::take_one) and [`take_some`](Self::take_some)
/// find the stack empty while they hold the lock of the loose ones and there are none. So if fewer than
/// the capacity are out, they succeed: what is not out is here, or among the at most
/// `magazines × magazine` that lie idle.
pub(crate) struct Depot {
    geometry: Geometry,
    /// How many slots there really are.
    slots: u32,
    /// The rows that are full; without magazines, the slots.
    full: Stack,
    /// The rows that are empty.
    spare: Stack,
    rows: Box<[AtomicU32]>,
    loose: Mutex<Vec<u32>>,
    /// The most slots that were ever elsewhere at once: an upper bound for those that were out.
    peak: Peak,
}

impl Depot {
    /// All the slots below `slots`.
    pub(crate) fn new(geometry: Geometry, slots: u32) -> Self {
        let batch = geometry.batch;
        let depot = |rows: u32, full: Stack| Self {
            geometry,
            slots,
            full,
            spare: Stack::new(rows),
            rows: (0..rows * batch).map(|_| AtomicU32::new(0)).collect(),
            loose: Mutex::new(Vec::with_capacity(2 * batch as usize)),
            peak: Peak::new(),
        };
        if batch == 0 {
            let depot = depot(0, Stack::new(slots));
            (0..slots).rev().for_each(|slot| depot.full.push(slot));
            return depot;
        }
        // One for every batch that there can be: a row is in use, filled or being filled or emptied, only
        // while it or whoever works on it has that many slots.
        let rows = slots / batch;
        let depot = depot(rows, Stack::new(rows));
        (0..rows).for_each(|row| depot.spare.push(row));
        // In order, so that the first to be taken is slot zero.
        let whole = slots / batch * batch;
        for first in (0..whole).step_by(batch as usize).rev() {
            let slots: Vec<u32> = (first..first + batch).rev().collect();
            depot.put_batch(&slots);
        }
        lock(&depot.loose).extend((whole..slots).rev());
        depot
    }

    pub(crate) fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    pub(crate) fn peak(&self) -> u64 {
        self.peak.get()
    }

    /// Takes one slot.
    pub(crate) fn take_one(&self) -> Option<u32> {
        if self.geometry.batch == 0 {
            let Popped { number, left } = self.full.pop()?;
            self.peak.raise(u64::from(self.slots - left));
            return Some(number);
        }
        let mut loose = lock(&self.loose);
        if loose.is_empty() {
            let mut batch = [0; MAGAZINE];
            let taken = self.take_batch(&mut batch)?;
            loose.extend(&batch[..taken]);
        }
        let slot = loose.pop();
        self.raise_peak(self.full.len(), loose.len());
        slot
    }

    /// Takes a batch, or what there is of it if there is no whole one, into the beginning of `slots`, and
    /// says how many.
    pub(crate) fn take_some(&self, slots: &mut [u32; MAGAZINE]) -> usize {
        if let Some(taken) = self.take_batch(slots) {
            return taken;
        }
        let mut loose = lock(&self.loose);
        if loose.is_empty() {
            return self.take_batch(slots).unwrap_or(0);
        }
        let taken = loose.len().min(self.geometry.batch as usize);
        for (slot, loose) in slots.iter_mut().zip(loose.drain(..taken)) {
            *slot = loose;
        }
        self.raise_peak(0, loose.len());
        taken
    }

    fn take_batch(&self, slots: &mut [u32; MAGAZINE]) -> Option<usize> {
        let batch = self.geometry.batch as usize;
        let Popped { number: row, left } = self.full.pop()?;
        for (slot, in_row) in slots.iter_mut().zip(self.row(row)) {
            // Relaxed, as below: the row is this thread's until it is pushed, which releases, and since
            // it was popped, which acquired.
            *slot = in_row.load(Relaxed);
        }
        self.spare.push(row);
        self.raise_peak(left, 0);
        Some(batch)
    }

    /// So many rows are full and so many slots loose: the others are elsewhere.
    fn raise_peak(&self, full: u32, loose: usize) {
        let here = (full * self.geometry.batch) as usize + loose;
        self.peak.raise((self.slots as usize).saturating_sub(here) as u64);
    }

    /// Puts one slot.
    pub(crate) fn put_one(&self, slot: u32) {
        if self.geometry.batch == 0 {
            return self.full.push(slot);
        }
        let mut loose = lock(&self.loose);
        loose.push(slot);
        let batch = self.geometry.batch as usize;
        if loose.len() == 2 * batch {
            self.put_batch(&loose[batch..]);
            loose.truncate(batch);
        }
    }

    /// Puts a whole batch.
    pub(crate) fn put_batch(&self, slots: &[u32]) {
        let spare = self.spare.pop();
        let Popped { number: row, .. } = spare.expect("as many rows as there are batches of slots");
        for (in_row, slot) in self.row(row).iter().zip(slots) {
            in_row.store(*slot, Relaxed);
        }
        self.full.push(row);
    }

    fn row(&self, row: u32) -> &[AtomicU32] {
        let batch = self.geometry.batch as usize;
        &self.rows[row as usize * batch..][..batch]
    }
}

#[cfg(all(test, not(meltica_loom)))]
mod tests;

#[cfg(all(test, meltica_loom))]
mod models;
