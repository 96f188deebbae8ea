//! Several venues' views become one, as a trader expects: exactly, and whatever the order of arrival.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use meltica::{
    Consumer, Delivery, Incomplete, MergeRule, Message, Pipeline, PoolSizes, Pools, Problem,
    Pushed, Select,
    event::{
        Book, Event, EventKind, Header, InstrumentId, Level, Merged, Numbering, Payload, Price,
        Quantity, Quote, Side, Timestamp, TopOfBook, Topic, TraceId, Trade, VenueId,
    },
};
use proptest::prelude::*;

const VENUES: [VenueId; 3] = [VenueId(1), VenueId(2), VenueId(3)];

fn price(text: &str) -> Price {
    text.parse().expect("a decimal")
}

fn quantity(text: &str) -> Quantity {
    text.parse().expect("a decimal")
}

fn level(at: &str, of: &str) -> Level {
    Level { price: price(at), quantity: quantity(of) }
}

fn header(venue: u16, sequence: u64, ms: i64) -> Header {
    Header {
        venue: VenueId(venue),
        instrument: InstrumentId(1),
        sequence,
        numbering: Numbering::Monotone,
        exchange_time: Timestamp::from_millis(ms),
        ingest_mono_ns: ms as u64,
        ..Header::default()
    }
}

fn top(venue: u16, sequence: u64, bid: Level, ask: Level) -> Event {
    let payload = Payload::TopOfBook(TopOfBook { bid, ask });
    Event::new(header(venue, sequence, sequence as i64), payload)
}

fn trade(venue: u16, sequence: u64, ms: i64, at: &str, of: &str) -> Event {
    let trade = Trade { price: price(at), quantity: quantity(of), id: sequence, aggressor: None };
    Event::new(header(venue, sequence, ms), Payload::Trade(trade))
}

fn pooled(pools: &Pools, event: Event) -> Message {
    let mut lease = pools.events.try_lease().expect("large enough");
    *lease = event;
    lease.into()
}

fn book(pools: &Pools, header: Header, bids: &[(&str, &str)], asks: &[(&str, &str)]) -> Message {
    let mut book = pools.books.lease_or_heap();
    book.header = header;
    for (side, levels) in [(Side::Buy, bids), (Side::Sell, asks)] {
        levels.iter().for_each(|(at, of)| book.side_mut(side).set(level(at, of)));
    }
    book.into()
}

type Seen<T> = Arc<Mutex<Vec<T>>>;

fn seen<T>(seen: &Seen<T>) -> Vec<T> {
    std::mem::take(&mut seen.lock().expect("no test panics here"))
}

fn views() -> (Seen<Merged>, Consumer) {
    let seen = Seen::default();
    let mine = Arc::clone(&seen);
    let note = move |delivery: &Delivery| {
        if let Message::Merged(merged) = &delivery.message {
            mine.lock().expect("no test panics here").push(**merged);
        }
    };
    (seen, Consumer::new("views", note))
}

fn stepped(rule: MergeRule) -> (Pipeline, Seen<Merged>, Seen<EventKind>) {
    let (merged, viewer) = views();
    let kinds: Seen<EventKind> = Seen::default();
    let mine = Arc::clone(&kinds);
    let note = move |delivery: &Delivery| {
        mine.lock().expect("no test panics here").push(delivery.kind());
    };
    let pipeline = Pipeline::builder()
        .workers(0)
        .debug_mode(false)
        .merge(rule)
        .consumer(viewer, [Select::all().topic(Topic::Merged)])
        .consumer(Consumer::new("all", note), [Select::all()])
        .build()
        .expect("valid settings");
    (pipeline, merged, kinds)
}

fn run(pipeline: &mut Pipeline) {
    while pipeline.run_once() {}
}

