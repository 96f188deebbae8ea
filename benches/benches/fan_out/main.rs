//! What does it cost to hand every message to all of several consumers, and what in the dispatcher's place?
//!
//! One thread publishes as fast as it goes, nothing is dropped, and a round is over when every consumer
//! has read a word of every message; what they read is added up and compared, so that nobody is quick
//! by leaving something out. Each contender in the mode that suits it: threads of its own, or one
//! thread that polls for all. The dispatcher routes, isolates, counts and recycles meanwhile; the
//! others do none of that. All allocate from mimalloc. Contenders take turns within a round, and each figure is compared with the
//! dispatcher's of the same round.
//!
//! `cargo bench -p meltica-benches --bench fan_out`; `-- --quick` takes three rounds in place of eleven, `-- 10` only the
//! tables of ten consumers, `-- --like=polls` only contenders with that in their names.

mod contenders;

use meltica_benches::spread;

use self::contenders::{CONTENDERS, Contender, Payload};

/// What those who allocate are quickest with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Messages of a round, less where there are many consumers.
const EVENTS: u64 = 6_000_000;

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let rounds = if quick { 3 } else { 11 };
    let only: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    for consumers in [1, 3, 10, 50].into_iter().filter(|n| only.is_empty() || only.contains(n)) {
        table::<16>(consumers, rounds);
        table::<96>(consumers, rounds);
    }
}

/// What is to be in a contender's name.
fn like(argument: &str) -> Option<String> {
    argument.strip_prefix("--like=").map(str::to_owned)
}

fn table<const WORDS: usize>(consumers: usize, rounds: usize) {
    let events = EVENTS / (consumers as u64 + 4);
    println!("\n{consumers} consumers, {} bytes, ns per event:\n", size_of::<Payload<WORDS>>());
    let like: Vec<_> = std::env::args().filter_map(|argument| like(&argument)).collect();
    let mut contenders = CONTENDERS::<WORDS>();
    contenders.retain(|row| like.is_empty() || like.iter().any(|part| row.name.contains(part)));
    let nanos = |contender: &Contender<WORDS>| {
        let (sum, took) = (contender.round)(consumers, events);
        let all = consumers as u64 * (events * (events - 1) / 2);
        assert_eq!(sum, all, "{} left something out", contender.name);
        took.as_nanos() as f64 / events as f64
    };
    let mut figures = vec![vec![]; contenders.len()];
    let mut ratios = figures.clone();
    for contender in &contenders {
        nanos(contender);
    }
    for round in 0..rounds {
        // Another one begins each time, so that none always follows the same.
        let mut order: Vec<usize> = (0..contenders.len()).collect();
        order.rotate_left(round % contenders.len());
        let mut this = vec![0.0; contenders.len()];
        for index in order {
            this[index] = nanos(&contenders[index]);
        }
        for (index, figure) in this.iter().enumerate() {
            figures[index].push(*figure);
            ratios[index].push(figure / this[0]);
        }
    }
    println!("| | ns per event | beside the dispatcher |\n| --- | --- | --- |");
    for ((contender, figures), ratios) in contenders.iter().zip(figures).zip(ratios) {
        let (middle, least, most) = spread(figures);
        let (ratio, low, high) = spread(ratios);
        println!(
            "| {} | {middle:.0} [{least:.0} to {most:.0}] | {ratio:.2} [{low:.2} to {high:.2}] |",
            contender.name
        );
    }
}
