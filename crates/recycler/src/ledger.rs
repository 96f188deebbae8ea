use std::{
    backtrace::Backtrace,
    collections::{HashMap, HashSet, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use sharded_slab::Slab;

use crate::clock;

/// How many deeds are remembered of each slot.
const REMEMBERED: usize = 4;

/// How many stray writes are kept for whoever asks.
const STRAYS: usize = 16;

/// Who holds what, and what became of each slot last: filled in debug mode only.
///
/// Stacks are captured without resolving their symbols (some microseconds), and resolved when they
/// are printed (some hundreds).
#[derive(Default)]
pub(crate) struct Ledger {
    /// Made when debug mode first writes to it.
    books: OnceLock<Books>,
}

struct Books {
    /// A record for each lease that is out. The slot keeps the key, so that nobody searches.
    out: Slab<Record>,
    /// The keys of heap objects' records: no slot of the pool's has them.
    on_heap: Mutex<HashSet<usize>>,
    /// By slot, oldest first.
    deeds: Mutex<HashMap<u32, VecDeque<Deed>>>,
    strays: Mutex<VecDeque<StrayWrite>>,
}

/// A lease that is out.
#[derive(Clone)]
pub(crate) struct Record {
    pub(crate) generation: u64,
    pub(crate) thread: Arc<str>,
    pub(crate) taken: Instant,
    pub(crate) stack: Arc<Backtrace>,
}

impl Ledger {
    fn books(&self) -> &Books {
        self.books.get_or_init(|| Books {
            out: Slab::new(),
            on_heap: Mutex::default(),
            deeds: Mutex::default(),
            strays: Mutex::default(),
        })
    }

    /// Records a lease, of a slot or on the heap. Answers what it is called here; zero if there was no
    /// room for it.
    #[inline(never)]
    pub(crate) fn leased(&self, slot: Option<u32>, generation: u64) -> u64 {
        let books = self.books();
        let deed = Deed::now(DeedKind::Leased, generation);
        let record = Record {
            generation,
            thread: Arc::clone(&deed.thread),
            taken: deed.at,
            stack: Arc::clone(&deed.stack),
        };
        let key = books.out.insert(record);
        match slot {
            Some(slot) => books.remember(slot, deed),
            None => lock(&books.on_heap).extend(key),
        }
        key.map_or(0, |key| key as u64 + 1)
    }

    /// Strikes out what a lease was recorded as, if it was.
    pub(crate) fn strike_out(&self, record: u64, on_heap: bool) {
        let (Some(books), Some(key)) = (self.books.get(), record.checked_sub(1)) else { return };
        books.out.remove(key as usize);
        if on_heap {
            lock(&books.on_heap).remove(&(key as usize));
        }
    }

    #[inline(never)]
    pub(crate) fn did(&self, kind: DeedKind, slot: u32, generation: u64) {
        self.books().remember(slot, Deed::now(kind, generation));
    }

    /// What a lease of this generation was recorded as.
    pub(crate) fn record(&self, record: u64, generation: u64) -> Option<Record> {
        let found = self.books.get()?.out.get(record.checked_sub(1)? as usize)?;
        (found.generation == generation).then(|| found.clone())
    }

    pub(crate) fn on_heap(&self) -> Vec<Record> {
        let Some(books) = self.books.get() else { return vec![] };
        let keys = lock(&books.on_heap);
        keys.iter().filter_map(|key| Some(books.out.get(*key)?.clone())).collect()
    }

    /// What is remembered of a slot, oldest first.
    pub(crate) fn deeds(&self, slot: u32) -> Vec<Deed> {
        let Some(books) = self.books.get() else { return vec![] };
        lock(&books.deeds)
            .get(&slot)
            .map(|deeds| deeds.iter().cloned().collect())
            .unwrap_or_default()
    }

    pub(crate) fn stray(&self, stray: StrayWrite) {
        let mut strays = lock(&self.books().strays);
        if strays.len() == STRAYS {
            strays.pop_front();
        }
        strays.push_back(stray);
    }

    pub(crate) fn strays(&self) -> Vec<StrayWrite> {
        let Some(books) = self.books.get() else { return vec![] };
        lock(&books.strays).iter().cloned().collect()
    }
}

impl Books {
    fn remember(&self, slot: u32, deed: Deed) {
        let mut deeds = lock(&self.deeds);
        let deeds = deeds.entry(slot).or_default();
        if deeds.len() == REMEMBERED {
            deeds.pop_front();
        }
        deeds.push_back(deed);
    }
}

/// std's locks, also under loom: debug mode is no part of any protocol.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What can be done to an object of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeedKind {
    /// It was taken from the pool.
    Leased,
    /// Its ticket became a lease again.
    Redeemed,
    /// It came home.
    Returned,
}

/// What was done to an object, as debug mode saw it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Deed {
    /// What.
    pub kind: DeedKind,
    /// In which of the object's leases.
    pub generation: u64,
    /// The name of the thread that did it.
    pub thread: Arc<str>,
    /// When.
    pub at: Instant,
    /// The stack that did it; resolved when printed.
    pub stack: Arc<Backtrace>,
}

