//! A pipeline whose messages are another's, and receipts for what it is done with.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use meltica::{
    Builder, CommandError, Consumer, Delivery, FeedError, Incomplete, MergeRule, Message, Pipeline,
    Pools, PushError, Pushed, Select,
    event::{
        Control, Event, Header, InstrumentId, Numbering, Payload, Text, TopOfBook, TraceId, VenueId,
    },
};

fn follower() -> Builder {
    Pipeline::builder().workers(0).debug_mode(false).follows_upstream(true)
}

fn quote(pools: &Pools, instrument: u32, version: u64, sequence: u64) -> Message {
    let mut event = pools.events.try_lease().expect("large enough");
    let header = Header {
        venue: VenueId(1),
        instrument: InstrumentId(instrument),
        routing_version: version,
        trace: TraceId(sequence),
        sequence,
        numbering: Numbering::Monotone,
        ..Header::default()
    };
    *event = Event::new(header, Payload::TopOfBook(TopOfBook::default()));
    event.into()
}

fn report(pools: &Pools, version: u64, id: &str) -> Message {
    let mut report = pools.executions.lease_or_heap();
    report.header.routing_version = version;
    report.report_id = Text::truncated(id);
    report.into()
}

/// Versions of what a consumer's handler got, critical ones marked.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<(u64, bool)>>>);

impl Seen {
    fn consumer(&self, name: &str) -> Consumer {
        let seen = Arc::clone(&self.0);
        Consumer::new(name, move |delivery: &Delivery| {
            let row = (delivery.header().routing_version, delivery.is_critical());
            seen.lock().expect("no test panics here").push(row);
        })
    }

    fn take(&self) -> Vec<(u64, bool)> {
        std::mem::take(&mut *self.0.lock().expect("no test panics here"))
    }
}

fn run(pipeline: &mut Pipeline) {
    while pipeline.run_once() {}
}

#[test]
fn a_message_keeps_the_version_it_brings_and_a_higher_one_is_a_flip() {
    let seen = Seen::default();
    let mut pipeline = follower().consumer(seen.consumer("all"), [Select::all()]).build().unwrap();
    let pools = pipeline.pools().clone();
    let now = Instant::now();
    assert_eq!(pipeline.version(), 0, "nothing was heard of the other");
    for message in [quote(&pools, 1, 0, 1), quote(&pools, 2, 6, 1), quote(&pools, 1, 0, 2)] {
        pipeline.push(message, now).unwrap();
    }
    run(&mut pipeline);
    // Two of one stream: the newer replaces the older, which the flip has made stale.
    assert_eq!(pipeline.version(), 6);
    assert_eq!(seen.take(), [(6, false), (6, false)], "one without a version has the present one");
    pipeline.push(quote(&pools, 1, 5, 3), now).unwrap();
    pipeline.push(report(&pools, 5, "old"), now).unwrap();
    run(&mut pipeline);
    assert_eq!(
        seen.take(),
        [(5, true)],
        "stale market data are filtered, critical messages are not"
    );
    // Waiting when the flip comes, and so filtered.
    pipeline.push(quote(&pools, 1, 6, 4), now).unwrap();
    pipeline.push(report(&pools, 7, "flips too"), now).unwrap();
    assert_eq!(pipeline.gate("all").unwrap().version(), 7);
    run(&mut pipeline);
    assert_eq!(seen.take(), [(7, true)]);
    let _ = pipeline.subscribe(Seen::default().consumer("new"), [Select::all()]);
    assert_eq!((pipeline.version(), pipeline.flip()), (7, 7), "neither makes a version here");
    let flip = pipeline.control().flip().unwrap();
    pipeline.poll(now);
    let refused = flip.wait(Duration::ZERO).unwrap();
    assert!(matches!(refused, Err(CommandError::Follows)), "{refused:?}");
}

#[test]
fn a_consumer_that_comes_after_a_followed_flip_gets_no_market_data_of_before() {
    let mut pipeline = follower().build().unwrap();
    let (pools, now) = (pipeline.pools().clone(), Instant::now());
    pipeline.push(quote(&pools, 1, 6, 1), now).unwrap();
    let (direct, commanded) = (Seen::default(), Seen::default());
    pipeline.subscribe(direct.consumer("direct"), [Select::all()]).unwrap();
    let control = pipeline.control();
    let consumer = commanded.consumer("commanded");
    let pending = control.subscribe(consumer, [Select::all()]).unwrap();
    pipeline.poll(now);
    pending.wait(Duration::ZERO).unwrap().unwrap();
    run(&mut pipeline);
    direct.take();
    commanded.take();
    for message in [quote(&pools, 2, 5, 1), quote(&pools, 3, 6, 1), report(&pools, 5, "late")] {
        pipeline.push(message, now).unwrap();
    }
    run(&mut pipeline);
    assert_eq!(direct.take(), [(6, false), (5, true)]);
    assert_eq!(commanded.take(), [(6, false), (5, true)]);
}

