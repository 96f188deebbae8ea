//! A stage that counts and measures what it does, and somebody who looks at it meanwhile.
//!
//! The stage is the one writer: no locked instruction, a nanosecond or two a time. Whoever reads is in nobody's way.

use std::{sync::Arc, thread, time::Instant};

use meltica_stats::{Counter, Histogram, Peak};

/// What a stage tells of itself.
#[derive(Default)]
struct Stage {
    parsed: Counter,
    bytes: Counter,
    took_ns: Histogram,
    largest: Peak,
}

fn main() {
    let stage = Arc::new(Stage::default());
    let writer = Arc::clone(&stage);
    let work = thread::spawn(move || {
        for number in 0..100_000u64 {
            let begun = Instant::now();
            let text = std::hint::black_box(number.to_string());
            writer.parsed.add(1);
            writer.bytes.add(text.len() as u64);
            writer.largest.raise(text.len() as u64);
            writer.took_ns.record(begun.elapsed().as_nanos() as u64);
        }
    });
    // While it runs: each is read where it stands.
    println!("so far {}", stage.parsed.get());
    work.join().expect("it does not panic");

    let took = stage.took_ns.snapshot();
    assert_eq!((stage.parsed.get(), took.count(), stage.largest.get()), (100_000, 100_000, 5));
    for share in [0.5, 0.99, 0.999] {
        println!("{share} of them took at most {:?} ns", took.quantile(share));
    }
}
