//! The steps of `docs/quickstart.md` in one program: three venues' quotes are merged, fanned out to two
//! consumers, one of which panics, and counted.

use std::time::{Duration, Instant};

use meltica::{
    Consumer, Delivery, MergeRule, Message, Pipeline, Select,
    event::{Event, Header, InstrumentId, Level, Payload, TopOfBook, Topic, VenueId},
};

fn panics(_: &Delivery) {
    panic!("one too many")
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Step 1: one recycler; it reads RECYCLER_DEBUG_MODE.
    let recycler = meltica::global().clone();
    if recycler.is_debug_mode() {
        println!("Recycler debug mode enabled (poisoning + double-put detection)");
    }

    // Step 4: consumers. Step 2: a merge rule.
    let printer = Consumer::new("printer", |delivery: &Delivery| {
        if let Message::Merged(view) = &delivery.message {
            println!("window {}: bid {:?}, ask {:?}", view.window, view.bid, view.ask);
        }
    });
    let unreliable = Consumer::new("unreliable", panics);
    let venues = [VenueId(1), VenueId(2), VenueId(3)];
    let mut pipeline = Pipeline::builder()
        .recycler(recycler)
        .workers(0)
        .time_one_in(1)
        .fault_sink(|fault| println!("{fault}"))
        .merge(MergeRule::view("view", venues))
        .consumer(printer, [Select::all().topic(Topic::Merged)])
        .consumer(unreliable, [Select::all().topic(Topic::Merged)])
        .build()?;

    // Step 3: what comes in is fanned out.
    let events = pipeline.pools().events.clone();
    for (venue, bid, ask) in venues.into_iter().zip([99, 98, 97]).map(|(v, b)| (v, b, b + 2)) {
        let level = |price: i32| -> Result<Level, meltica::event::ParseDecimalError> {
            Ok(Level { price: price.to_string().parse()?, quantity: "1".parse()? })
        };
        let header = Header { venue, instrument: InstrumentId(1), ..Header::default() };
        let top = TopOfBook { bid: level(bid)?, ask: level(ask)? };
        let mut event = events.try_lease()?;
        *event = Event::new(header, Payload::TopOfBook(top));
        pipeline.push(event.into(), Instant::now())?;
    }
    meltica::consumer::install_panic_hook(Default::default());
    while pipeline.run_once() {}

    // Step 6: metrics.
    let text = pipeline.metrics().render();
    let wanted =
        ["consumer_panics_total{", "orchestrator_windows_total{", "recycler_events_total{"];
    let shown =
        |line: &&str| wanted.iter().any(|name| line.starts_with(name)) && !line.ends_with(" 0");
    text.lines().filter(shown).for_each(|line| println!("{line}"));

    let end = pipeline.shutdown(Duration::from_secs(1));
    println!("clean: {}", end.is_clean());
    Ok(())
}
