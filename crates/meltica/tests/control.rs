//! Changing a pipeline while it runs, and what that answers (FR-014..016).

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use meltica::{
    Applied, Builder, Command, CommandError, Consumer, Control, ControlError, Delivery, Incomplete,
    MergeRule, Message, Pending, Pipeline, Pools, Pushed, Select,
    dispatcher::{Cancel, DeathCause},
    event::{
        ControlOutcome, Event, EventKind, Header, InstrumentId, Level, Numbering, Payload, Price,
        Quantity, Side, TopOfBook, Topic, TraceId, VenueId,
    },
};

const NOW: Duration = Duration::ZERO;
const MINUTE: Duration = Duration::from_secs(60);
const VENUES: [VenueId; 2] = [VenueId(1), VenueId(2)];

fn stepped() -> Builder {
    Pipeline::builder().workers(0).debug_mode(false)
}

fn quote(pools: &Pools, venue: u16, sequence: u64) -> Message {
    let mut event = pools.events.try_lease().expect("large enough");
    let level =
        Level { price: Price::from_units(sequence as i64), quantity: Quantity::from_units(1) };
    let header = Header {
        venue: VenueId(venue),
        instrument: InstrumentId(1),
        sequence,
        numbering: Numbering::Monotone,
        ..Header::default()
    };
    *event = Event::new(header, Payload::TopOfBook(TopOfBook { bid: level, ask: level }));
    event.into()
}

fn report(pools: &Pools) -> Message {
    pools.executions.lease_or_heap().into()
}

/// What a consumer saw: kinds, versions, and of control events what they say.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Row>>>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    kind: EventKind,
    version: u64,
    trace: TraceId,
    says: String,
}

impl Seen {
    fn consumer(&self, name: &str) -> Consumer {
        let rows = Arc::clone(&self.0);
        let note = move |delivery: &Delivery| {
            let header = delivery.header();
            let says = match &delivery.message {
                Message::Control(control) => {
                    format!("{} {} {}", control.name, control.outcome, control.detail)
                }
                _ => String::new(),
            };
            rows.lock().expect("no test panics here").push(Row {
                kind: delivery.kind(),
                version: header.routing_version,
                trace: header.trace,
                says: says.trim_end().to_owned(),
            });
        };
        Consumer::new(name, note)
    }

    fn take(&self) -> Vec<Row> {
        std::mem::take(&mut *self.0.lock().expect("no test panics here"))
    }

    fn says(&self) -> Vec<String> {
        self.take().into_iter().map(|row| row.says).collect()
    }

    fn kinds(&self) -> Vec<EventKind> {
        self.take().into_iter().map(|row| row.kind).collect()
    }
}

fn run(pipeline: &mut Pipeline) {
    pipeline.poll(Instant::now());
    while pipeline.run_once() {}
}

fn applied(pending: &Pending) -> Applied {
    pending.wait(NOW).expect("it was obeyed").expect("it was not refused")
}

fn refused(pending: Result<Pending, ControlError>, pipeline: &mut Pipeline) -> CommandError {
    let pending = pending.expect("there is room");
    run(pipeline);
    pending.wait(NOW).expect("it was obeyed").expect_err("it cannot be")
}

#[test]
fn fr_016_each_command_is_acknowledged_and_its_result_comes_with_its_trace() {
    let seen = Seen::default();
    let mut pipeline =
        stepped().consumer(seen.consumer("watch"), [Select::critical()]).build().unwrap();
    let (control, pools) = (pipeline.control(), pipeline.pools().clone());
    let before = pipeline.version();
    let pending = control.flip().unwrap();
    assert_eq!(pending.command(), 1);
    assert!(pending.wait(NOW).is_none(), "nobody has driven the pipeline yet");
    // Obeyed between two messages: before the next one.
    pipeline.push(report(&pools), Instant::now()).unwrap();
    assert_eq!(applied(&pending).version, before + 1);
    assert!(matches!(pending.wait(NOW), Some(Err(CommandError::Stopped))), "told once");
    run(&mut pipeline);
    let row = |kind, version, says: &str| Row {
        kind,
        version,
        trace: pending.trace(),
        says: says.to_owned(),
    };
    let rows = seen.take();
    assert_eq!(
        rows[..2],
        [
            row(EventKind::ControlAck, before, "flip accepted"),
            row(EventKind::ControlResult, before + 1, "flip applied"),
        ]
    );
    assert_eq!((rows[2].kind, rows[2].version), (EventKind::ExecReport, before + 1));
    assert_ne!(rows[2].trace, pending.trace());
}

