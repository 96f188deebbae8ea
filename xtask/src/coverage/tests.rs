use serde_json::json;

use super::Coverage;

/// A report as `llvm-cov export -summary-only` writes it, of (file, lines, covered).
fn report(files: &[(&str, u64, u64)]) -> String {
    let files = files.iter().map(|(name, lines, covered)| {
        json!({
            "filename": name,
            "summary": { "lines": { "count": lines, "covered": covered, "percent": 1 } },
        })
    });
    let files: Vec<_> = files.collect();
    json!({ "data": [{ "files": files, "totals": {} }], "type": "llvm.coverage.json.export" })
        .to_string()
}

fn check(report: &str, folders: &[&str]) -> Result<(), String> {
    let coverage = Coverage::read(report, folders).map_err(|failure| failure.to_string())?;
    coverage.check().map_err(|failure| failure.to_string())
}

#[test]
fn ninety_percent_of_lines_pass() {
    let report = report(&[("/w/crates/event/src/a.rs", 60, 60), ("/w/crates/event/b.rs", 40, 30)]);
    assert_eq!(check(&report, &["event"]), Ok(()));
}

#[test]
fn eighty_nine_percent_fail_and_name_the_worst_file_first() {
    let report = report(&[
        ("/w/crates/event/src/good.rs", 500, 500),
        ("/w/crates/event/src/bad.rs", 500, 390),
        ("/w/crates/stats/src/lib.rs", 10, 10),
    ]);
    let failure = check(&report, &["event", "stats"]).unwrap_err();
    assert!(failure.contains("crates/event: tests reach 89.0 %"), "{failure}");
    assert!(failure.contains("least in crates/event/src/bad.rs (78.0 %), crates/"), "{failure}");
    assert!(!failure.contains("stats"), "{failure}");
}

#[test]
fn a_hair_below_ninety_fails() {
    let report = report(&[("/w/crates/event/src/a.rs", 10_000, 8_999)]);
    let failure = check(&report, &["event"]).unwrap_err();
    assert!(failure.contains("89.9 %"), "{failure}");
}

#[test]
fn a_crate_of_which_nothing_was_measured_fails() {
    let report = report(&[("/w/crates/event/src/a.rs", 10, 10)]);
    let failure = check(&report, &["event", "stats"]).unwrap_err();
    assert!(failure.contains("crates/stats: no line was measured"), "{failure}");
}

#[test]
fn each_crate_is_counted_by_itself() {
    let files = [
        ("/home/crates/w/crates/venue/src/a.rs", 10, 10),
        ("/home/crates/w/crates/venue-binance/src/a.rs", 10, 0),
        ("/home/crates/w/benches/src/lib.rs", 10, 0),
    ];
    let coverage = Coverage::read(&report(&files), &["venue", "venue-binance"]).unwrap();
    let table = coverage.table();
    let rows: Vec<Vec<&str>> =
        table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[2], ["venue", "10", "10", "100.0"]);
    assert_eq!(rows[3], ["venue-binance", "10", "0", "0.0"]);
    assert_eq!(rows.len(), 4);
}

#[test]
fn another_format_is_an_error_and_not_a_pass() {
    for report in ["", "{}", r#"{"data":[{"files":[{"filename":"/w/crates/event/a.rs"}]}]}"#] {
        assert!(check(report, &["event"]).is_err(), "{report}");
    }
}
