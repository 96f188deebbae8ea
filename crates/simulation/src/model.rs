//! The pipeline again, as plain as can be: no pools, no threads, no queues that give way. It is told what
//! is done, and says what must come of it.

mod compare;
mod lane;
mod order;
mod windows;

use std::collections::VecDeque;

use meltica::{
    Key, Pushed,
    dispatcher::Class,
    event::{Control, EventKind, ExecutionId, Header, Text, TraceId, VenueId},
};

use self::{
    lane::{Around, Lane},
    order::{Accepted, Order as Sequencer},
    windows::{Windows, is_valid},
};
use crate::{
    body::{Body, BookBody},
    plan::{Hoard, Least, NAMES, Order, Settings},
    world::{Answer, Cause, Letter, Log, Told},
};

pub(crate) use self::{lane::Wrong, windows::Counts};

pub(crate) struct Model {
    lane_capacity: usize,
    keeps_state: bool,
    now: u64,
    /// The routing version, and the one that the publisher has last seen.
    version: u64,
    seen_version: u64,
    flips: u64,
    lanes: Vec<Lane>,
    order: Sequencer,
    rules: Vec<Windows>,
    state: Vec<State>,
    repeats: VecDeque<Identity>,
    most_repeats: usize,
    repeated: u64,
    /// Commands that were sent and not obeyed.
    sent: VecDeque<Sent>,
    /// What becomes of each that was.
    answers: Vec<Answer>,
    hoard: Hoard,
    /// A message whose consumers are waited for, while they are.
    waited_for: Option<TraceId>,
    letters: Vec<Letter>,
    faults: Vec<(TraceId, String)>,
    reported: Vec<(TraceId, String)>,
    cancelled: bool,
    /// What was seen, and is not compared yet; and the first thing that was wrong with it.
    seen: Log,
    /// The consumers that left since, and had messages just before, being run by the publisher.
    left: Vec<usize>,
    wrong: Option<Wrong>,
}

#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) order: Order,
    /// Of the consumer that is to be subscribed.
    pub(crate) generation: u64,
    pub(crate) number: u64,
    pub(crate) trace: TraceId,
}

/// What a stream has come to.
struct State {
    key: Key,
    current: Current,
    /// The book, whether the pipeline keeps it or not.
    book: Option<BookBody>,
    flips: u64,
}

