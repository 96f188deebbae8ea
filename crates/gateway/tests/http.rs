//! What the program serves over HTTP.

mod serving;

use std::{io::Write, process::Command};

use serving::{Serving, ask};

/// The one message on stderr of a call that must fail.
fn error(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_meltica")).args(args).output();
    let output = output.expect("it can be started");
    assert!(!output.status.success() && output.stdout.is_empty());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn lm_08_a_run_serves_what_it_counts_and_whether_it_is_well() {
    let mut run = Serving::start(&[]);
    let counted = [
        "recycler_events_total{event_kind=\"event\"}",
        "recycler_recycle_duration_seconds_count{event_kind=\"event\"}",
        "consumer_invocations_total{consumer_id=\"recorder\"}",
        "consumer_processing_duration_seconds_count{consumer_id=\"recorder\"}",
        "dispatcher_fan_out_completion_seconds_count",
        "dispatcher_fan_out_parallelism_count",
        "dispatcher_conflated_total{consumer_id=\"slow\"}",
        "orchestrator_windows_total{rule=\"view\",outcome=\"complete\"}",
        "orchestrator_windows_total{rule=\"depth\",outcome=\"complete\"}",
        "venue_events_total{venue=\"binance\"}",
        "venue_connections_total{venue=\"kraken\"}",
        "venue_connected{venue=\"coinbase\"}",
        "venue_frames_total{venue=\"okx\"}",
        "venue_fetches_total{venue=\"binance\"}",
        "book_verified{venue=\"okx\",instrument=\"BTC-USDT\"}",
        "book_updates_total{venue=\"kraken\",instrument=\"ETH-USDT\"}",
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
    ];
    let text = run.wait("all counters", |run| {
        let text = run.get("/metrics");
        assert_eq!(text.status, 200);
        assert!(text.head.contains("content-type: text/plain; version=0.0.4"), "{text:?}");
        counted.iter().all(|series| text.value(series) > 0.0).then_some(text)
    });
    assert_eq!(text.value("recycler_double_puts_total{event_kind=\"event\"}"), 0.0);
    let accepting = |kinds: &str| {
        ask(
            &run.pages,
            &format!(
                "GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: {kinds}\r\nConnection: close\r\n\r\n"
            ),
        )
    };
    let open = accepting(
        "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.1",
    );
    assert!(
        open.head.contains("content-type: application/openmetrics-text; version=1.0.0"),
        "{open:?}"
    );
    assert!(
        open.body.contains("# TYPE recycler_events counter\n") && open.body.ends_with("# EOF\n")
    );
    for kinds in [
        "text/plain, application/openmetrics-text;Q=0",
        "text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1",
    ] {
        let plain = accepting(kinds);
        assert!(plain.head.contains("content-type: text/plain; version=0.0.4"), "{plain:?}");
    }
    assert_eq!(run.get("/healthz").body, "ok\n");
    let page = run.get("/");
    assert!(
        page.status == 200 && page.head.contains("content-security-policy: default-src 'none'")
    );
    for path in ["/", "/metrics", "/healthz", "/page.css", "/page.js"] {
        assert_eq!(run.get(path).status, 200, "{path}");
        let put = format!("PUT {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let refused = ask(&run.pages, &put);
        assert!(refused.status == 405 && refused.head.contains("allow: get, head"), "{refused:?}");
    }
    assert_eq!(run.get("/pipeline").status, 404, "what commands is elsewhere");
    assert_eq!(ask(&run.pages, "what?\r\n\r\n").status, 400);
    let huge = format!("GET /metrics HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    assert_ne!(ask(&run.pages, &huge).status, 200);
    // A thousand that say nothing, or half of it, keep nobody out.
    let idle: Vec<_> = (0..1_000)
        .map(|number| {
            let mut stream = std::net::TcpStream::connect(&run.pages).expect("it listens");
            if number % 2 == 0 {
                // It may be closed already.
                let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nX-Slow: ");
            }
            stream
        })
        .collect();
    for path in ["/metrics", "/healthz", "/metrics"] {
        assert_eq!(run.get(path).status, 200, "{path}");
    }
    let hostile =
        ["//metrics/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/metrics%00", "/<script>"];
    for path in hostile {
        let answer = run.get(path);
        assert!(matches!(answer.status, 400 | 404), "{path}: {answer:?}");
    }
    drop(idle);
    assert_eq!(run.end()["critical"]["lost"], 0);
}

#[test]
fn a_port_in_use_is_told_before_anything_starts() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let message = error(&["run", "--for", "1s", "--listen", &address]);
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(message.starts_with(&format!("error: {address} is in use")), "{message}");
    assert!(message.contains("--listen"), "{message}");
    let message = error(&["run", "--for", "1s", "--listen", "203.0.113.7:9"]);
    assert!(message.starts_with("error: metrics cannot be served at 203.0.113.7:9"), "{message}");
    assert!(error(&["run", "--listen", "nowhere"]).contains("write an address and a port"));
    let message = error(&["run", "--for", "1s", "--listen", "none", "--control", "0.0.0.0:9465"]);
    assert!(message.contains("0.0.0.0:9465 is no loopback address"), "{message}");
    let message = error(&["run", "--for", "1s", "--listen", "none", "--control", &address]);
    assert!(message.contains("the control plane cannot be served there"), "{message}");
}
