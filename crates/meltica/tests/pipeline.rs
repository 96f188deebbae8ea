//! The pipeline as its user sees it, with the market's own messages.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use meltica::{
    Builder, Consumer, Delivery, Message, Pipeline, PoolSizes, Pools, Problem, Pushed, Select,
    event::{
        Control, EventKind, Header, InstrumentId, Level, Numbering, Payload, Price, Quantity, Side,
        Text, TopOfBook, Topic, TraceId, Trade, VenueId,
    },
};

const SECOND: Duration = Duration::from_secs(1);

fn header(venue: u16, sequence: u64) -> Header {
    Header {
        venue: VenueId(venue),
        instrument: InstrumentId(1),
        sequence,
        numbering: if sequence == 0 { Numbering::Unsequenced } else { Numbering::Dense },
        ..Header::default()
    }
}

fn trade(pools: &Pools, venue: u16, sequence: u64) -> Message {
    let mut event = pools.events.try_lease().expect("large enough");
    event.header = header(venue, sequence);
    event.payload = Payload::Trade(Trade { id: sequence, ..Trade::default() });
    event.into()
}

fn quote(pools: &Pools, venue: u16, price: i64) -> Message {
    let mut event = pools.events.try_lease().expect("large enough");
    let bid = Level { price: Price::from_units(price), quantity: Quantity::from_units(1) };
    let top = TopOfBook { bid, ..TopOfBook::default() };
    *event = meltica::event::Event::new(header(venue, 0), Payload::TopOfBook(top));
    event.into()
}

fn report(pools: &Pools, id: &str) -> Message {
    let mut report = pools.executions.lease_or_heap();
    report.client_order_id = Text::truncated("order");
    report.report_id = Text::truncated(id);
    report.into()
}

fn control(pools: &Pools, command: u64) -> Message {
    let mut control = pools.controls.lease_or_heap();
    *control = Control::ack(Header::default(), command, Text::truncated("flip"));
    control.into()
}

fn book(pools: &Pools, kind: EventKind, sequence: u64, levels: &[(i64, u64)]) -> Message {
    let mut book = pools.books.lease_or_heap();
    book.header = Header { kind, sequence, venue: VenueId(1), ..Header::default() };
    for (price, quantity) in levels {
        let (price, quantity) = (Price::from_units(*price), Quantity::from_units(*quantity));
        book.side_mut(Side::Buy).set(Level { price, quantity });
    }
    book.into()
}

fn stepped() -> Builder {
    Pipeline::builder().workers(0).debug_mode(false)
}

type Seen = Arc<Mutex<Vec<(EventKind, u64, u64)>>>;

/// A consumer that notes kind, trace and version of what it gets.
fn recorder(name: &str) -> (Seen, Consumer) {
    let seen = Seen::default();
    let mine = Arc::clone(&seen);
    let note = move |delivery: &Delivery| {
        let header = delivery.header();
        let row = (delivery.kind(), header.trace.0, header.routing_version);
        mine.lock().expect("no test panics here").push(row);
    };
    (seen, Consumer::new(name, note))
}

fn run_all(pipeline: &mut Pipeline) {
    while pipeline.run_once() {}
}

fn kinds(seen: &Seen) -> Vec<EventKind> {
    seen.lock().expect("no test panics here").iter().map(|row| row.0).collect()
}

