//! A book from a snapshot and deltas, in exact decimals.

use meltica_event::{
    Book, Catalog, EventKind, Header, Instrument, Level, ParseDecimalError, Price, Quantity, Side,
};

fn level(price: &str, quantity: &str) -> Result<Level, ParseDecimalError> {
    Ok(Level { price: price.parse()?, quantity: quantity.parse()? })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Names are small numbers from here on.
    let mut catalog = Catalog::new();
    let (venue, pair): (_, Instrument) = (catalog.venue("kraken")?, "BTC-USD".parse()?);
    let instrument = catalog.instrument(pair)?;

    let mut book = Book::with_capacity(1_000);
    book.header = Header { kind: EventKind::BookSnapshot, venue, instrument, ..Header::default() };
    for (price, quantity) in [("61837.6", "0.5"), ("61837.5", "2"), ("61830.1", "0.04")] {
        book.side_mut(Side::Buy).set(level(price, quantity)?);
    }
    book.side_mut(Side::Sell).set(level("61837.7", "1.25")?);

    // A delta says what changed; a quantity of zero takes the level away.
    let mut delta = Book::with_capacity(16);
    delta.header = Header { kind: EventKind::BookDelta, venue, instrument, ..Header::default() };
    delta.bids.set(level("61837.6", "0")?);
    delta.asks.set(level("61837.7", "0.75")?);
    book.fold(&delta);

    let (bid, ask) = (book.bids.first().ok_or("no bid")?, book.asks.first().ok_or("no ask")?);
    println!("{pair} {} x {} / {} x {}", bid.quantity, bid.price, ask.price, ask.quantity);
    assert_eq!(
        (bid.price, ask.quantity),
        ("61837.5".parse::<Price>()?, "0.75".parse::<Quantity>()?)
    );

    // What cannot be kept exactly is refused, and said to be.
    let refused = "0.12345678912".parse::<Price>().err().ok_or("it is too fine")?;
    println!("{refused}");
    Ok(())
}
