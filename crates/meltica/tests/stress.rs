//! The checks of the simulation with threads for real: fifty consumers, three feeds, and commands at every
//! moment (FR-001, 003, 006, 011..016, 018, LM-03, LM-04).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use meltica::{
    Command, Consumer, Control, Delivery, Incomplete, Key, MergeRule, Message, Pending, Pipeline,
    Pools, Running, Select,
    consumer::Gate,
    dispatcher::DeathCause,
    event::{
        EventKind, Header, InstrumentId, Level, Numbering, Payload, Price, Quantity, Side,
        TopOfBook, Topic, TraceId, Trade, VenueId,
    },
};

const CONSUMERS: usize = 50;
/// Of these, so many leave and come back again and again.
const GUESTS: usize = 5;
const FEEDS: u16 = 3;
/// Messages of each feed, one in eight of them an execution report.
const MESSAGES: u64 = 8_000;
/// The one whose gate is also moved by hand, down too.
const MOVED: usize = 4;
/// Prices of each book.
const PRICES: u64 = 7;
const MINUTE: Duration = Duration::from_secs(60);

/// What consumers found wrong; in their handlers a panic would be one of those that are planned.
type Wrong = Arc<Mutex<Vec<String>>>;

type Seen<T> = Arc<Mutex<Vec<T>>>;

/// What one consumer saw, of what it was so far.
struct Checker {
    name: String,
    wrong: Wrong,
    gate: Arc<OnceLock<Gate>>,
    /// Where its gate stood at the end of the last call, unless it may go down.
    floor: u64,
    moved: bool,
    /// By stream, the last number seen. A consumer that was there from the beginning begins at zero.
    last: HashMap<Key, u64>,
    from_the_beginning: bool,
    /// By venue: quantities by price, while the book is known.
    books: HashMap<VenueId, BTreeMap<i64, u64>>,
    executions: Seen<(VenueId, u64)>,
    answers: Seen<(TraceId, EventKind)>,
}

impl Checker {
    fn check(&mut self, delivery: &Delivery) {
        let header = *delivery.header();
        let key = Key {
            venue: header.venue,
            instrument: header.instrument,
            topic: delivery.kind().topic(),
        };
        let skipped = delivery.skipped.folded + delivery.skipped.dropped;
        match &delivery.message {
            Message::Control(control) => {
                let answer = (header.trace, control.header.kind);
                self.answers.lock().expect("no panic").push(answer);
            }
            // Windows that are suppressed leave numbers out.
            Message::Merged(_) => {
                let last = self.last.insert(key, header.sequence).unwrap_or(0);
                self.must(header.sequence > last, "merged views came out of order", &header);
            }
            _ => {
                let begins_here = !self.from_the_beginning && !self.last.contains_key(&key);
                let last = self.last.insert(key, header.sequence).unwrap_or(0);
                let told = begins_here || header.sequence == last + 1 + skipped;
                self.must(told, "it is not the next, and not told", &header);
            }
        }
        if delivery.is_critical() {
            self.must(skipped == 0, "critical messages were skipped", &header);
        } else {
            // The gate's load comes after the end of the last call.
            self.must(header.routing_version >= self.floor, "it is stale", &header);
        }
        if matches!(delivery.message, Message::Execution(_)) {
            let execution = (header.venue, header.sequence);
            self.executions.lock().expect("no panic").push(execution);
        }
        if let Message::Book(book) = &delivery.message {
            if header.kind == EventKind::BookSnapshot {
                self.books.insert(header.venue, BTreeMap::new());
            } else if delivery.skipped.dropped > 0 {
                self.books.remove(&header.venue);
            }
            if let Some(mine) = self.books.get_mut(&header.venue) {
                let levels = book.bids.iter();
                mine.extend(levels.map(|level| (level.price.units(), level.quantity.units())));
                let right = *mine == book_at(header.sequence);
                self.must(right, "its book is not what it should be", &header);
            }
        }
        if !self.moved {
            self.floor = self.gate.get().map_or(0, Gate::version);
        }
    }

    fn must(&self, holds: bool, what: &str, header: &Header) {
        if !holds {
            let mut wrong = self.wrong.lock().expect("no panic");
            wrong.push(format!("{}: {what}: {header:?}", self.name));
        }
    }
}

/// The book of every venue after so many messages: each sets one price to its own number.
fn book_at(sequence: u64) -> BTreeMap<i64, u64> {
    let newest = |price: u64| (1..=sequence).rev().find(|number| number % PRICES == price);
    (0..PRICES).filter_map(|price| Some((price as i64, newest(price)?))).collect()
}

/// What all consumers tell of.
#[derive(Clone, Default)]
struct Told {
    wrong: Wrong,
    /// Failures, and those on critical messages that a handler had only borrowed.
    thrown: Arc<AtomicU64>,
    lost: Arc<AtomicU64>,
    executions: HashMap<String, Seen<(VenueId, u64)>>,
    answers: HashMap<String, Seen<(TraceId, EventKind)>>,
}