impl Deed {
    fn now(kind: DeedKind, generation: u64) -> Self {
        // A thread that is ending may have lost its name already.
        let name = std::panic::catch_unwind(|| std::thread::current().name().map(Arc::from));
        let thread = name.ok().flatten().unwrap_or_else(|| "unnamed".into());
        let stack = Arc::new(Backtrace::force_capture());
        Self { kind, generation, thread, at: clock::now(), stack }
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, generation, thread, at, stack } = self;
        let did = match kind {
            DeedKind::Leased => "leased",
            DeedKind::Redeemed => "redeemed",
            DeedKind::Returned => "returned",
        };
        let ago = clock::now().saturating_duration_since(*at);
        writeln!(f, "{did} {ago:?} ago by thread `{thread}` (generation {generation}) at:")?;
        write!(f, "{stack}")
    }
}

/// A write to an object that nobody held, as debug mode found it at the next lease. The object itself is
/// unharmed: its value lay elsewhere.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StrayWrite {
    /// The pool's name.
    pub pool: Arc<str>,
    /// Which object.
    pub slot: u32,
    /// The lease that found it.
    pub generation: u64,
    /// How many of the object's bytes were changed.
    pub bytes: usize,
    /// The first of them, counted from the beginning of the object.
    pub offset: usize,
    /// What was found there, in place of a byte of the pattern.
    pub found: u8,
    /// What was done to the object last, oldest first: somebody who held it then still has a pointer.
    pub history: Vec<Deed>,
}

impl fmt::Display for StrayWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pool, slot, generation, bytes, offset, found, history } = self;
        write!(
            f,
            "stray write detected: pool `{pool}`, slot {slot}, before generation {generation}: {bytes} \
             bytes changed while nobody held it, from byte {offset} on ({found:#04x} there)"
        )?;
        history.iter().try_for_each(|deed| write!(f, "\n{deed}"))
    }
}

/// A lease that is out, as debug mode recorded it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outstanding {
    /// The pool's name.
    pub pool: Arc<str>,
    /// Which object; `None` if it came from the heap.
    pub slot: Option<u32>,
    /// Which of the object's leases this is.
    pub generation: u64,
    /// Whether the object came from the heap because the pool was empty.
    pub heap: bool,
    /// The thread that took it.
    pub thread: Arc<str>,
    /// How long it has been out.
    pub age: Duration,
    /// The stack that took it; resolved when printed.
    pub stack: Arc<Backtrace>,
}

impl fmt::Display for Outstanding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pool, slot, generation, thread, age, stack, .. } = self;
        write!(f, "pool `{pool}`")?;
        match slot {
            Some(slot) => write!(f, ", slot {slot}, generation {generation}")?,
            None => f.write_str(" (heap)")?,
        }
        writeln!(f, ": out for {age:?}, taken by thread `{thread}` at:")?;
        write!(f, "{stack}")
    }
}

/// A lease that is out, and was taken while debug mode was off.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unrecorded {
    /// The pool's name.
    pub pool: Arc<str>,
    /// Which object.
    pub slot: u32,
    /// Which of the object's leases this is.
    pub generation: u64,
    /// How many handles there are; zero if it is ticketed.
    pub handles: u32,
}

impl fmt::Display for Unrecorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pool, slot, generation, handles } = self;
        write!(f, "pool `{pool}`, slot {slot}, generation {generation}: ")?;
        match handles {
            0 => f.write_str("a ticket"),
            1 => f.write_str("one handle"),
            _ => write!(f, "{handles} handles"),
        }
    }
}

/// What had not come home when it was asked for.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LeakReport {
    /// For each pool with something out: its name and how many.
    pub pools: Vec<(Arc<str>, u64)>,
    /// Those that debug mode saw being taken, oldest first within a pool.
    pub outstanding: Vec<Outstanding>,
    /// Those that it did not. Heap objects cannot be told apart then, nor tickets of a pool that is gone:
    /// they are only counted.
    pub unrecorded: Vec<Unrecorded>,
}

impl LeakReport {
    /// Whether everything is home.
    pub fn is_clean(&self) -> bool {
        self.pools.is_empty()
    }

    /// How many leases are out.
    pub fn count(&self) -> u64 {
        self.pools.iter().map(|(_, count)| count).sum()
    }
}

impl fmt::Display for LeakReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Of leases without a stack, a few say as much as thousands.
        const SHOWN: usize = 16;
        if self.is_clean() {
            return f.write_str("every lease is home");
        }
        for (pool, count) in &self.pools {
            writeln!(f, "pool `{pool}`: {count} out")?;
        }
        for outstanding in &self.outstanding {
            writeln!(f, "{outstanding}")?;
        }
        if !self.unrecorded.is_empty() {
            writeln!(f, "debug mode was off when these were taken, so no stacks are known:")?;
        }
        for unrecorded in self.unrecorded.iter().take(SHOWN) {
            writeln!(f, "{unrecorded}")?;
        }
        let more = self.unrecorded.len().saturating_sub(SHOWN);
        if more > 0 {
            writeln!(f, "and {more} more")?;
        }
        let told = (self.outstanding.len() + self.unrecorded.len()) as u64;
        match self.count().saturating_sub(told) {
            0 => Ok(()),
            rest => writeln!(
                f,
                "{rest} cannot be told apart: heap objects taken while debug mode was off, tickets of a \
                 pool that is gone, or leases that came and went just now"
            ),
        }
    }
}
