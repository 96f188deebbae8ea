//! The orchestrator agrees with a plain model of itself, and a merge with itself in any order.

mod common;

use std::{collections::BTreeMap, time::Duration};

use common::{Clock, Part, View, Views, part};
use meltica_orchestrator::{Closed, Incomplete, Orchestrator, PushError, Pushed, Stats};
use proptest::prelude::*;

const WINDOW: u64 = 50;
const COUNT: usize = 6;
const EXPECTED: [u8; 3] = [1, 2, 3];

/// The same by lists that are searched whenever something is asked.
#[derive(Default)]
struct Model {
    keys: BTreeMap<u8, Known>,
    last: u64,
    views: Vec<View>,
    suppress: bool,
    suppressed: u64,
}

#[derive(Default)]
struct Known {
    open: Option<Open>,
    /// By source, what closed windows had of it since it last started again.
    closed: BTreeMap<u8, Vec<u64>>,
    restarts: BTreeMap<u8, usize>,
}

struct Open {
    id: u64,
    opened: u64,
    /// All that was taken: with how often its source had started again by then.
    taken: Vec<(usize, Part)>,
}

#[derive(Debug, PartialEq)]
enum Answer {
    Waiting,
    Closed,
    Late,
    Repeated,
    Superseded,
}

impl Model {
    fn push(&mut self, part: Part, now: u64) -> Answer {
        self.poll(now);
        let known = self.keys.entry(part.key).or_default();
        let restarts = known.restarts.entry(part.source).or_default();
        let number = part.number;
        if number.is_some() && part.rebase {
            *restarts += 1;
            known.closed.remove(&part.source);
        }
        let restarts = *restarts;
        if let Some(number) = number {
            let closed = known.closed.get(&part.source);
            if closed.is_some_and(|closed| closed.iter().any(|closed| number <= *closed)) {
                return Answer::Late;
            }
        }
        let is_new = known.open.is_none();
        if is_new {
            self.last += 1;
        }
        let id = self.last;
        let open = known.open.get_or_insert_with(|| Open { id, opened: now, taken: vec![] });
        if number.is_some() {
            let mine = open.taken.iter().filter(|(r, p)| (*r, p.source) == (restarts, part.source));
            let numbers: Vec<_> = mine.filter_map(|(_, part)| part.number).collect();
            let has = |n: u64| numbers.contains(&n);
            if part.source >= 10 {
                if number.is_some_and(has) {
                    return Answer::Repeated;
                }
            } else if number <= numbers.iter().copied().max() {
                let newest = number == numbers.iter().copied().max();
                return if newest { Answer::Repeated } else { Answer::Superseded };
            }
        }
        open.taken.push((restarts, part));
        let sources: Vec<_> = open.taken.iter().map(|(_, part)| part.source).collect();
        if EXPECTED.iter().all(|source| sources.contains(source)) {
            // Only the source that was lacking completes a window.
            self.close(part.key, Closed::Complete);
            Answer::Closed
        } else if sources.len() == COUNT {
            self.close(part.key, Closed::Count);
            Answer::Closed
        } else {
            Answer::Waiting
        }
    }

    fn poll(&mut self, now: u64) {
        let due = |known: &Known| known.open.as_ref().is_some_and(|o| o.opened + WINDOW <= now);
        let mut keys: Vec<_> = self.keys.iter().filter(|(_, k)| due(k)).collect();
        keys.sort_by_key(|(_, known)| known.open.as_ref().map(|open| open.id));
        let keys: Vec<_> = keys.into_iter().map(|(key, _)| *key).collect();
        keys.into_iter().for_each(|key| self.close(key, Closed::Time));
    }

    fn close(&mut self, key: u8, closed: Closed) {
        let known = self.keys.get_mut(&key).expect("it is known");
        let Open { id, taken, .. } = known.open.take().expect("it is open");
        for (restarts, part) in &taken {
            if known.restarts[&part.source] == *restarts {
                known.closed.entry(part.source).or_default().extend(part.number);
            }
        }
        let lacks = |source: &&u8| taken.iter().all(|(_, part)| part.source != **source);
        let missing = EXPECTED.iter().filter(lacks).count();
        if missing > 0 && self.suppress {
            self.suppressed += 1;
            return;
        }
        let mut standing: Vec<(u8, usize, Option<u64>, usize, u64)> = vec![];
        for (arrival, (restarts, part)) in taken.iter().enumerate() {
            if part.source < 10 {
                standing.retain(|(source, ..)| *source != part.source);
            }
            standing.push((part.source, *restarts, part.number, arrival, part.value));
        }
        standing.sort();
        let values = standing.into_iter().map(|(.., value)| value).collect();
        self.views.push(View { window: id, key, closed, missing, values });
    }
}

fn answer(pushed: Result<Pushed, PushError<Part>>) -> Answer {
    match pushed {
        Ok(Pushed::Waiting) => Answer::Waiting,
        Ok(Pushed::Closed) => Answer::Closed,
        Err(PushError::Late(_)) => Answer::Late,
        Err(PushError::Repeated(_)) => Answer::Repeated,
        Err(PushError::Superseded(_)) => Answer::Superseded,
        Err(error) => panic!("{error}"),
    }
}

