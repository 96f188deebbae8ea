//! A sender and a receiver over a real server, which the feature `testing` starts; both would be on hosts of their own.
//!
//! `cargo run -p meltica-nats --features testing --example two_hosts`, with a nats-server on the path, or named by
//! `NATS_SERVER`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use meltica_event::{Book, Control, Event, ExecReport, Merged, Text};
use meltica_nats::{
    Connect, Inbound, InboundConfig, Names, NatsPools, Outbound, OutboundConfig, Receipt, Received,
    Settled, View,
    testing::{Server, ServerOptions},
};
use meltica_recycler::Recycler;

const REPORTS: u64 = 100;

fn pools(recycler: &Recycler) -> NatsPools {
    NatsPools::new(
        recycler.pool("event", 256, Event::blank, |event| *event = Event::blank()),
        recycler.exact_pool("book", 64, || Book::with_capacity(1_000), Book::clear),
        recycler.pool("execreport", 256, ExecReport::blank, |it| *it = ExecReport::blank()),
        recycler.pool("control", 64, Control::blank, |control| *control = Control::blank()),
        recycler.pool("merged", 64, Merged::blank, |merged| *merged = Merged::blank()),
    )
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::start(ServerOptions::default())?;
    let folder = tempfile::tempdir()?;
    let recycler = Recycler::new();

    // The receiver: says with which critical messages it is done, and only then they are acknowledged.
    let settled = Settled::new();
    let (told, count) = (settled.clone(), Arc::new(AtomicU64::new(0)));
    let counted = Arc::clone(&count);
    let sink = move |message: Received, receipt: Option<Receipt>| {
        if let Received::Execution(report) = &message {
            println!("report {}", report.report_id);
            counted.fetch_add(1, Relaxed);
        }
        if let Some(receipt) = receipt {
            told.settle(receipt);
        }
        Ok(())
    };
    let config = InboundConfig::new(Connect::new(server.url()), "risk-1");
    let inbound = Inbound::start(config, Names::default(), pools(&recycler), settled, None, sink)?;

    // The sender: a critical message is on disk before it is sent.
    let outbox = folder.path().join("desk-1.outbox");
    let config = OutboundConfig::new(Connect::new(server.url()), "desk-1".parse()?, outbox);
    let outbound = Outbound::start(config, Names::default(), None)?;
    for number in 0..REPORTS {
        let mut report = ExecReport::blank();
        report.report_id = Text::new(&number.to_string())?;
        outbound.publish(View::Execution(&report), false)?;
    }
    let end = Instant::now() + Duration::from_secs(20);
    while inbound.stats().acknowledged < REPORTS {
        assert!(Instant::now() < end, "{:?} {:?}", outbound.stats(), inbound.stats());
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!((count.load(Relaxed), outbound.stats().waiting), (REPORTS, 0));
    drop((outbound, inbound));
    assert!(recycler.leak_report().is_clean());
    Ok(())
}
