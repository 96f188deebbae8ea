use crate::{Failure, Plan, run};

/// Leaves out of a failing run all that it does not need to fail: first halves, then smaller and smaller
/// parts, until no single step can be missed. Answers the numbers of the steps that are left, and how
/// they fail.
///
/// What is left may fail in another way than the whole did; it is a failure all the same.
pub fn shrink(plan: &Plan, failure: Failure) -> (Vec<usize>, Failure) {
    let mut steps: Vec<usize> = (0..plan.len()).collect();
    let mut failure = failure;
    if let Some(last) = failure.step {
        // What comes after the failure is no part of it, unless the end is.
        let begun: Vec<_> = steps.iter().copied().filter(|step| *step <= last).collect();
        if let Err(again) = run(plan, &begun) {
            (steps, failure) = (begun, again);
        }
    }
    let mut part = steps.len().div_ceil(2);
    while part > 0 {
        let mut start = 0;
        while start < steps.len() {
            let end = (start + part).min(steps.len());
            let without: Vec<_> = steps[..start].iter().chain(&steps[end..]).copied().collect();
            match run(plan, &without) {
                Err(again) => (steps, failure) = (without, again),
                Ok(_) => start = end,
            }
        }
        part /= 2;
    }
    (steps, failure)
}
