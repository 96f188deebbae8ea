//! With threads, whatever happens, the ring keeps the promises that a queue for each consumer keeps.

mod common;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use common::{Message, Test, message};
use meltica_dispatcher::{
    Class, Delivery, Dispatcher, LaneId, LaneStats, Route, Skipped, Subscription, Verdict,
    WhenFull, WhenIdle,
};
use proptest::prelude::*;

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
struct Plan {
    ring: usize,
    capacity: usize,
    workers: usize,
    when_idle: WhenIdle,
    waits: bool,
}

#[derive(Clone, Copy, Debug)]
struct Consumer {
    owning: bool,
    inline: bool,
    own_thread: bool,
    /// How long it takes over every so many messages, in microseconds.
    slow: Option<(u64, u64)>,
    /// Panics with every so many.
    panics: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// So many messages of a stream.
    Publish {
        stream: u32,
        class: Class,
        times: u64,
        batch: bool,
    },
    Pause(usize),
    Resume(usize),
    Inline(usize, bool),
    Flip,
    /// Somebody comes who leaves with the next such step.
    Guest,
    Poll,
    Breathe,
}

fn plan() -> impl Strategy<Value = Plan> {
    let ring = prop_oneof![Just(1), Just(2), Just(8), Just(64)];
    let idle = prop_oneof![Just(WhenIdle::Sleep), Just(WhenIdle::Yield)];
    (ring, prop_oneof![Just(4), Just(64)], 1..3usize, idle, any::<bool>()).prop_map(
        |(ring, capacity, workers, when_idle, waits)| Plan {
            ring,
            capacity,
            workers,
            when_idle,
            waits,
        },
    )
}

fn consumer() -> impl Strategy<Value = Consumer> {
    let slow = prop::option::weighted(0.4, (10..1_500u64, 1..40u64));
    let panics = prop::option::weighted(0.2, 2..20u64);
    (any::<bool>(), prop::bool::weighted(0.2), prop::bool::weighted(0.2), slow, panics).prop_map(
        |(owning, inline, own_thread, slow, panics)| Consumer {
            owning,
            inline,
            own_thread,
            slow,
            panics,
        },
    )
}

fn step(lanes: usize) -> impl Strategy<Value = Step> {
    let class = prop_oneof![
        1 => Just((0, Class::Critical)),
        2 => (1..3u32).prop_map(|stream| (stream, Class::Conflatable)),
        2 => (3..5u32).prop_map(|stream| (stream, Class::Sequential)),
    ];
    prop_oneof![
        12 => (class, 1..40u64, any::<bool>()).prop_map(|((stream, class), times, batch)| {
            Step::Publish { stream, class, times, batch }
        }),
        1 => (0..lanes).prop_map(Step::Pause),
        2 => (0..lanes).prop_map(Step::Resume),
        1 => (0..lanes, any::<bool>()).prop_map(|(lane, inline)| Step::Inline(lane, inline)),
        1 => Just(Step::Flip),
        1 => Just(Step::Guest),
        1 => Just(Step::Poll),
        1 => Just(Step::Breathe),
    ]
}

/// What a consumer saw of a message.
#[derive(Clone, Debug)]
struct Seen {
    stream: u32,
    class: Class,
    numbers: Vec<u64>,
    skipped: Skipped,
}

type Log = Arc<Mutex<Vec<Seen>>>;

/// What a run came to, by consumer.
struct Outcome {
    seen: Vec<Vec<Seen>>,
    stats: Vec<LaneStats>,
    /// By stream, what was published last, but for those whose oldest may go for others'.
    last: HashMap<u32, u64>,
    critical: Vec<u64>,
}

fn subscription(index: usize, consumer: Consumer, log: &Log) -> Subscription<Test> {
    let (log, mut count) = (Arc::clone(log), 0);
    let mut see = move |delivery: &Delivery<Message>| {
        let Message { key, class, ref numbers, .. } = delivery.message;
        let (stream, numbers, skipped) = (key, numbers.clone(), delivery.skipped);
        log.lock().expect("no panic meanwhile").push(Seen { stream, class, numbers, skipped });
        count += 1;
        if let Some((micros, every)) = consumer.slow {
            if count % every == 0 {
                thread::sleep(Duration::from_micros(micros));
            }
        }
        if consumer.panics.is_some_and(|every| count % every == 0) {
            // One that no hook hears of.
            std::panic::resume_unwind(Box::new("as planned"));
        }
    };
    let name = format!("consumer-{index}");
    let subscription = if consumer.owning {
        Subscription::new(name, move |delivery: Delivery<Message>| -> Verdict<Message, String> {
            see(&delivery);
            Verdict::Handled
        })
    } else {
        Subscription::borrowing(name, see)
    };
    let subscription = if consumer.own_thread { subscription.own_thread() } else { subscription };
    let subscription = if consumer.inline { subscription.inline() } else { subscription };
    subscription.to(Route::All)
}