#[test]
fn the_highest_version_there_can_be_ends_nothing() {
    let seen = Seen::default();
    let mut pipeline = follower().consumer(seen.consumer("all"), [Select::all()]).build().unwrap();
    let (pools, now) = (pipeline.pools().clone(), Instant::now());
    pipeline.push(quote(&pools, 1, u64::MAX, 1), now).unwrap();
    let pending = pipeline.control().set_min_version("all", u64::MAX).unwrap();
    pipeline.poll(now);
    let applied = pending.wait(Duration::ZERO).unwrap().unwrap();
    assert_eq!(applied.version, u64::MAX);
}

#[test]
fn views_repeats_late_messages_and_gates_by_hand_go_by_the_followed_versions() {
    let seen = Seen::default();
    let venues = [VenueId(1), VenueId(2)];
    let rule = MergeRule::view("view", venues).incomplete(Incomplete::Mark).hold();
    let builder = follower().merge(rule).consumer(seen.consumer("all"), [Select::all()]);
    let mut pipeline = builder.build().unwrap();
    let (pools, now) = (pipeline.pools().clone(), Instant::now());
    let of = |venue: u16, version: u64, sequence: u64| {
        let mut message = quote(&pools, 1, version, sequence);
        message.header_mut().venue = VenueId(venue);
        message
    };
    // Both halves of a view are of one version: it has that.
    for message in [of(1, 6, 1), of(2, 6, 1)] {
        pipeline.push(message, now).unwrap();
    }
    run(&mut pipeline);
    assert_eq!(seen.take(), [(6, false)]);
    // A flip closes the window that is open, as of before: what it became is stale for the consumer.
    for message in [of(1, 6, 2), of(2, 7, 2)] {
        pipeline.push(message, now).unwrap();
    }
    run(&mut pipeline);
    assert_eq!((seen.take(), pipeline.version()), (vec![], 7));
    pipeline.push(of(1, 7, 3), now).unwrap();
    run(&mut pipeline);
    assert_eq!(seen.take(), [(7, false)], "no part of it is from before");
    assert_eq!(pipeline.stats().merges[0].merged(), 3);
    // A report is the same one whatever version it comes with.
    assert_ne!(pipeline.push(report(&pools, 7, "a"), now).unwrap(), Pushed::Repeated);
    assert_eq!(pipeline.push(report(&pools, 6, "a"), now).unwrap(), Pushed::Repeated);
    assert_eq!(pipeline.push(report(&pools, 9, "a"), now).unwrap(), Pushed::Repeated);
    assert_eq!(pipeline.version(), 7, "and what is not handed on flips nothing");
    // A stream does not go back, whatever version says so.
    let third = |version, sequence| {
        let mut message = quote(&pools, 3, version, sequence);
        message.header_mut().venue = VenueId(3);
        message
    };
    assert_eq!(pipeline.push(third(7, 5), now).unwrap(), Pushed::Routed { lanes: 1 });
    assert_eq!(pipeline.push(third(8, 4), now).unwrap(), Pushed::Late);
    assert_eq!(pipeline.version(), 8, "late as it is, it tells of the flip");
    run(&mut pipeline);
    assert_eq!(seen.take(), [(7, true)]);
    // A gate by hand lets older ones pass, until the next flip.
    let pending = pipeline.control().set_min_version("all", 5).unwrap();
    pipeline.push(third(6, 6), now).unwrap();
    pending.wait(Duration::ZERO).unwrap().unwrap();
    run(&mut pipeline);
    assert_eq!(seen.take().last(), Some(&(6, false)));
    for (version, sequence, expected) in [(9, 7, vec![(9, false)]), (6, 8, vec![])] {
        pipeline.push(third(version, sequence), now).unwrap();
        run(&mut pipeline);
        assert_eq!(seen.take(), expected);
    }
}

#[test]
fn without_following_a_version_that_a_message_brings_means_nothing() {
    let seen = Seen::default();
    let builder = Pipeline::builder().workers(0).debug_mode(false);
    let mut pipeline = builder.consumer(seen.consumer("all"), [Select::all()]).build().unwrap();
    let message = quote(pipeline.pools(), 1, 99, 1);
    pipeline.push(message, Instant::now()).unwrap();
    run(&mut pipeline);
    assert_eq!(seen.take(), [(pipeline.version(), false)]);
}

