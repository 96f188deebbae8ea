//! The rules at work: what is merged goes through here on its way to the dispatcher.

use std::{sync::Arc, time::Instant};

use arc_swap::ArcSwap;
use meltica_event::{Book, EventKind, Header, Numbering, Payload};
use meltica_orchestrator::{Merge, Orchestrator};

use crate::{
    MergeRule, MergeStats, Message, Pools, Problem, depth::Depth, follow::Follow, merge_rule::What,
    stats::MergeCounts, view::View,
};

/// Every rule's windows.
pub(crate) struct Merging {
    stages: Vec<Stage>,
    stats: MergeStatsHandles,
    pools: Pools,
    follow: Follow,
}

/// For each rule, how others read what it has done.
#[derive(Clone, Default)]
pub(crate) struct MergeStatsHandles(Arc<ArcSwap<Vec<MergeStatsHandle>>>);

type MergeStatsHandle = Arc<dyn Fn() -> MergeStats + Send + Sync>;

impl MergeStatsHandles {
    pub(crate) fn read(&self) -> Vec<MergeStats> {
        self.0.load().iter().map(|stats| stats()).collect()
    }
}

struct Stage {
    rule: MergeRule,
    counts: Arc<MergeCounts>,
    windows: Windows,
    stats: MergeStatsHandle,
}

enum Windows {
    View(Box<Orchestrator<View>>),
    Depth(Box<Orchestrator<Depth>>),
}

impl Merging {
    pub(crate) fn new(rules: Vec<MergeRule>, pools: Pools, follow: Follow) -> Self {
        let stages = rules.into_iter().map(|rule| Stage::new(rule, &pools, follow)).collect();
        let merging = Self { stages, stats: MergeStatsHandles::default(), pools, follow };
        merging.tell_stats();
        merging
    }

    pub(crate) fn stats(&self) -> MergeStatsHandles {
        self.stats.clone()
    }

    /// What is wrong with a rule that is to be set.
    pub(crate) fn check(&self, rule: &MergeRule) -> Vec<Problem> {
        let rules = self.stages.iter().map(|stage| &stage.rule);
        rule.check(rules.filter(|other| other.name != rule.name))
    }

    /// Adds a rule that was [checked](Self::check), or puts it in the place of the one of its name,
    /// whose windows are closed and popped.
    pub(crate) fn set(&mut self, rule: MergeRule) {
        let (pools, follow) = (&self.pools, self.follow);
        match self.stages.iter_mut().find(|stage| stage.rule.name == rule.name) {
            Some(stage) => stage.change(rule, pools, follow),
            None => self.stages.push(Stage::new(rule, pools, follow)),
        }
        self.tell_stats();
    }

    /// Removes a rule, whose windows are closed and popped; false if there is none of this name.
    pub(crate) fn remove(&mut self, rule: &str) -> bool {
        let before = self.stages.len();
        self.stages.retain(|stage| *stage.rule.name != *rule);
        self.tell_stats();
        self.stages.len() < before
    }

