//! The client alone, with JSON.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use meltica_nats::async_nats::{
    self, Client,
    jetstream::{self, consumer::pull},
};
use serde::{Deserialize, Serialize};
use tokio::{runtime::Runtime, sync::mpsc};

use crate::{Seen, Way, ours::INSTRUMENTS};

/// A trade as people write it in JSON.
#[derive(Serialize, Deserialize)]
pub(crate) struct JsonTrade {
    pub(crate) venue: String,
    pub(crate) instrument: String,
    pub(crate) sequence: u64,
    pub(crate) price: String,
    pub(crate) quantity: String,
    pub(crate) id: u64,
    pub(crate) exchange_time: Option<i64>,
}

/// An execution report, the same.
#[derive(Serialize, Deserialize)]
struct JsonReport {
    venue: String,
    instrument: String,
    sequence: u64,
    client_order_id: String,
    venue_order_id: String,
    report_id: String,
    status: String,
    side: String,
    price: String,
    quantity: String,
    last_price: String,
    last_quantity: String,
    cumulative_quantity: String,
}

pub(crate) struct Plain {
    market: Arc<Seen>,
    critical: Arc<Seen>,
    trades: mpsc::Sender<u64>,
    reports: mpsc::Sender<u64>,
    _runtimes: [Runtime; 2],
}

impl Plain {
    pub(crate) fn start(url: &str, clock: Instant) -> Self {
        let runtime = || {
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .expect("a runtime")
        };
        let (sending, receiving) = (runtime(), runtime());
        let (market, critical) = (Seen::new(), Seen::new());
        receiving.block_on(receive(url, clock, &market, &critical));
        let (trades, queue) = mpsc::channel(1_024);
        let client = sending.block_on(async_nats::connect(url)).expect("a server");
        sending.spawn(send_trades(client.clone(), queue));
        let (reports, queue) = mpsc::channel(1_024);
        sending.spawn(send_reports(client, queue));
        Self { market, critical, trades, reports, _runtimes: [sending, receiving] }
    }

    pub(crate) fn market(&self) -> impl Way + '_ {
        Sends { queue: &self.trades, seen: &self.market }
    }

    pub(crate) fn critical(&self) -> impl Way + '_ {
        Sends { queue: &self.reports, seen: &self.critical }
    }
}

struct Sends<'a> {
    queue: &'a mpsc::Sender<u64>,
    seen: &'a Seen,
}

impl Way for Sends<'_> {
    fn send(&self, number: u64) {
        self.queue.blocking_send(number).expect("somebody sends");
    }

    fn seen(&self) -> &Seen {
        self.seen
    }
}

pub(crate) fn trade(number: u64) -> JsonTrade {
    JsonTrade {
        venue: "kraken".to_owned(),
        instrument: format!("I{}-USDT", number % INSTRUMENTS),
        sequence: number,
        price: "61837.63".to_owned(),
        quantity: "0.02".to_owned(),
        id: number,
        exchange_time: None,
    }
}

fn report(number: u64) -> JsonReport {
    JsonReport {
        venue: "kraken".to_owned(),
        instrument: format!("I{}-USDT", number % INSTRUMENTS),
        sequence: number,
        client_order_id: "order-1234567".to_owned(),
        venue_order_id: String::new(),
        report_id: String::new(),
        status: "NEW".to_owned(),
        side: "BUY".to_owned(),
        price: "0".to_owned(),
        quantity: "0".to_owned(),
        last_price: "0".to_owned(),
        last_quantity: "0".to_owned(),
        cumulative_quantity: "0".to_owned(),
    }
}

async fn send_trades(client: Client, mut queue: mpsc::Receiver<u64>) {
    while let Some(number) = queue.recv().await {
        let trade = trade(number);
        let subject = format!("plain.md.{}", trade.instrument);
        let text = serde_json::to_vec(&trade).expect("it is JSON");
        client.publish(subject, text.into()).await.expect("a connection");
    }
}

/// With as many on their way as the queue lets, each acknowledged by the server.
async fn send_reports(client: Client, mut queue: mpsc::Receiver<u64>) {
    let context = jetstream::new(client);
    while let Some(number) = queue.recv().await {
        let text = serde_json::to_vec(&report(number)).expect("it is JSON");
        let answer = context.publish("plain.critical", text.into()).await.expect("a connection");
        tokio::spawn(async move { answer.await.expect("it is stored") });
    }
}

async fn receive(url: &str, clock: Instant, market: &Arc<Seen>, critical: &Arc<Seen>) {
    let client = async_nats::connect(url).await.expect("a server");
    let mut trades = client.subscribe("plain.md.>").await.expect("a subscription");
    let seen = Arc::clone(market);
    tokio::spawn(async move {
        while let Some(message) = trades.next().await {
            let trade: JsonTrade = serde_json::from_slice(&message.payload).expect("a trade");
            seen.note(trade.sequence, clock);
        }
    });
    let other = async_nats::connect(url).await.expect("a server");
    let context = jetstream::new(other);
    let plan = jetstream::stream::Config {
        name: "PLAIN".to_owned(),
        subjects: vec!["plain.critical".to_owned()],
        max_bytes: 1 << 28,
        ..Default::default()
    };
    let stream = context.create_stream(plan).await.expect("a stream");
    let plan = pull::Config { durable_name: Some("plain".to_owned()), ..Default::default() };
    let consumer = stream.create_consumer(plan).await.expect("a consumer");
    let mut reports = consumer.messages().await.expect("its messages");
    let seen = Arc::clone(critical);
    tokio::spawn(async move {
        while let Some(message) = reports.next().await {
            let message = message.expect("a message");
            let report: JsonReport = serde_json::from_slice(&message.payload).expect("a report");
            seen.note(report.sequence, clock);
            message.ack().await.expect("a connection");
        }
    });
    thread::sleep(Duration::from_millis(100));
}
