use std::{process::Command, time::Duration};

use super::run_within;

#[test]
fn an_example_that_does_not_end_is_stopped() {
    let mut forever = Command::new("sleep");
    let outcome = run_within(Duration::from_millis(50), forever.arg("600"));
    assert_eq!(outcome, Err(String::from("was still running after 0.05 s")));
}
