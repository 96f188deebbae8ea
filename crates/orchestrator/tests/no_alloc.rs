//! Nothing is allocated once every window has been as full as it gets.

mod common;

use std::{alloc::System, time::Duration};

use common::{Clock, part};
use meltica_orchestrator::{Merge, Orchestrator, Sequence, Window};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Sums; the views of the other tests allocate.
struct Sum;

impl Merge for Sum {
    type Partial = common::Part;
    type Key = u8;
    type Source = u8;
    type Merged = u64;

    fn key(&self, part: &common::Part) -> u8 {
        part.key
    }

    fn source(&self, part: &common::Part) -> u8 {
        part.source
    }

    fn sequence(&self, part: &common::Part) -> Sequence {
        part.number.map_or(Sequence::Unsequenced, Sequence::Numbered)
    }

    fn keeps_each(&self, part: &common::Part) -> bool {
        part.source >= 10
    }

    fn expected(&self, _: u8) -> &[u8] {
        &[1, 2, 3]
    }

    fn merge(&mut self, window: Window<'_, Self>) -> Option<u64> {
        Some(window.partials().map(|part| part.value).sum())
    }
}

#[test]
fn a_warm_orchestrator_allocates_nothing() {
    let clock = Clock::new();
    let mut windows = Orchestrator::builder(Sum)
        .window(Duration::from_millis(5))
        .windows(100)
        .partials(40)
        .build()
        .expect("valid settings");
    let mut round = |number: u64| {
        let mut merged = 0;
        // More keys than windows: some give way each time.
        for key in 0..120 {
            let now = clock.ms(number * 1_000 + u64::from(key));
            for trade in 0..30 {
                assert!(windows.push(part(key, 11, number * 100 + trade), now).is_ok());
            }
            for source in 1..=3 {
                // Some windows are left to time.
                if source < 3 || key % 7 != 0 {
                    assert!(windows.push(part(key, source, number), now).is_ok());
                }
            }
            merged += u64::from(windows.pop().is_some());
        }
        merged
    };
    assert_eq!(round(1), round(2));
    let region = Region::new(ALLOCATOR);
    assert_eq!(round(3), 102);
    assert_eq!(region.change().allocations, 0);
}
