//! What is done with a pool, and what of it is measured.

use std::{hint::black_box, sync::Barrier, thread, time::Instant};

use crossbeam_queue::ArrayQueue;

use crate::contenders::Contender;

/// How many objects go through a contender in one measurement.
const CYCLES: u64 = 1_000_000;
const HANDED: u64 = 200_000;
/// How many objects lie between the threads at most.
const BETWEEN: usize = 512;
const BURST: usize = 64;

/// One way of using a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workload {
    OneThread,
    Bursts,
    HandedAcross,
    TwoThreads,
}

impl Workload {
    pub(crate) const ALL: [Self; 4] =
        [Self::OneThread, Self::Bursts, Self::HandedAcross, Self::TwoThreads];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::OneThread => "one thread, one at a time",
            Self::Bursts => "one thread, bursts of 64",
            Self::HandedAcross => "taken by one thread, returned by another",
            Self::TwoThreads => "two threads, each one at a time",
        }
    }

    /// How many objects one measurement takes and returns.
    pub(crate) fn uses(self) -> u64 {
        match self {
            Self::OneThread => CYCLES,
            Self::Bursts => CYCLES / BURST as u64 * BURST as u64,
            Self::HandedAcross => HANDED,
            Self::TwoThreads => 2 * CYCLES,
        }
    }

    /// Nanoseconds for an object, taken and returned.
    pub(crate) fn nanos<const WORDS: usize, C: Contender<WORDS>>(self, contender: &C) -> f64 {
        match self {
            Self::OneThread => one_thread(contender, CYCLES),
            Self::Bursts => bursts(contender),
            Self::HandedAcross => handed_across(contender, None),
            Self::TwoThreads => two_threads(contender),
        }
    }
}

fn one_thread<const WORDS: usize, C: Contender<WORDS>>(contender: &C, cycles: u64) -> f64 {
    let start = Instant::now();
    for word in 0..cycles {
        let held = contender.get(word);
        contender.put(black_box(held));
    }
    start.elapsed().as_nanos() as f64 / cycles as f64
}

fn bursts<const WORDS: usize, C: Contender<WORDS>>(contender: &C) -> f64 {
    let mut all = Vec::with_capacity(BURST);
    let rounds = CYCLES as usize / BURST;
    let start = Instant::now();
    for _ in 0..rounds {
        (0..BURST).for_each(|word| all.push(contender.get(word as u64)));
        // In order, as messages are done with.
        all.drain(..).for_each(|held| contender.put(black_box(held)));
    }
    start.elapsed().as_nanos() as f64 / (rounds * BURST) as f64
}

/// The queue between the threads costs the same for all. Where `gets` are asked for, each `get` is timed.
fn handed_across<const WORDS: usize, C: Contender<WORDS>>(
    contender: &C,
    mut gets: Option<&mut Vec<u64>>,
) -> f64 {
    let between = ArrayQueue::new(BETWEEN);
    thread::scope(|scope| {
        let returner = || {
            for _ in 0..HANDED {
                let held = loop {
                    match between.pop() {
                        Some(held) => break held,
                        None => std::hint::spin_loop(),
                    }
                };
                contender.put(black_box(held));
            }
        };
        let start = Instant::now();
        let returner = scope.spawn(returner);
        for word in 0..HANDED {
            let started = gets.is_some().then(Instant::now);
            let mut held = contender.get(word);
            if let (Some(started), Some(gets)) = (started, &mut gets) {
                gets.push(started.elapsed().as_nanos() as u64);
            }
            while let Err(again) = between.push(held) {
                held = again;
                std::hint::spin_loop();
            }
        }
        returner.join().expect("returning does not panic");
        start.elapsed().as_nanos() as f64 / HANDED as f64
    })
}

fn two_threads<const WORDS: usize, C: Contender<WORDS>>(contender: &C) -> f64 {
    let both = Barrier::new(2);
    let one = || {
        one_thread(contender, 1_000);
        both.wait();
        one_thread(contender, CYCLES)
    };
    thread::scope(|scope| {
        let threads = [scope.spawn(one), scope.spawn(one)];
        let nanos = threads.map(|thread| thread.join().expect("nothing panics"));
        nanos.iter().sum::<f64>() / 2.0
    })
}

/// How long each of many single uses took, the clock's own time included: on one thread that of taking and
/// returning, handed across that of taking.
pub(crate) fn single<const WORDS: usize, C: Contender<WORDS>>(
    contender: &C,
    across: bool,
) -> Vec<u64> {
    let mut took = Vec::with_capacity(HANDED as usize);
    if across {
        handed_across(contender, Some(&mut took));
        return took;
    }
    for word in 0..HANDED {
        let start = Instant::now();
        let held = contender.get(word);
        contender.put(black_box(held));
        took.push(start.elapsed().as_nanos() as u64);
    }
    took
}
