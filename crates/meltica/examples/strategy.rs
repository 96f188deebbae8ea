//! A strategy: reads one view of three venues, decides, and hears of its fills, which never wait behind prices.
//!
//! The strategy's state lives in its closure, so it needs no lock: a consumer is one thread at a time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use meltica::{
    Consumer, Delivery, MergeRule, Message, Pipeline, Select,
    event::{
        Catalog, Event, Header, Instrument, InstrumentId, Level, Numbering, Payload, Quantity,
        Text, TopOfBook, Topic, VenueId,
    },
};

/// What the strategy knows.
#[derive(Default)]
struct Strategy {
    position: i64,
    decisions: u64,
    views_missed: u64,
}

impl Strategy {
    fn take(&mut self, delivery: &Delivery) {
        // What was folded is in the view that came; a strategy that counts views has to know.
        self.views_missed += delivery.skipped.folded;
        match &delivery.message {
            Message::Merged(view) => {
                let (Some(bid), Some(ask)) = (view.bid, view.ask) else { return };
                // Two venues are crossed: somebody pays more than somebody else asks.
                if bid.price > ask.price && bid.venue != ask.venue {
                    self.decisions += 1;
                    println!(
                        "buy at {} for {}, sell at {} for {}",
                        ask.venue.0, ask.price, bid.venue.0, bid.price
                    );
                }
            }
            Message::Execution(report) => {
                self.position += report.last_quantity.units() as i64;
                println!("filled: {}", report.report_id);
            }
            _ => {}
        }
    }
}

fn quote(
    pipeline: &Pipeline,
    venue: VenueId,
    instrument: InstrumentId,
    sequence: u64,
    [bid, ask]: [&str; 2],
) -> Result<Message, Box<dyn std::error::Error>> {
    let one: Quantity = "1".parse()?;
    let top = TopOfBook {
        bid: Level { price: bid.parse()?, quantity: one },
        ask: Level { price: ask.parse()?, quantity: one },
    };
    let numbering = Numbering::Monotone;
    let header = Header { venue, instrument, sequence, numbering, ..Header::default() };
    let mut event = pipeline.pools().events.try_lease()?;
    *event = Event::new(header, Payload::TopOfBook(top));
    Ok(event.into())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut catalog = Catalog::new();
    let names = ["binance", "coinbase", "kraken"];
    let venues = names.map(|name| catalog.venue(name).expect("three have room"));
    let pair: Instrument = "BTC-USD".parse()?;
    let instrument = catalog.instrument(pair)?;

    let decisions = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&decisions);
    let mut strategy = Strategy::default();
    let consumer = Consumer::new("strategy", move |delivery: &Delivery| {
        strategy.take(delivery);
        told.store(strategy.decisions, Relaxed);
    });
    let mut pipeline = Pipeline::builder()
        // Without `hold`, every quote also goes its own way, for whoever selects it.
        .merge(MergeRule::view("view", venues).window(Duration::from_millis(5)))
        .consumer(consumer, [Select::all().topic(Topic::Merged), Select::critical()])
        .build()?;

    let now = Instant::now();
    let prices = [
        [["99.90", "100.00"], ["99.95", "100.05"], ["99.93", "100.02"]],
        // Kraken pays more than Binance asks.
        [["99.91", "99.98"], ["99.96", "100.04"], ["100.03", "100.09"]],
    ];
    for (round, tops) in prices.into_iter().enumerate() {
        for (venue, top) in venues.into_iter().zip(tops) {
            let message = quote(&pipeline, venue, instrument, round as u64 + 1, top)?;
            pipeline.push(message, now)?;
        }
    }
    let mut fill = pipeline.pools().executions.lease_or_heap();
    fill.header = Header { venue: venues[0], instrument, ..fill.header };
    fill.report_id = Text::new("388600")?;
    pipeline.push(fill.into(), now)?;

    let end = pipeline.shutdown(Duration::from_secs(5));
    assert!(end.is_clean());
    assert_eq!(end.stats.merges[0].merged(), 2);
    // Both views may have come as one, to a strategy that was late; the newer has the chance in it.
    assert_eq!(decisions.load(Relaxed), 1);
    Ok(())
}
