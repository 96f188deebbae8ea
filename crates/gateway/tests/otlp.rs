//! The paths of followed messages, as a collector gets them.

use std::{
    collections::HashSet,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::{Arc, Mutex},
    thread,
};

use serde_json::Value;

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

fn run(flags: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_meltica"))
        .args(["run", "--for", "2s", "--rate", "4000", "--listen", "none"])
        .args(flags)
        .output()
        .expect("it can be started");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_followed_messages_life_is_one_trace_from_the_venue_to_each_consumer() {
    let (address, taken) = collector();
    let log = run(&["--follow-one-in", "20", "--otlp", &format!("http://{address}")]);
    let requests = taken.lock().unwrap();
    let resource = requests[0]["resourceSpans"][0]["resource"].to_string();
    assert!(resource.contains("service.name") && resource.contains("meltica"), "{resource}");
    let spans: Vec<&Value> = requests
        .iter()
        .flat_map(|request| request["resourceSpans"].as_array().expect("a list"))
        .flat_map(|resource| resource["scopeSpans"].as_array().expect("a list"))
        .flat_map(|scope| scope["spans"].as_array().expect("a list"))
        .collect();
    let named = |name: &str| -> Vec<&Value> {
        spans.iter().copied().filter(|span| span["name"] == name).collect()
    };
    let text = |span: &Value, key: &str| span[key].as_str().unwrap_or("").to_owned();
    let roots: HashSet<(String, String)> =
        named("taken").iter().map(|span| (text(span, "traceId"), text(span, "spanId"))).collect();
    assert!(roots.len() > 10, "{} roots", roots.len());
    assert_eq!(roots.len(), named("taken").len(), "each is sent once");
    assert!(!log.contains("does not take traces"), "{log}");
    // The lower half of a trace's id is what the log has.
    for (trace, _) in &roots {
        assert!(log.contains(&format!("taken trace={}", &trace[16..])), "{trace}");
    }
    let deliveries = named("delivered to recorder");
    assert!(deliveries.len() > 10, "{} deliveries", deliveries.len());
    for span in deliveries.iter().chain(&named("routed")) {
        let parent = (text(span, "traceId"), text(span, "parentSpanId"));
        assert!(roots.contains(&parent), "{span}");
        let time = |key| text(span, key).parse::<u64>().expect("nanoseconds");
        assert!(time("startTimeUnixNano") <= time("endTimeUnixNano"), "{span}");
    }
    // What becomes of a message in a view goes on in the same trace.
    let merged: HashSet<String> =
        named("merged").iter().map(|span| text(span, "traceId")).collect();
    let viewed = named("delivered to strategy");
    assert!(viewed.iter().any(|span| merged.contains(&text(span, "traceId"))), "{merged:?}");
}

#[test]
fn a_collector_that_is_away_is_told_of_once_and_disturbs_nothing() {
    let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let log = run(&["--follow-one-in", "20", "--otlp", &format!("http://{away}")]);
    assert_eq!(log.matches("the collector does not take traces").count(), 1, "{log}");
    assert!(run(&["--otlp", "http://127.0.0.1:1"]).contains("say which by --follow-one-in"));
    assert!(run(&["--otlp", "nowhere", "--follow-one-in", "9"]).contains("cannot be connected to"));
}
