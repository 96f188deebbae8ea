//! What happens in a run: made from a seed alone, before anything runs, so that steps can be left out
//! and the others still mean the same.

use std::fmt::Write;

use fastrand::Rng;
use meltica::{
    Key, Select,
    event::{InstrumentId, Numbering, Payload, Side, Topic, VenueId},
};

use crate::market::{self, Market};

/// A whole run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(crate) settings: Settings,
    pub(crate) steps: Vec<Step>,
    pub(crate) end: End,
}

/// How the pipeline is built.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Whether consumers have queues in place of the ring.
    pub(crate) queues: bool,
    /// The consumers that are run by the publisher from the beginning.
    pub(crate) inline: Vec<usize>,
    pub(crate) lane_capacity: usize,
    pub(crate) keeps_state: bool,
    pub(crate) gap_capacity: usize,
    pub(crate) repeats: usize,
    pub(crate) members: Vec<Member>,
    pub(crate) rules: Vec<Rule>,
}

/// How long a gap is waited for.
pub(crate) const GAP_WAIT_MS: u64 = 50;
/// Consumers that there can be, by name.
pub(crate) const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
pub(crate) const RULES: [&str; 3] = ["red", "green", "blue"];

/// A consumer.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) name: usize,
    pub(crate) wants: Vec<Want>,
    pub(crate) policy: Policy,
    /// Whether its handler owns its messages.
    pub(crate) owning: bool,
    pub(crate) with_state: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    CarryOn,
    Quarantine(u32),
    Stop(u32),
}

/// What a consumer wants: messages of this venue, this instrument, these topics; all where absent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Want {
    pub(crate) venue: Option<VenueId>,
    pub(crate) instrument: Option<InstrumentId>,
    pub(crate) topics: Vec<Topic>,
}

impl Want {
    pub(crate) fn takes(&self, key: &Key) -> bool {
        self.venue.is_none_or(|venue| key.venue == venue)
            && self.instrument.is_none_or(|instrument| key.instrument == instrument)
            && (self.topics.is_empty() || self.topics.contains(&key.topic))
    }

    pub(crate) fn select(&self) -> Select {
        let mut select = Select::all();
        if let Some(venue) = self.venue {
            select = select.venue(venue);
        }
        if let Some(instrument) = self.instrument {
            select = select.instrument(instrument);
        }
        self.topics.iter().fold(select, |select, topic| select.topic(*topic))
    }
}

/// A merge rule.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) name: usize,
    pub(crate) depth: bool,
    pub(crate) venues: Vec<VenueId>,
    /// This one alone; all where absent.
    pub(crate) instrument: Option<InstrumentId>,
    pub(crate) window_ms: u64,
    pub(crate) partials: usize,
    pub(crate) marks: bool,
    pub(crate) holds: bool,
    pub(crate) published_as: VenueId,
}

/// Levels on each side of a merged book.
pub(crate) const DEPTH: usize = 3;

/// One thing that happens.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A message comes in.
    Push(Item),
    /// Trades come one on top of another.
    Burst(Vec<Item>),
    /// A message comes in, and its consumers are waited for.
    Dispatch(Item),
    /// Time passes, in milliseconds.
    Pass(u64),
    /// A consumer takes up to so many messages.
    Run(usize, usize),
    /// Every consumer takes what there is.
    RunAll,
    /// What a consumer's handler will do with the next messages, one after the other.
    Mood(usize, Vec<Mood>),
    /// Somebody sends a command.
    Send(Order),
    /// The pipeline's owner does it without a command.
    Do(Order),
    /// Somebody takes all that the pools have, and goes on doing so.
    Hoard(Hoard),
    /// And gives it back.
    Release,
}

/// What a handler does with one message.
#[derive(Clone, Debug)]
pub(crate) enum Mood {
    Fine,
    Fails,
    Panics,
    /// Sends a command from inside.
    Sends(Order),
}

/// A command.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    Subscribe(Member),
    Unsubscribe(usize),
    Reselect(usize, Vec<Want>),
    SetMerge(Rule),
    RemoveMerge(usize),
    Flip,
    MinVersion(usize, Least),
    Pause(usize),
    Resume(usize),
    /// The publisher is to run the consumer, or not.
    Inline(usize, bool),
}

/// A least version, as who sends the command thinks of it: beside the version that it knows of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Least {
    Nothing,
    Next,
    Beyond,
    /// Seen from nowhere.
    At(u64),
}