#[test]
fn a_receipt_comes_once_for_a_repeat_and_never_for_market_data() {
    let told = Arc::new(Mutex::new(vec![]));
    let sink = Arc::clone(&told);
    let take = || std::mem::take(&mut *told.lock().unwrap());
    let seen = Seen::default();
    let builder = follower().receipt_sink(move |receipt| sink.lock().unwrap().push(receipt));
    let mut pipeline = builder.consumer(seen.consumer("all"), [Select::all()]).build().unwrap();
    let (pools, now) = (pipeline.pools().clone(), Instant::now());
    pipeline.push_for_receipt(report(&pools, 1, "a"), now, 10).unwrap();
    assert_eq!(take(), [0; 0]);
    run(&mut pipeline);
    assert_eq!(take(), [10]);
    let again = pipeline.push_for_receipt(report(&pools, 1, "a"), now, 11).unwrap();
    assert_eq!((again, take()), (Pushed::Repeated, vec![11]));
    let control = |command| {
        let mut control = pools.controls.lease_or_heap();
        *control = Control::ack(Header::default(), command, Text::truncated("flip"));
        Message::from(control)
    };
    // Two starts of the other pipeline, or two others, number their commands alike.
    for receipt in [20, 21] {
        pipeline.push_for_receipt(control(1), now, receipt).unwrap();
    }
    run(&mut pipeline);
    assert_eq!(take(), [20, 21]);
    assert_eq!(seen.take().len(), 3);
    let refused = pipeline.push_for_receipt(quote(&pools, 1, 1, 1), now, 30);
    assert!(matches!(refused, Err(PushError::NoReceipt(_))));
    drop(refused);
    let running = pipeline.spawn(8).unwrap();
    let refused = running.feed().push_for_receipt(quote(&pools, 1, 1, 1), 31);
    assert!(matches!(refused, Err(FeedError::NoReceipt(_))));
    drop(refused);
    running.feed().push_for_receipt(report(&pools, 1, "b"), 32).unwrap();
    assert!(running.shutdown(Duration::from_secs(10)).unwrap().is_clean());
    assert_eq!(take(), [32]);
}

/// Two pipelines with threads of their own, the first's consumer being the second's feed, and flips all the time.
#[test]
fn gates_of_the_second_are_the_firsts_and_nothing_stale_starts_there() {
    const MESSAGES: u64 = 30_000;
    let sent: Arc<Mutex<HashMap<u64, u64>>> = Arc::default();
    let stale = Arc::new(AtomicU64::new(0));
    let differ = Arc::new(AtomicU64::new(0));
    let got = Arc::new(AtomicU64::new(0));
    let second = Pipeline::builder().follows_upstream(true).debug_mode(false);
    let watcher = {
        let (sent, stale, differ, got) =
            (Arc::clone(&sent), Arc::clone(&stale), Arc::clone(&differ), Arc::clone(&got));
        let before = AtomicU64::new(0);
        Consumer::new("watcher", move |delivery: &Delivery| {
            let header = delivery.header();
            got.fetch_add(1, SeqCst);
            if !delivery.is_critical() {
                // Of market data none comes after one of a later version.
                let before = before.fetch_max(header.routing_version, SeqCst);
                stale.fetch_add(u64::from(header.routing_version < before), SeqCst);
            }
            let sent = sent.lock().expect("no test panics here").get(&header.trace.0).copied();
            differ.fetch_add(u64::from(sent != Some(header.routing_version)), SeqCst);
        })
    };
    let gate = watcher.gate();
    let second = second.consumer(watcher, [Select::all()]).build().unwrap().spawn(1_024).unwrap();
    let (feed, pools) = (second.feed(), second.pools().clone());
    let forward = {
        let sent = Arc::clone(&sent);
        Consumer::new("forward", move |delivery: &Delivery| {
            let header = *delivery.header();
            let message = match &delivery.message {
                Message::Event(event) => {
                    let Ok(mut lease) = pools.events.try_lease() else { return };
                    *lease = **event;
                    Message::from(lease)
                }
                Message::Execution(report) => {
                    let mut lease = pools.executions.lease_or_heap();
                    *lease = **report;
                    Message::from(lease)
                }
                _ => return,
            };
            sent.lock()
                .expect("no test panics here")
                .insert(header.trace.0, header.routing_version);
            feed.push(message).expect("it runs");
        })
    };
    let first = Pipeline::builder().debug_mode(false).consumer(forward, [Select::all()]);
    let first = first.build().unwrap().spawn(1_024).unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let flips = {
        let (control, done) = (first.control(), Arc::clone(&done));
        thread::spawn(move || {
            while !done.load(SeqCst) {
                let _ = control.flip().map(|pending| pending.wait(Duration::from_secs(5)));
            }
        })
    };
    for number in 1..=MESSAGES {
        let pools = first.pools();
        let message = match number % 10 {
            0 => {
                let mut message = report(pools, 0, &number.to_string());
                message.header_mut().trace = TraceId(number);
                message
            }
            stream => quote(pools, stream as u32, 0, number),
        };
        first.feed().push(message).unwrap();
    }
    done.store(true, SeqCst);
    flips.join().unwrap();
    let last = first.control().flip().unwrap();
    let last = last.wait(Duration::from_secs(5)).unwrap().unwrap().version;
    assert!(first.shutdown(Duration::from_secs(30)).unwrap().is_clean());
    let end = second.shutdown(Duration::from_secs(30)).unwrap();
    assert!(end.is_clean());
    assert!(last > 10, "{last} flips are few");
    assert!(got.load(SeqCst) > MESSAGES / 10);
    assert_eq!((stale.load(SeqCst), differ.load(SeqCst)), (0, 0));
    assert!(gate.version() > 10 && gate.version() <= last);
}
