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

#[test]
fn what_the_fuzzer_reached_is_read_and_its_absence_noticed() {
    let said = "INFO: seed corpus\n#3\tINITED cov: 900 ft: 1200 corp: 2/6Kb exec/s: 0 rss: 30Mb\n\
                #70\tNEW    cov: 903 ft: 1300 corp: 3/8Kb lim: 20 exec/s: 0 rss: 30Mb\n\
                #596000\tDONE   cov: 2173 ft: 7562 corp: 1909/2568Kb lim: 2676 exec/s: 9770 rss: 40Mb";
    let expected = "596000 runs, coverage 900 -> 2173, corpus 2 -> 1909";
    assert_eq!(growth(said).as_deref(), Some(expected));
    assert_eq!(growth("#3\tINITED cov: 900 ft: 1200 corp: 2/6Kb"), None);
}

#[test]
fn a_change_that_no_test_notices_is_a_failure_whatever_else_ran_into_the_time_limit() {
    let outcomes = |summary: &str, files: &[&str]| {
        let of = |file: &&str| {
            serde_json::json!({
                "scenario": {"Mutant": {"name": "replace it", "file": format!("crates/recycler/src/{file}")}},
                "summary": summary,
            })
        };
        let mut all = vec![serde_json::json!({"scenario": "Baseline", "summary": "Success"})];
        all.extend(files.iter().map(of));
        serde_json::json!({ "outcomes": all }).to_string()
    };
    for noticed in ["CaughtMutant", "Timeout", "Unviable"] {
        assert_eq!(unnoticed(&outcomes(noticed, MUTATED)), Vec::<String>::new());
    }
    let missed = unnoticed(&outcomes("MissedMutant", MUTATED));
    assert_eq!((missed.len(), &*missed[0]), (MUTATED.len(), "MissedMutant: replace it"));
    let gone = unnoticed(&outcomes("CaughtMutant", &MUTATED[1..]));
    assert_eq!(gone, ["nothing was changed in slots.rs: is it still there?"]);
    assert_eq!(unnoticed("{").len(), 1);
}