#[test]
fn lm_05_three_venues_become_one_view_with_whose_each_side_is() {
    let (mut pipeline, merged, kinds) = stepped(MergeRule::view("view", VENUES));
    let (pools, now) = (pipeline.pools().clone(), Instant::now());
    let events = [
        top(2, 7, level("99.5", "1"), level("100.2", "4")),
        trade(3, 1, 5, "100.1", "2"),
        top(1, 3, level("99.9", "2"), level("100.2", "5")),
        trade(1, 1, 9, "100.4", "1"),
        trade(2, 1, 9, "100.3", "1"),
        top(3, 9, level("99.9", "1"), level("100.3", "9")),
    ];
    for event in events {
        pipeline.push(pooled(&pools, event), now).unwrap();
    }
    run(&mut pipeline);
    let views = seen(&merged);
    let [view] = &views[..] else { panic!("{views:?}") };
    let quote = |venue, at, of| {
        Some(Quote { venue: VenueId(venue), price: price(at), quantity: quantity(of) })
    };
    assert_eq!((view.bid, view.ask), (quote(1, "99.9", "2"), quote(1, "100.2", "5")));
    // Of the two trades at one time the one of the larger venue is the last.
    assert_eq!((view.last, view.volume), (Some(price("100.3")), quantity("4")));
    assert_eq!(view.vwap, Some(price("100.225")));
    assert_eq!(view.sources.iter().collect::<Vec<_>>(), VENUES);
    assert_eq!((view.sources.missing(), view.window, view.header.sequence), (0, 1, 1));
    assert_eq!((view.header.venue, view.header.kind), (VenueId::NONE, EventKind::Merged));
    assert_eq!(view.header.exchange_time, Timestamp::from_millis(9));
    assert_eq!((view.header.ingest_mono_ns, view.header.routing_version > 0), (9, true));
    // The trace of the view that came last goes on.
    assert_eq!(view.header.trace, TraceId(6));
    // What was merged went to its own consumers all the same, before the view.
    let all = seen(&kinds);
    assert_eq!((all.len(), all.last()), (7, Some(&EventKind::Merged)));
}

#[test]
fn fr_007_partials_are_home_as_soon_as_the_merged_message_exists() {
    let (mut pipeline, _, _) = stepped(MergeRule::view("view", VENUES).hold());
    let (pools, now) = (pipeline.pools().clone(), Instant::now());
    let quote = |venue| top(venue, 1, level("1", "1"), level("2", "1"));
    for venue in [1, 2] {
        let pushed = pipeline.push(pooled(&pools, quote(venue)), now).unwrap();
        assert_eq!(pushed, Pushed::Windowed);
    }
    assert_eq!((pools.events.stats().leased, pools.merged.stats().leased), (2, 0));
    pipeline.push(pooled(&pools, quote(3)), now).unwrap();
    // Nobody has consumed the view yet: it waits for both consumers, and no partial is out.
    assert_eq!((pools.events.stats().leased, pools.merged.stats().leased), (0, 1));
    assert_eq!(pipeline.stats().merges[0].merged(), 1);
}

#[test]
fn what_a_rule_holds_reaches_nobody_by_itself() {
    let (mut pipeline, merged, kinds) = stepped(MergeRule::view("view", VENUES).hold());
    let (pools, now) = (pipeline.pools().clone(), Instant::now());
    for venue in [1, 1, 2, 3] {
        let quote = top(venue, 1, level("1", "1"), level("2", "1"));
        pipeline.push(pooled(&pools, quote), now).unwrap();
    }
    // Of a venue that the rule does not name, it does.
    pipeline.push(pooled(&pools, top(9, 1, level("1", "1"), level("2", "1"))), now).unwrap();
    run(&mut pipeline);
    assert_eq!(seen(&kinds), [EventKind::Merged, EventKind::TopOfBook]);
    assert_eq!(seen(&merged).len(), 1);
    assert_eq!(pipeline.stats().merges[0].windows.repeated, 1);
    let quote = pooled(&pools, top(1, 2, level("1", "1"), level("2", "1")));
    assert!(pipeline.dispatch(quote, now, None).unwrap().is_none());
    assert!(pipeline.shutdown(Duration::from_secs(1)).leaks().is_clean());
}

#[test]
fn lm_05_incomplete_windows_are_suppressed_or_marked() {
    for incomplete in [Incomplete::Suppress, Incomplete::Mark] {
        let rule = MergeRule::view("view", VENUES).incomplete(incomplete);
        let (mut pipeline, merged, _) = stepped(rule.window(Duration::from_millis(30)));
        let (pools, now) = (pipeline.pools().clone(), Instant::now());
        let empty = Level::default();
        pipeline.push(pooled(&pools, top(2, 1, level("5", "1"), empty)), now).unwrap();
        assert_eq!(pipeline.next_deadline(), Some(now + Duration::from_millis(30)));
        pipeline.poll(now + Duration::from_millis(30));
        run(&mut pipeline);
        let stats = pipeline.stats().merges[0].clone();
        match &seen(&merged)[..] {
            [] => assert_eq!((incomplete, stats.windows.suppressed), (Incomplete::Suppress, 1)),
            [view] => {
                assert_eq!((incomplete, view.sources.missing()), (Incomplete::Mark, 2));
                assert_eq!((view.ask, view.last, view.vwap), (None, None, None));
                assert_eq!((stats.windows.marked, stats.merged()), (1, 1));
            }
            more => panic!("{more:?}"),
        }
    }
}

