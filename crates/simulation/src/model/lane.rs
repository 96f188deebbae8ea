//! What one consumer should see, and whether what it saw is that.
//!
//! The model does not say which messages give way when a consumer lags: that is the dispatcher's to
//! choose, within bounds. It knows every message that the consumer should have had, and asks of each one
//! that it saw: is it the next of its stream, or has exactly what lies between been told? Had all of
//! that a reason to give way? Is its effect in what was delivered, where it is said to be?

use std::collections::{HashMap, VecDeque};

use meltica::{
    Key,
    dispatcher::Class,
    event::{EventKind, TraceId},
};

use crate::{
    body::{Body, BookBody},
    plan::{Member, Mood, Policy, Want},
    world::Entry,
};

/// What is wrong, in words.
pub(crate) type Wrong = String;

pub(crate) struct Lane {
    pub(crate) member: Member,
    pub(crate) generation: u64,
    capacity: usize,
    keeps_state: bool,
    pub(crate) gate: u64,
    /// At some time since what was filtered was last told, it let only some versions pass.
    had_gate: bool,
    pub(crate) paused: bool,
    /// The publisher is to run it.
    pub(crate) inline: bool,
    /// It was to, when the publisher last looked.
    pub(crate) was_inline: bool,
    /// Whether the publisher has seen that it is there.
    pub(crate) begun: bool,
    pub(crate) wants_state: bool,
    failures: u32,
    /// All that it should have, in the order in which that was routed.
    items: Vec<Item>,
    streams: HashMap<Key, Stream>,
    /// Of the items, the critical ones that it has not had.
    critical: VecDeque<usize>,
    /// Of the items, those of which nobody knows whether they were sent.
    optional: usize,
    /// How many it has taken, whatever it made of them.
    pub(crate) taken: u64,
    /// Of these: failed, filtered, refused; and how many were folded, by what was told.
    pub(crate) failed: u64,
    pub(crate) filtered: u64,
    pub(crate) refused: u64,
    pub(crate) told_folded: u64,
    /// How many trades have had to go for want of room, and are not told yet.
    overflows: u64,
}

struct Item {
    body: Body,
    /// The whole book of the stream after it.
    book: Option<BookBody>,
    /// It has to come whole.
    whole: bool,
    /// It may.
    may_be_whole: bool,
    /// The consumer did not want the stream for a while before it.
    again: bool,
    optional: bool,
    /// Why it may be missing: nothing to duplicate it with, or filtered.
    may_go: bool,
    /// A trade that newer ones may have pushed out.
    may_be_displaced: bool,
    /// Why it may be folded into what was there.
    may_fold: bool,
    /// Or why it may stand in the place of what was there.
    may_replace: bool,
    missing: u64,
}

#[derive(Default)]
struct Stream {
    /// Its items, and how many of them are over.
    items: Vec<usize>,
    over: usize,
    /// The next item is the first after the consumer did not want the stream for a while.
    again: bool,
    /// The consumer knows that it is without a part: the next delta has to come whole.
    lost: bool,
    /// Perhaps: then it may.
    may_be_lost: bool,
    /// The book as the consumer has it; `None` before it has a whole one, or when it has lost a part.
    book: Option<BookBody>,
}

/// What comes with an item.
#[derive(Clone, Debug, Default)]
pub(crate) struct Around {
    pub(crate) book: Option<BookBody>,
    pub(crate) whole: bool,
    pub(crate) optional: bool,
    pub(crate) may_miss: bool,
    /// How many before it never came.
    pub(crate) missing: u64,
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) failed: bool,
    /// It failed on a critical message, and handed that back.
    pub(crate) dead: bool,
}

impl Lane {
    pub(crate) fn new(member: Member, generation: u64, capacity: usize, keeps_state: bool) -> Self {
        Self {
            wants_state: member.with_state,
            member,
            generation,
            capacity,
            keeps_state,
            overflows: 0,
            failed: 0,
            filtered: 0,
            refused: 0,
            told_folded: 0,
            gate: 0,
            had_gate: false,
            paused: false,
            inline: false,
            was_inline: false,
            begun: false,
            failures: 0,
            items: vec![],
            streams: HashMap::new(),
            critical: VecDeque::new(),
            optional: 0,
            taken: 0,
        }
    }