#[test]
fn consumers_get_what_they_select() {
    let (all, all_consumer) = recorder("all");
    let (fills, fills_consumer) = recorder("fills");
    let (one, one_consumer) = recorder("one");
    let mut pipeline = stepped()
        .consumer(all_consumer, [Select::all()])
        .consumer(fills_consumer, [Select::critical()])
        .consumer(
            one_consumer,
            [Select::all().venue(VenueId(2)).instrument(InstrumentId(1)).topic(Topic::Trades)],
        )
        .build()
        .unwrap();
    let pools = pipeline.pools().clone();
    let now = Instant::now();
    for message in [
        trade(&pools, 1, 0),
        trade(&pools, 2, 0),
        quote(&pools, 2, 5),
        report(&pools, "1"),
        control(&pools, 1),
        book(&pools, EventKind::BookDelta, 1, &[]),
    ] {
        pipeline.push(message, now).unwrap();
    }
    let merged = pools.merged.try_lease().unwrap();
    assert_eq!(pipeline.push(merged.into(), now).unwrap(), Pushed::Routed { lanes: 1 });
    run_all(&mut pipeline);
    use EventKind as K;
    let everything =
        [K::Trade, K::Trade, K::TopOfBook, K::ExecReport, K::ControlAck, K::BookDelta, K::Merged];
    assert_eq!(kinds(&all), everything);
    assert_eq!(kinds(&fills), [K::ExecReport, K::ControlAck]);
    assert_eq!(kinds(&one), [K::Trade]);
    let traces: Vec<_> = all.lock().unwrap().iter().map(|row| row.1).collect();
    assert_eq!(traces, [1, 2, 3, 4, 5, 6, 7], "whoever came without a trace id got one");
    let end = pipeline.shutdown(SECOND);
    assert!(end.is_clean(), "{end:?}");
}

#[test]
fn a_payload_written_in_place_has_its_kind_in_the_header() {
    let seen = Arc::new(Mutex::new(vec![]));
    let mine = Arc::clone(&seen);
    let note = move |m: &Delivery| mine.lock().expect("no panic").push(m.header().kind);
    let mut pipeline =
        stepped().consumer(Consumer::new("a", note), [Select::all()]).build().unwrap();
    let mut event = pipeline.pools().events.try_lease().unwrap();
    event.payload = Payload::TopOfBook(TopOfBook::default());
    pipeline.push(event.into(), Instant::now()).unwrap();
    run_all(&mut pipeline);
    assert_eq!(*seen.lock().unwrap(), [EventKind::TopOfBook]);
}

#[test]
fn a_book_whose_header_was_replaced_is_still_a_book() {
    let (seen, consumer) = recorder("a");
    let mut pipeline = stepped().consumer(consumer, [Select::all()]).build().unwrap();
    let mut lease = pipeline.pools().books.try_lease().unwrap();
    lease.header = Header { venue: VenueId(1), ..Header::default() };
    pipeline.push(lease.into(), Instant::now()).unwrap();
    run_all(&mut pipeline);
    assert_eq!(kinds(&seen), [EventKind::BookSnapshot]);
}

#[test]
fn settings_beyond_all_bounds_are_problems_and_no_panics() {
    let builder = stepped().lane_capacity(usize::MAX).repeats_remembered(usize::MAX);
    let error = builder.build().unwrap_err().to_string();
    assert!(error.contains("16,777,216 is the most"), "{error}");
    assert!(error.contains("repeats_remembered is above"), "{error}");
}

#[test]
fn fr_013_an_exact_repeat_of_a_critical_message_is_delivered_once() {
    let (seen, consumer) = recorder("a");
    let mut pipeline =
        stepped().repeats_remembered(2).consumer(consumer, [Select::all()]).build().unwrap();
    let pools = pipeline.pools().clone();
    let now = Instant::now();
    let mut push = |message| pipeline.push(message, now).unwrap();
    let routed = Pushed::Routed { lanes: 1 };
    assert_eq!(push(report(&pools, "1")), routed);
    assert_eq!(push(report(&pools, "1")), Pushed::Repeated);
    assert_eq!(push(report(&pools, "2")), routed);
    assert_eq!([push(report(&pools, "")), push(report(&pools, ""))], [routed, routed], "no id");
    assert_eq!(push(control(&pools, 7)), routed);
    assert_eq!(push(control(&pools, 7)), Pushed::Repeated);
    assert_eq!(push(report(&pools, "1")), routed, "only so many are remembered");
    assert!(pipeline.dispatch(control(&pools, 7), now, None).unwrap().is_none());
    assert_eq!(pipeline.stats().repeated, 3);
    run_all(&mut pipeline);
    assert_eq!(kinds(&seen).len(), 6);
}