#[test]
fn bars_are_cut_by_exchange_time_and_what_is_of_an_earlier_one_is_late() {
    let rule = MergeRule::view("minute", VENUES).bars(Duration::from_secs(60)).partials(1_000);
    let (mut pipeline, merged, _) = stepped(rule);
    let (pools, now) = (pipeline.pools().clone(), Instant::now());
    let trades = [
        (1, 1, 59_000, "10", "1"),
        (2, 1, 59_999, "20", "1"),
        (1, 2, 60_000, "30", "2"),
        (3, 1, 59_998, "90", "9"),
        (2, 2, 119_999, "31", "1"),
        (2, 3, 120_000, "50", "1"),
    ];
    for (venue, number, ms, at, of) in trades {
        pipeline.push(pooled(&pools, trade(venue, number, ms, at, of)), now).unwrap();
    }
    assert_eq!(pipeline.next_deadline(), Some(now + Duration::from_millis(60_100)));
    let bar = |last, vwap, of| (Some(price(last)), Some(price(vwap)), quantity(of));
    run(&mut pipeline);
    let bars: Vec<_> = seen(&merged).iter().map(|bar| (bar.last, bar.vwap, bar.volume)).collect();
    // 91 / 3, rounded once.
    assert_eq!(bars, [bar("20", "15", "2"), bar("31", "30.333333333", "3")]);
    assert_eq!(pipeline.stats().merges[0].windows.late, 1);
}

#[test]
fn an_exchange_time_from_the_future_ends_no_bar() {
    let rule = MergeRule::view("minute", VENUES).bars(Duration::from_secs(60)).partials(1_000);
    let (mut pipeline, merged, _) = stepped(rule);
    let (pools, now) = (pipeline.pools().clone(), Instant::now());
    let received = |mut event: Event, ms| {
        event.header.ingest_time = Timestamp::from_millis(ms);
        event
    };
    for event in [
        received(trade(1, 1, 1_000, "10", "1"), 1_010),
        received(trade(2, 1, 9_000_000_000, "20", "1"), 2_010),
        received(trade(1, 2, 3_000, "30", "1"), 3_010),
        // A clock that is ahead a little is what there is.
        received(trade(1, 3, 60_000, "40", "1"), 59_900),
    ] {
        pipeline.push(pooled(&pools, event), now).unwrap();
    }
    run(&mut pipeline);
    let bars = seen(&merged);
    assert_eq!(bars.len(), 1);
    assert_eq!((bars[0].vwap, bars[0].volume), (Some(price("20")), quantity("3")));
    let last = (Some(price("30")), Timestamp::from_millis(3_000));
    assert_eq!((bars[0].last, bars[0].header.exchange_time), last);
    assert_eq!(pipeline.stats().merges[0].windows.late, 0);
}