impl Told {
    fn consumer(&mut self, index: usize, from_the_beginning: bool) -> Consumer {
        let name = format!("consumer-{index}");
        let gate = Arc::new(OnceLock::new());
        let mut checker = Checker {
            name: name.clone(),
            wrong: Arc::clone(&self.wrong),
            gate: Arc::clone(&gate),
            floor: 0,
            moved: index == MOVED,
            last: HashMap::new(),
            from_the_beginning,
            books: HashMap::new(),
            executions: Arc::clone(self.executions.entry(name.clone()).or_default()),
            answers: Arc::clone(self.answers.entry(name.clone()).or_default()),
        };
        let (thrown, lost) = (Arc::clone(&self.thrown), Arc::clone(&self.lost));
        let owning = index % 2 == 0;
        let mut count = 0u64;
        let mut handle = move |delivery: &Delivery| {
            checker.check(delivery);
            count += 1;
            let fails = matches!(index % 5, 1 | 2) && count % 10 == 0;
            thrown.fetch_add(u64::from(fails), Relaxed);
            lost.fetch_add(u64::from(fails && delivery.is_critical()), Relaxed);
            match index % 5 {
                // One in ten fails, in two ways; one consumer in five is slow.
                1 if fails => std::panic::resume_unwind(Box::new("as planned")),
                2 if fails => return Err("as planned"),
                3 if count % 50 == 0 => thread::sleep(Duration::from_micros(500)),
                _ => {}
            }
            Ok(())
        };
        let consumer = if owning {
            Consumer::owning(name, move |delivery| handle(&delivery))
        } else {
            Consumer::new(name, handle)
        };
        let _ = gate.set(consumer.gate());
        consumer
    }
}

fn message(pools: &Pools, venue: u16, kind: EventKind, sequence: u64) -> Message {
    let header = Header {
        venue: VenueId(venue),
        instrument: InstrumentId(1),
        sequence,
        numbering: Numbering::Monotone,
        ..Header::new(kind)
    };
    let level =
        Level { price: Price::from_units(1 + sequence as i64), quantity: Quantity::from_units(1) };
    match kind {
        EventKind::ExecReport => {
            let mut report = pools.executions.lease_or_heap();
            report.header = header;
            report.into()
        }
        EventKind::BookSnapshot | EventKind::BookDelta => {
            let mut book = pools.books.lease_or_heap();
            book.header = header;
            let (price, quantity) = ((sequence % PRICES) as i64, sequence);
            let price = Price::from_units(price);
            let quantity = Quantity::from_units(quantity);
            book.side_mut(Side::Buy).set(Level { price, quantity });
            book.into()
        }
        _ => {
            let mut event = pools.events.lease_or_heap();
            event.header = header;
            event.payload = if kind == EventKind::Trade {
                Payload::Trade(Trade::default())
            } else {
                Payload::TopOfBook(TopOfBook { bid: level, ask: level })
            };
            event.into()
        }
    }
}

/// Feeds a venue's messages; answers how many there were of each kind.
fn feed(running: &Running, venue: u16) -> thread::JoinHandle<HashMap<Topic, u64>> {
    let (feed, pools) = (running.feed(), running.pools().clone());
    let run = move || {
        let mut counts = HashMap::new();
        for number in 0..MESSAGES {
            let kind = match number % 8 {
                0 => EventKind::ExecReport,
                1 | 2 => EventKind::Trade,
                3 | 4 => EventKind::BookDelta,
                _ => EventKind::TopOfBook,
            };
            let count = counts.entry(kind.topic()).or_insert(0);
            *count += 1;
            let kind = match kind {
                EventKind::BookDelta if *count == 1 => EventKind::BookSnapshot,
                kind => kind,
            };
            feed.push(message(&pools, venue, kind, *count)).expect("it runs");
            // As fast as it goes, but for pauses in which consumers catch up.
            if number % 256 == 255 {
                thread::sleep(Duration::from_millis(2));
            }
        }
        counts
    };
    thread::Builder::new().name(format!("feed-{venue}")).spawn(run).expect("a thread")
}

fn rule(window_ms: u64) -> MergeRule {
    MergeRule::view("view", (1..=FEEDS).map(VenueId))
        .window(Duration::from_millis(window_ms))
        .incomplete(Incomplete::Mark)
}

