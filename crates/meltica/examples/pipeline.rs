//! Two venues' quotes and a fill, three consumers, one of them unreliable.

use std::time::{Duration, Instant};

use meltica::{
    Consumer, Delivery, Message, Pipeline, Select,
    event::{Catalog, Event, Header, Level, Payload, TopOfBook, Topic},
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut catalog = Catalog::new();
    let venues = [catalog.venue("binance")?, catalog.venue("kraken")?];
    let instrument = catalog.instrument("BTC-USDT".parse()?)?;

    let mut fills = 0;
    let mut pipeline = Pipeline::builder()
        .consumer(
            Consumer::new("quotes", |m: &Delivery| {
                let Message::Event(event) = &m.message else { return };
                if let Payload::TopOfBook(top) = &event.payload {
                    let venue = m.header().venue;
                    println!("{venue:?} bid {} ask {}", top.bid.price, top.ask.price);
                }
            }),
            [Select::all().topic(Topic::TopOfBook)],
        )
        .consumer(
            Consumer::new("fills", move |_: &Delivery| {
                fills += 1;
                println!("fill number {fills}");
            }),
            [Select::critical()],
        )
        .consumer(
            Consumer::new("unreliable", |_: &Delivery| Err::<(), _>("not today")),
            [Select::all()],
        )
        .fault_sink(|fault| println!("{fault}"))
        .build()?;

    for (venue, bid, ask) in [(venues[0], "61837.63", "61837.64"), (venues[1], "61836", "61839.5")]
    {
        let mut event = pipeline.pools().events.try_lease()?;
        let level = |price: &str| -> Result<Level, Box<dyn std::error::Error>> {
            Ok(Level { price: price.parse()?, quantity: "1".parse()? })
        };
        let top = TopOfBook { bid: level(bid)?, ask: level(ask)? };
        *event =
            Event::new(Header { venue, instrument, ..Header::default() }, Payload::TopOfBook(top));
        pipeline.push(event.into(), Instant::now())?;
    }
    let mut report = pipeline.pools().executions.lease_or_heap();
    report.header.venue = venues[0];
    pipeline.push(report.into(), Instant::now())?;

    let end = pipeline.shutdown(Duration::from_secs(1));
    println!("clean: {}", end.is_clean());
    Ok(())
}
