use super::*;

#[test]
fn every_value_lies_in_a_bucket_that_ends_at_most_one_part_in_32_above_it() {
    let edges = (0..64).flat_map(|p| [(1u64 << p) - 1, 1 << p, (1 << p) + 1]);
    for value in edges.chain([u64::MAX, u64::MAX - 1, 12_345, 999_999_937]) {
        let end = upper_end(bucket_of(value));
        assert!(end >= value, "{value} above its bucket's end {end}");
        assert!(end - value <= value / 32, "{value} is too far from {end}");
    }
    assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
}

#[test]
fn an_empty_histogram_has_no_quantile_and_no_maximum() {
    let snapshot = Histogram::default().snapshot();
    assert_eq!((snapshot.quantile(0.5), snapshot.max(), snapshot.count()), (None, None, 0));
    assert_eq!(snapshot, Snapshot::empty());
}

#[test]
fn quantiles_outside_zero_to_one_are_clamped() {
    let histogram = Histogram::new();
    [5, 6, 7].into_iter().for_each(|value| histogram.record(value));
    let snapshot = histogram.snapshot();
    assert_eq!(snapshot.quantile(-1.0), Some(5));
    assert_eq!(snapshot.quantile(2.0), Some(7));
    assert_eq!(snapshot.buckets().collect::<Vec<_>>(), [(5, 1), (6, 1), (7, 1)]);
}

#[test]
fn debug_shows_the_figures_and_not_a_thousand_buckets() {
    let histogram = Histogram::new();
    histogram.record(7);
    assert!(format!("{histogram:?}").len() < 80);
    assert_eq!(format!("{:?}", histogram.snapshot()), "Snapshot { count: 1, sum: 7, max: 7, .. }");
}

#[test]
fn a_shared_histogram_loses_nothing_to_threads_that_write_at_once() {
    let shared = SharedHistogram::new();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..10_000).for_each(|value| shared.record(value)));
        }
    });
    let snapshot = shared.snapshot();
    assert_eq!((snapshot.count(), snapshot.sum()), (40_000, 4 * 9_999 * 5_000));
    assert_eq!(snapshot.max(), Some(9_999));
}

#[test]
fn counting_at_most_a_value_is_exact_where_a_bucket_ends_and_never_counts_more() {
    let histogram = Histogram::new();
    let values = [0, 1, 31, 32, 33, 63, 64, 65, 1_000, 1_000_000, u64::MAX];
    values.into_iter().for_each(|value| histogram.record(value));
    let snapshot = histogram.snapshot();
    for bound in [0, 1, 30, 31, 32, 63, 64, 65, 999, 1_000, 1_031, 2_000_000, u64::MAX] {
        let truth = |bound| values.iter().filter(|value| **value <= bound).count() as u64;
        let counted = snapshot.count_at_most(bound);
        assert!(counted <= truth(bound), "{bound}: {counted}");
        assert!(counted >= truth(bound - bound / 32), "{bound}: {counted}");
    }
    assert_eq!(snapshot.count_at_most(u64::MAX), 11);
    assert_eq!(Snapshot::empty().count_at_most(u64::MAX), 0);
}
