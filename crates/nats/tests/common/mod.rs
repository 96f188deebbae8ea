//! Both sides of a real server.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::{
    path::Path,
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

use meltica_event::{
    Book, Event, EventKind, ExecReport, Header, InstrumentId, Merged, Numbering, Payload, Text,
    TopOfBook, VenueId,
};
use meltica_nats::{
    Connect, Inbound, InboundConfig, Known, Names, NatsPools, Outbound, OutboundConfig, Receipt,
    Received, Settled, View,
    testing::{Server, ServerOptions},
};
use meltica_recycler::Recycler;

pub(crate) const LONG: Duration = Duration::from_secs(20);

pub(crate) fn server() -> Server {
    Server::start(ServerOptions::default()).expect("nats-server is there")
}

pub(crate) fn connect(url: &str) -> Connect {
    Connect::new(url).ping(Duration::from_millis(500))
}

/// How much of what came is kept for the test to look at.
const KEPT: usize = 6_000;

pub(crate) fn pools(capacity: usize) -> NatsPools {
    let recycler = Recycler::new();
    NatsPools::new(
        recycler.pool("event", capacity, Event::blank, |event| *event = Event::blank()),
        recycler.exact_pool("book", capacity, || Book::with_capacity(16), Book::clear),
        recycler.pool("execreport", capacity, ExecReport::blank, |report| {
            *report = ExecReport::blank();
        }),
        recycler.pool("control", capacity, meltica_event::Control::blank, |control| {
            *control = meltica_event::Control::blank();
        }),
        recycler.pool("merged", capacity, Merged::blank, |merged| *merged = Merged::blank()),
    )
}

/// A sender with a venue and an instrument.
pub(crate) struct Sender {
    pub(crate) outbound: Outbound,
    pub(crate) names: Names,
    pub(crate) venue: VenueId,
    pub(crate) instrument: InstrumentId,
}

impl Sender {
    pub(crate) fn start(url: &str, origin: &str, folder: &Path) -> Self {
        Self::with(OutboundConfig::new(
            connect(url),
            origin.parse().expect("a name"),
            folder.join(format!("{origin}.outbox")),
        ))
    }

    pub(crate) fn with(config: OutboundConfig) -> Self {
        let names = Names::default();
        // Their numbers are others than the receiver's.
        names.venue("unused").expect("a name");
        let venue = names.venue("local").expect("a name");
        let instrument = names.instrument("BTC-USDT".parse().expect("one")).expect("room");
        let outbound = Outbound::start(config, names.clone(), None).expect("it starts");
        Self { outbound, names, venue, instrument }
    }

    pub(crate) fn header(&self, sequence: u64) -> Header {
        Header {
            venue: self.venue,
            instrument: self.instrument,
            sequence,
            numbering: Numbering::Monotone,
            ..Header::default()
        }
    }

    pub(crate) fn quote(&self, sequence: u64) {
        let event = Event::new(self.header(sequence), Payload::TopOfBook(TopOfBook::default()));
        self.outbound.publish(View::Event(&event), false).expect("it has a frame");
    }

    pub(crate) fn report(&self, id: &str) {
        let mut report = ExecReport::blank();
        report.header = Header { kind: EventKind::ExecReport, ..self.header(0) };
        report.report_id = Text::truncated(id);
        self.outbound.publish(View::Execution(&report), false).expect("there is room");
    }
}

/// What came, for the test to look at.
#[derive(Default)]
pub(crate) struct Got {
    rows: Mutex<Vec<Row>>,
    news: Condvar,
}

#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) received: Received,
    pub(crate) receipt: Option<Receipt>,
}

impl Got {
    /// Waits until this is so of what came.
    pub(crate) fn wait(&self, what: &str, so: impl Fn(&[Row]) -> bool) {
        let end = Instant::now() + LONG;
        let mut rows = self.rows.lock().expect("no test panics here");
        while !so(&rows) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{what} within {LONG:?}; there are {} messages", rows.len());
            rows = self.news.wait_timeout(rows, left).expect("no test panics here").0;
        }
    }

    /// The ids of execution reports, in order.
    pub(crate) fn reports(&self) -> Vec<String> {
        ids(&self.rows.lock().expect("no test panics here"))
    }

    pub(crate) fn with<R>(&self, look: impl FnOnce(&mut Vec<Row>) -> R) -> R {
        look(&mut self.rows.lock().expect("no test panics here"))
    }
}

pub(crate) fn ids(rows: &[Row]) -> Vec<String> {
    let id = |row: &Row| match &row.received {
        Received::Execution(report) => Some(report.report_id.to_string()),
        _ => None,
    };
    rows.iter().filter_map(id).collect()
}

/// A receiver that keeps what comes.
pub(crate) struct Receiver {
    pub(crate) inbound: Inbound,
    pub(crate) got: Arc<Got>,
    pub(crate) settled: Settled,
    pub(crate) names: Names,
}

impl Receiver {
    /// One that is done with everything at once.
    pub(crate) fn start(url: &str) -> Self {
        Self::with(InboundConfig::new(connect(url), "receiver"), None, true, || ())
    }

    /// `pause` is called for each message.
    pub(crate) fn with(
        config: InboundConfig,
        known: Option<Known>,
        settles: bool,
        pause: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let (got, settled, names) = (Arc::<Got>::default(), Settled::new(), Names::default());
        let (mine, told) = (Arc::clone(&got), settled.clone());
        let sink = move |received: Received, receipt: Option<Receipt>| {
            pause();
            let mut rows = mine.rows.lock().expect("no test panics here");
            if rows.len() >= KEPT {
                // Else the pools are empty before the newest comes.
                rows.drain(..KEPT / 2);
            }
            rows.push(Row { received, receipt });
            drop(rows);
            mine.news.notify_all();
            if let Some(receipt) = receipt.filter(|_| settles) {
                told.settle(receipt);
            }
            Ok(())
        };
        let inbound =
            Inbound::start(config, names.clone(), pools(8_192), settled.clone(), known, sink);
        Self { inbound: inbound.expect("it starts"), got, settled, names }
    }

    pub(crate) fn wait_until(&self, what: &str, so: impl Fn(&meltica_nats::InboundStats) -> bool) {
        let end = Instant::now() + LONG;
        while !so(&self.inbound.stats()) {
            assert!(Instant::now() < end, "{what} within {LONG:?}: {:?}", self.inbound.stats());
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Sends quotes until one has come: who subscribes hears only what is sent afterwards.
pub(crate) fn meet(sender: &Sender, receiver: &Receiver) -> u64 {
    let end = Instant::now() + LONG;
    let mut sequence = 0;
    while receiver.inbound.stats().handed_on == 0 {
        assert!(Instant::now() < end, "nothing comes: {:?}", sender.outbound.stats());
        sequence += 1;
        sender.quote(sequence);
        std::thread::sleep(Duration::from_millis(5));
    }
    sequence
}