#[test]
fn consumers_come_go_and_choose_anew_by_command() {
    let (first, late) = (Seen::default(), Seen::default());
    let mut pipeline = stepped()
        .keep_current_state(true)
        .consumer(first.consumer("first"), [Select::all()])
        .build()
        .unwrap();
    let (control, pools) = (pipeline.control(), pipeline.pools().clone());
    let now = Instant::now();
    pipeline.push(quote(&pools, 1, 1), now).unwrap();
    let selections = vec![Select::all()];
    let subscribe =
        Command::Subscribe { consumer: late.consumer("late"), selections, with_state: true };
    let pending = control.send(subscribe).unwrap();
    run(&mut pipeline);
    let version = applied(&pending).version;
    // It begins with the state, and sees that it is there.
    let rows = late.take();
    let kinds: Vec<_> = rows.iter().map(|row| (row.kind, row.version)).collect();
    assert_eq!(kinds, [(EventKind::TopOfBook, version), (EventKind::ControlResult, version)]);

    let pending = control.reselect("late", [Select::critical()]).unwrap();
    assert_eq!(pipeline.push(quote(&pools, 1, 2), now).unwrap(), Pushed::Routed { lanes: 1 });
    run(&mut pipeline);
    assert_eq!(applied(&pending).version, version + 1);
    assert_eq!(late.says(), ["reselect accepted", "reselect applied"]);

    control.unsubscribe("late").unwrap();
    run(&mut pipeline);
    assert_eq!(late.take(), []);
    assert_eq!(pipeline.stats().dispatcher.lanes.len(), 1);
    // A newcomer of the same name goes on with the counts of the one before.
    control.subscribe(late.consumer("late"), [Select::all()]).unwrap();
    run(&mut pipeline);
    let stats = pipeline.stats().consumers;
    assert_eq!(stats.len(), 2);
    assert_eq!(stats[1].stats.handled, 5);
    assert!(pipeline.shutdown(MINUTE).is_clean());
}

#[test]
fn what_waits_for_a_consumer_that_is_removed_reaches_the_dead_letter_sink() {
    let letters = Arc::new(Mutex::new(vec![]));
    let mine = Arc::clone(&letters);
    let seen = Seen::default();
    let mut pipeline = stepped()
        .dead_letter_sink(move |letter| {
            mine.lock().expect("no test panics here").push((letter.message.kind(), letter.cause));
        })
        .consumer(seen.consumer("a"), [Select::critical()])
        .build()
        .unwrap();
    let pools = pipeline.pools().clone();
    pipeline.push(report(&pools), Instant::now()).unwrap();
    pipeline.control().unsubscribe("a").unwrap();
    run(&mut pipeline);
    let buried = [EventKind::ExecReport, EventKind::ControlAck];
    let buried = buried.map(|kind| (kind, DeathCause::Unsubscribed));
    assert_eq!(*letters.lock().unwrap(), buried);
    assert_eq!(seen.take(), []);
}

#[test]
fn fr_011_a_paused_consumer_gets_every_critical_message_when_it_is_resumed() {
    let seen = Seen::default();
    let mut pipeline =
        stepped().consumer(seen.consumer("a"), [Select::all()]).lane_capacity(1).build().unwrap();
    let (control, pools) = (pipeline.control(), pipeline.pools().clone());
    control.pause("a").unwrap();
    for _ in 0..3 {
        pipeline.push(report(&pools), Instant::now()).unwrap();
    }
    run(&mut pipeline);
    // The acknowledgement and the result wait with them.
    assert_eq!(seen.take(), []);
    control.resume("a").unwrap();
    run(&mut pipeline);
    let says = seen.says();
    assert_eq!(says[..2], ["pause accepted", "pause applied"]);
    assert_eq!(says[2..5], ["", "", ""], "the reports");
    assert_eq!(says[5..], ["resume accepted", "resume applied"]);
}

#[test]
fn a_consumer_is_moved_to_the_thread_that_drives_the_pipeline_by_command() {
    let mut pipeline = stepped().build().unwrap();
    let seen = Seen::default();
    pipeline.subscribe(seen.consumer("a"), [Select::critical()]).unwrap();
    let control = pipeline.control();
    let moved = control.set_inline("a", true).unwrap();
    pipeline.poll(Instant::now());
    // What acknowledged it waited, and came first; nothing else has run the consumer.
    assert_eq!(seen.kinds(), [EventKind::ControlAck, EventKind::ControlResult]);
    assert_eq!(applied(&moved).version, pipeline.version());
    assert_eq!(pipeline.stats().consumers[0].stats.handled, 2);
    let back = control.set_inline("a", false).unwrap();
    pipeline.poll(Instant::now());
    applied(&back);
    assert_eq!(seen.kinds(), [EventKind::ControlAck], "what comes after waits for its turn");
    let error = refused(control.set_inline("b", true), &mut pipeline);
    assert_eq!(error.to_string(), "no consumer `b` is subscribed");
}