enum Current {
    Nothing,
    Known(Body),
    /// Known, unless the pool was too empty for it.
    Perhaps(Body),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Identity {
    Execution(ExecutionId),
    Control(VenueId, u64, EventKind),
}

impl Model {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            lane_capacity: settings.lane_capacity,
            keeps_state: settings.keeps_state,
            now: 0,
            version: 1,
            seen_version: 1,
            flips: 0,
            lanes: vec![],
            order: Sequencer::new(settings.gap_capacity),
            rules: settings.rules.iter().cloned().map(Windows::new).collect(),
            state: vec![],
            repeats: VecDeque::new(),
            most_repeats: settings.repeats,
            repeated: 0,
            sent: VecDeque::new(),
            answers: vec![],
            hoard: Hoard::default(),
            waited_for: None,
            letters: vec![],
            faults: vec![],
            reported: vec![],
            cancelled: false,
            seen: Log::default(),
            left: vec![],
            wrong: None,
        }
    }

    pub(crate) fn set_hoard(&mut self, hoard: Hoard) {
        self.hoard = hoard;
        // Duplicates are made when a consumer's turn comes.
        for lane in &mut self.lanes {
            lane.may_go_without(|body| may_miss(body, hoard));
        }
    }

    /// Whether obeying what was sent gives messages back to their pools.
    pub(crate) fn will_unsubscribe(&self) -> bool {
        self.sent.iter().any(|sent| matches!(sent.order, Order::Unsubscribe(_)))
    }

    /// Whether the publisher runs a consumer, or may in the next step.
    pub(crate) fn runs_inline(&self) -> bool {
        self.lanes.iter().any(|lane| lane.inline)
            || self.sent.iter().any(|sent| matches!(sent.order, Order::Inline(_, true)))
    }

    pub(crate) fn cancel(&mut self) {
        self.cancelled = true;
    }

    // What is done.

    pub(crate) fn send(&mut self, sent: Sent) {
        self.sent.push_back(sent);
    }

    /// A message comes in. `told` is what the pipeline counts after it: which partial could not be had
    /// is taken from there.
    pub(crate) fn push(&mut self, body: Body, told: &Told, waits: bool) -> Result<Pushed, Wrong> {
        self.obey_all();
        if self.is_repeat(&body) {
            self.repeated += 1;
            return Ok(Pushed::Repeated);
        }
        if waits {
            self.waited_for = Some(body.header().trace);
        }
        let pushed = if self.merge(&body, told)? { Pushed::Windowed } else { self.publish(body) };
        self.publish_merged();
        Ok(pushed)
    }

    /// Time passes.
    pub(crate) fn pass(&mut self, ms: u64) {
        self.now += ms;
        self.poll();
    }

    pub(crate) fn poll(&mut self) {
        self.obey_all();
        self.poll_windows();
        self.publish_merged();
        self.refresh();
        self.release_due();
    }

    /// The owner does it, without a command.
    pub(crate) fn carry_out(&mut self, order: Order, generation: u64) -> Result<(), ()> {
        match order {
            Order::Subscribe(member) => {
                let has_name = |lane: &Lane| lane.member.name == member.name;
                let no_state = member.with_state && !self.keeps_state;
                if member.wants.is_empty() || no_state || self.lanes.iter().any(has_name) {
                    return Err(());
                }
                let keeps_state = self.keeps_state;
                self.lanes.push(Lane::new(member, generation, self.lane_capacity, keeps_state));
                self.version += 1;
            }
            Order::Unsubscribe(name) => {
                let is_it = |lane: &Lane| lane.member.name == name;
                let index = self.lanes.iter().position(is_it).ok_or(())?;
                let mut lane = self.lanes.remove(index);
                self.left.extend(lane.inline.then_some(name));
                self.bury(&mut lane, Cause::Unsubscribed);
                self.version += 1;
            }
            Order::Reselect(name, wants) => {
                let keys: Vec<_> = self.state.iter().map(|state| state.key).collect();
                self.lane(name)?.reselect(wants, &keys);
                self.version += 1;
            }
            Order::SetMerge(rule) => {
                let others = self.rules.iter().map(|windows| &windows.rule);
                if !is_valid(&rule, others.filter(|other| other.name != rule.name)) {
                    return Err(());
                }
                self.flush(Some(rule.name));
                match self.rules.iter_mut().find(|windows| windows.rule.name == rule.name) {
                    Some(windows) => windows.change(rule),
                    None => self.rules.push(Windows::new(rule)),
                }
            }
            Order::RemoveMerge(name) => {
                self.flush(Some(name));
                let before = self.rules.len();
                self.rules.retain(|windows| windows.rule.name != name);
                if self.rules.len() == before {
                    return Err(());
                }
            }
            Order::Flip => {
                self.flush(None);
                let held = self.all_held();
                // What waited for order belongs before the flip, and to who was known then.
                self.route_all(held);
                self.version += 1;
                self.flips += 1;
                self.refresh();
                let version = self.version;
                let rise = |lane: &mut Lane| lane.set_gate(lane.gate.max(version));
                self.lanes.iter_mut().for_each(rise);
            }
            Order::MinVersion(name, least) => {
                let Least::At(version) = least else { return Err(()) };
                let most = self.version + 1;
                let lane = self.lane(name)?;
                if version > most {
                    return Err(());
                }
                lane.set_gate(version);
            }
            Order::Pause(name) => self.lane(name)?.paused = true,
            Order::Resume(name) => self.lane(name)?.paused = false,
            Order::Inline(name, inline) => {
                self.lane(name)?.inline = inline;
                self.version += 1;
            }
        }
        Ok(())
    }

    /// The pipeline stops: nothing more comes in, and what waits for time passes.
    pub(crate) fn stop(&mut self) {
        self.obey_all();
        self.flush(None);
        self.refresh();
        let held = self.all_held();
        self.route_all(held);
    }

    /// The pipeline is dropped: what waits is buried.
    pub(crate) fn drop_all(&mut self) {
        let mut lanes = std::mem::take(&mut self.lanes);
        lanes.iter_mut().for_each(|lane| self.bury(lane, Cause::Abandoned));
        self.lanes = lanes;
    }

    // How it goes through.

    fn lane(&mut self, name: usize) -> Result<&mut Lane, ()> {
        self.lanes.iter_mut().find(|lane| lane.member.name == name).ok_or(())
    }

    fn bury(&mut self, lane: &mut Lane, cause: Cause) {
        for body in lane.leave() {
            let (consumer, trace) = (NAMES[lane.member.name].to_owned(), body.header().trace);
            let refused = Letter { consumer: consumer.clone(), trace, cause: Cause::Refused };
            // Who is run by the publisher may have refused it just before.
            if !(lane.inline && self.seen.letters.contains(&refused)) {
                self.letters.push(Letter { consumer, trace, cause });
            }
        }
    }

    fn obey_all(&mut self) {
        if self.cancelled {
            return;
        }
        while let Some(Sent { order, generation, number, trace }) = self.sent.pop_front() {
            let name = Text::truncated(name_of(&order));
            let header = Header { trace, ..Header::default() };
            self.publish(Body::Control(Control::ack(header, number, name)));
            let outcome = self.carry_out(order, generation);
            self.answers.push(Answer { trace, applied: outcome.ok().map(|()| self.version) });
            let why = outcome.map_err(|()| Text::EMPTY);
            self.publish(Body::Control(Control::result(header, number, name, why)));
        }
    }

    fn is_repeat(&mut self, body: &Body) -> bool {
        let identity = match body {
            Body::Execution(report) => report.identity().map(Identity::Execution),
            Body::Control(control) => (control.command != 0).then_some(Identity::Control(
                control.header.venue,
                control.command,
                control.header.kind,
            )),
            _ => None,
        };
        let Some(identity) = identity else { return false };
        if self.repeats.contains(&identity) {
            return true;
        }
        self.repeats.push_back(identity);
        if self.repeats.len() > self.most_repeats {
            self.repeats.pop_front();
        }
        false
    }

    /// Offers a message to the rules; whether one of them holds it.
    fn merge(&mut self, body: &Body, told: &Told) -> Result<bool, Wrong> {
        self.poll_windows();
        let (now, unmade) = (self.now, self.hoard.merged);
        let mut holder = None;
        for (index, windows) in self.rules.iter_mut().enumerate() {
            if !windows.wants(body) {
                continue;
            }
            if windows.rule.holds && holder.is_none() {
                holder = Some(index);
                continue;
            }
            let missed =
                told.without_duplicate(windows.rule.name) > windows.counts.without_duplicate;
            if missed && !self.hoard.events {
                return Err("a partial could not be had, and its pool was not empty".into());
            }
            if missed {
                windows.miss(body);
            } else {
                windows.offer(body.clone(), now, unmade);
            }
        }
        if let Some(index) = holder {
            self.rules[index].offer(body.clone(), now, unmade);
        }
        Ok(holder.is_some())
    }

    fn poll_windows(&mut self) {
        let (now, unmade) = (self.now, self.hoard.merged);
        for windows in &mut self.rules {
            windows.poll(now, unmade);
        }
    }

    /// Closes the windows of one rule, or of all; before them, those whose time is up.
    fn flush(&mut self, rule: Option<usize>) {
        self.poll_windows();
        let unmade = self.hoard.merged;
        for windows in &mut self.rules {
            if rule.is_none_or(|rule| windows.rule.name == rule) {
                windows.flush(unmade);
            }
        }
        self.publish_merged();
    }

    fn publish_merged(&mut self) {
        loop {
            let next = self.rules.iter_mut().find_map(|windows| windows.out.pop_front());
            let Some(body) = next else { return };
            // After a cancellation merged views go home.
            if !self.cancelled {
                self.publish(body);
            }
        }
    }

    fn publish(&mut self, body: Body) -> Pushed {
        self.refresh();
        if body.class() == Class::Critical {
            return Pushed::Routed { lanes: self.route(body) };
        }
        self.release_due();
        let trace = body.header().trace;
        let mut out = vec![];
        let accepted = self.order.accept(body, self.now, &mut out);
        let mut lanes = 0;
        for body in out {
            let is_it = body.header().trace == trace;
            let went_to = self.route(body);
            if is_it {
                lanes = went_to;
            }
        }
        match accepted {
            Accepted::Passed => Pushed::Routed { lanes },
            Accepted::Held => Pushed::Held,
            Accepted::Late => Pushed::Late,
        }
    }

    fn release_due(&mut self) {
        let mut out = vec![];
        self.order.due(self.now, &mut out);
        self.route_all(out);
    }

    fn route_all(&mut self, bodies: Vec<Body>) {
        for body in bodies {
            self.route(body);
        }
    }

    fn all_held(&mut self) -> Vec<Body> {
        let mut out = vec![];
        self.order.all(&mut out);
        out
    }

    /// The publisher sees the newest routes; who is new among them gets the current state.
    pub(crate) fn refresh(&mut self) {
        self.seen_version = self.version;
        let hoard = self.hoard;
        for lane in &mut self.lanes {
            lane.begun = true;
            lane.was_inline = lane.inline;
            if !std::mem::take(&mut lane.wants_state) {
                continue;
            }
            for state in &self.state {
                let (mut body, optional) = match &state.current {
                    Current::Nothing => continue,
                    Current::Known(body) => (body.clone(), false),
                    Current::Perhaps(body) => (body.clone(), true),
                };
                if !lane.takes(&state.key) {
                    continue;
                }
                body.stamp(self.version);
                let may_miss = may_miss(&body, hoard);
                let book = state.book.clone();
                lane.expect(body, Around { book, optional, may_miss, ..Around::default() });
            }
        }
    }

    /// Everybody who wants it should have it; answers how many those are.
    fn route(&mut self, mut body: Body) -> usize {
        body.stamp(self.seen_version);
        let missing = self.order.missing_before(body.header().trace);
        let (book, whole) = self.note(&body, missing);
        let key = body.key();
        let takes = |lane: &&mut Lane| lane.begun && lane.takes(&key);
        let lanes = self.lanes.iter_mut().filter(takes).count();
        // One alone gets the message itself.
        let may_miss = lanes > 1 && may_miss(&body, self.hoard);
        for lane in self.lanes.iter_mut().filter(takes) {
            let (book, optional) = (book.clone(), false);
            lane.expect(body.clone(), Around { book, whole, optional, may_miss, missing });
        }
        self.enter_inline(&key);
        lanes
    }

    /// Keeps the current state of a stream. Answers its book, and whether the message has to come whole.
    fn note(&mut self, body: &Body, missing: u64) -> (Option<BookBody>, bool) {
        if body.class() != Class::Conflatable {
            return (None, false);
        }
        let key = body.key();
        let index = self.state.iter().position(|state| state.key == key).unwrap_or_else(|| {
            let (current, flips) = (Current::Nothing, self.flips);
            self.state.push(State { key, current, book: None, flips });
            self.state.len() - 1
        });
        let state = &mut self.state[index];
        let first_since_flip = std::mem::replace(&mut state.flips, self.flips) != self.flips;
        let Body::Book(book) = body else {
            let may_miss = may_miss(body, self.hoard);
            let current = if may_miss { Current::Perhaps } else { Current::Known };
            state.current = current(body.clone());
            return (None, false);
        };
        if missing > 0 && !book.is_whole() {
            // Nobody knows what it was a part of.
            (state.book, state.current) = (None, Current::Nothing);
        }
        match &mut state.book {
            Some(whole) => whole.fold(book),
            None if book.is_whole() => state.book = Some(book.clone()),
            None => {}
        }
        if let Some(whole) = &state.book {
            state.current = Current::Known(Body::Book(whole.clone()));
        }
        let due = self.keeps_state && first_since_flip && !book.is_whole() && state.book.is_some();
        (state.book.clone(), due)
    }
}

/// Whether a duplicate of it may be impossible to have.
fn may_miss(body: &Body, hoard: Hoard) -> bool {
    match body {
        Body::Event(_) => hoard.events,
        Body::Merged(_) => hoard.merged,
        _ => false,
    }
}

fn name_of(order: &Order) -> &'static str {
    match order {
        Order::Subscribe(_) => "subscribe",
        Order::Unsubscribe(_) => "unsubscribe",
        Order::Reselect(..) => "reselect",
        Order::SetMerge(_) => "set-merge",
        Order::RemoveMerge(_) => "remove-merge",
        Order::Flip => "flip",
        Order::MinVersion(..) => "set-min-version",
        Order::Pause(_) => "pause",
        Order::Resume(_) => "resume",
        Order::Inline(..) => "set-inline",
    }
}
