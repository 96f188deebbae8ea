//! A message that a consumer failed on is found by its trace id.

mod serving;

use std::collections::HashSet;

use serving::{Serving, ask};

#[test]
fn the_message_that_a_consumer_panicked_on_is_in_the_log_and_in_the_metrics_by_one_trace_id() {
    let mut run =
        Serving::start(&["--log", "error,meltica::failures=debug", "--log-format", "json"]);
    let mut named = HashSet::new();
    run.wait("three of its messages", |run| {
        let text = ask(
            &run.pages,
            "GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: application/openmetrics-text\r\nConnection: close\r\n\r\n",
        );
        let line = text.body.lines().find(|line| {
            line.starts_with("consumer_failures_total{consumer_id=\"unreliable\"}")
        });
        if let Some((_, rest)) = line.and_then(|line| line.split_once(" # {trace_id=\"")) {
            named.extend(rest.split('"').next().map(str::to_owned));
        }
        (named.len() >= 3).then_some(())
    });
    run.end();
    let logged: HashSet<String> = run
        .said()
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|line| line["consumer"] == "unreliable" && line["level"] == "DEBUG")
        .filter_map(|line| line["trace"].as_str().map(str::to_owned))
        .collect();
    assert!(named.is_subset(&logged), "{named:?} in {logged:?}");
}