#[test]
fn fr_015_a_consumers_least_version_moves_by_command() {
    let seen = Seen::default();
    let mut pipeline = stepped().consumer(seen.consumer("a"), [Select::all()]).build().unwrap();
    let (control, pools) = (pipeline.control(), pipeline.pools().clone());
    let version = pipeline.version();
    control.set_min_version("a", version + 1).unwrap();
    pipeline.push(quote(&pools, 1, 1), Instant::now()).unwrap();
    pipeline.push(report(&pools), Instant::now()).unwrap();
    run(&mut pipeline);
    let critical = [EventKind::ControlAck, EventKind::ControlResult, EventKind::ExecReport];
    assert_eq!(seen.kinds(), critical);
    assert_eq!(pipeline.gate("a").unwrap().version(), version + 1);
    control.set_min_version("a", 0).unwrap();
    pipeline.push(quote(&pools, 1, 2), Instant::now()).unwrap();
    run(&mut pipeline);
    assert_eq!(seen.kinds()[2..], [EventKind::TopOfBook]);
}

fn merged(pipeline: &mut Pipeline, seen: &Seen, sequence: u64) -> usize {
    let pools = pipeline.pools().clone();
    for venue in [1, 2] {
        pipeline.push(quote(&pools, venue, sequence), Instant::now()).expect("not cancelled");
    }
    run(pipeline);
    seen.kinds().into_iter().filter(|kind| *kind == EventKind::Merged).count()
}

#[test]
fn merge_rules_come_change_and_go_by_command() {
    let seen = Seen::default();
    let selections = [Select::all().topic(Topic::Merged)];
    let mut pipeline = stepped().consumer(seen.consumer("a"), selections).build().unwrap();
    let (control, pools) = (pipeline.control(), pipeline.pools().clone());
    assert_eq!(merged(&mut pipeline, &seen, 1), 0);
    control.set_merge(MergeRule::view("view", VENUES).incomplete(Incomplete::Mark)).unwrap();
    run(&mut pipeline);
    assert_eq!(merged(&mut pipeline, &seen, 2), 1);

    // What a change finds open closes under the rule that it was opened by.
    pipeline.push(quote(&pools, 1, 3), Instant::now()).unwrap();
    control.set_merge(MergeRule::view("view", VENUES).partials(2).windows(4)).unwrap();
    run(&mut pipeline);
    assert_eq!(seen.kinds(), [EventKind::Merged]);
    let stats = pipeline.stats().merges[0].windows;
    assert_eq!((stats.marked, stats.complete), (1, 1), "counts go on");
    assert_eq!(merged(&mut pipeline, &seen, 4), 1);

    // A rule of another kind, and none.
    control.set_merge(MergeRule::depth("view", VENUES, 5)).unwrap();
    run(&mut pipeline);
    assert_eq!(merged(&mut pipeline, &seen, 5), 0);
    control.remove_merge("view").unwrap();
    run(&mut pipeline);
    assert!(pipeline.stats().merges.is_empty());
    assert!(pipeline.shutdown(MINUTE).is_clean());
}

#[test]
fn books_outlive_a_change_of_the_rule_that_adds_them_up() {
    let seen = Arc::new(Mutex::new(vec![]));
    let mine = Arc::clone(&seen);
    let note = move |delivery: &Delivery| {
        if let Message::Book(book) = &delivery.message {
            mine.lock().expect("no test panics here").push(book.bids.len());
        }
    };
    let mut pipeline = stepped()
        .merge(MergeRule::depth("depth", VENUES, 5))
        .consumer(Consumer::new("a", note), [Select::all().topic(Topic::MergedBook)])
        .build()
        .unwrap();
    let pools = pipeline.pools().clone();
    let push = |pipeline: &mut Pipeline, kind, venue, sequence, price| {
        let mut book = pools.books.lease_or_heap();
        let (instrument, venue) = (InstrumentId(1), VenueId(venue));
        book.header = Header { kind, instrument, venue, sequence, ..Header::default() };
        let price = Price::from_units(price);
        book.side_mut(Side::Buy).set(Level { price, quantity: Quantity::from_units(1) });
        pipeline.push(book.into(), Instant::now()).unwrap();
    };
    push(&mut pipeline, EventKind::BookSnapshot, 1, 1, 10);
    push(&mut pipeline, EventKind::BookSnapshot, 2, 1, 11);
    pipeline.control().set_merge(MergeRule::depth("depth", VENUES, 3)).unwrap();
    push(&mut pipeline, EventKind::BookDelta, 1, 2, 12);
    push(&mut pipeline, EventKind::BookDelta, 2, 2, 13);
    run(&mut pipeline);
    assert_eq!(*seen.lock().unwrap(), [2, 3], "four levels, of which three are asked for");
}