#[test]
fn depth_adds_up_the_books_of_all_venues_level_by_level() {
    let seen_books: Seen<Book> = Seen::default();
    let mine = Arc::clone(&seen_books);
    let note = move |delivery: &Delivery| {
        if let Message::Book(book) = &delivery.message {
            mine.lock().expect("no test panics here").push((**book).clone());
        }
    };
    let mut pipeline = Pipeline::builder()
        .workers(0)
        .debug_mode(false)
        .merge(MergeRule::depth("depth", VENUES, 3).published_as(VenueId(40)))
        .consumer(Consumer::new("books", note), [Select::all().topic(Topic::MergedBook)])
        .build()
        .unwrap();
    let (pools, now) = (pipeline.pools().clone(), Instant::now());
    let whole = |venue, sequence| Header {
        kind: EventKind::BookSnapshot,
        numbering: Numbering::Rebase,
        ..header(venue, sequence, 1)
    };
    let delta =
        |venue, sequence| Header { kind: EventKind::BookDelta, ..header(venue, sequence, 2) };
    let messages = [
        // A delta without its book says nothing.
        book(&pools, delta(1, 4), &[("77", "7")], &[]),
        book(&pools, whole(1, 5), &[("10", "1"), ("9", "1"), ("8", "1")], &[("11", "1")]),
        book(&pools, whole(2, 100), &[("10", "2"), ("9.5", "2")], &[("11", "2"), ("12", "2")]),
        book(&pools, whole(3, 8), &[("7", "4")], &[]),
    ];
    for message in messages {
        pipeline.push(message, now).unwrap();
    }
    run(&mut pipeline);
    let books = seen(&seen_books);
    let [first] = &books[..] else { panic!("{books:?}") };
    assert_eq!(first.bids[..], [level("10", "3"), level("9.5", "2"), level("9", "1")]);
    assert_eq!(first.asks[..], [level("11", "3"), level("12", "2")]);
    assert_eq!((first.header.kind, first.header.venue), (EventKind::MergedBook, VenueId(40)));
    assert_eq!((first.sources.len(), first.header.sequence), (3, 1));

    // Each venue's book is kept: what changes next is folded into it. What goes back is not.
    let messages = [
        book(&pools, delta(2, 101), &[("10", "0"), ("9", "5")], &[]),
        book(&pools, delta(2, 101), &[("10", "100")], &[]),
        book(&pools, delta(1, 6), &[("10", "0.5")], &[("11", "0")]),
        book(&pools, delta(3, 9), &[("7", "0")], &[("10.5", "1")]),
    ];
    for message in messages {
        pipeline.push(message, now).unwrap();
    }
    run(&mut pipeline);
    let books = seen(&seen_books);
    let [second] = &books[..] else { panic!("{books:?}") };
    assert_eq!(second.bids[..], [level("10", "0.5"), level("9.5", "2"), level("9", "6")]);
    assert_eq!(second.asks[..], [level("10.5", "1"), level("11", "2"), level("12", "2")]);
    let stats = &pipeline.stats().merges[0];
    assert_eq!((stats.without_base, stats.merged()), (2, 2));

    // A snapshot may have levels of nothing, which take no place.
    let messages = [
        book(&pools, whole(1, 9), &[("12", "0"), ("11.5", "0"), ("6", "2")], &[]),
        book(&pools, delta(2, 102), &[("9.5", "0"), ("9", "0")], &[]),
        book(&pools, delta(3, 10), &[("5", "1")], &[]),
    ];
    for message in messages {
        pipeline.push(message, now).unwrap();
    }
    run(&mut pipeline);
    let stats = &pipeline.stats().merges[0];
    assert_eq!((stats.without_base, stats.merged()), (2, 3));
    let books = seen(&seen_books);
    let [third] = &books[..] else { panic!("{books:?}") };
    assert_eq!(third.bids[..], [level("6", "2"), level("5", "1")]);
    assert!(pipeline.shutdown(Duration::from_secs(1)).is_clean());
}

#[test]
fn fr_007_a_depth_rule_holds_no_book_and_copies_none() {
    let mut pipeline = Pipeline::builder()
        .workers(0)
        .debug_mode(false)
        .merge(MergeRule::depth("depth", VENUES, 3))
        .consumer(Consumer::new("books", |_| ()), [Select::all()])
        .build()
        .unwrap();
    let (pools, now) = (pipeline.pools().clone(), Instant::now());
    let header = Header { kind: EventKind::BookSnapshot, ..header(1, 1, 1) };
    pipeline.push(book(&pools, header, &[("1", "1")], &[("2", "1")]), now).unwrap();
    assert_eq!(pools.books.stats().outstanding(), 1, "the one that waits for the consumer");
    run(&mut pipeline);
    assert_eq!(pools.books.stats().outstanding(), 0, "though the window is open");
    assert_eq!(pipeline.stats().merges[0].windows.held, 1);
}

#[test]
fn a_window_that_a_flip_finds_open_is_routed_as_of_before() {
    let rule = MergeRule::view("view", VENUES).incomplete(Incomplete::Mark);
    let (mut pipeline, merged, _) = stepped(rule);
    let (pools, now) = (pipeline.pools().clone(), Instant::now());
    pipeline.push(pooled(&pools, top(1, 1, level("1", "1"), level("2", "1"))), now).unwrap();
    let before = pipeline.version();
    pipeline.flip();
    pipeline.push(pooled(&pools, top(1, 2, level("1", "1"), level("2", "1"))), now).unwrap();
    pipeline.poll(now + Duration::from_secs(1));
    // Gates stand at the new version, so that only the second is seen.
    run(&mut pipeline);
    let versions: Vec<_> = seen(&merged).iter().map(|view| view.header.routing_version).collect();
    assert_eq!(versions, [before + 1]);
    assert_eq!(pipeline.stats().merges[0].windows.marked, 2);
}

