use super::*;

#[test]
fn a_counter_counts_and_wraps() {
    let counter = Counter::new();
    counter.add(u64::MAX);
    counter.add(3);
    assert_eq!(counter.get(), 2);
}

#[test]
fn a_shared_counter_loses_nothing_between_threads() {
    let counter = SharedCounter::new();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..10_000).for_each(|_| counter.add(1)));
        }
    });
    assert_eq!(counter.get(), 40_000);
}
