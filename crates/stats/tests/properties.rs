//! A histogram agrees with a sorted list of the same values.

use meltica_stats::{Histogram, Snapshot};
use proptest::prelude::*;
use static_assertions::assert_impl_all;

assert_impl_all!(Histogram: Send, Sync);
assert_impl_all!(Snapshot: Send, Sync, Clone);

proptest! {
    #[test]
    fn quantiles_agree_with_a_sorted_list_to_within_one_part_in_32(
        mut values in prop::collection::vec(0u64..1 << 50, 1..200),
        q in 0.0f64..=1.0,
    ) {
        let histogram = Histogram::new();
        values.iter().for_each(|value| histogram.record(*value));
        values.sort_unstable();
        let rank = ((q * values.len() as f64).ceil() as usize).clamp(1, values.len());
        let exact = values[rank - 1];
        let read = histogram.snapshot().quantile(q).expect("not empty");
        prop_assert!(read >= exact && read - exact <= exact / 32, "{read} for {exact}");
    }

    #[test]
    fn merged_snapshots_equal_one_histogram_of_everything(
        left in prop::collection::vec(any::<u32>(), 0..50),
        right in prop::collection::vec(any::<u32>(), 0..50),
    ) {
        let (a, b, both) = (Histogram::new(), Histogram::new(), Histogram::new());
        for value in &left {
            a.record(u64::from(*value));
            both.record(u64::from(*value));
        }
        for value in &right {
            b.record(u64::from(*value));
            both.record(u64::from(*value));
        }
        let mut merged = a.snapshot();
        merged.merge(&b.snapshot());
        prop_assert_eq!(merged, both.snapshot());
    }
}