#[test]
fn an_empty_pool_costs_a_view_and_is_counted() {
    let sizes = PoolSizes { merged: 1, ..PoolSizes::for_consumers(1, 4) };
    let rule = MergeRule::view("view", VENUES).windows(4).partials(4);
    let mut pipeline = Pipeline::builder()
        .workers(0)
        .lane_capacity(4)
        .debug_mode(false)
        .pool_sizes(sizes.with_merge(&rule))
        .merge(rule)
        .build()
        .unwrap();
    let (pools, now) = (pipeline.pools().clone(), Instant::now());
    let held = pools.merged.try_lease().unwrap();
    for venue in [1, 2, 3] {
        let quote = top(venue, 1, level("1", "1"), level("2", "1"));
        pipeline.push(pooled(&pools, quote), now).unwrap();
    }
    assert_eq!(pipeline.stats().merges[0].windows.unmade, 1);
    drop(held);
    // And an empty pool of partials costs the partial, not the message.
    let message = pooled(&pools, top(1, 2, level("1", "1"), level("2", "1")));
    let mut held = vec![];
    while let Ok(lease) = pools.events.try_lease() {
        held.push(lease);
    }
    assert!(matches!(pipeline.push(message, now), Ok(Pushed::Routed { .. })));
    assert_eq!(pipeline.stats().merges[0].without_duplicate, 1);
}

#[test]
fn rules_that_cannot_be_are_all_named() {
    let venues = |count: u16| (1..=count).map(VenueId);
    let error = Pipeline::builder()
        .debug_mode(false)
        .merge(MergeRule::view("a", venues(3)))
        .merge(MergeRule::view("a", venues(3)).instruments([InstrumentId(1)]))
        .merge(MergeRule::view("many", venues(9)).published_as(VenueId(50)))
        .merge(MergeRule::view(" ", []).published_as(VenueId(51)))
        .merge(MergeRule::depth("none", [VenueId(1), VenueId(1)], 0).windows(0).partials(1))
        .merge(MergeRule::depth("bars", venues(2), 5).bars(Duration::ZERO).published_as(VenueId(9)))
        .merge(MergeRule::view("large", venues(2)).windows(1 << 24).published_as(VenueId(52)))
        .build()
        .unwrap_err();
    let mut by_rule = BTreeMap::<_, usize>::new();
    for problem in &error.problems {
        if let Problem::MergeRule { rule, .. } = problem {
            *by_rule.entry(rule.as_str()).or_default() += 1;
        }
    }
    let counts = [(" ", 2), ("a", 2), ("bars", 2), ("large", 1), ("many", 1), ("none", 4)];
    assert_eq!(by_rule.into_iter().collect::<Vec<_>>(), counts);
    let two_streams = Pipeline::builder()
        .debug_mode(false)
        .merge(MergeRule::view("a", venues(3)).instruments([InstrumentId(1)]))
        .merge(MergeRule::view("b", venues(3)).instruments([InstrumentId(2)]))
        .merge(MergeRule::depth("c", venues(3), 5));
    assert!(two_streams.build().is_ok());
}

proptest! {
    // Numbers differ within a venue and a topic; everything else is as it comes.
    #[test]
    fn a_view_does_not_depend_on_the_order_of_arrival(
        (events, shuffled) in prop::collection::vec(
            (1..=3u16, any::<bool>(), (-20..20i64, 0..3u64, 90..110i64, 0..3u64)), 1..40,
        )
        .prop_flat_map(|events| {
            let events: Vec<_> = events.into_iter().zip(1..).collect();
            (Just(events.clone()), Just(events).prop_shuffle())
        })
    ) {
        type Row = ((u16, bool, (i64, u64, i64, u64)), u64);
        let view = |rows: &[Row]| {
            // A bar, so that no window is complete before its time is up.
            let rule = MergeRule::view("view", VENUES).bars(Duration::from_secs(3_600));
            let (mut pipeline, merged, _) = stepped(rule);
            let (pools, now) = (pipeline.pools().clone(), Instant::now());
            for ((venue, is_trade, (time, a, at, b)), sequence) in rows {
                let unit = |units: i64| Price::from_units(units);
                let of = |units: u64| Quantity::from_units(units);
                let bid = Level { price: unit(*at), quantity: of(*a) };
                let ask = Level { price: unit(at + 1), quantity: of(*b) };
                let mut event = top(*venue, *sequence, bid, ask);
                if *is_trade {
                    let trade = Trade { price: unit(*at), quantity: of(*a), ..Trade::default() };
                    event = Event::new(header(*venue, *sequence, 0), Payload::Trade(trade));
                }
                event.header.exchange_time = Timestamp::from_millis(time + 1_000);
                event.header.trace = TraceId(7);
                pipeline.push(pooled(&pools, event), now).expect("not cancelled");
            }
            pipeline.poll(now + Duration::from_secs(4_000));
            run(&mut pipeline);
            seen(&merged)
        };
        let views = view(&events);
        prop_assert_eq!(views.len(), 1);
        prop_assert_eq!(views, view(&shuffled));
    }
}
