//! From one pipeline's messages to another's, over a real server.

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use common::{LONG, Receiver, Row, Sender, connect, ids, meet, server};
use meltica_event::{
    Book, Control, ControlOutcome, Event, EventKind, ExecReport, ExecType, Header, Level, Merged,
    Numbering, OrderStatus, Payload, Price, Quantity, Quote, Side, Sources, Text, Ticker,
    Timestamp, TopOfBook, TraceId, Trade,
};
use meltica_nats::{
    CRITICAL_STREAM, Commands, Connect, Encoder, Envelope, Inbound, InboundConfig, Names, Outbound,
    OutboundConfig, OutboundError, Received, RemoteCommand, RemoteError, Sent, Settled, View,
    testing::Proxy,
};

fn level(price: i64, quantity: u64) -> Level {
    Level { price: Price::from_units(price), quantity: Quantity::from_units(quantity) }
}

#[test]
fn every_kind_comes_as_it_was_sent() {
    let (server, folder) = (server(), tempfile::tempdir().unwrap());
    let sender = Sender::start(&server.url(), "desk-1", folder.path());
    let receiver = Receiver::start(&server.url());
    meet(&sender, &receiver);
    let header = Header {
        trace: TraceId(0xABCD),
        routing_version: 6,
        exchange_time: Timestamp::from_nanos(-5),
        ingest_time: Timestamp::from_nanos(1_700_000_000_000_000_000),
        ingest_mono_ns: 77,
        numbering: Numbering::Dense,
        ..sender.header(9_000)
    };
    let (price, quantity) = (Price::from_units(-7), Quantity::from_units(u64::MAX));
    let trade = Trade { price, quantity, id: 1 << 60, aggressor: Some(Side::Sell) };
    let ticker = Ticker { last: price, open: price, high: price, low: price, volume: quantity };
    let top = TopOfBook { bid: level(1, 2), ask: level(3, 4) };
    let mut sources = Sources::default().with_missing(3);
    sources.insert(sender.venue);
    let mut book = Book::with_capacity(4);
    (book.header, book.first_sequence) =
        (Header { kind: EventKind::BookSnapshot, ..header }, 8_999);
    book.bids.set(level(10, 1));
    book.bids.set(level(9, 2));
    book.asks.set(level(11, 3));
    let mut merged_book = book.clone();
    merged_book.header.kind = EventKind::MergedBook;
    merged_book.sources = sources;
    let quote = Quote { venue: sender.venue, price, quantity };
    let merged = Merged {
        header: Header { kind: EventKind::Merged, ..header },
        window: 3,
        sources,
        bid: Some(quote),
        ask: None,
        last: None,
        vwap: Some(price),
        volume: quantity,
    };
    let report = ExecReport {
        header: Header { kind: EventKind::ExecReport, ..header },
        client_order_id: Text::truncated("order 1"),
        venue_order_id: Text::truncated("v"),
        report_id: Text::truncated("r/1"),
        exec_type: ExecType::Rejected,
        status: OrderStatus::Rejected,
        side: Side::Sell,
        price,
        quantity,
        last_price: price,
        last_quantity: quantity,
        cumulative_quantity: quantity,
        reason: Text::truncated("too much"),
    };
    let mut control = Control::ack(header, 12, Text::truncated("flip"));
    control.header.kind = EventKind::ControlResult;
    control.outcome = ControlOutcome::Rejected;
    let events = [Payload::Trade(trade), Payload::Ticker(ticker), Payload::TopOfBook(top)];
    let events = events.map(|payload| Event::new(header, payload));
    let views: Vec<View<'_>> = events
        .iter()
        .map(View::Event)
        .chain([
            View::Book(&book),
            View::Book(&merged_book),
            View::Merged(&merged),
            View::Execution(&report),
            View::Control(&control),
        ])
        .collect();
    for view in &views {
        sender.outbound.publish(*view, false).unwrap();
    }
    let is_one = |row: &&Row| row.received.header().trace == TraceId(0xABCD);
    receiver.got.wait("each of them", |rows| rows.iter().filter(is_one).count() == views.len());
    receiver.got.with(|rows| {
        for view in views {
            let found =
                rows.iter().filter(is_one).find(|row| row.received.view().kind() == view.kind());
            let received =
                &found.unwrap_or_else(|| panic!("{} did not come", view.kind())).received;
            let there = received.header();
            receiver.names.with(|catalog| {
                assert_eq!(catalog.venue_name(there.venue), Some("local"));
                assert_eq!(
                    catalog.instrument_of(there.instrument).unwrap().to_string(),
                    "BTC-USDT"
                );
            });
            assert_ne!(there.venue, sender.venue, "each side has numbers of its own");
            // Order was restored where it was sent; gaps are not waited for here.
            let numbering = if view.is_critical() { Numbering::Dense } else { Numbering::Monotone };
            let (venue, instrument) = (there.venue, there.instrument);
            let expected =
                Header { venue, instrument, ingest_mono_ns: 0, numbering, ..*view.header() };
            assert_eq!(*there, expected);
            let here = |sources: Sources| {
                let mut here = Sources::default().with_missing(sources.missing());
                sources.iter().for_each(|_| assert!(here.insert(venue)));
                here
            };
            match (view, received) {
                (View::Event(sent), Received::Event(came)) => {
                    assert_eq!(sent.payload, came.payload);
                }
                (View::Book(sent), Received::Book(came)) => {
                    let sent =
                        Book { header: expected, sources: here(sent.sources), ..sent.clone() };
                    assert_eq!(**came, sent);
                }
                (View::Merged(sent), Received::Merged(came)) => {
                    let bid = sent.bid.map(|quote| Quote { venue, ..quote });
                    let sources = here(sent.sources);
                    assert_eq!(**came, Merged { header: expected, sources, bid, ..*sent });
                }
                (View::Execution(sent), Received::Execution(came)) => {
                    assert_eq!(**came, ExecReport { header: expected, ..*sent });
                }
                (View::Control(sent), Received::Control(came)) => {
                    assert_eq!(**came, Control { header: expected, ..*sent });
                }
                (sent, came) => panic!("{sent:?} came as {came:?}"),
            }
        }
    });
    let sent = sender.outbound.shutdown(LONG);
    assert_eq!((sent.critical, sent.acknowledged, sent.waiting), (2, 2, 0));
    let came = receiver.inbound.shutdown(LONG);
    assert_eq!((came.critical, came.acknowledged, came.malformed), (2, 2, 0));
}