impl Order {
    /// With numbers in the place of what depends on the version.
    pub(crate) fn as_of(&self, version: u64) -> Self {
        match self {
            Self::MinVersion(name, least) => Self::MinVersion(
                *name,
                Least::At(match least {
                    Least::Nothing => 0,
                    Least::Next => version + 1,
                    Least::Beyond => version + 4,
                    Least::At(version) => *version,
                }),
            ),
            order => order.clone(),
        }
    }
}

/// Of which messages there are none left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hoard {
    pub(crate) events: bool,
    pub(crate) merged: bool,
    pub(crate) critical: bool,
}

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Everybody is resumed, and takes all there is; then the pipeline is shut down.
    Settle,
    /// A shutdown that delivers what waits.
    Deliver,
    /// A shutdown that has no time for it.
    AtOnce,
    /// A cancellation, a message that comes too late, and a shutdown.
    Cancel,
    /// The pipeline is dropped.
    Drop,
}

/// A message as a venue sends it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Item {
    pub(crate) venue: VenueId,
    pub(crate) instrument: InstrumentId,
    pub(crate) numbering: Numbering,
    pub(crate) sequence: u64,
    pub(crate) exchange_ms: i64,
    pub(crate) content: Content,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    Event(Payload),
    Book { whole: bool, levels: Vec<(Side, i64, u64)> },
    Execution { order: u8, report: u8 },
    Control { command: u64, result: bool },
}