fn balanced(stats: &Stats) -> bool {
    let refused = stats.late + stats.repeated + stats.superseded + stats.refused;
    let windows = stats.complete + stats.marked + stats.suppressed + stats.unmade + stats.forgotten;
    stats.offered == refused + stats.used + stats.unused + stats.held
        && stats.opened == windows + stats.open
}

fn any_part() -> impl Strategy<Value = Part> {
    let source = prop_oneof![Just(1), Just(2), Just(3), Just(11), Just(12)];
    let rest = (0..12u64, prop::bool::weighted(0.05), prop::bool::weighted(0.9), 0..600u64);
    (0..3u8, source, rest).prop_map(|(key, source, (number, rebase, numbered, value))| {
        let number = numbered.then_some(number);
        Part { key, source, number, rebase, period: None, value }
    })
}

/// What a venue sends, in order: numbers that grow and skip.
fn stream(key: u8, source: u8) -> impl Strategy<Value = Vec<Part>> {
    prop::collection::vec(1..4u64, 1..25).prop_map(move |steps| {
        let mut number = 0;
        steps
            .into_iter()
            .map(|step| {
                number += step;
                part(key, source, number)
            })
            .collect()
    })
}

fn run(parts: &[(u64, Part)], suppress: bool) -> Result<(), TestCaseError> {
    let clock = Clock::new();
    let incomplete = if suppress { Incomplete::Suppress } else { Incomplete::Mark };
    let mut windows = Orchestrator::builder(Views(EXPECTED.to_vec()))
        .window(Duration::from_millis(WINDOW))
        .partials(COUNT)
        .incomplete(incomplete)
        .build()
        .expect("valid settings");
    let mut model = Model { suppress, ..Model::default() };
    let mut now = 0;
    for (wait, part) in parts {
        now += wait;
        let expected = model.push(*part, now);
        prop_assert_eq!(answer(windows.push(*part, clock.ms(now))), expected);
        prop_assert!(balanced(&windows.stats()), "{:?}", windows.stats());
        while let Some(view) = windows.pop() {
            prop_assert!(!model.views.is_empty(), "{view:?} from nowhere");
            prop_assert_eq!(view, model.views.remove(0));
        }
        prop_assert!(model.views.is_empty());
    }
    let due = model.keys.values().filter_map(|known| known.open.as_ref());
    let due = due.map(|open| clock.ms(open.opened + WINDOW)).min();
    prop_assert_eq!(windows.next_deadline(), due);
    prop_assert_eq!(windows.stats().suppressed, model.suppressed);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn lm_05_anything_at_all_equals_the_model(
        parts in prop::collection::vec((0..20u64, any_part()), 0..200), suppress in any::<bool>()
    ) {
        run(&parts, suppress)?;
    }

    // As it comes over real connections: each source's own order, disturbed by delays, the streams
    // mixed, and some of it sent twice.
    #[test]
    fn lm_05_permuted_repeated_and_delayed_streams_equal_the_model(
        streams in (stream(1, 1), stream(1, 2), stream(1, 3), stream(1, 11), stream(2, 1)),
        delays in prop::collection::vec(0..120u64, 125),
        twice in prop::collection::vec(prop::bool::weighted(0.2), 125),
        suppress in any::<bool>(),
    ) {
        let mut arrivals = vec![];
        let streams = [streams.0, streams.1, streams.2, streams.3, streams.4];
        let sent = streams.iter().flat_map(|s| s.iter().enumerate());
        for (((place, part), delay), twice) in sent.zip(&delays).zip(&twice) {
            let at = place as u64 * 10 + delay;
            arrivals.push((at, *part));
            if *twice {
                arrivals.push((at + delay / 2, *part));
            }
        }
        arrivals.sort_by_key(|(at, _)| *at);
        let mut now = 0;
        let parts: Vec<_> = arrivals
            .into_iter()
            .map(|(at, part)| (at - std::mem::replace(&mut now, at), part))
            .collect();
        run(&parts, suppress)?;
    }

    #[test]
    fn a_merge_does_not_depend_on_the_order_of_arrival(
        (parts, shuffled) in (stream(1, 1), stream(1, 2), stream(1, 3), stream(1, 11), stream(1, 12))
            .prop_map(|(a, b, c, d, e)| [a, b, c, d, e].concat())
            .prop_flat_map(|parts| (Just(parts.clone()), Just(parts).prop_shuffle()))
    ) {
        let clock = Clock::new();
        let view = |parts: &[Part]| {
            // One source is waited for in vain, so that all of it is one window.
            let mut windows = Orchestrator::builder(Views(vec![1, 2, 3, 4]))
                .partials(1_000)
                .incomplete(Incomplete::Mark)
                .build()
                .expect("valid settings");
            for part in parts {
                match windows.push(*part, clock.ms(0)) {
                    Ok(_) | Err(PushError::Superseded(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            windows.flush();
            windows.pop()
        };
        prop_assert_eq!(view(&parts), view(&shuffled));
    }
}
