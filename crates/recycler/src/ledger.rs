use std::{
    backtrace::Backtrace,
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use crate::{
    clock,
    sync::{Mutex, lock},
};

/// Who holds what: filled in debug mode only, one record an outstanding lease, and for each object
/// that came home the stack that brought it.
///
/// Stacks are captured without resolving their symbols (some microseconds), and resolved when they
/// are printed (some hundreds).
#[derive(Default)]
pub(crate) struct Ledger {
    /// Whether anything was ever recorded, so that a pool never debugged never takes the lock.
    used: AtomicBool,
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    outstanding: HashMap<usize, Record>,
    /// By slot: the generation that ended last, and where.
    returned: HashMap<u32, (u64, Arc<Backtrace>)>,
}

struct Record {
    generation: u64,
    heap: bool,
    thread: Arc<str>,
    taken: Instant,
    stack: Arc<Backtrace>,
}

impl Ledger {
    pub(crate) fn taken(&self, address: usize, generation: u64, heap: bool) {
        let thread = std::thread::current();
        let record = Record {
            generation,
            heap,
            thread: thread.name().unwrap_or("unnamed").into(),
            taken: clock::now(),
            stack: Arc::new(Backtrace::force_capture()),
        };
        // Relaxed: a lease that comes home through another thread brings this store along.
        self.used.store(true, Relaxed);
        lock(&self.books).outstanding.insert(address, record);
    }

    pub(crate) fn returned(&self, address: usize, slot: u32, generation: u64, heap: bool) {
        let stack = Arc::new(Backtrace::force_capture());
        let mut books = lock(&self.books);
        books.outstanding.remove(&address);
        if !heap {
            books.returned.insert(slot, (generation, stack));
        }
    }

    /// An object came home unrecorded.
    pub(crate) fn forget(&self, address: usize) {
        if self.used.load(Relaxed) {
            lock(&self.books).outstanding.remove(&address);
        }
    }

    /// Where this lease of the slot ended, if that was seen.
    pub(crate) fn end_of(&self, slot: u32, generation: u64) -> Option<Arc<Backtrace>> {
        let books = lock(&self.books);
        let (ended, stack) = books.returned.get(&slot)?;
        (*ended == generation).then(|| Arc::clone(stack))
    }

    pub(crate) fn outstanding(&self, pool: &Arc<str>) -> Vec<Outstanding> {
        let now = clock::now();
        let books = lock(&self.books);
        let mut list: Vec<_> = books
            .outstanding
            .values()
            .map(|record| Outstanding {
                pool: Arc::clone(pool),
                generation: record.generation,
                heap: record.heap,
                thread: Arc::clone(&record.thread),
                age: now.saturating_duration_since(record.taken),
                stack: Arc::clone(&record.stack),
            })
            .collect();
        list.sort_by_key(|outstanding| std::cmp::Reverse(outstanding.age));
        list
    }
}

/// A lease that is out, as debug mode recorded it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outstanding {
    /// The pool's name.
    pub pool: Arc<str>,
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
        let origin = if self.heap { " (heap)" } else { "" };
        writeln!(
            f,
            "pool `{}`{origin}: out for {:?}, taken by thread `{}` at:",
            self.pool, self.age, self.thread
        )?;
        write!(f, "{}", self.stack)
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
        if self.is_clean() {
            return f.write_str("every lease is home");
        }
        for (pool, count) in &self.pools {
            writeln!(f, "pool `{pool}`: {count} out")?;
        }
        if self.outstanding.is_empty() {
            return f.write_str("debug mode was off when they were taken: no stacks are known");
        }
        for outstanding in &self.outstanding {
            writeln!(f, "{outstanding}")?;
        }
        Ok(())
    }
}