#[test]
fn fr_014_fr_015_after_a_flip_no_stale_market_data_start_and_critical_messages_all_do() {
    let (seen, consumer) = recorder("a");
    let mut pipeline = stepped().consumer(consumer, [Select::all()]).build().unwrap();
    let pools = pipeline.pools().clone();
    let now = Instant::now();
    pipeline.push(trade(&pools, 1, 0), now).unwrap();
    pipeline.push(report(&pools, "1"), now).unwrap();
    pipeline.push(control(&pools, 1), now).unwrap();
    let version = pipeline.flip();
    assert_eq!(pipeline.gate("a").unwrap().version(), version);
    assert!(pipeline.gate("b").is_none());
    pipeline.push(trade(&pools, 1, 0), now).unwrap();
    run_all(&mut pipeline);
    use EventKind as K;
    assert_eq!(kinds(&seen), [K::ExecReport, K::ControlAck, K::Trade]);
    let rows = seen.lock().unwrap();
    assert_eq!((rows[0].2, rows[2].2), (version - 1, version));
    let stats = pipeline.stats();
    assert_eq!(stats.consumers[0].stats.filtered, 1);
    assert_eq!(&*stats.consumers[0].consumer, "a");
}

#[test]
fn lm_03_a_venues_streams_keep_their_order_and_others_do_not_wait_for_them() {
    let (seen, consumer) = recorder("a");
    let mut pipeline = stepped().consumer(consumer, [Select::all()]).build().unwrap();
    let pools = pipeline.pools().clone();
    let now = Instant::now();
    assert_eq!(pipeline.push(trade(&pools, 1, 1), now).unwrap(), Pushed::Routed { lanes: 1 });
    assert_eq!(pipeline.push(trade(&pools, 1, 3), now).unwrap(), Pushed::Held);
    assert_eq!(pipeline.push(trade(&pools, 2, 9), now).unwrap(), Pushed::Routed { lanes: 1 });
    assert_eq!(pipeline.push(trade(&pools, 1, 1), now).unwrap(), Pushed::Late);
    let deadline = pipeline.next_deadline().unwrap();
    pipeline.poll(deadline);
    run_all(&mut pipeline);
    let traces: Vec<_> = seen.lock().unwrap().iter().map(|row| row.1).collect();
    assert_eq!(traces, [1, 3, 2]);
}

#[test]
fn lm_04_a_slow_consumers_book_is_folded_and_remains_whole() {
    type Books = Arc<Mutex<Vec<(u64, u64, Vec<(i64, u64)>)>>>;
    let books = Books::default();
    let mine = Arc::clone(&books);
    let note = move |delivery: &Delivery| {
        let Message::Book(book) = &delivery.message else { return };
        let levels = book.bids.iter().map(|l| (l.price.units(), l.quantity.units())).collect();
        mine.lock().expect("no test panics here").push((
            book.header.sequence,
            delivery.skipped.folded,
            levels,
        ));
    };
    let mut pipeline = stepped()
        .lane_capacity(1)
        .consumer(Consumer::new("slow", note), [Select::all()])
        .consumer(Consumer::new("other", |_| ()), [Select::all()])
        .build()
        .unwrap();
    let pools = pipeline.pools().clone();
    let now = Instant::now();
    let snapshot = EventKind::BookSnapshot;
    pipeline.push(book(&pools, snapshot, 1, &[(10, 1), (9, 2)]), now).unwrap();
    pipeline.push(book(&pools, EventKind::BookDelta, 2, &[(10, 0), (8, 3)]), now).unwrap();
    pipeline.push(book(&pools, EventKind::BookDelta, 3, &[(8, 4)]), now).unwrap();
    run_all(&mut pipeline);
    assert_eq!(*books.lock().unwrap(), [(3, 2, vec![(9, 2), (8, 4)])]);
    pipeline.push(book(&pools, EventKind::BookDelta, 4, &[(7, 1)]), now).unwrap();
    pipeline.push(book(&pools, snapshot, 9, &[(1, 1)]), now).unwrap();
    run_all(&mut pipeline);
    assert_eq!(books.lock().unwrap()[1], (9, 1, vec![(1, 1)]), "a snapshot replaces");
    assert!(pipeline.shutdown(SECOND).is_clean());
}