fn run(plan: Plan, consumers: &[Consumer], steps: &[Step], queues: bool) -> Outcome {
    let mut builder = Dispatcher::<Test>::builder()
        .workers(plan.workers)
        .when_idle(plan.when_idle)
        .ring_capacity(plan.ring)
        .lane_capacity(plan.capacity);
    if plan.waits {
        builder = builder.when_full(WhenFull::Wait(Duration::from_millis(5)));
    }
    let builder = if queues { builder.queues() } else { builder };
    let mut dispatcher = builder.build().expect("valid settings");
    let routes = dispatcher.routes();
    let logs: Vec<Log> = consumers.iter().map(|_| Log::default()).collect();
    let all = consumers.iter().zip(&logs).enumerate();
    let subscribe = |(index, (consumer, log)): (usize, (&Consumer, &Log))| {
        routes.subscribe(subscription(index, *consumer, log)).expect("a name of its own")
    };
    let lanes: Vec<LaneId> = all.map(subscribe).collect();
    let (mut number, mut guest) = (0, None);
    let (mut last, mut critical) = (HashMap::new(), vec![]);
    let now = Instant::now();
    for step in steps {
        match *step {
            Step::Publish { stream, class, times, batch } => {
                let numbers = number + 1..=number + times;
                number += times;
                if class != Class::Sequential {
                    last.insert(stream, number);
                }
                critical.extend(numbers.clone().filter(|_| class == Class::Critical));
                let messages = numbers.map(|number| message(stream, class, number));
                if batch {
                    dispatcher.publish_batch(messages, now).expect("not cancelled");
                } else {
                    messages.for_each(|message| {
                        dispatcher.publish(message, now).expect("not cancelled");
                    });
                }
            }
            Step::Pause(lane) => drop(routes.pause(lanes[lane]).expect("it is there")),
            Step::Resume(lane) => drop(routes.resume(lanes[lane]).expect("it is there")),
            Step::Inline(lane, inline) => {
                routes.set_inline(lanes[lane], inline).expect("it is there");
            }
            Step::Flip => drop(routes.flip()),
            Step::Guest => match guest.take() {
                Some(lane) => routes.unsubscribe(lane).expect("it is there"),
                None => {
                    let quiet = Subscription::borrowing("guest", |_: &Delivery<Message>| ());
                    guest = Some(routes.subscribe(quiet.to(Route::All)).expect("one at a time"));
                }
            },
            Step::Poll => dispatcher.poll(now),
            Step::Breathe => thread::sleep(Duration::from_micros(200)),
        }
    }
    for lane in &lanes {
        routes.resume(*lane).expect("it is there");
    }
    assert!(dispatcher.shutdown(MINUTE).is_clean());
    let mut stats = routes.stats().lanes;
    stats.retain(|lane| &*lane.consumer != "guest");
    let seen = logs.iter().map(|log| std::mem::take(&mut *log.lock().expect("no panic"))).collect();
    Outcome { seen, stats, last, critical }
}

fn check(outcome: &Outcome) -> Result<(), TestCaseError> {
    for (seen, stats) in outcome.seen.iter().zip(&outcome.stats) {
        let critical: Vec<u64> = seen
            .iter()
            .filter(|seen| seen.class == Class::Critical)
            .flat_map(|seen| seen.numbers.clone())
            .collect();
        prop_assert_eq!(&critical, &outcome.critical, "critical: each once and in order");
        let mut newest_critical = 0;
        let mut newest: HashMap<u32, u64> = HashMap::new();
        let mut told: HashMap<u32, u64> = HashMap::new();
        let (mut folded, mut dropped) = (0, 0);
        for seen in seen {
            let number = *seen.numbers.last().expect("a message says something");
            let before = newest.insert(seen.stream, number).unwrap_or(0);
            prop_assert!(number > before, "a stream never goes back");
            prop_assert!(seen.numbers.is_sorted() && seen.numbers[0] > before);
            if seen.class == Class::Critical {
                newest_critical = number;
            }
            let overtook = outcome.critical.iter().find(|c| **c > newest_critical && **c < number);
            prop_assert_eq!(overtook, None, "nothing comes before an earlier critical message");
            prop_assert_eq!(seen.skipped.folded, seen.numbers.len() as u64 - 1);
            *told.entry(seen.stream).or_default() += seen.skipped.dropped;
            folded += seen.skipped.folded;
            dropped += seen.skipped.dropped;
        }
        prop_assert_eq!(seen.len() as u64, stats.delivered);
        prop_assert!(folded <= stats.folded && dropped <= stats.dropped + stats.folded);
        for (stream, last) in &outcome.last {
            prop_assert_eq!(newest.get(stream), Some(last), "the newest of a stream arrives");
        }
        prop_assert_eq!(
            stats.published,
            stats.delivered + stats.folded + stats.dropped,
            "all are accounted for: {:?}",
            stats
        );
        prop_assert_eq!((stats.depth, stats.without_duplicate), (0, 0));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn fr_003_lm_04_lm_05_the_ring_keeps_what_queues_keep(
        plan in plan(),
        consumers in prop::collection::vec(consumer(), 1..5),
        steps in prop::collection::vec(step(1), 1..60),
    ) {
        // Steps name the first consumer; of several, the others stay as they are.
        let outcomes = [false, true].map(|queues| run(plan, &consumers, &steps, queues));
        for outcome in &outcomes {
            check(outcome)?;
        }
        let published = |outcome: &Outcome| -> Vec<u64> {
            outcome.stats.iter().map(|lane| lane.published).collect()
        };
        prop_assert_eq!(published(&outcomes[0]), published(&outcomes[1]));
    }
}
