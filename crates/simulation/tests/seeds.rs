//! The first two thousand seeds, with the dispatcher's ring and without; `cargo xtask simulate` runs fifty times as
//! many.

use meltica_simulation::{Plan, Tally, run, shrink};

const SEEDS: u64 = 2_000;

#[test]
fn fr_011_fr_014_fr_015_lm_03_lm_04_lm_05_the_pipeline_does_what_the_plain_model_says() {
    all_seeds(Plan::new, "");
}

#[test]
fn so_it_does_with_queues_in_place_of_the_ring() {
    all_seeds(|seed| Plan::new(seed).with_queues(), " --queues");
}

#[test]
fn so_it_does_with_consumers_that_the_publisher_runs() {
    all_seeds(|seed| Plan::new(seed).with_inline(seed), " --inline");
}

#[test]
fn so_it_does_with_both() {
    all_seeds(|seed| Plan::new(seed).with_inline(seed).with_queues(), " --queues --inline");
}

fn all_seeds(plan: impl Fn(u64) -> Plan, how: &str) {
    let mut all = Tally::default();
    for seed in 0..SEEDS {
        let plan = plan(seed);
        let steps: Vec<_> = (0..plan.len()).collect();
        match run(&plan, &steps) {
            Ok(tally) => all.add(&tally),
            Err(failure) => {
                let (steps, failure) = shrink(&plan, failure);
                let list: Vec<_> = steps.iter().map(usize::to_string).collect();
                panic!(
                    "seed {seed} fails {failure}\n{}replay: cargo xtask simulate{how} --seed {seed} \
                     --steps {}",
                    plan.describe(&steps),
                    list.join(",")
                );
            }
        }
    }
    // What never happens is not tested.
    let Tally {
        deliveries, critical, merged, folded, dropped, failures, commands, refusals, ..
    } = all;
    let counts = [deliveries, critical, merged, folded, dropped, failures, commands, refusals];
    assert!(counts.iter().all(|count| *count > SEEDS / 2), "{all:?}");
}

#[test]
fn a_seed_is_always_the_same_plan_and_runs_the_same() {
    for seed in 0..50 {
        let plan = Plan::new(seed);
        let steps: Vec<_> = (0..plan.len()).collect();
        assert_eq!(plan.describe(&steps), Plan::new(seed).describe(&steps));
        let tallies = [(); 2].map(|()| run(&plan, &steps).unwrap());
        assert_eq!(tallies[0], tallies[1]);
    }
}
