//! A recorder: writes everything it is given to a file, a line each, and says what it could not write.
//!
//! A file is slow at times. The recorder blocks then, and nobody else does: what waits for it is folded, and of trades
//! the oldest go once its lane is full. Each line says how much is missing before it, so that the file is honest.

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    time::{Duration, Instant},
};

use meltica::{
    Consumer, Delivery, Message, Pipeline, Select,
    event::{Event, Header, InstrumentId, Payload, Trade, VenueId},
};

/// A line for a message, whatever its kind.
fn line(out: &mut impl Write, delivery: &Delivery) -> std::io::Result<()> {
    let Header { kind, venue, instrument, sequence, trace, .. } = delivery.header();
    let (folded, dropped) = (delivery.skipped.folded, delivery.skipped.dropped);
    write!(out, "{trace} {kind} {} {} {sequence} {folded} {dropped}", venue.0, instrument.0)?;
    match &delivery.message {
        Message::Event(event) => match &event.payload {
            Payload::Trade(trade) => writeln!(out, " {} {}", trade.price, trade.quantity),
            other => writeln!(out, " {other:?}"),
        },
        Message::Book(book) => writeln!(out, " {} bids {} asks", book.bids.len(), book.asks.len()),
        other => writeln!(out, " {:?}", other.header().kind),
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::temp_dir().join(format!("meltica-recorder-{}.txt", std::process::id()));
    let mut out = BufWriter::new(File::create(&path)?);
    // An error is a failure of the consumer: counted, in the fault sink, and the next message is tried all the same.
    // Dropped with the consumer, at the shutdown, the writer is flushed.
    let recorder = Consumer::new("recorder", move |delivery: &Delivery| line(&mut out, delivery));
    let mut pipeline = Pipeline::builder()
        .consumer(recorder, [Select::all()])
        .fault_sink(|fault| eprintln!("{fault}"))
        .build()?;

    for number in 1..=1_000 {
        let header = Header {
            venue: VenueId(1),
            instrument: InstrumentId(1),
            sequence: number,
            ..Header::default()
        };
        let price = "61837.63".parse()?;
        let trade = Trade { price, quantity: "0.02".parse()?, id: number, aggressor: None };
        let mut event = pipeline.pools().events.lease_or_heap();
        *event = Event::new(header, Payload::Trade(trade));
        pipeline.push(event.into(), Instant::now())?;
    }
    let end = pipeline.shutdown(Duration::from_secs(10));
    assert!(end.is_clean());
    let lane = &end.stats.dispatcher.lanes[0];

    let text = fs::read_to_string(&path)?;
    fs::remove_file(&path)?;
    let told: u64 =
        text.lines().filter_map(|line| line.split(' ').nth(6)?.parse::<u64>().ok()).sum();
    println!("{} lines, {told} trades gave way", text.lines().count());
    assert_eq!(text.lines().count() as u64, lane.delivered);
    assert_eq!(told, lane.dropped, "the file says what is missing");
    Ok(())
}
