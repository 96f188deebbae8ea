use super::*;

#[test]
fn numbers_are_grouped_and_times_have_a_unit() {
    let texts = [0, 999, 1_000, 41_249, 1_000_000].map(grouped);
    assert_eq!(texts, ["0", "999", "1,000", "41,249", "1,000,000"]);
    let texts = [17, 12_345, 20_000_000, 30_000_000_000].map(duration);
    assert_eq!(texts, ["17 ns", "12 µs", "20 ms", "30 s"]);
}

#[test]
fn what_must_not_be_overlooked_is_an_error() {
    let mut summary = Summary::default();
    assert_eq!(summary.verdict(), Ok(()));
    summary.critical.lost = 2;
    summary.threads_leaked = Some(1);
    let verdict = summary.verdict();
    assert_eq!(verdict, Err("2 critical messages lost, 1 threads leaked".to_owned()));
}

#[test]
fn what_was_not_measured_is_null_and_said_so() {
    let summary = Summary::default();
    let json: serde_json::Value = serde_json::from_str(&summary.json()).unwrap();
    for field in ["frames", "merged", "threads_leaked", "heap_allocations_after_warmup"] {
        assert!(json[field].is_null(), "{field}");
    }
    assert!(json["latency_ns"]["p50"].is_null() && json["book"]["checksum_ok"].is_null());
    assert!(summary.to_string().contains("threads leaked       not measured"));
    assert_eq!(Latency::from(Histogram::new(3).unwrap()), Latency::default());
}