#[test]
fn a_command_that_cannot_be_is_refused_and_says_why() {
    let seen = Seen::default();
    let mut pipeline = stepped()
        .merge(MergeRule::view("view", VENUES))
        .consumer(seen.consumer("a"), [Select::critical()])
        .build()
        .unwrap();
    let control = pipeline.control();
    let unknown = "no consumer `b` is subscribed";
    let version = pipeline.version();
    let sent = [
        (control.unsubscribe("b"), unknown),
        (control.pause("b"), unknown),
        (control.resume("b"), unknown),
        (control.set_min_version("b", 1), unknown),
        (control.reselect("b", [Select::all()]), unknown),
        (control.remove_merge("b"), "there is no merge rule `b`"),
        (
            control.set_merge(MergeRule::view("c", []).published_as(VenueId(9))),
            "merge rule `c`: it merges no venue",
        ),
        (
            control.set_min_version("a", 9),
            "version 9 is ahead of the next one, 3; to shut a consumer, pause it",
        ),
        (
            control.subscribe(Consumer::new("a", |_| ()), [Select::all()]),
            "there is a consumer `a` already",
        ),
    ];
    run(&mut pipeline);
    assert_eq!(pipeline.version(), version, "nothing has changed");
    let stats = pipeline.stats();
    assert_eq!((stats.commands_applied, stats.commands_rejected), (0, 9));
    let said = seen.says();
    for ((pending, why), said) in sent.into_iter().zip(said.chunks(2)) {
        let refused = pending.unwrap().wait(NOW).unwrap().unwrap_err();
        assert_eq!(refused.to_string(), why);
        assert!(said[0].ends_with(" accepted"), "{said:?}");
        assert!(said[1].ends_with(&format!("rejected {why}")), "{said:?}");
    }
    // A rule that would publish into another's stream.
    let why = refused(control.set_merge(MergeRule::view("other", VENUES)), &mut pipeline);
    assert!(matches!(why, CommandError::MergeRule(_)));
    assert!(why.to_string().contains("give it a venue of its own"));
    assert_eq!(ControlOutcome::Rejected.to_string(), "rejected");
}

#[test]
fn too_many_commands_and_those_after_the_end_are_handed_back() {
    let mut pipeline = stepped().build().unwrap();
    let control: Control = pipeline.control();
    let pending: Vec<_> = (0..64).map(|_| control.flip().unwrap()).collect();
    let full = control.pause("a").unwrap_err();
    assert_eq!(
        full.to_string(),
        "64 commands wait to be obeyed; send `pause` again when some were"
    );
    assert!(matches!(full, ControlError::Full(command) if command.name() == "pause"));
    run(&mut pipeline);
    let versions: Vec<_> = pending.iter().map(|pending| applied(pending).version).collect();
    assert_eq!(versions, (2..66).collect::<Vec<_>>(), "in order");
    // What was sent before the end is carried out.
    let last = control.flip().unwrap();
    assert!(pipeline.shutdown(MINUTE).is_clean());
    assert_eq!(applied(&last).version, 66);
    let stopped = control.flip().unwrap_err();
    assert_eq!(stopped.to_string(), "the pipeline has stopped, and does not `flip` any more");
    assert!(format!("{control:?}").contains("waiting: 0"));
}

#[test]
fn after_a_cancellation_no_command_is_carried_out() {
    let cancel = Cancel::new();
    let running = stepped().cancel(cancel.clone()).build().unwrap().spawn(8).unwrap();
    let control = running.control();
    cancel.cancel();
    let pending = control.flip().unwrap();
    assert!(matches!(pending.wait(MINUTE), Some(Err(CommandError::Stopped))));
    let end = running.shutdown(MINUTE).unwrap();
    assert_eq!(end.stats.dispatcher.version, 1);
}