    fn tell_stats(&self) {
        let handles = self.stages.iter().map(|stage| Arc::clone(&stage.stats)).collect();
        self.stats.0.store(Arc::new(handles));
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
            if stage.rule.hold && held_by.is_none() {
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

    /// Closes every window, as if its time was up; those whose time is up as such.
    pub(crate) fn flush(&mut self, now: Instant) {
        self.poll(now);
        self.stages.iter_mut().for_each(Stage::flush);
    }

    /// The same with one rule.
    pub(crate) fn flush_rule(&mut self, rule: &str, now: Instant) {
        self.poll(now);
        self.stages.iter_mut().filter(|stage| *stage.rule.name == *rule).for_each(Stage::flush);
    }
}

impl Stage {
    fn new(rule: MergeRule, pools: &Pools, follow: Follow) -> Self {
        let windows = match rule.what {
            What::View => {
                let windows = settings(View::new(&rule, pools.merged.clone(), follow), &rule);
                Windows::View(Box::new(windows.build().expect(CHECKED)))
            }
            What::Depth { levels } => {
                let depth = Depth::new(&rule, levels, pools.books.clone(), follow);
                Windows::Depth(Box::new(settings(depth, &rule).build().expect(CHECKED)))
            }
        };
        let counts = Arc::default();
        let stats = stats_handle(&rule.name, &counts, &windows);
        Self { rule, counts, windows, stats }
    }

    /// Numbers of windows, and counts, go on where the rule remains one of its kind.
    fn change(&mut self, rule: MergeRule, pools: &Pools, follow: Follow) {
        match (&mut self.windows, rule.what) {
            (Windows::View(windows), What::View) => {
                let view = View::new(&rule, pools.merged.clone(), follow);
                windows.change(settings(view, &rule)).expect(CHECKED);
                self.rule = rule;
            }
            (Windows::Depth(windows), What::Depth { levels }) => {
                let depth = Depth::new(&rule, levels, pools.books.clone(), follow);
                let old = windows.change(settings(depth, &rule)).expect(CHECKED);
                windows.merge_mut().inherit(old, &rule);
                self.rule = rule;
            }
            _ => *self = Self::new(rule, pools, follow),
        }
    }

    fn flush(&mut self) {
        match &mut self.windows {
            Windows::View(windows) => windows.flush(),
            Windows::Depth(windows) => windows.flush(),
        }
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
        of_a_kind && self.rule.is_about(*instrument, *venue)
    }

    fn push_duplicate(&mut self, message: &Message, now: Instant) {
        match message {
            Message::Event(event) => match event.try_duplicate() {
                Ok(duplicate) => self.push(duplicate.into(), now),
                Err(_) => {
                    self.counts.without_duplicate.add(1);
                    self.miss(message);
                }
            },
            Message::Book(book) => self.push_book(book, now),
            _ => unreachable!("`wants` was asked before"),
        }
    }

    /// What could not be had may have said that its venue numbers anew from here.
    fn miss(&mut self, message: &Message) {
        let Header { numbering, instrument, venue, .. } = *message.header();
        if numbering != Numbering::Rebase {
            return;
        }
        if let Windows::View(windows) = &mut self.windows {
            windows.rebase(instrument, (venue, message.kind().topic()));
        }
    }

    /// What a window refuses is counted there, and goes home.
    fn push(&mut self, message: Message, now: Instant) {
        match (&mut self.windows, message) {
            (Windows::View(windows), Message::Event(event)) => drop(windows.push(event, now)),
            (_, Message::Book(book)) => self.push_book(&book, now),
            _ => unreachable!("`wants` was asked before"),
        }
    }

    fn push_book(&mut self, book: &Book, now: Instant) {
        let Windows::Depth(windows) = &mut self.windows else {
            unreachable!("`wants` was asked before")
        };
        if windows.merge_mut().fold(book) {
            // A refusal is counted there.
            let _ = windows.push(book.header, now);
        } else {
            self.counts.without_base.add(1);
        }
    }
}

const CHECKED: &str = "the rule was checked: there is room, and not too much";

fn settings<M: Merge>(merge: M, rule: &MergeRule) -> meltica_orchestrator::Builder<M> {
    let window = rule.bars.unwrap_or_default().saturating_add(rule.window);
    Orchestrator::builder(merge)
        .window(window)
        .partials(rule.partials)
        .windows(rule.windows)
        .incomplete(rule.incomplete)
}

fn stats_handle(rule: &Arc<str>, counts: &Arc<MergeCounts>, windows: &Windows) -> MergeStatsHandle {
    let (rule, counts) = (Arc::clone(rule), Arc::clone(counts));
    let windows: Box<dyn Fn() -> meltica_orchestrator::Stats + Send + Sync> = match windows {
        Windows::View(windows) => Box::new(windows.stats_handle()),
        Windows::Depth(windows) => Box::new(windows.stats_handle()),
    };
    Arc::new(move || MergeStats {
        rule: Arc::clone(&rule),
        windows: windows(),
        without_duplicate: counts.without_duplicate.get(),
        without_base: counts.without_base.get(),
    })
}