impl Plan {
    /// The plan of a seed: always the same.
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let rng = &mut rng;
        let venues = rng.u16(1..=3);
        let instruments = rng.u32(1..=2);
        let settings = settings(rng, venues);
        let mut market = Market::new(rng, venues, instruments);
        let slow = rng.usize(..NAMES.len());
        let calm = rng.bool();
        let mut critical: Vec<Item> = vec![];
        let steps = (0..rng.usize(20..=160)).map(|_| match rng.u32(..100) {
            0..48 => {
                let item = market.next(rng);
                if matches!(item.content, Content::Execution { .. } | Content::Control { .. }) {
                    critical.push(item.clone());
                }
                Step::Push(item)
            }
            48..50 => Step::Dispatch(market.next(rng)),
            50..53 => match critical.is_empty() {
                true => Step::Push(market::report(rng, venues)),
                false => Step::Push(critical[rng.usize(..critical.len())].clone()),
            },
            53..75 => {
                let name = rng.usize(..NAMES.len());
                let lazy = name == slow && rng.u8(..8) > 0;
                Step::Run(if lazy { (name + 1) % NAMES.len() } else { name }, rng.usize(1..=6))
            }
            75..77 => Step::RunAll,
            77 => Step::Burst(market.burst(rng)),
            78..84 => {
                let most = if rng.u8(..6) == 0 { 400 } else { 30 };
                Step::Pass(rng.u64(1..=most))
            }
            84..88 => Step::Mood(rng.usize(..NAMES.len()), moods(rng, venues)),
            88..94 => Step::Send(order(rng, venues)),
            94..96 => Step::Do(order(rng, venues)),
            _ if calm => Step::Pass(1),
            96..98 => {
                Step::Hoard(Hoard { events: rng.bool(), merged: rng.bool(), critical: rng.bool() })
            }
            _ => Step::Release,
        });
        let steps = steps.collect();
        let ends = [End::Settle, End::Settle, End::Deliver, End::AtOnce, End::Cancel, End::Drop];
        Self { settings, steps, end: ends[rng.usize(..ends.len())] }
    }

    /// The same, with a queue for each consumer in place of the ring.
    #[must_use]
    pub fn with_queues(mut self) -> Self {
        self.settings.queues = true;
        self
    }

    /// The same, with consumers that the publisher runs: some from the beginning, others for a while. By a seed of its
    /// own.
    #[must_use]
    pub fn with_inline(mut self, seed: u64) -> Self {
        let rng = &mut Rng::with_seed(!seed);
        self.settings.inline = (0..NAMES.len()).filter(|_| rng.bool()).collect();
        let steps = std::mem::take(&mut self.steps);
        for step in steps {
            self.steps.push(step);
            if rng.u8(..8) == 0 {
                let order = Order::Inline(rng.usize(..NAMES.len()), rng.u8(..3) > 0);
                self.steps.push(if rng.bool() { Step::Do(order) } else { Step::Send(order) });
            }
        }
        self
    }

    /// How many steps it has.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Its settings, these of its steps, and its end, a line each.
    pub fn describe(&self, steps: &[usize]) -> String {
        let mut text = format!("{:?}\n", self.settings);
        for step in steps {
            let _ = writeln!(text, "{step:>4}: {:?}", self.steps[*step]);
        }
        let _ = writeln!(text, " end: {:?}", self.end);
        text
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

fn settings(rng: &mut Rng, venues: u16) -> Settings {
    let capacities = [1, 1, 2, 3, 8, 32];
    let members = rng.usize(1..=4);
    let rules = rng.usize(..3);
    Settings {
        queues: false,
        inline: vec![],
        lane_capacity: capacities[rng.usize(..capacities.len())],
        keeps_state: rng.bool(),
        gap_capacity: rng.usize(2..=6),
        repeats: rng.usize(2..=12),
        members: (0..members).map(|name| Member { name, ..member(rng, venues) }).collect(),
        // Valid, whatever the others are.
        rules: (0..rules)
            .map(|name| Rule {
                partials: rng.usize(3..=6),
                published_as: VenueId(10 + name as u16),
                ..rule(rng, venues, name)
            })
            .collect(),
    }
}

fn member(rng: &mut Rng, venues: u16) -> Member {
    let policy = match rng.u8(..6) {
        0 => Policy::Quarantine(rng.u32(1..=3)),
        1 => Policy::Stop(rng.u32(2..=4)),
        _ => Policy::CarryOn,
    };
    Member {
        name: rng.usize(..NAMES.len()),
        wants: wants(rng, venues),
        policy,
        owning: rng.u8(..4) == 0,
        with_state: rng.bool(),
    }
}

fn wants(rng: &mut Rng, venues: u16) -> Vec<Want> {
    const TOPICS: [Topic; 8] = [
        Topic::Trades,
        Topic::Ticker,
        Topic::TopOfBook,
        Topic::Book,
        Topic::Merged,
        Topic::MergedBook,
        Topic::Executions,
        Topic::Control,
    ];
    if rng.u8(..2) == 0 {
        return vec![Want::default()];
    }
    let want = |rng: &mut Rng| Want {
        venue: (rng.u8(..4) == 0).then(|| VenueId(rng.u16(1..=venues))),
        instrument: (rng.u8(..4) == 0).then_some(InstrumentId(1)),
        topics: TOPICS.into_iter().filter(|_| rng.bool()).collect(),
    };
    (0..rng.usize(1..=2)).map(|_| want(rng)).collect()
}

/// Mostly rules of one name vary each other: of one kind, and into one stream.
fn rule(rng: &mut Rng, venues: u16, name: usize) -> Rule {
    let varies = rng.u8(..4) > 0;
    let all = (1..=venues).map(VenueId);
    let some: Vec<_> = all.filter(|_| rng.u8(..4) > 0).collect();
    Rule {
        name,
        depth: if varies { name == 0 } else { rng.bool() },
        venues: if some.is_empty() { vec![VenueId(1)] } else { some },
        instrument: (rng.u8(..3) == 0).then(|| InstrumentId(rng.u32(1..=2))),
        window_ms: rng.u64(1..=60),
        partials: rng.usize(1..=6),
        marks: rng.bool(),
        holds: rng.u8(..4) == 0,
        published_as: VenueId(if varies { 10 + name as u16 } else { rng.u16(10..=12) }),
    }
}

fn moods(rng: &mut Rng, venues: u16) -> Vec<Mood> {
    let mood = |rng: &mut Rng| match rng.u8(..8) {
        0..2 => Mood::Fails,
        2..5 => Mood::Panics,
        5 => Mood::Sends(order(rng, venues)),
        _ => Mood::Fine,
    };
    (0..rng.usize(1..=4)).map(|_| mood(rng)).collect()
}

fn order(rng: &mut Rng, venues: u16) -> Order {
    let name = rng.usize(..NAMES.len());
    match rng.u8(..20) {
        0..3 => Order::Subscribe(member(rng, venues)),
        3 => Order::Unsubscribe(name),
        4 => Order::Reselect(name, wants(rng, venues)),
        5..7 => {
            let name = rng.usize(..RULES.len());
            Order::SetMerge(rule(rng, venues, name))
        }
        7 => Order::RemoveMerge(rng.usize(..RULES.len())),
        8..12 => Order::Flip,
        12..15 => {
            let at = Least::At(rng.u64(..9));
            let leasts =
                [Least::Nothing, Least::Nothing, Least::Next, Least::Next, Least::Beyond, at];
            Order::MinVersion(name, leasts[rng.usize(..leasts.len())])
        }
        15..17 => Order::Pause(name),
        _ => Order::Resume(name),
    }
}
