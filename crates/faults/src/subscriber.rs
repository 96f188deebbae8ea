//! The receiver's process: a pipeline that follows, and an application whose ledger outlives it.

use std::{
    collections::{HashMap, HashSet},
    io::{self, BufRead},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use clap::Args;
use meltica::{
    Consumer, Delivery, Message, Pipeline, Select,
    event::{EventKind, Payload, Topic},
};
use meltica_nats::{
    Connect, Inbound, InboundConfig, Names, Receipt, Received, Settled, Stopped, View,
};

use crate::{
    bridge,
    ledger::Ledger,
    market::{self, Assembled},
};

#[derive(Args, Clone, Debug)]
pub(crate) struct SubscriberArgs {
    /// The server.
    #[arg(long)]
    pub(crate) url: String,
    /// Where its positions and its ledger are.
    #[arg(long)]
    pub(crate) folder: PathBuf,
    /// Subscribe to so many subjects in place of all market data at once.
    #[arg(long, default_value_t = 0)]
    pub(crate) subjects: usize,
}

/// What a process of the receiver saw of the market, for its last line.
#[derive(Default)]
struct Market {
    messages: AtomicU64,
    wrong: AtomicU64,
    backwards: AtomicU64,
}

/// Receives until a line comes on standard input, or that is closed.
pub(crate) fn run(args: &SubscriberArgs) -> Result<(), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let path = args.folder.join("application");
    let (ledger, lines) = Ledger::open(&path).map_err(|e| text(&e))?;
    // The order that comes last may be half a line only if the machine ended, and then this is not it.
    let mut known: HashSet<String> = lines.into_iter().collect();
    let (mut faults, _) = Ledger::open(&args.folder.join("faults")).map_err(|e| text(&e))?;

    let names = Names::default();
    let orders = {
        let names = names.clone();
        let mut ledger = ledger;
        Consumer::new("orders", move |delivery: &Delivery| {
            if let Message::Execution(report) = &**delivery {
                let line = line(&names, View::Execution(report));
                ledger.write(format_args!("{line}")).map_err(|e| e.to_string())?;
            }
            Ok::<(), String>(())
        })
    };
    let market = Arc::new(Market::default());
    let watcher = watcher(Arc::clone(&market));
    let settled = Settled::new();
    let told = settled.clone();
    let running = Pipeline::builder()
        .follows_upstream(true)
        .receipt_sink(move |receipt| told.settle(Receipt(receipt)))
        .consumer(orders, [Select::critical()])
        .consumer(watcher, [Select::all().topic(Topic::Book).topic(Topic::TopOfBook)])
        .build()
        .map_err(|e| text(&e))?
        .spawn(1_024)
        .map_err(|e| text(&e))?;

    let connect = Connect::new(&args.url).ping(Duration::from_secs(1));
    let mut config = InboundConfig::new(connect, "receiver");
    config.positions = Some(args.folder.join("positions"));
    if args.subjects > 0 {
        let subject = |index| format!("meltica.md.*.I{index:04}-USDT.*");
        config.market = (0..args.subjects).map(subject).collect();
    }
    let feed = running.feed();
    let sink = move |received: Received, receipt: Option<Receipt>| {
        let message = bridge::message(received);
        match receipt {
            Some(Receipt(receipt)) => feed.push_for_receipt(message, receipt),
            None => feed.push(message),
        }
        .map_err(|_| Stopped)
    };
    let has = {
        let names = names.clone();
        move |view: View<'_>| known.remove(&line(&names, view))
    };
    let pools = bridge::pools(running.pools());
    let inbound = Inbound::start(config, names, pools, settled, Some(Box::new(has)), sink);
    let inbound = inbound.map_err(|e| text(&e))?;
    let _ = io::stdin().lock().lines().next();
    inbound.stop();
    let end = running.shutdown(Duration::from_secs(10)).ok_or("the pipeline ended early")?;
    let stats = inbound.shutdown(Duration::from_secs(5));
    for (what, count) in [
        ("books that are not the sender's", &market.wrong),
        ("market data that went backwards", &market.backwards),
    ] {
        if count.load(Relaxed) > 0 {
            let count = count.load(Relaxed);
            faults.write(format_args!("{count} {what}")).map_err(|e| text(&e))?;
        }
    }
    if stats.missing > 0 {
        faults
            .write(format_args!("{} critical messages missing", stats.missing))
            .map_err(|e| text(&e))?;
    }
    if !end.undelivered.is_empty() {
        faults
            .write(format_args!("{} messages not delivered", end.undelivered.len()))
            .map_err(|e| text(&e))?;
    }
    eprintln!("receiver: {} market messages, {stats:?}", market.messages.load(Relaxed));
    Ok(())
}

/// A report as it stands in the ledgers: the producer and its number.
fn line(names: &Names, view: View<'_>) -> String {
    let View::Execution(report) = view else { return String::new() };
    let venue = names
        .with(|catalog| catalog.venue_name(report.header.venue).unwrap_or_default().to_owned());
    format!("{venue} {}", report.report_id)
}

/// Looks whether books are the sender's, and nothing goes backwards.
fn watcher(market: Arc<Market>) -> Consumer {
    let mut books = HashMap::new();
    let mut versions = HashMap::new();
    let seen = Arc::clone(&market);
    Consumer::new("watcher", move |delivery: &Delivery| {
        seen.messages.fetch_add(1, Relaxed);
        let header = delivery.header();
        let stream = (header.venue, header.instrument, delivery.kind().topic());
        let before = versions.insert(stream, header.routing_version).unwrap_or(0);
        seen.backwards.fetch_add(u64::from(header.routing_version < before), Relaxed);
        let is_right = match &**delivery {
            Message::Book(book) => {
                if delivery.skipped.dropped > 0 && book.header.kind == EventKind::BookDelta {
                    // It was told: what it has is no book any more.
                    books.remove(&stream);
                }
                let is_delta = book.header.kind == EventKind::BookDelta;
                match books.get_mut(&stream) {
                    None if is_delta => true,
                    _ => books.entry(stream).or_insert_with(Assembled::new).take(book),
                }
            }
            Message::Event(event) => {
                event.payload == Payload::TopOfBook(market::quote(header.sequence))
            }
            _ => false,
        };
        seen.wrong.fetch_add(u64::from(!is_right), Relaxed);
    })
}
