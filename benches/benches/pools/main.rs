//! What does it cost to take an object of a pool and give it back, and what in the pool's place?
//!
//! Every contender does the same: it takes a warm object, writes a word of it, gives it back, and clears
//! the word on the way (raw boxes are not filled beyond that word). Contenders take turns within a round,
//! and each figure is compared with the pool's of the same round. What a single use took at worst is a
//! quantile over uses that are timed one by one, the clock's own time included; allocations are counted in
//! a pass of their own.
//!
//! `cargo bench -p meltica-benches --bench pools` prints the tables; with `-- --write` they go into
//! `docs/performance.md`, and a plot beside it. `-- --quick` takes three rounds in place of fifteen.

mod contenders;
#[expect(unsafe_code, reason = "raw memory of two allocators, beside each other in one process")]
mod raw;
mod report;
mod workloads;

use std::alloc::System;

use meltica_benches::{
    Figures,
    counting::{self, Counting},
    interleaved, spread,
};

use self::{
    contenders::{
        ArrayList, Contender, Linear, MimallocBox, Mutexed, ObjectPool, Opool, Recycler, SegList,
        SlabGuard, SlabKey, SpinLock, SystemBox,
    },
    report::{Row, Table},
    workloads::{Workload, single},
};

#[global_allocator]
static ALLOCATOR: Counting<System> = Counting(System);

/// A contender whose objects have a size, whatever its type is.
trait Entrant {
    fn name(&self) -> &'static str;
    fn nanos(&self, workload: Workload) -> f64;
    fn single(&self, across: bool) -> Vec<u64>;
}

/// A contender, and the size of its objects.
struct Entry<const WORDS: usize, C>(C);

impl<const WORDS: usize, C: Contender<WORDS>> Entrant for Entry<WORDS, C> {
    fn name(&self) -> &'static str {
        C::NAME
    }

    fn nanos(&self, workload: Workload) -> f64 {
        workload.nanos(&self.0)
    }

    fn single(&self, across: bool) -> Vec<u64> {
        single(&self.0, across)
    }
}

fn enter<const WORDS: usize, C: Contender<WORDS> + 'static>() -> Box<dyn Entrant> {
    Box::new(Entry(C::new()))
}

/// The pool comes first: the others are compared with it.
fn entrants<const WORDS: usize>() -> Vec<Box<dyn Entrant>> {
    vec![
        enter::<WORDS, Recycler<WORDS, false>>(),
        enter::<WORDS, Recycler<WORDS, true>>(),
        enter::<WORDS, MimallocBox>(),
        enter::<WORDS, SystemBox>(),
        enter::<WORDS, Opool<WORDS>>(),
        enter::<WORDS, ArrayList<WORDS>>(),
        enter::<WORDS, SegList<WORDS>>(),
        enter::<WORDS, ObjectPool<WORDS>>(),
        enter::<WORDS, SlabGuard<WORDS>>(),
        enter::<WORDS, SlabKey<WORDS>>(),
        enter::<WORDS, Linear<WORDS>>(),
        enter::<WORDS, SpinLock<WORDS>>(),
        enter::<WORDS, Mutexed<WORDS>>(),
    ]
}

fn table(bytes: usize, entrants: &[Box<dyn Entrant>], workload: Workload, rounds: usize) -> Table {
    let figures = interleaved(entrants.len(), rounds, |index| entrants[index].nanos(workload));
    let single = match workload {
        Workload::OneThread => Some(false),
        Workload::HandedAcross => Some(true),
        Workload::Bursts | Workload::TwoThreads => None,
    };
    let rows = entrants.iter().zip(figures).map(|(entrant, Figures { nanos, ratio })| {
        let (_, allocations) = counting::allocations(|| entrant.nanos(workload));
        let tail = single.map(|across| {
            let tails = (0..rounds.min(5)).map(|_| {
                let mut took = entrant.single(across);
                took.sort_unstable();
                took[took.len() * 999 / 1_000] as f64
            });
            spread(tails.collect()).0
        });
        let per_use = allocations as f64 / workload.uses() as f64;
        Row { name: entrant.name(), nanos, ratio, tail, allocations: per_use }
    });
    Table { bytes, workload, rows: rows.collect() }
}

fn main() {
    let has = |flag: &str| std::env::args().any(|argument| argument == flag);
    let rounds = if has("--quick") { 3 } else { 15 };
    let mut tables = vec![];
    for (bytes, entrants) in [(128, entrants::<16>()), (768, entrants::<96>())] {
        for workload in Workload::ALL {
            let table = table(bytes, &entrants, workload, rounds);
            println!("{}", table.markdown());
            tables.push(table);
        }
    }
    if has("--write") {
        match report::write(&tables, rounds) {
            Ok(()) => println!("written to docs/performance.md"),
            Err(error) => {
                eprintln!("docs/performance.md: {error}");
                std::process::exit(1);
            }
        }
    }
}
