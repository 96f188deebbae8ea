//! What does it cost to merge three partial views into one, and does it matter how many windows are
//! open?
//!
//! A round merges every key's window once: three partials of 128 bytes each, of three sources, which
//! complete it. By plain values, and by leases of a pool. Beside: a map of vectors by hand, which
//! knows nothing of time, lateness or repeats. Rounds take turns.
//! `cargo bench -p meltica-benches --bench merge`

use std::{
    collections::HashMap,
    hint::black_box,
    time::{Duration, Instant},
};

use meltica_benches::spread;
use meltica_orchestrator::{Merge, Orchestrator, Sequence, Window};
use meltica_recycler::{Lease, Pool};

const ROUNDS: usize = 31;
/// Windows merged in a round, over all keys.
const WINDOWS: u64 = 60_000;

/// 128 bytes: number, key, source, price, and what else a quote has.
type Quote = [u64; 16];

/// The best of three, and whose it is.
struct Best;

impl Merge for Best {
    type Partial = Quote;
    type Key = u64;
    type Source = u64;
    type Merged = (u64, u64);

    fn key(&self, quote: &Quote) -> u64 {
        quote[1]
    }

    fn source(&self, quote: &Quote) -> u64 {
        quote[2]
    }

    fn sequence(&self, quote: &Quote) -> Sequence {
        Sequence::Numbered(quote[0])
    }

    fn expected(&self, _: u64) -> &[u64] {
        &[1, 2, 3]
    }

    fn merge(&mut self, window: Window<'_, Self>) -> Option<(u64, u64)> {
        window.partials().map(|quote| (quote[3], quote[2])).max()
    }
}

/// The same of leases, into a lease.
struct PooledBest {
    merged: Pool<Quote>,
}

impl Merge for PooledBest {
    type Partial = Lease<Quote>;
    type Key = u64;
    type Source = u64;
    type Merged = Lease<Quote>;

    fn key(&self, quote: &Lease<Quote>) -> u64 {
        quote[1]
    }

    fn source(&self, quote: &Lease<Quote>) -> u64 {
        quote[2]
    }

    fn sequence(&self, quote: &Lease<Quote>) -> Sequence {
        Sequence::Numbered(quote[0])
    }

    fn expected(&self, _: u64) -> &[u64] {
        &[1, 2, 3]
    }

    fn merge(&mut self, window: Window<'_, Self>) -> Option<Lease<Quote>> {
        let best = window.partials().max_by_key(|quote| quote[3])?;
        let mut merged = self.merged.try_lease().ok()?;
        merged.copy_from_slice(&best[..]);
        Some(merged)
    }
}

fn quote(number: u64, key: u64, source: u64) -> Quote {
    let mut quote = Quote::default();
    quote[..4].copy_from_slice(&[number, key, source, number % 7 + source]);
    quote
}

/// Nanoseconds for each window of a round over so many keys. All keys' windows are open at a time.
fn round(keys: u64, mut push: impl FnMut(u64, u64, u64)) -> f64 {
    let start = Instant::now();
    for number in 0..WINDOWS / keys {
        for source in 1..=3 {
            for key in 0..keys {
                push(number + 1, key, source);
            }
        }
    }
    start.elapsed().as_nanos() as f64 / (WINDOWS / keys * keys) as f64
}

fn values(keys: u64) -> f64 {
    let builder = Orchestrator::builder(Best).windows(keys as usize).window(Duration::MAX);
    let mut windows = builder.build().expect("valid settings");
    let now = Instant::now();
    round(keys, |number, key, source| {
        windows.push(quote(number, key, source), now).expect("on time");
        while let Some(merged) = windows.pop() {
            black_box(merged);
        }
    })
}

fn leases(keys: u64, pool: &Pool<Quote>, merged: &Pool<Quote>) -> f64 {
    let merge = PooledBest { merged: merged.clone() };
    let builder = Orchestrator::builder(merge).windows(keys as usize).window(Duration::MAX);
    let mut windows = builder.build().expect("valid settings");
    let now = Instant::now();
    round(keys, |number, key, source| {
        let mut lease = pool.try_lease().expect("large enough");
        *lease = quote(number, key, source);
        windows.push(lease, now).expect("on time");
        while let Some(merged) = windows.pop() {
            black_box(&merged);
        }
    })
}

/// The three leases and the merged one of a window, taken and returned without being merged.
fn leases_alone(pool: &Pool<Quote>, merged: &Pool<Quote>) -> f64 {
    round(1, |number, key, source| {
        let mut lease = pool.try_lease().expect("large enough");
        *lease = quote(number, key, source);
        black_box(&lease);
        if source == 3 {
            black_box(&merged.try_lease().expect("large enough"));
        }
    })
}

fn by_hand(keys: u64) -> f64 {
    let mut windows: HashMap<u64, Vec<Quote>> = HashMap::new();
    round(keys, |number, key, source| {
        let window = windows.entry(key).or_default();
        window.push(quote(number, key, source));
        if window.len() == 3 {
            black_box(window.iter().map(|quote| (quote[3], quote[2])).max());
            window.clear();
        }
    })
}

fn main() {
    let pool = Pool::new(30_000, Quote::default, |quote| quote[0] = 0);
    let merged = Pool::new(64, Quote::default, |quote| quote[0] = 0);
    type Case<'a> = (&'a str, Box<dyn Fn() -> f64 + 'a>);
    let cases: Vec<Case<'_>> = vec![
        ("by hand, 4 windows open", Box::new(|| by_hand(4))),
        ("by hand, 5,000 windows open", Box::new(|| by_hand(5_000))),
        ("merged, 4 windows open", Box::new(|| values(4))),
        ("merged, 5,000 windows open", Box::new(|| values(5_000))),
        ("four leases taken and returned, no merge", Box::new(|| leases_alone(&pool, &merged))),
        ("merged by leases, 4 windows open", Box::new(|| leases(4, &pool, &merged))),
        ("merged by leases, 5,000 windows open", Box::new(|| leases(5_000, &pool, &merged))),
    ];
    let mut figures = vec![vec![]; cases.len()];
    for _ in 0..ROUNDS {
        for ((_, case), figures) in cases.iter().zip(&mut figures) {
            figures.push(case());
        }
    }
    for ((name, _), figures) in cases.iter().zip(figures) {
        let (middle, least, greatest) = spread(figures);
        println!("{name:<44} {middle:>8.1} [{least:.1} to {greatest:.1}] ns per window");
    }
}
