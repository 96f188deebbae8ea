//! Once warm, nothing is allocated between a lease and the consumers' return.

use std::{
    alloc::System,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use meltica::{
    Consumer, Delivery, MergeRule, Message, Pipeline, Select,
    event::{
        Control, Event, EventKind, Header, Level, Payload, Price, Quantity, Text, TopOfBook, Trade,
        VenueId,
    },
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn nothing_is_allocated_once_warm() {
    let venues = [VenueId(1), VenueId(2), VenueId(3)];
    let receipts = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&receipts);
    let mut builder = Pipeline::builder()
        .workers(0)
        .debug_mode(false)
        .lane_capacity(8)
        .receipt_sink(move |receipt| {
            told.fetch_add(receipt, Relaxed);
        })
        .merge(MergeRule::view("view", venues))
        .merge(MergeRule::depth("depth", venues, 5));
    for name in ["a", "b", "c"] {
        builder = builder.consumer(
            Consumer::new(name, |delivery: &Delivery| {
                std::hint::black_box(delivery.header());
            }),
            [Select::all()],
        );
    }
    let mut pipeline = builder.build().expect("valid settings");
    let pools = pipeline.pools().clone();
    let now = Instant::now();
    let mut number = 0;
    let mut round = |pipeline: &mut Pipeline| {
        number += 1;
        let price = Price::from_units(number % 50);
        let level = Level { price, quantity: Quantity::from_units(1) };
        let venue = VenueId((number % 3 + 1) as u16);
        let mut event = pools.events.try_lease().expect("large enough");
        let top = TopOfBook { bid: level, ask: level };
        *event = Event::new(Header { venue, ..Header::default() }, Payload::TopOfBook(top));
        let mut book = pools.books.try_lease().expect("large enough");
        book.header.venue = venue;
        if number > 3 {
            book.header.kind = EventKind::BookDelta;
        }
        book.bids.set(level);
        let mut report = pools.executions.try_lease().expect("large enough");
        report.report_id = Text::truncated("1234567890123456789");
        report.quantity = Quantity::from_units(number.unsigned_abs());
        report.client_order_id = Text::truncated(if number % 2 == 0 { "even" } else { "odd" });
        let mut control = pools.controls.try_lease().expect("large enough");
        *control = Control::ack(Header::default(), number.unsigned_abs(), Text::EMPTY);
        let mut last = pools.events.try_lease().expect("large enough");
        let header = Header { venue, ..Header::default() };
        *last = Event::new(header, Payload::Trade(Trade { price, ..Trade::default() }));
        let messages: [Message; 5] =
            [event.into(), last.into(), book.into(), report.into(), control.into()];
        for message in messages {
            // Half of what is critical is asked for a receipt.
            let pushed = match message.is_critical() && number % 2 == 0 {
                true => pipeline.push_for_receipt(message, now, number.unsigned_abs()),
                false => pipeline.push(message, now),
            };
            pushed.expect("not cancelled");
        }
        // Once in a while the consumers run: in between their lanes are full, and give way.
        if number % 16 == 0 {
            while pipeline.run_once() {}
        }
    };
    (0..20_000).for_each(|_| round(&mut pipeline));
    let region = Region::new(ALLOCATOR);
    (0..2_000).for_each(|_| round(&mut pipeline));
    let change = region.change();
    assert_eq!((change.allocations, change.reallocations), (0, 0));
    let merged: Vec<_> = pipeline.stats().merges.iter().map(|merge| merge.merged()).collect();
    assert_eq!(merged, [7_333, 7_333]);
    // Of 22,000 rounds each second one, twice: a report and a control event.
    assert_eq!(receipts.load(Relaxed), (1..=11_000).map(|round| 2 * 2 * round).sum::<u64>());
}