    pub(crate) fn takes(&self, key: &Key) -> bool {
        self.member.wants.iter().any(|want| want.takes(key))
    }

    /// It wants something else from now on. These are the streams that there are.
    pub(crate) fn reselect(&mut self, wants: Vec<Want>, streams: &[Key]) {
        let before: Vec<_> = streams.iter().map(|key| self.takes(key)).collect();
        self.member.wants = wants;
        for (key, took) in streams.iter().zip(before) {
            if self.takes(key) && !took {
                self.streams.entry(*key).or_default().again = true;
            }
        }
    }

    /// How many messages it was sent, at least and at most.
    pub(crate) fn published(&self) -> (u64, u64) {
        ((self.items.len() - self.optional) as u64, self.items.len() as u64)
    }

    fn quarantined(&self) -> bool {
        matches!(self.member.policy, Policy::Quarantine(after) if self.failures >= after)
    }

    pub(crate) fn stopped(&self) -> bool {
        matches!(self.member.policy, Policy::Stop(after) if self.failures >= after)
    }

    /// It should have this one.
    pub(crate) fn expect(&mut self, body: Body, around: Around) {
        let index = self.items.len();
        let (class, key) = (body.class(), body.key());
        let stale = body.header().routing_version < self.gate || self.quarantined();
        let Around { book, whole, optional, may_miss, missing } = around;
        self.optional += usize::from(optional);
        let full = class != Class::Critical && self.waiting(class) >= self.capacity;
        if class == Class::Sequential && full {
            // The oldest has to go; which that is depends on what went before.
            self.overflows += 1;
            self.each_waiting(|item| {
                item.may_be_displaced |= item.body.class() == Class::Sequential;
            });
        }
        let is_part = matches!(&body, Body::Book(book) if !book.is_whole());
        let takes_anew = self.streams.get(&key).is_some_and(|stream| stream.again);
        let hole = missing > 0 || (takes_anew && !(self.keeps_state && book.is_some()));
        let stands_alone = !(hole && is_part);
        if let Some(stream) = self.streams.get(&key).filter(|_| full && !stands_alone) {
            // It cannot be folded into what is before the hole: that has to go.
            for index in &stream.items[stream.over..] {
                self.items[*index].may_go = true;
            }
        }
        let (mut again, mut lost, mut may_be_whole) = (false, false, false);
        if let Some(stream) = self.streams.get_mut(&key).filter(|_| class != Class::Critical) {
            again = std::mem::take(&mut stream.again);
            lost = std::mem::take(&mut stream.lost);
            may_be_whole = self.keeps_state && std::mem::take(&mut stream.may_be_lost);
            // Without a book there is nothing to send in place of it.
            stream.lost |= lost && book.is_none();
        }
        let due = self.keeps_state && (again || lost) && book.is_some();
        self.items.push(Item {
            whole: whole || due,
            may_be_whole,
            may_be_displaced: false,
            again,
            body,
            book,
            optional,
            may_go: stale || may_miss,
            may_fold: full && class == Class::Conflatable && stands_alone,
            may_replace: full && !stands_alone,
            missing,
        });
        if class == Class::Critical {
            self.critical.push_back(index);
        } else {
            self.streams.entry(key).or_default().items.push(index);
        }
    }

    /// How many of a class it has not had. What was folded counts too, until that is told.
    fn waiting(&self, class: Class) -> usize {
        let streams = self.streams.values().filter(|stream| {
            stream.items.last().is_some_and(|index| self.items[*index].body.class() == class)
        });
        streams.map(|stream| stream.items.len() - stream.over).sum()
    }

    fn each_waiting(&mut self, mut change: impl FnMut(&mut Item)) {
        for stream in self.streams.values() {
            for index in &stream.items[stream.over..] {
                change(&mut self.items[*index]);
            }
        }
    }

    /// How many may wait for it: a class gives way at its capacity, but for the last of each stream.
    pub(crate) fn most_waiting(&self) -> usize {
        self.critical.len() + 2 * self.capacity + self.streams.len()
    }