#[test]
fn a_late_consumer_starts_from_the_current_book_and_quote() {
    let mut pipeline = stepped().keep_current_state(true).build().unwrap();
    let pools = pipeline.pools().clone();
    let now = Instant::now();
    pipeline.push(book(&pools, EventKind::BookSnapshot, 1, &[(10, 1)]), now).unwrap();
    pipeline.push(book(&pools, EventKind::BookDelta, 2, &[(10, 0), (8, 3)]), now).unwrap();
    pipeline.push(quote(&pools, 1, 4), now).unwrap();
    pipeline.push(quote(&pools, 1, 5), now).unwrap();
    let state = Arc::new(Mutex::new(vec![]));
    let mine = Arc::clone(&state);
    let note = move |delivery: &Delivery| {
        let best = match &delivery.message {
            Message::Book(book) => book.bids[0].price,
            Message::Event(event) => match event.payload {
                Payload::TopOfBook(top) => top.bid.price,
                _ => Price::ZERO,
            },
            _ => Price::ZERO,
        };
        mine.lock().expect("no test panics here").push((delivery.kind(), best.units()));
    };
    pipeline.subscribe_with_state(Consumer::new("late", note), [Select::all()]).unwrap();
    pipeline.poll(now);
    run_all(&mut pipeline);
    let expected = [(EventKind::BookSnapshot, 8), (EventKind::TopOfBook, 5)];
    assert_eq!(*state.lock().unwrap(), expected);
    pipeline.unsubscribe("late").unwrap();
    let unknown = pipeline.unsubscribe("late").unwrap_err();
    assert_eq!(unknown.to_string(), "no consumer `late` is subscribed");
    let (_, consumer) = recorder("without");
    pipeline.subscribe(consumer, [Select::all()]).unwrap();
    assert_eq!(pipeline.stats().dispatcher.lanes.len(), 1);
}

#[test]
fn fr_020_a_joined_dispatch_tells_every_failure_with_its_trace() {
    let mut pipeline = Pipeline::builder()
        .debug_mode(false)
        .name("test")
        .consumer(Consumer::new("broken", |_| Err::<(), _>("no disk")), [Select::all()])
        .consumer(Consumer::new("panics", |_| -> () { panic!("on purpose") }), [Select::all()])
        .consumer(Consumer::new("fine", |_| ()), [Select::all()])
        .build()
        .unwrap();
    let pools = pipeline.pools().clone();
    let mut message = report(&pools, "1");
    message.header_mut().trace = TraceId(0xbeef);
    let report = pipeline.dispatch(message, Instant::now(), None).unwrap().unwrap();
    let mut faults: Vec<_> = report.failures().map(ToString::to_string).collect();
    faults.sort();
    assert_eq!(faults.len(), 2);
    assert!(faults[0].contains("`broken`") && faults[0].ends_with("no disk"), "{}", faults[0]);
    assert!(faults[1].contains("000000000000beef") && faults[1].ends_with("panicked: on purpose"));
    assert!(format!("{pipeline:?}").starts_with("Pipeline"));
    assert!(pipeline.shutdown(SECOND).is_clean());
}