/// Sends commands until it is told to stop; answers what was sent.
fn command(control: Control, told: &mut Told, rounds: u64) -> Vec<Pending> {
    let mut sent = vec![];
    for round in 0..rounds {
        let guest = CONSUMERS - GUESTS + (round as usize / 8) % GUESTS;
        let name = format!("consumer-{guest}");
        let other = format!("consumer-{}", round as usize % (CONSUMERS - GUESTS));
        let pending = match round % 8 {
            0 => control.unsubscribe(name),
            1 => control.pause(other),
            2 | 5 => control.flip(),
            3 => control.set_merge(rule(1 + round % 5)),
            4 => control.send(Command::Subscribe {
                consumer: told.consumer(guest, false),
                selections: vec![Select::all()],
                with_state: true,
            }),
            6 => control.set_min_version(format!("consumer-{MOVED}"), round % 40),
            _ => {
                control.resume(format!("consumer-{}", (round as usize - 6) % (CONSUMERS - GUESTS)))
            }
        };
        let pending = pending.expect("few commands wait");
        // Some are waited for, some come on top of one another.
        if round % 4 == 3 {
            let _ = pending.wait(MINUTE).expect("it is answered");
            thread::sleep(Duration::from_millis(10));
        }
        sent.push(pending);
    }
    sent
}

#[test]
fn fr_011_fr_014_fr_015_fr_018_lm_04_fifty_consumers_see_what_they_should_whatever_happens() {
    let mut told = Told::default();
    let letters = Arc::new(Mutex::new(vec![]));
    let heard = Arc::new(AtomicU64::new(0));
    let (mine, hears) = (Arc::clone(&letters), Arc::clone(&heard));
    let mut builder = Pipeline::builder()
        .lane_capacity(64)
        .keep_current_state(true)
        .merge(rule(2))
        .dead_letter_sink(move |letter| {
            let header = *letter.message.header();
            let row = (letter.consumer.to_string(), letter.cause, header);
            mine.lock().expect("no panic").push(row);
        })
        .fault_sink(move |_| {
            hears.fetch_add(1, Relaxed);
        });
    for index in 0..CONSUMERS {
        builder = builder.consumer(told.consumer(index, true), [Select::all()]);
    }
    let running = builder.build().unwrap().spawn(256).unwrap();
    let feeds: Vec<_> = (1..=FEEDS).map(|venue| feed(&running, venue)).collect();
    let sent = command(running.control(), &mut told, 400);
    let counts: Vec<_> = feeds.into_iter().map(|feed| feed.join().unwrap()).collect();
    // Every gate has risen with the last flip.
    let flipped = running.control().flip().unwrap().wait(MINUTE).unwrap().unwrap().version;
    for index in 0..CONSUMERS {
        let name = format!("consumer-{index}");
        let gate = running.gate(&name).unwrap().version();
        let is_there = running.stats().dispatcher.lanes.iter().any(|lane| *lane.consumer == *name);
        assert!(gate == flipped || !is_there, "{name}: {gate} after the flip to {flipped}");
    }
    // Everybody runs again.
    for index in 0..CONSUMERS - GUESTS {
        let resumed = running.control().resume(format!("consumer-{index}"));
        resumed.unwrap().wait(MINUTE).unwrap().unwrap();
    }
    let end = running.shutdown(MINUTE).unwrap();
    assert!(end.is_clean(), "{end:?}\n{}", end.leaks());
    let wrong = told.wrong.lock().unwrap();
    assert!(wrong.is_empty(), "{} times, first {:#?}", wrong.len(), &wrong[..wrong.len().min(5)]);

    // Execution reports: exactly once for whoever stayed, at most once for guests, handled or buried.
    let letters = letters.lock().unwrap();
    let reports = MESSAGES / 8;
    for index in 0..CONSUMERS {
        let name = format!("consumer-{index}");
        let mut seen = told.executions[&name].lock().unwrap().clone();
        if index < CONSUMERS - GUESTS {
            seen.sort_unstable();
            let all: Vec<_> = (1..=FEEDS)
                .flat_map(|venue| (1..=reports).map(move |number| (VenueId(venue), number)))
                .collect();
            assert!(seen == all, "{name} had {} of {}", seen.len(), all.len());
            continue;
        }
        let of_guest = letters.iter().filter(|(consumer, cause, header)| {
            *consumer == name
                && *cause == DeathCause::Unsubscribed
                && header.kind == EventKind::ExecReport
        });
        seen.extend(of_guest.map(|(_, _, header)| (header.venue, header.sequence)));
        let once: BTreeSet<_> = seen.iter().copied().collect();
        assert_eq!(once.len(), seen.len(), "{name} had some twice");
    }
    // No failure is lost.
    assert_eq!(heard.load(Relaxed), told.thrown.load(Relaxed));
    assert!(heard.load(Relaxed) > 1_000);
    let failed = letters.iter().filter(|(_, cause, _)| *cause == DeathCause::Failed).count();
    assert_eq!(failed as u64, told.lost.load(Relaxed));
    // Each command was acknowledged and answered once, to whoever was there all the time.
    let answers = told.answers["consumer-0"].lock().unwrap();
    for pending in &sent {
        for kind in [EventKind::ControlAck, EventKind::ControlResult] {
            let of_this = answers.iter().filter(|answer| **answer == (pending.trace(), kind));
            assert_eq!(of_this.count(), 1, "{kind} of {}", pending.trace());
        }
    }
    let published: u64 = counts.iter().flat_map(HashMap::values).sum();
    assert_eq!(published, MESSAGES * u64::from(FEEDS));
}
