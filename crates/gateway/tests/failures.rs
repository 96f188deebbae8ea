//! A message that a consumer failed on is found by its trace id.

mod serving;

use std::{collections::HashSet, fs, path::Path};

use serde_json::{Value, json};
use serving::{Serving, ask};

#[test]
fn the_message_that_a_consumer_panicked_on_is_in_the_log_and_in_the_metrics_by_one_trace_id() {
    let mut run =
        Serving::start(&["--log", "info,meltica::failures=debug", "--log-format", "json"]);
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

/// Posts a command to a run.
fn command(run: &Serving, command: &Value) {
    let body = command.to_string();
    let length = body.len();
    let answer = ask(
        &run.control,
        &format!(
            "POST /commands HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        ),
    );
    assert_eq!(answer.status, 200, "{answer:?}");
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("it is there");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn what_a_paused_consumer_has_not_had_at_the_end_is_a_dead_letter_and_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("letters.jsonl");
    let letters = path.to_str().unwrap();
    let mut run = Serving::start(&["--dead-letters", letters, "--log-format", "json"]);
    command(&run, &json!({"pause": {"consumer": "risk"}}));
    // Both its control events and the market's reports wait for it from now on.
    run.wait("ten critical messages to wait", |run| {
        let waiting = run.get("/metrics").value("dispatcher_lane_depth{consumer_id=\"risk\"}");
        (waiting >= 10.0).then_some(())
    });
    let (code, summary) = run.end_badly();
    assert_eq!(code, Some(1));
    let of = |field: &str| summary["critical"][field].as_u64().unwrap();
    assert_eq!((of("lost"), of("repeated")), (0, 0), "{summary}");
    let undelivered = summary["undelivered"].as_u64().unwrap();
    let reports = of("expected") - of("delivered");
    assert!(undelivered >= 10 && reports > 0 && reports <= undelivered, "{summary}");
    assert_eq!(summary["leases_outstanding"], 0, "they are home");
    let left = lines(&path);
    let left: Vec<_> = left.iter().filter(|line| line["cause"] == "undelivered").collect();
    assert_eq!(left.len() as u64, undelivered);
    assert!(left.iter().all(|line| line["consumer"] == "risk" && line["message"].is_object()));
    // Whatever was said is an object, and the last one says why it ends so.
    let said = run.said();
    let said: Vec<Value> =
        said.lines().map(|line| serde_json::from_str(line).expect("an object each")).collect();
    let last = said.last().expect("something was said");
    assert_eq!(last["level"], "ERROR", "{last}");
    let why = format!("{undelivered} critical messages undelivered, which the log names");
    assert!(last["message"].as_str().is_some_and(|text| text.contains(&why)), "{last}");
}