#[test]
fn a_critical_message_that_fails_reaches_the_dead_letter_sink_and_its_fault_the_fault_sink() {
    let letters = Arc::new(Mutex::new(vec![]));
    let faults = Arc::new(Mutex::new(vec![]));
    let (letter_sink, fault_sink) = (Arc::clone(&letters), Arc::clone(&faults));
    let mut pipeline = stepped()
        .consumer(Consumer::new("broken", |_| Err::<(), _>("no")), [Select::all()])
        .dead_letter_sink(move |letter| letter_sink.lock().unwrap().push(letter.message.kind()))
        .fault_sink(move |fault| fault_sink.lock().unwrap().push(fault.trace))
        .build()
        .unwrap();
    let pools = pipeline.pools().clone();
    pipeline.push(report(&pools, "1"), Instant::now()).unwrap();
    pipeline.push(quote(&pools, 1, 1), Instant::now()).unwrap();
    run_all(&mut pipeline);
    assert_eq!(*letters.lock().unwrap(), [EventKind::ExecReport]);
    assert_eq!(*faults.lock().unwrap(), [1, 2]);
}

#[test]
fn every_problem_with_the_settings_is_said_at_once() {
    let same = || Consumer::new("same", |_| ());
    let error = Pipeline::builder()
        .consumer(same(), [Select::all()])
        .consumer(same(), [])
        .consumer(Consumer::new(" ", |_| ()), [Select::all()])
        .lane_capacity(0)
        .repeats_remembered(0)
        .pool_sizes(PoolSizes {
            events: 1,
            books: 0,
            merged: 1 << 25,
            ..PoolSizes::for_consumers(3, 4)
        })
        .build()
        .unwrap_err();
    assert_eq!(error.problems.len(), 8);
    let text = error.to_string();
    for part in [
        "\n- two consumers",
        "consumer `same` selects nothing",
        "number 2 (from 0) has no name",
        "lane_capacity is zero",
        "repeats_remembered is zero",
        "the pool of events has 1 objects where the consumers and merges need 4",
        "the pool of books has 0",
        "16,777,216",
    ] {
        let part = part.replace("two consumers", "there are two consumers named `same`");
        assert!(text.contains(&part), "{part} is not in {text}");
    }
    assert!(matches!(error.problems[0], Problem::NoRoom { .. }));
}

#[test]
fn the_global_recycler_is_one_for_all_who_want_it() {
    let mut builder = stepped().recycler(meltica::global().clone()).debug_mode(true);
    builder = builder.gap_wait(SECOND);
    assert!(format!("{builder:?}").contains("lane_capacity: 1024"));
    let pipeline = builder.build().unwrap();
    assert!(meltica::global().is_debug_mode() && pipeline.recycler().is_debug_mode());
    let lease = pipeline.pools().events.try_lease().unwrap();
    let report = meltica::global().leak_report();
    assert_eq!((report.count(), report.outstanding.len()), (1, 1));
    drop(lease);
    assert_eq!(meltica::global().stats().len(), 5);
}

#[test]
fn an_inline_consumer_runs_on_the_thread_that_pushes() {
    let threads = Arc::new(Mutex::new(vec![]));
    let mine = Arc::clone(&threads);
    let note = move |_: &Delivery| {
        mine.lock().expect("no panic").push(std::thread::current().id());
    };
    let mut pipeline =
        Pipeline::builder().consumer(Consumer::new("a", note), [Select::all()]).build().unwrap();
    let pools = pipeline.pools().clone();
    assert_eq!(pipeline.set_inline("a", true), Ok(false));
    assert!(pipeline.set_inline("b", true).is_err());
    for number in 1..=100 {
        pipeline.push(trade(&pools, 1, number), Instant::now()).unwrap();
        // It has run by then.
        assert_eq!(threads.lock().unwrap().len(), number as usize);
    }
    assert!(threads.lock().unwrap().iter().all(|id| *id == std::thread::current().id()));
    assert_eq!(pipeline.set_inline("a", false), Ok(true));
    pipeline.push(report(&pools, "1"), Instant::now()).unwrap();
    assert!(pipeline.shutdown(SECOND).is_clean());
    assert_ne!(*threads.lock().unwrap().last().unwrap(), std::thread::current().id());
    assert_eq!(threads.lock().unwrap().len(), 101);
}