#[test]
fn critical_messages_wait_for_a_server_that_is_away_over_starts_of_the_sender() {
    let (mut server, folder) = (server(), tempfile::tempdir().unwrap());
    let url = server.url();
    server.kill().unwrap();
    let sender = Sender::start(&url, "desk-1", folder.path());
    sender.report("1");
    sender.report("2");
    // As if it was killed: nothing is waited for.
    assert_eq!(sender.outbound.shutdown(Duration::ZERO).waiting, 2);
    let sender = Sender::start(&url, "desk-1", folder.path());
    sender.report("3");
    let again = OutboundConfig::new(
        connect(&url),
        "desk-1".parse().unwrap(),
        folder.path().join("desk-1.outbox"),
    );
    let again = Outbound::start(again, Names::default(), None);
    assert!(matches!(again, Err(OutboundError::Outbox(_))), "one sender has an outbox to itself");
    server.restart().unwrap();
    let receiver = Receiver::start(&url);
    receiver.got.wait("all three", |rows| ids(rows).len() == 3);
    assert_eq!(receiver.got.reports(), ["1", "2", "3"]);
    assert_eq!(sender.outbound.shutdown(LONG).waiting, 0);
}

#[test]
fn what_the_pipeline_is_not_done_with_comes_again_and_what_it_is_does_not() {
    let (server, folder) = (server(), tempfile::tempdir().unwrap());
    let sender = Sender::start(&server.url(), "desk-1", folder.path());
    let config = || {
        let mut config = InboundConfig::new(connect(&server.url()), "receiver");
        config.positions = Some(folder.path().join("positions"));
        config.ack_wait = Duration::from_millis(500);
        config
    };
    for id in ["1", "2", "3"] {
        sender.report(id);
    }
    let receiver = Receiver::with(config(), None, false, || ());
    receiver.got.wait("all three", |rows| ids(rows).len() == 3);
    let receipts: Vec<_> =
        receiver.got.with(|rows| rows.iter().filter_map(|r| r.receipt).collect());
    // The third is done before the second: nothing beyond the first may be said.
    receiver.settled.settle(receipts[0]);
    receiver.settled.settle(receipts[2]);
    receiver.wait_until("one acknowledged", |stats| stats.acknowledged == 1);
    thread::sleep(Duration::from_millis(700));
    assert_eq!(receiver.inbound.stats().acknowledged, 1);
    assert_eq!(receiver.got.reports().len(), 3, "what is in progress does not come twice");
    drop(receiver);
    let receiver = Receiver::with(config(), None, true, || ());
    receiver.got.wait("two again", |rows| ids(rows).len() == 2);
    assert_eq!(receiver.got.reports(), ["2", "3"]);
    receiver.wait_until("both acknowledged", |stats| stats.acknowledged >= 2);
    drop(receiver);
    sender.report("4");
    let receiver = Receiver::with(config(), None, true, || ());
    receiver.got.wait("the fourth", |rows| ids(rows) == ["4"]);
    receiver.wait_until("its acknowledgement", |stats| stats.acknowledged == 1);
    drop(receiver);
    // The application says what it has: nothing of that is handed on, and all of it is acknowledged.
    sender.report("5");
    sender.report("6");
    let known = |view: View<'_>| matches!(view, View::Execution(report) if report.report_id.as_str() == "5");
    let receiver = Receiver::with(config(), Some(Box::new(known)), true, || ());
    receiver.got.wait("the sixth", |rows| ids(rows) == ["6"]);
    assert_eq!(receiver.inbound.stats().known, 1);
}