    /// From now on there may be nothing to duplicate these with when its turn comes.
    pub(crate) fn may_go_without(&mut self, are: impl Fn(&Body) -> bool) {
        self.each_waiting(|item| item.may_go |= are(&item.body));
    }

    /// Its gate moves.
    pub(crate) fn set_gate(&mut self, version: u64) {
        self.gate = version;
        self.had_gate |= version > 0;
        self.each_waiting(|item| item.may_go |= item.body.header().routing_version < version);
    }

    /// Its handler was entered.
    pub(crate) fn enter(&mut self, entry: &Entry) -> Result<Outcome, Wrong> {
        self.taken += 1;
        if self.paused {
            return Err("it was entered while paused".into());
        }
        if self.stopped() {
            return Err("it was entered after it had stopped".into());
        }
        let critical = entry.seen.class() == Class::Critical;
        self.check_overtaken(entry)?;
        if critical {
            self.enter_critical(entry)?;
        } else {
            self.enter_market(entry)?;
        }
        let failed = matches!(entry.mood, Mood::Fails | Mood::Panics);
        self.failed += u64::from(failed);
        self.told_folded += entry.skipped.0;
        self.failures = if failed { self.failures + 1 } else { 0 };
        if self.quarantined() {
            self.each_waiting(|item| item.may_go = true);
        }
        Ok(Outcome { failed, dead: failed && critical })
    }

    fn enter_critical(&mut self, entry: &Entry) -> Result<(), Wrong> {
        let Some(index) = self.critical.pop_front() else {
            return Err("a critical message came that should not, or came again".into());
        };
        let expected = &self.items[index].body;
        if *expected != entry.seen {
            return Err(format!("the next critical message is {expected:?}"));
        }
        if entry.skipped != (0, 0) || entry.missing > 0 {
            return Err("critical messages were skipped".into());
        }
        Ok(())
    }

    fn enter_market(&mut self, entry: &Entry) -> Result<(), Wrong> {
        let (seen, (folded, dropped)) = (&entry.seen, entry.skipped);
        let header = *seen.header();
        if self.quarantined() {
            return Err("market data came while in quarantine".into());
        }
        if header.routing_version < self.gate {
            return Err(format!("it is stale: the gate is at {}", self.gate));
        }
        let Some(stream) = self.streams.get_mut(&seen.key()) else {
            return Err("it should have nothing of this stream".into());
        };
        let of_trace = |index: &usize| self.items[*index].body.header().trace == header.trace;
        let Some(gap) = stream.items[stream.over..].iter().position(of_trace) else {
            return Err("it should not come, or came again, or out of order".into());
        };
        let between: Vec<usize> = stream.items[stream.over..stream.over + gap].to_vec();
        let at = stream.items[stream.over + gap];
        stream.over += gap + 1;
        if self.critical.front().is_some_and(|critical| *critical < at) {
            return Err("it came before a critical message that was published before it".into());
        }

        let optional = between.iter().filter(|index| self.items[**index].optional).count();
        let told = (folded + dropped) as usize;
        if told > gap || told < gap - optional {
            return Err(format!("{gap} were skipped, and {told} are told"));
        }
        let missing: u64 = between.iter().chain([&at]).map(|i| self.items[*i].missing).sum();
        if missing != entry.missing {
            return Err(format!("{missing} never came, and {} are told", entry.missing));
        }
        let (mut may_drop, mut may_fold) = (0, usize::from(self.items[at].may_fold));
        let mut before_goes = false;
        let mut displaced = 0;
        for index in &between {
            let item = &self.items[*index];
            // What was folded into something that had to go went with it.
            before_goes = item.may_go || (item.may_fold && before_goes);
            may_drop += usize::from(before_goes || item.may_be_displaced);
            displaced += u64::from(item.may_be_displaced && !before_goes);
            may_fold += usize::from(item.may_fold);
        }
        if displaced > self.overflows {
            let overflows = self.overflows;
            return Err(format!("{displaced} trades had to go, where {overflows} were too many"));
        }
        self.overflows -= displaced;
        if dropped as usize > may_drop {
            return Err(format!("{dropped} were dropped, and {may_drop} had a reason to be"));
        }
        if folded as usize > may_fold {
            return Err(format!("{folded} were folded, and {may_fold} had a reason to be"));
        }
        let group: Vec<&Item> =
            between.iter().chain([&at]).map(|index| &self.items[*index]).collect();
        self.check_version(&group, (folded, dropped), seen)?;
        // Of a book's stream, what was dropped is what was filtered: the oldest.
        let parts = &group[group.len().saturating_sub(folded as usize + 1)..];
        let expected = &self.items[at];
        let (Body::Book(seen), Body::Book(_)) = (seen, &expected.body) else {
            if expected.body != *seen {
                return Err(format!("it should be {:?}", expected.body));
            }
            return Ok(());
        };
        check_book(&group, parts, dropped, seen)?;
        let again = group.iter().any(|item| item.again);
        let whole = expected.book.clone();
        let stream = self.streams.get_mut(&entry.seen.key()).expect("it was there");
        if seen.is_whole() {
            stream.book = Some(seen.clone());
        } else if dropped > 0 || missing > 0 || again {
            stream.book = None;
            // Of what went because of a gap, nobody filtered anything, as far as can be told.
            stream.lost |= dropped > 0 && missing == 0;
            stream.may_be_lost |= dropped > 0 && missing > 0;
        } else if let Some(book) = &mut stream.book {
            book.fold(seen);
        }
        match (&stream.book, whole) {
            (Some(book), Some(whole)) if book.levels != whole.levels => {
                Err(format!("its book is {:?} where it is {:?}", book.levels, whole.levels))
            }
            _ => Ok(()),
        }
    }

