//! Once warm, writing a frame and reading it into leased objects allocates nothing.

use std::alloc::System;

use meltica_event::{
    Book, Control, Event, EventKind, ExecReport, Header, Level, Merged, Payload, Price, Quantity,
    TopOfBook,
};
use meltica_nats::{Decoder, Encoder, Envelope, Names, NatsPools, View};
use meltica_recycler::Recycler;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn market_data_are_written_and_read_without_allocating_once_warm() {
    let names = Names::default();
    let venue = names.venue("kraken").unwrap();
    let instrument = names.instrument("BTC-USDT".parse().unwrap()).unwrap();
    let recycler = Recycler::new();
    let pools = NatsPools::new(
        recycler.pool("event", 8, Event::blank, |event| *event = Event::blank()),
        recycler.exact_pool("book", 8, || Book::with_capacity(64), Book::clear),
        recycler.pool("execreport", 8, ExecReport::blank, |_| ()),
        recycler.pool("control", 8, Control::blank, |_| ()),
        recycler.pool("merged", 8, Merged::blank, |_| ()),
    );
    let header = Header { venue, instrument, sequence: 3, ..Header::default() };
    let quote = Event::new(header, Payload::TopOfBook(TopOfBook::default()));
    let mut book = Book::with_capacity(64);
    book.header = Header { kind: EventKind::BookDelta, ..header };
    for price in 1..50 {
        book.bids.set(Level { price: Price::from_units(price), quantity: Quantity::from_units(1) });
    }
    let origin = "desk-1".parse().unwrap();
    let envelope = Envelope { origin, incarnation: 1, chain: 0, number: 1 };
    let (mut encoder, mut bytes) = (Encoder::new(names), Vec::with_capacity(8_192));
    let mut decoder = Decoder::new(Names::default(), pools);
    let mut round = || {
        for view in [View::Event(&quote), View::Book(&book)] {
            bytes.clear();
            encoder.encode(view, &envelope, &mut bytes).unwrap();
            let (came, received) = decoder.decode(&bytes).unwrap();
            assert_eq!((came.number, received.header().sequence), (1, 3));
        }
    };
    (0..100).for_each(|_| round());
    let region = Region::new(ALLOCATOR);
    (0..10_000).for_each(|_| round());
    let change = region.change();
    assert_eq!((change.allocations, change.reallocations), (0, 0));
}
