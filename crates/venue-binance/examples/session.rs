//! A session from its opening to a verified book, without a network: the venue's own side is here too.
//!
//! Every adapter is driven like this; what has sockets (the gateway) does no more.

use meltica_event::{Catalog, Instrument, Timestamp};
use meltica_venue::{Decode, Ingest, LocalVenue, Session, VenuePools, Wish};
use meltica_venue_binance::{BinanceSpot, LocalBinance};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut catalog = Catalog::new();
    let venue = catalog.venue("binance")?;
    let pair: Instrument = "BTC-USDT".parse()?;
    let instrument = catalog.instrument(pair)?;

    let mut session = BinanceSpot::new(venue, VenuePools::new(256));
    session.add(pair, instrument)?;
    println!("{}", session.url());

    let mut theirs = LocalBinance::new([(pair, instrument)], 7);
    let mut events = 0;
    let mut frames: Vec<String> = vec![];
    session.opened();
    // What it subscribes to is in the URL.
    let url = session.url();
    theirs.opened(&url, &mut |frame| frames.push(frame.to_owned()));
    for step in 1..=1_000u64 {
        let ingest = Ingest { time: Timestamp::from_nanos(step as i64), mono_ns: step };
        // What the session wishes is done: texts are sent, snapshots fetched.
        while let Some(wish) = session.next_wish() {
            match wish {
                Wish::Send(text) => {
                    theirs.heard(&text, ingest.time, &mut |frame| frames.push(frame.to_owned()));
                }
                Wish::Fetch { instrument, path } => {
                    let body = theirs.get(&path).ok_or("no such snapshot")?;
                    session.fetched(instrument, body.as_bytes(), ingest, &mut |_| events += 1)?;
                }
                Wish::Reconnect { reason } => return Err(reason.into()),
            }
        }
        theirs.step(ingest.time, &mut |frame| frames.push(frame.to_owned()));
        for frame in frames.drain(..) {
            session.decode(frame.as_bytes(), ingest, &mut |_| events += 1)?;
        }
    }
    let book = session.book(instrument).ok_or("no book that can be trusted")?;
    println!("{events} events; {} bids, {} asks", book.bids.len(), book.asks.len());
    // It is the venue's own, level by level.
    let own = theirs.book(instrument).ok_or("the venue has one")?;
    assert!(events > 500 && (&book.bids, &book.asks) == (&own.bids, &own.asks));
    Ok(())
}
