//! Consumers on an asynchronous runtime: a consumer that owns its messages hands each to a task, by a channel with room
//! for a few.
//!
//! The pipeline needs no runtime, and a consumer's closure is not `async`. It may wait, though: while the task is behind, the
//! closure waits for room in the channel, so the consumer's lane fills, and the usual happens there: prices fold, execution
//! reports are kept. A channel without a bound would hide that until memory is gone.

use std::time::{Duration, Instant};

use meltica::{
    Consumer, Delivery, Message, Pipeline, Select,
    event::{Event, Header, InstrumentId, Numbering, Payload, Text, TopOfBook, VenueId},
};
use tokio::sync::mpsc;

/// What the task was given.
#[derive(Debug, Default)]
struct Seen {
    quotes: u64,
    folded: u64,
    reports: Vec<String>,
}

/// The task: as slow as a request to somebody else.
async fn work(mut messages: mpsc::Receiver<Delivery>) -> Seen {
    let mut seen = Seen::default();
    while let Some(delivery) = messages.recv().await {
        tokio::time::sleep(Duration::from_millis(1)).await;
        seen.folded += delivery.skipped.folded;
        match &delivery.message {
            Message::Execution(report) => seen.reports.push(report.report_id.to_string()),
            _ => seen.quotes += 1,
        }
        // The lease goes home here, from whatever thread.
    }
    seen
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build()?;
    let (sender, receiver) = mpsc::channel(8);
    let task = runtime.spawn(work(receiver));

    // Were the task gone, each message would be a failure of the consumer; an execution report would go to the dead-letter
    // sink.
    let consumer = Consumer::owning("async", move |delivery: Delivery| {
        sender.blocking_send(delivery).map_err(|_| "the task is gone")
    });
    let mut pipeline = Pipeline::builder().consumer(consumer, [Select::all()]).build()?;

    for sequence in 1..=5_000 {
        let (venue, instrument) = (VenueId(1), InstrumentId(1));
        let numbering = Numbering::Monotone;
        let header = Header { venue, instrument, sequence, numbering, ..Header::default() };
        let mut event = pipeline.pools().events.lease_or_heap();
        *event = Event::new(header, Payload::TopOfBook(TopOfBook::default()));
        pipeline.push(event.into(), Instant::now())?;
        if sequence % 1_000 == 0 {
            let mut report = pipeline.pools().executions.lease_or_heap();
            report.report_id = Text::new(&sequence.to_string())?;
            pipeline.push(report.into(), Instant::now())?;
        }
    }
    // With the consumer its sender goes, and with that the task ends.
    let end = pipeline.shutdown(Duration::from_secs(10));
    let seen = runtime.block_on(task)?;
    println!(
        "{} quotes, {} folded into them, reports {:?}",
        seen.quotes, seen.folded, seen.reports
    );
    assert_eq!(seen.quotes + seen.folded, 5_000, "each came, or is in one that came");
    assert_eq!(seen.reports, ["1000", "2000", "3000", "4000", "5000"]);
    assert!(end.is_clean());
    Ok(())
}
