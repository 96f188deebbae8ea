//! The paths of followed messages, as a collector gets them.

mod serving;

use std::{
    collections::HashSet,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::{Arc, Mutex},
    thread,
};

use serde_json::Value;
use serving::Serving;

/// Takes traces, as a collector does.
fn collector() -> (String, Arc<Mutex<Vec<Value>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it has one").to_string();
    let taken = Arc::new(Mutex::new(vec![]));
    let taking = Arc::clone(&taken);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            taking.lock().expect("nobody panics").push(take(stream));
        }
    });
    (address, taken)
}

fn take(stream: TcpStream) -> Value {
    let mut reader = BufReader::new(stream);
    let (mut length, mut line) = (0, String::new());
    while reader.read_line(&mut line).expect("text") > 2 {
        let header = line.to_lowercase();
        if line.starts_with("POST") {
            assert!(line.starts_with("POST /v1/traces HTTP/1.1"), "{line}");
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("all of it");
    let answer =
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    reader.get_mut().write_all(answer).expect("it is read");
    serde_json::from_slice(&body).expect("JSON")
}

/// The spans of these requests.
fn spans(requests: &[Value]) -> Vec<&Value> {
    requests
        .iter()
        .flat_map(|request| request["resourceSpans"].as_array().expect("a list"))
        .flat_map(|resource| resource["scopeSpans"].as_array().expect("a list"))
        .flat_map(|scope| scope["spans"].as_array().expect("a list"))
        .collect()
}

fn text(span: &Value, key: &str) -> String {
    span[key].as_str().unwrap_or("").to_owned()
}

/// Of those that are named so, the traces.
fn traces(spans: &[&Value], name: &str) -> HashSet<String> {
    spans.iter().filter(|span| span["name"] == name).map(|span| text(span, "traceId")).collect()
}

#[test]
fn a_followed_messages_life_is_one_trace_from_the_venue_to_each_consumer() {
    let (address, taken) = collector();
    let mut run =
        Serving::start(&["--follow-one-in", "20", "--otlp", &format!("http://{address}")]);
    // What becomes of a message in a view goes on in the same trace; few do, and a slow machine has few.
    run.wait("a view's trace", |_| {
        let requests = taken.lock().unwrap();
        let spans = spans(&requests);
        let (roots, merged) = (traces(&spans, "taken"), traces(&spans, "merged"));
        let is_viewed = !merged.is_disjoint(&traces(&spans, "delivered to strategy"));
        let deliveries = traces(&spans, "delivered to recorder");
        (roots.len() > 10 && deliveries.len() > 10 && is_viewed).then_some(())
    });
    run.end();
    let log = run.said();
    let requests = taken.lock().unwrap();
    let resource = requests[0]["resourceSpans"][0]["resource"].to_string();
    assert!(resource.contains("service.name") && resource.contains("meltica"), "{resource}");
    let spans = spans(&requests);
    let named = |name: &str| -> Vec<&Value> {
        spans.iter().copied().filter(|span| span["name"] == name).collect()
    };
    let roots: HashSet<(String, String)> =
        named("taken").iter().map(|span| (text(span, "traceId"), text(span, "spanId"))).collect();
    assert_eq!(roots.len(), named("taken").len(), "each is sent once");
    assert!(!log.contains("does not take traces"), "{log}");
    // The lower half of a trace's id is what the log has.
    for (trace, _) in &roots {
        assert!(log.contains(&format!("taken trace={}", &trace[16..])), "{trace}");
    }
    for span in named("delivered to recorder").iter().chain(&named("routed")) {
        let parent = (text(span, "traceId"), text(span, "parentSpanId"));
        assert!(roots.contains(&parent), "{span}");
        let time = |key| text(span, key).parse::<u64>().expect("nanoseconds");
        assert!(time("startTimeUnixNano") <= time("endTimeUnixNano"), "{span}");
    }
}

/// What it says when it does not start.
fn error(flags: &[&str]) -> String {
    let run = Command::new(env!("CARGO_BIN_EXE_meltica"))
        .args(["run", "--for", "1s", "--listen", "none"])
        .args(flags)
        .output();
    let output = run.expect("it can be started");
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_collector_that_is_away_is_told_of_once_and_disturbs_nothing() {
    let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut run = Serving::start(&["--follow-one-in", "20", "--otlp", &format!("http://{away}")]);
    let told = "the collector does not take traces";
    run.wait("the collector", |run| run.said().contains(told).then_some(()));
    // More of them are refused until then.
    run.wait("progress", |run| run.said().contains("   3 s  ").then_some(()));
    assert_eq!(run.end()["critical"]["lost"], 0);
    assert_eq!(run.said().matches(told).count(), 1, "{}", run.said());
    assert!(error(&["--otlp", "http://127.0.0.1:1"]).contains("--follow-one-in <MESSAGES>"));
    assert!(
        error(&["--otlp", "nowhere", "--follow-one-in", "9"]).contains("cannot be connected to")
    );
}