    /// While nothing is folded, nothing comes before what was published before it.
    fn check_overtaken(&self, entry: &Entry) -> Result<(), Wrong> {
        let (key, trace) = (entry.seen.key(), entry.seen.header().trace);
        let of_trace = |index: &&usize| self.items[**index].body.header().trace == trace;
        let waiting = |stream: &Stream| stream.items[stream.over..].to_vec();
        let at = match entry.seen.class() {
            Class::Critical => self.critical.front().copied(),
            _ => self.streams.get(&key).and_then(|s| waiting(s).iter().find(of_trace).copied()),
        };
        // What should not come at all is told elsewhere.
        let Some(at) = at else { return Ok(()) };
        let market: Vec<_> = self.streams.values().flat_map(waiting).collect();
        let moved = |index: &usize| self.items[*index].may_fold || self.items[*index].may_replace;
        if market.iter().any(moved) {
            return Ok(());
        }
        for index in market.into_iter().filter(|index| *index < at) {
            let item = &self.items[index];
            let may_go = item.may_go || item.may_be_displaced || item.optional;
            if !may_go && item.body.key() != key {
                return Err(format!("it overtook {:?}", item.body));
            }
        }
        Ok(())
    }

    /// What was folded together counts as routed when one of its parts was, and not after the newest.
    fn check_version(
        &self,
        group: &[&Item],
        (folded, dropped): (u64, u64),
        seen: &Body,
    ) -> Result<(), Wrong> {
        let version = seen.header().routing_version;
        let newest = group.last().expect("the item itself").body.header().routing_version;
        let of_part = group.iter().any(|item| item.body.header().routing_version == version);
        let stale = |item: &&Item| item.body.header().routing_version < self.gate;
        let is_delta = seen.header().kind == EventKind::BookDelta;
        if is_delta && dropped == 0 && group.iter().any(stale) {
            return Err(format!("a part of it is stale: the gate is at {}", self.gate));
        }
        let is_book = matches!(seen, Body::Book(_));
        if version == newest || (is_book && folded > 0 && of_part) {
            return Ok(());
        }
        Err(format!("it was routed under version {newest}, and says {version}"))
    }

    /// So many market data were filtered.
    pub(crate) fn filtered(&mut self, count: u64) -> Result<(), Wrong> {
        self.taken += count;
        self.filtered += count;
        let mut candidates = 0;
        self.each_waiting(|item| candidates += u64::from(item.may_go || item.may_fold));
        // What the last delivery of a stream has told is over, and was filtered before it.
        let had_gate = std::mem::replace(&mut self.had_gate, self.gate > 0);
        if count > 0 && candidates == 0 && !had_gate && self.member.policy == Policy::CarryOn {
            return Err(format!("{count} were filtered, and none had to be"));
        }
        Ok(())
    }

