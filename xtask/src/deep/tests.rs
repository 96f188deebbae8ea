use super::*;

#[test]
fn valgrinds_count_is_read_and_its_absence_noticed() {
    let said = "==7== Events    : Ir\n==7== Collected : 17299780\n==7==";
    assert_eq!(collected(said), Some(17_299_780));
    assert_eq!(collected("==7== Collected : many"), None);
    assert_eq!(collected(""), None);
}

#[test]
fn a_canary_that_is_not_reported_is_a_failure() {
    let workspace = Workspace { quiet: true, ..Workspace::ours() };
    let failure = must_report(&workspace, "-Copt-level=0", "leak", "detected memory leaks");
    // Without a nightly it does not build, which is a failure as well.
    assert!(failure.is_err());
}