#[test]
fn a_running_pipeline_obeys_its_consumers_and_other_threads() {
    let control = Arc::new(Mutex::new(None::<Control>));
    let mine = Arc::clone(&control);
    // A consumer that flips when it sees an execution report, from inside.
    let flipping = Consumer::new("flipping", move |delivery: &Delivery| {
        if delivery.kind() == EventKind::ExecReport {
            let control = mine.lock().expect("no test panics here");
            control.as_ref().expect("it is set before").flip().expect("there is room");
        }
    });
    let seen = Seen::default();
    let running = Pipeline::builder()
        .consumer(flipping, [Select::critical()])
        .consumer(seen.consumer("watch"), [Select::critical()])
        .build()
        .unwrap()
        .spawn(8)
        .unwrap();
    *control.lock().unwrap() = Some(running.control());
    running.feed().push(report(running.pools())).unwrap();
    let start = Instant::now();
    while running.gate("watch").unwrap().version() == 0 && start.elapsed() < MINUTE {
        std::thread::yield_now();
    }
    let applied = running.control().flip().unwrap().wait(MINUTE).unwrap().unwrap();
    assert_eq!(running.gate("watch").unwrap().version(), applied.version);
    assert_eq!(running.stats().dispatcher.version, applied.version);
    let end = running.shutdown(MINUTE).unwrap();
    assert!(end.is_clean(), "{end:?}");
    let said = seen.says();
    assert_eq!(said[1..], ["flip accepted", "flip applied", "flip accepted", "flip applied"]);
}

#[test]
fn a_consumer_that_waits_for_a_command_does_not_hold_up_the_shutdown() {
    let control = Arc::new(Mutex::new(None::<Control>));
    let (mine, answer) = (Arc::clone(&control), Arc::new(Mutex::new(None)));
    let answered = Arc::clone(&answer);
    let (entered, has_entered) = crossbeam_channel::bounded(1);
    let waiting = Consumer::new("waiting", move |_: &Delivery| {
        let pending = mine.lock().expect("no panic").as_ref().expect("set before").flip();
        entered.send(()).expect("heard");
        let waited = pending.expect("there is room").wait(MINUTE);
        *answered.lock().expect("no panic") = Some(waited.expect("within a minute").is_err());
    });
    let mut pipeline = Pipeline::builder()
        .consumer(waiting, [Select::all().topic(Topic::Executions)])
        .build()
        .unwrap();
    *control.lock().unwrap() = Some(pipeline.control());
    pipeline.push(report(pipeline.pools()), Instant::now()).unwrap();
    has_entered.recv().unwrap();
    let start = Instant::now();
    let end = pipeline.shutdown(MINUTE);
    assert!(end.is_clean() && start.elapsed() < MINUTE / 2, "{end:?}");
    assert_eq!(*answer.lock().unwrap(), Some(false), "what was sent before the end is obeyed");
}

#[test]
fn dropping_a_pipeline_tells_those_who_wait_for_a_command() {
    let pipeline = stepped().build().unwrap();
    let pending = pipeline.control().flip().unwrap();
    drop(pipeline);
    assert!(matches!(pending.wait(NOW), Some(Err(CommandError::Stopped))));
}

#[test]
fn after_a_flip_every_consumer_shares_one_whole_book() {
    let mut builder = stepped().keep_current_state(true);
    for name in ["a", "b", "c"] {
        builder = builder.consumer(Consumer::new(name, |_| ()), [Select::all()]);
    }
    let mut pipeline = builder.build().unwrap();
    let pools = pipeline.pools().clone();
    for (sequence, kind) in [EventKind::BookSnapshot, EventKind::BookDelta].into_iter().enumerate()
    {
        let mut book = pools.books.lease_or_heap();
        book.header = Header { kind, sequence: sequence as u64, ..Header::default() };
        pipeline.push(book.into(), Instant::now()).unwrap();
        while pipeline.run_once() {}
        if sequence == 0 {
            pipeline.flip();
        }
    }
    assert_eq!(pools.books.stats().outstanding(), 1, "the state");
    let mut book = pools.books.lease_or_heap();
    book.header = Header { kind: EventKind::BookDelta, sequence: 2, ..Header::default() };
    pipeline.flip();
    pipeline.push(book.into(), Instant::now()).unwrap();
    assert_eq!(pools.books.stats().outstanding(), 1, "which all three wait for, and no copy");
}