#[test]
fn what_a_receiver_gave_up_is_handed_on_by_its_next_start_when_it_comes() {
    let (server, folder) = (server(), tempfile::tempdir().unwrap());
    let config = || {
        let mut config = InboundConfig::new(connect(&server.url()), "receiver");
        config.positions = Some(folder.path().join("positions"));
        config.gap_wait = Duration::from_millis(300);
        config
    };
    let names = Names::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let send = |number: u64| {
        let mut report = ExecReport::blank();
        report.header.kind = EventKind::ExecReport;
        report.report_id = Text::truncated(&number.to_string());
        let frame = frame(&names, "desk-9", number, View::Execution(&report));
        runtime.block_on(async {
            let client = meltica_nats::async_nats::connect(server.url()).await.unwrap();
            let context = meltica_nats::async_nats::jetstream::new(client);
            let subject = "meltica.critical.desk-9.executions";
            let stored =
                async || context.publish(subject, frame.clone().into()).await.ok()?.await.ok();
            let end = Instant::now() + LONG;
            // The receiver may not have made the stream yet.
            while stored().await.is_none() {
                assert!(Instant::now() < end, "there is no stream");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
    };
    let receiver = Receiver::with(config(), None, true, || ());
    // 2 stays away, as one that this version does not understand would.
    [1, 3].into_iter().for_each(send);
    receiver.got.wait("those behind it", |rows| ids(rows) == ["1", "3"]);
    receiver.wait_until("both", |stats| stats.acknowledged == 2 && stats.missing == 1);
    drop(receiver);
    let receiver = Receiver::with(config(), None, true, || ());
    send(2);
    receiver.got.wait("the second", |rows| ids(rows) == ["2"]);
    receiver.wait_until("its acknowledgement", |stats| stats.acknowledged == 1);
    drop(receiver);
    let receiver = Receiver::with(config(), None, true, || ());
    send(2);
    receiver.wait_until("it once more", |stats| stats.redelivered == 1);
    assert!(receiver.got.reports().is_empty());
}

#[test]
fn a_report_that_two_senders_have_comes_once() {
    let (server, folder) = (server(), tempfile::tempdir().unwrap());
    let senders =
        ["desk-1", "desk-2"].map(|origin| Sender::start(&server.url(), origin, folder.path()));
    let receiver = Receiver::start(&server.url());
    for id in 0..50 {
        senders.iter().for_each(|sender| sender.report(&id.to_string()));
    }
    // Those without an id are two.
    senders.iter().for_each(|sender| sender.report(""));
    receiver.got.wait("all", |rows| ids(rows).len() == 52);
    let mut reports = receiver.got.reports();
    reports.sort_unstable();
    reports.dedup();
    assert_eq!(reports.len(), 51);
    receiver.wait_until("all", |stats| stats.critical_frames == 102 && stats.in_progress == 0);
    drop(receiver);
    // A third sender has them too, and the receiver has started again.
    let receiver = Receiver::start(&server.url());
    let third = Sender::start(&server.url(), "desk-3", folder.path());
    (0..50).for_each(|id| third.report(&id.to_string()));
    third.report("news");
    receiver.got.wait("news", |rows| ids(rows) == ["news"]);
    assert_eq!(receiver.inbound.stats().repeated, 50);
}

#[test]
fn over_a_slow_connection_the_newest_of_each_stream_comes_and_little_waits() {
    const QUOTES: u64 = 400_000;
    let (server, folder) = (server(), tempfile::tempdir().unwrap());
    let proxy = Proxy::start(server.address()).unwrap();
    let sender = Sender::start(&proxy.url(), "desk-1", folder.path());
    let receiver = Receiver::start(&server.url());
    let first = meet(&sender, &receiver);
    proxy.stall();
    for sequence in first + 1..=first + QUOTES {
        sender.quote(sequence);
    }
    let stats = sender.outbound.stats();
    assert!(stats.folded > QUOTES / 2, "{stats:?}");
    assert!(stats.streams_waiting <= 1);
    proxy.go();
    let is_last = |row: &Row| row.received.header().sequence == first + QUOTES;
    receiver.got.wait("the newest", |rows| rows.last().is_some_and(is_last));
    receiver.got.with(|rows| {
        assert!(rows.is_sorted_by_key(|row| row.received.header().sequence));
    });
    // What the client and the system had taken already comes first.
    let came = receiver.inbound.stats().handed_on;
    assert!(came < QUOTES / 2, "{came} came");
}

#[test]
fn a_slow_pipeline_gets_the_newest_and_critical_messages_wait_for_it_at_the_server() {
    const QUOTES: u64 = 20_000;
    let (server, folder) = (server(), tempfile::tempdir().unwrap());
    let sender = Sender::start(&server.url(), "desk-1", folder.path());
    let stuck = Arc::new(AtomicBool::new(false));
    let waits = Arc::clone(&stuck);
    let mut config = InboundConfig::new(connect(&server.url()), "receiver");
    config.in_progress = 16;
    let receiver = Receiver::with(config, None, true, move || {
        while waits.load(SeqCst) {
            thread::sleep(Duration::from_millis(1));
        }
    });
    let first = meet(&sender, &receiver);
    stuck.store(true, SeqCst);
    for sequence in first + 1..=first + QUOTES {
        sender.quote(sequence);
        if sequence % 100 == 0 {
            sender.report(&sequence.to_string());
        }
        if sequence % 64 == 0 {
            // As fast as a socket takes it.
            thread::sleep(Duration::from_micros(200));
        }
    }
    receiver.wait_until("frames", |stats| stats.frames + sender.outbound.stats().folded >= QUOTES);
    let stats = receiver.inbound.stats();
    assert!(stats.in_progress <= 16 && stats.held <= 16, "{stats:?}");
    assert!(stats.folded > 0 && stats.streams_waiting <= 1, "{stats:?}");
    stuck.store(false, SeqCst);
    let all = (QUOTES / 100) as usize;
    receiver.got.wait("all reports", |rows| ids(rows).len() >= all);
    let is_last = |row: &Row| row.received.header().sequence == first + QUOTES;
    receiver.got.wait("the newest", |rows| rows.iter().any(is_last));
    let reports: Vec<u64> = receiver.got.reports().iter().map(|id| id.parse().unwrap()).collect();
    assert!(reports.is_sorted(), "in their order");
}

#[test]
fn a_book_goes_on_after_a_cut_though_deltas_were_lost_with_it() {
    let (server, folder) = (server(), tempfile::tempdir().unwrap());
    let proxy = Proxy::start(server.address()).unwrap();
    let mut config = OutboundConfig::new(
        connect(&server.url()),
        "desk-1".parse().unwrap(),
        folder.path().join("outbox"),
    );
    // Only what is asked for is sent again.
    config.book_refresh = Duration::from_secs(3_600);
    let sender = Sender::with(config);
    let receiver =
        Receiver::with(InboundConfig::new(connect(&proxy.url()), "receiver"), None, true, || ());
    meet(&sender, &receiver);
    let mut sequence = 0;
    let mut send = |sender: &Sender| {
        sequence += 1;
        let kind = if sequence == 1 { EventKind::BookSnapshot } else { EventKind::BookDelta };
        let mut book = Book::with_capacity(4);
        book.header = Header { kind, ..sender.header(sequence) };
        book.bids.set(level(100 - (sequence % 7) as i64, sequence));
        sender.outbound.publish(View::Book(&book), false).unwrap();
        sequence
    };
    let mut whole: Option<Book> = None;
    let mut apply = |rows: &mut Vec<Row>| {
        for row in rows.drain(..) {
            let Received::Book(book) = row.received else { continue };
            match &mut whole {
                Some(whole) => whole.fold(&book),
                None => whole = Some((*book).clone()),
            }
        }
        whole.as_ref().map_or((0, vec![]), |book| (book.header.sequence, book.bids.to_vec()))
    };
    for round in 0..10 {
        for _ in 0..50 {
            send(&sender);
            thread::sleep(Duration::from_micros(300));
        }
        if round % 2 == 0 {
            proxy.stall();
            for _ in 0..50 {
                send(&sender);
                thread::sleep(Duration::from_micros(300));
            }
            // With everything that was on its way.
            proxy.cut();
            proxy.go();
        }
        // Something must come, to notice by that something is missing.
        let end = Instant::now() + LONG;
        loop {
            let last = send(&sender);
            thread::sleep(Duration::from_millis(20));
            let (at, bids) = receiver.got.with(&mut apply);
            if at == last {
                let newest = |away: u64| (1..=last).rev().find(|s| s % 7 == away).unwrap_or(0);
                let expected: Vec<_> = (0..7)
                    .map(|away| level(100 - away as i64, newest(away)))
                    .filter(|level| level.quantity.units() > 0)
                    .collect();
                assert_eq!(bids, expected, "round {round}");
                break;
            }
            assert!(
                Instant::now() < end,
                "round {round}: {at} of {last}, {:?}",
                receiver.inbound.stats()
            );
        }
    }
    let stats = receiver.inbound.stats();
    assert!(stats.lost > 0, "nothing was lost, and so nothing shown: {stats:?}");
    assert!(sender.outbound.stats().refreshed > 0);
}

#[test]
fn a_stream_has_one_sender_until_that_is_silent() {
    let (server, folder) = (server(), tempfile::tempdir().unwrap());
    let one = Sender::start(&server.url(), "desk-1", folder.path());
    let other = Sender::start(&server.url(), "desk-2", folder.path());
    let mut config = InboundConfig::new(connect(&server.url()), "receiver");
    config.owner_silence = Duration::from_millis(300);
    let receiver = Receiver::with(config, None, true, || ());
    let first = meet(&one, &receiver);
    other.quote(1_000_000);
    receiver.wait_until("a foreign frame", |stats| stats.foreign > 0);
    one.quote(first + 1);
    let is = |sequence: u64| move |row: &Row| row.received.header().sequence == sequence;
    receiver.got.wait("the first sender's", |rows| rows.iter().any(is(first + 1)));
    receiver.got.with(|rows| assert!(!rows.iter().any(is(1_000_000))));
    thread::sleep(Duration::from_millis(400));
    other.quote(1_000_001);
    receiver.got.wait("the other's", |rows| rows.iter().any(is(1_000_001)));
}

/// A message as somebody of this name would send it.
fn frame(names: &Names, origin: &str, number: u64, view: View<'_>) -> Vec<u8> {
    let origin = origin.parse().expect("it can be");
    let envelope = Envelope { origin, incarnation: 1, chain: 1, number };
    let mut frame = vec![];
    Encoder::new(names.clone()).encode(view, &envelope, &mut frame).expect("it can be");
    frame
}

#[test]
fn what_is_not_understood_is_counted_and_a_critical_one_stays_in_the_stream() {
    let (server, folder) = (server(), tempfile::tempdir().unwrap());
    let sender = Sender::start(&server.url(), "desk-1", folder.path());
    let receiver = Receiver::start(&server.url());
    meet(&sender, &receiver);
    sender.report("1");
    receiver.got.wait("the first", |rows| ids(rows).len() == 1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = meltica_nats::async_nats::connect(server.url()).await.unwrap();
        client.publish("meltica.md.local.BTC-USDT.trades", "mf\u{9}".into()).await.unwrap();
        let context = meltica_nats::async_nats::jetstream::new(client.clone());
        let sent = context.publish("meltica.critical.desk-9.executions", "rubbish".into()).await;
        sent.unwrap().await.unwrap();
        client.flush().await.unwrap();
        receiver.wait_until("both", |stats| stats.malformed == 1 && stats.critical_malformed > 0);
        let before = receiver.inbound.stats().critical_malformed;
        sender.report("2");
        receiver.got.wait("what comes after it", |rows| ids(rows).len() == 2);
        // What another may not send: market data as critical, a report as market data, and one in another's name.
        let frame = |id: &str, origin: &str| {
            let mut report = ExecReport::blank();
            report.header = Header { kind: EventKind::ExecReport, ..sender.header(0) };
            report.report_id = Text::truncated(id);
            frame(&sender.names, origin, 1, View::Execution(&report))
        };
        let quote = Event::new(sender.header(1), Payload::TopOfBook(TopOfBook::default()));
        for (subject, frame) in [
            ("executions", self::frame(&sender.names, "desk-9", 1, View::Event(&quote))),
            ("executions", frame("forged", "desk-1")),
            ("control", frame("misled", "desk-9")),
        ] {
            let subject = format!("meltica.critical.desk-9.{subject}");
            context.publish(subject, frame.into()).await.unwrap().await.unwrap();
        }
        let forged = frame("forged", "desk-9").into();
        client.publish("meltica.md.local.BTC-USDT.book", forged).await.unwrap();
        client.flush().await.unwrap();
        receiver.wait_until("all of them", |stats| {
            stats.malformed == 2 && stats.critical_malformed >= before + 3
        });
        sender.report("3");
        receiver.got.wait("what comes after them", |rows| ids(rows).len() == 3);
        assert_eq!(receiver.got.reports(), ["1", "2", "3"]);
        let mut stream = context.get_stream(CRITICAL_STREAM).await.unwrap();
        assert_eq!(stream.info().await.unwrap().state.messages, 7);
        let consumer = stream.consumer_info("receiver").await.unwrap();
        assert_eq!(consumer.num_ack_pending, 1, "it is not acknowledged");
    });
}

/// A pipeline that flips, and refuses the rest.
struct Flips(AtomicU64);

impl Commands for Flips {
    fn send(&self, command: RemoteCommand) -> Result<Sent, String> {
        match command {
            RemoteCommand::Flip => {
                let version = self.0.fetch_add(1, SeqCst) + 1;
                let wait = Box::new(move |_| Some(Ok(version)));
                Ok(Sent { command: version, trace: TraceId(version), wait })
            }
            RemoteCommand::Pause { consumer } => {
                let wait = Box::new(move |_| Some(Err(format!("no consumer `{consumer}`"))));
                Ok(Sent { command: 77, trace: TraceId(77), wait })
            }
            other => Err(format!("no {other:?} here")),
        }
    }
}

#[test]
fn commands_from_elsewhere_are_acknowledged_and_answered() {
    let (server, folder) = (server(), tempfile::tempdir().unwrap());
    let config = OutboundConfig::new(
        connect(&server.url()),
        "desk-1".parse().unwrap(),
        folder.path().join("outbox"),
    );
    let flips = Arc::new(Flips(AtomicU64::new(4)));
    let _outbound = Outbound::start(config, Names::default(), Some(flips)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = meltica_nats::async_nats::connect(server.url()).await.unwrap();
        let ask = async |origin: &str, command: RemoteCommand| {
            meltica_nats::command(&client, origin.parse().unwrap(), &command, LONG).await
        };
        let end = Instant::now() + LONG;
        let (accepted, applied) = loop {
            // The sender's subscription is made in the background.
            match ask("desk-1", RemoteCommand::Flip).await {
                Err(RemoteError::Nobody(_)) if Instant::now() < end => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                answers => break answers.unwrap(),
            }
        };
        assert_eq!((&*accepted.outcome, accepted.command), ("accepted", 5));
        assert_eq!((&*applied.outcome, applied.version), ("applied", Some(5)));
        assert_eq!((&*applied.trace, &applied.trace), ("0000000000000005", &accepted.trace));
        let pause = RemoteCommand::Pause { consumer: "risk".to_owned() };
        let (accepted, refused) = ask("desk-1", pause).await.unwrap();
        assert_eq!((&*accepted.outcome, &*refused.outcome), ("accepted", "rejected"));
        assert_eq!(refused.detail, "no consumer `risk`");
        let unknown = RemoteCommand::RemoveMerge { rule: "view".to_owned() };
        let (first, refused) = ask("desk-1", unknown).await.unwrap();
        assert_eq!((first.command, &*refused.outcome), (0, "rejected"));
        let nobody = ask("desk-9", RemoteCommand::Flip).await.unwrap_err();
        assert_eq!(
            nobody.to_string(),
            "no pipeline `desk-9` listens; see that it runs with --publish and --origin desk-9"
        );
        let raw = client.request("meltica.control.desk-1", "{\"flop\":null}".into()).await.unwrap();
        let said = String::from_utf8_lossy(&raw.payload).into_owned();
        assert!(said.contains("rejected") && said.contains("unknown variant `flop`"), "{said}");
    });
}

#[test]
fn what_cannot_be_is_said_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let problem = |config: InboundConfig| {
        let sink = |_: Received, _: Option<meltica_nats::Receipt>| Ok(());
        let settled = Settled::new();
        let pools = common::pools(1);
        let started = Inbound::start(config, Names::default(), pools, settled, None, sink);
        started.expect_err("it cannot be").to_string()
    };
    let nowhere = Connect::new("nats://127.0.0.1:1");
    let name = problem(InboundConfig::new(nowhere.clone(), "my receiver"));
    assert!(name.starts_with("`my receiver` cannot be remembered by the server"), "{name}");
    let mut config = InboundConfig::new(nowhere, "receiver");
    config.market = vec!["prices.>".to_owned()];
    assert!(problem(config).starts_with("`prices.>` is no subject of market data"));
    let mut config = InboundConfig::new(Connect::new("nats://127.0.0.1:1"), "receiver");
    config.positions = Some(folder.path().to_owned());
    assert!(problem(config).starts_with("the positions "));
}
