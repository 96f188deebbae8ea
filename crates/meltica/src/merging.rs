//! The rules at work: what is merged goes through here on its way to the dispatcher.

use std::{sync::Arc, time::Instant};

use meltica_event::{EventKind, Header, InstrumentId, Payload, VenueId};
use meltica_orchestrator::{Merge, Orchestrator};

use crate::{
    MergeRule, MergeStats, Message, Pools, depth::Depth, follow::Follow, merge_rule::What,
    stats::MergeCounts, view::View,
};

/// Every rule's windows.
pub(crate) struct Merging {
    stages: Vec<Stage>,
    stats: MergeStatsHandles,
}

/// For each rule, how others read what it has done.
pub(crate) type MergeStatsHandles = Arc<[Box<dyn Fn() -> MergeStats + Send + Sync>]>;

struct Stage {
    venues: Vec<VenueId>,
    instruments: Option<Vec<InstrumentId>>,
    holds: bool,
    counts: Arc<MergeCounts>,
    windows: Windows,
}

enum Windows {
    View(Box<Orchestrator<View>>),
    Depth(Box<Orchestrator<Depth>>),
}

impl Merging {
    pub(crate) fn new(rules: &[MergeRule], pools: &Pools, follow: Follow) -> Self {
        let stages: Vec<_> = rules.iter().map(|rule| Stage::new(rule, pools, follow)).collect();
        let stats = rules.iter().zip(&stages).map(|(rule, stage)| stage.stats_handle(&rule.name));
        let stats = stats.collect();
        Self { stages, stats }
    }

    pub(crate) fn stats(&self) -> MergeStatsHandles {
        Arc::clone(&self.stats)
    }

    /// Offers a message to every rule; `None` if one of them holds it.
    pub(crate) fn take(&mut self, message: Message, now: Instant) -> Option<Message> {
        if self.stages.is_empty() {
            return Some(message);
        }
        // What is due closes before the message changes anything.
        self.poll(now);
        let mut held_by = None;
        for (index, stage) in self.stages.iter_mut().enumerate() {
            if !stage.wants(&message) {
                continue;
            }
            if stage.holds && held_by.is_none() {
                held_by = Some(index);
            } else {
                stage.push_duplicate(&message, now);
            }
        }
        match held_by {
            Some(index) => {
                self.stages[index].push(message, now);
                None
            }
            None => Some(message),
        }
    }

    /// The next merged message.
    pub(crate) fn pop(&mut self) -> Option<Message> {
        self.stages.iter_mut().find_map(|stage| match &mut stage.windows {
            Windows::View(windows) => windows.pop().map(Message::from),
            Windows::Depth(windows) => windows.pop().map(Message::from),
        })
    }

    pub(crate) fn poll(&mut self, now: Instant) {
        for stage in &mut self.stages {
            match &mut stage.windows {
                Windows::View(windows) => windows.poll(now),
                Windows::Depth(windows) => windows.poll(now),
            }
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let deadline = |stage: &Stage| match &stage.windows {
            Windows::View(windows) => windows.next_deadline(),
            Windows::Depth(windows) => windows.next_deadline(),
        };
        self.stages.iter().filter_map(deadline).min()
    }

    /// Closes every window, as if its time was up.
    pub(crate) fn flush(&mut self) {
        for stage in &mut self.stages {
            match &mut stage.windows {
                Windows::View(windows) => windows.flush(),
                Windows::Depth(windows) => windows.flush(),
            }
        }
    }
}

impl Stage {
    fn new(rule: &MergeRule, pools: &Pools, follow: Follow) -> Self {
        let windows = match rule.what {
            What::View => {
                let view = View::new(rule, pools.merged.clone(), follow);
                Windows::View(Box::new(orchestrator(view, rule)))
            }
            What::Depth { levels } => {
                let depth = Depth::new(rule, levels, pools.books.clone(), follow);
                Windows::Depth(Box::new(orchestrator(depth, rule)))
            }
        };
        Self {
            venues: rule.venues.clone(),
            instruments: rule.instruments.clone(),
            holds: rule.hold,
            counts: Arc::default(),
            windows,
        }
    }

    fn stats_handle(&self, rule: &Arc<str>) -> Box<dyn Fn() -> MergeStats + Send + Sync> {
        let (rule, counts) = (Arc::clone(rule), Arc::clone(&self.counts));
        let windows: Box<dyn Fn() -> meltica_orchestrator::Stats + Send + Sync> =
            match &self.windows {
                Windows::View(windows) => Box::new(windows.stats_handle()),
                Windows::Depth(windows) => Box::new(windows.stats_handle()),
            };
        Box::new(move || MergeStats {
            rule: Arc::clone(&rule),
            windows: windows(),
            without_duplicate: counts.without_duplicate.get(),
            without_base: counts.without_base.get(),
        })
    }

    fn wants(&self, message: &Message) -> bool {
        let Header { venue, instrument, .. } = message.header();
        let of_a_kind = match (message, &self.windows) {
            (Message::Event(event), Windows::View(_)) => {
                matches!(event.payload, Payload::TopOfBook(_) | Payload::Trade(_))
            }
            (Message::Book(_), Windows::Depth(_)) => message.kind() != EventKind::MergedBook,
            _ => false,
        };
        let named = |instruments: &Vec<_>| instruments.contains(instrument);
        of_a_kind && self.venues.contains(venue) && self.instruments.as_ref().is_none_or(named)
    }

    fn push_duplicate(&mut self, message: &Message, now: Instant) {
        let duplicate = match message {
            Message::Event(event) => event.try_duplicate().ok().map(Message::Event),
            Message::Book(book) => Some(Message::Book(book.clone())),
            _ => None,
        };
        match duplicate {
            Some(duplicate) => self.push(duplicate, now),
            None => self.counts.without_duplicate.add(1),
        }
    }

    /// What a window refuses is counted there, and goes home.
    fn push(&mut self, message: Message, now: Instant) {
        match (&mut self.windows, message) {
            (Windows::View(windows), Message::Event(event)) => drop(windows.push(event, now)),
            (Windows::Depth(windows), Message::Book(book)) => {
                if windows.merge_mut().fold(&book) {
                    drop(windows.push(book, now));
                } else {
                    self.counts.without_base.add(1);
                }
            }
            _ => unreachable!("`wants` was asked before"),
        }
    }
}

fn orchestrator<M: Merge>(merge: M, rule: &MergeRule) -> Orchestrator<M> {
    let window = rule.bars.unwrap_or_default().saturating_add(rule.window);
    Orchestrator::builder(merge)
        .window(window)
        .partials(rule.partials)
        .windows(rule.windows)
        .incomplete(rule.incomplete)
        .build()
        .expect("the rule was checked: there is room, and not too much")
}
