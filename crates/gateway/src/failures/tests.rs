use std::{fs, time::Duration};

use meltica::{
    Consumer, Delivery, Pipeline, Select,
    event::{Catalog, Header, Text, TraceId},
};

use super::*;

#[test]
fn a_dead_letter_is_in_the_file_whole_and_in_the_metrics_by_the_same_trace() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("letters.jsonl");
    // Whose last line has no end.
    fs::write(&path, "an earlier run's").unwrap();
    let mut catalog = Catalog::new();
    let venue = catalog.venue("local").unwrap();
    let names = Names::new(catalog);
    let (failures, builder) =
        Failures::heard(Pipeline::builder().workers(0), Some(&path), &names).unwrap();
    let risk = Consumer::new("risk", |delivery: &Delivery| {
        if delivery.header().trace == TraceId(0xabc) { Err("no such account") } else { Ok(()) }
    });
    let mut pipeline = builder.consumer(risk, [Select::critical()]).build().unwrap();
    for trace in [1, 0xabc, 2] {
        let mut report = pipeline.pools().executions.try_lease().unwrap();
        report.header = Header { venue, trace: TraceId(trace), ..report.header };
        report.report_id = Text::truncated(&trace.to_string());
        pipeline.push(report.into(), std::time::Instant::now()).unwrap();
    }
    while pipeline.run_once() {}
    assert_eq!(failures.dead_letters(), 1);
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!((lines.len(), lines[0]), (2, "an earlier run's"));
    let line: serde_json::Value = serde_json::from_str(lines[1]).unwrap();
    assert_eq!((&line["trace"], &line["consumer"]), (&"0000000000000abc".into(), &"risk".into()));
    assert_eq!(line["cause"], "failed");
    // Whole: it is the frame that would have been sent.
    let frame = meltica_nats::json_to_frame(&line["message"].to_string()).unwrap();
    let frame = Frame::parse(&frame).unwrap();
    assert_eq!((frame.header().trace, frame.venue()), (TraceId(0xabc), Some("local")));
    let metrics = pipeline.metrics();
    let exemplar =
        "consumer_failures_total{consumer_id=\"risk\"} 1 # {trace_id=\"0000000000000abc\"} 1\n";
    assert!(metrics.render_open().contains(exemplar), "{}", metrics.render_open());
    assert!(metrics.render().contains("consumer_failures_total{consumer_id=\"risk\"} 1\n"));
    assert!(pipeline.shutdown(Duration::ZERO).is_clean());
}

#[test]
fn a_file_that_cannot_be_is_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let error = Failures::heard(Pipeline::builder(), Some(folder.path()), &Names::default());
    let error = error.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("choose another file by --dead-letters"), "{error}");
}