    /// So many messages were refused, these critical ones among them.
    pub(crate) fn refused(&mut self, count: u64, critical: &[TraceId]) -> Result<(), Wrong> {
        self.taken += count;
        self.refused += count;
        if count > 0 && !self.stopped() {
            return Err("it refused a message, and has not stopped".into());
        }
        for trace in critical {
            let next = self.critical.pop_front().map(|at| self.items[at].body.header().trace);
            if next != Some(*trace) {
                return Err(format!("{trace} was refused where {next:?} was next"));
            }
        }
        Ok(())
    }

    /// The critical messages that it has not had, in order, are not its any more.
    pub(crate) fn leave(&mut self) -> Vec<Body> {
        let left = std::mem::take(&mut self.critical);
        left.into_iter().map(|index| self.items[index].body.clone()).collect()
    }

    /// Nothing waits for it: so it has had all that it should.
    pub(crate) fn is_served(&self) -> Result<(), Wrong> {
        if let Some(index) = self.critical.front() {
            return Err(format!("it never got {:?}", self.items[*index].body));
        }
        if self.stopped() {
            return Ok(());
        }
        for stream in self.streams.values() {
            let mut before_goes = false;
            for index in &stream.items[stream.over..] {
                let item = &self.items[*index];
                before_goes = item.may_go || item.optional || (item.may_fold && before_goes);
                if !before_goes && !item.may_be_displaced {
                    return Err(format!("it never got {:?}, nor anything newer", item.body));
                }
            }
        }
        Ok(())
    }

    /// Whether this is one that it has not had.
    pub(crate) fn is_due(&self, body: &Body) -> bool {
        let is_critical = body.class() == Class::Critical;
        if is_critical {
            self.critical.iter().any(|at| self.items[*at].body == *body)
        } else {
            self.is_waiting(body)
        }
    }

    /// A market message was handed back at the end: it must be one that it had not had.
    pub(crate) fn is_waiting(&self, body: &Body) -> bool {
        let Some(stream) = self.streams.get(&body.key()) else { return false };
        let mut waiting = stream.items[stream.over..].iter();
        waiting.any(|index| self.items[*index].body.header().trace == body.header().trace)
    }
}

fn check_book(
    group: &[&Item],
    parts: &[&Item],
    dropped: u64,
    seen: &BookBody,
) -> Result<(), Wrong> {
    // Unless that one was filtered itself.
    let due = |item: &&Item| item.whole && !(dropped > 0 && item.may_go);
    if group.iter().any(due) && !seen.is_whole() {
        return Err("after the flip it should have come whole".into());
    }
    let newest = group.last().expect("the item itself");
    let Body::Book(last) = &newest.body else { return Ok(()) };
    if seen.header.sequence != last.header.sequence {
        return Err(format!("its sequence should be {}", last.header.sequence));
    }
    if seen.header.kind == EventKind::MergedBook {
        return if newest.body == Body::Book(seen.clone()) {
            Ok(())
        } else {
            Err(format!("it should be {last:?}"))
        };
    }
    let comes_whole = |item: &&Item| item.whole || (item.may_be_whole && seen.is_whole());
    if let (true, Some(book)) = (parts.iter().any(comes_whole), &newest.book) {
        // In place of a delta the whole book comes: then it must be that.
        return if seen.levels == book.levels {
            Ok(())
        } else {
            Err(format!("the whole book is {:?}", book.levels))
        };
    }
    let mut parts = parts.iter().filter_map(|item| match &item.body {
        Body::Book(book) => Some(book),
        _ => None,
    });
    let mut folded = parts.next().expect("the item itself").clone();
    parts.for_each(|part| folded.fold(part));
    if (folded.is_whole(), &folded.levels) != (seen.is_whole(), &seen.levels) {
        return Err(format!("folded, it should say {folded:?}"));
    }
    Ok(())
}
