//! What was seen, beside what should have been.

use meltica::{
    Key,
    dispatcher::Class,
    event::{EventKind, Header},
};

use super::{Lane, Model, Wrong};
use crate::{
    body::Body,
    plan::{End, NAMES, RULES},
    world::{Cause, Entry, Letter, Log, Told},
};

impl Model {
    /// Takes what consumers and sinks saw, before it is told what was done meanwhile.
    pub(crate) fn see(&mut self, log: Log) {
        self.seen.add(log);
    }

    /// A message was routed: who is run by the publisher and takes it has had it by then, and what waited before it.
    pub(super) fn enter_inline(&mut self, key: &Key) {
        while let Some(entry) = self.seen.entries.front() {
            let is_it = |lane: &&Lane| {
                let is_inline = lane.inline || lane.was_inline;
                let is_run = is_inline && !lane.paused && lane.takes(key);
                let is_due = is_run && lane.is_due(&entry.seen);
                is_due && (lane.member.name, lane.generation) == (entry.consumer, entry.generation)
            };
            if !self.lanes.iter().any(|lane| is_it(&lane)) {
                return;
            }
            if let Some(entry) = self.seen.entries.pop_front() {
                let outcome = self.enter(&entry);
                self.wrong = self.wrong.take().or(outcome.err());
            }
        }
    }

    /// The first handler that was entered with what was not routed just then.
    pub(crate) fn unexplained(&self) -> Option<&Entry> {
        self.seen.entries.front()
    }

    /// Compares what was seen since the last time with what should have been.
    pub(crate) fn absorb(&mut self, told: &Told) -> Result<(), Wrong> {
        let log = std::mem::take(&mut self.seen);
        self.absorb_seen(log, told)?;
        if let Some(wrong) = self.wrong.take() {
            return Err(wrong);
        }
        self.compare_counts(told)?;
        self.compare_lanes(told)
    }

    fn absorb_seen(&mut self, log: Log, told: &Told) -> Result<(), Wrong> {
        for entry in &log.entries {
            self.enter(entry)?;
        }
        self.waited_for = None;
        let left = std::mem::take(&mut self.left);
        for (name, (filtered, refused)) in &told.passed_over {
            let of_name = |letter: &&Letter| {
                letter.consumer == NAMES[*name] && letter.cause == Cause::Refused
            };
            let critical: Vec<_> = log.letters.iter().filter(of_name).map(|l| l.trace).collect();
            let Ok(lane) = self.lane(*name) else {
                if filtered + refused > 0 && !left.contains(name) {
                    return Err(format!("{} has left, and was given messages", NAMES[*name]));
                }
                continue;
            };
            let at = |wrong| format!("consumer {}: {wrong}", NAMES[*name]);
            lane.filtered(*filtered).map_err(at)?;
            lane.refused(*refused, &critical).map_err(at)?;
        }
        let others = log.letters.into_iter().filter(|l| l.cause != Cause::Refused).collect();
        same("dead letters", &mut self.letters, others)?;
        same("faults", &mut self.faults, log.faults)?;
        same("failures reported", &mut self.reported, log.reported)?;
        same("answers to commands", &mut self.answers, log.answers)
    }

    /// A handler was entered.
    fn enter(&mut self, entry: &Entry) -> Result<(), Wrong> {
        let name = NAMES[entry.consumer];
        let at = |wrong| format!("consumer {name} got {entry:?}: {wrong}");
        let is_it = |lane: &&mut Lane| {
            (lane.member.name, lane.generation) == (entry.consumer, entry.generation)
        };
        let Some(lane) = self.lanes.iter_mut().find(is_it) else {
            return Err(at("it has left".into()));
        };
        let outcome = lane.enter(entry).map_err(at)?;
        let Header { trace, kind, .. } = *entry.seen.header();
        // A view that it completed has its trace id too.
        let is_view = matches!(kind, EventKind::Merged | EventKind::MergedBook);
        if outcome.failed && self.waited_for == Some(trace) && !is_view && !lane.paused {
            self.reported.push((trace, name.to_owned()));
        } else if outcome.failed {
            self.faults.push((trace, name.to_owned()));
        }
        if outcome.dead {
            let (consumer, cause) = (name.to_owned(), Cause::Failed);
            self.letters.push(Letter { consumer, trace, cause });
        }
        Ok(())
    }

    /// Compares what the pipeline counts.
    fn compare_counts(&self, told: &Told) -> Result<(), Wrong> {
        let counts = [
            ("repeats", told.repeated, self.repeated),
            ("late messages", told.late, self.order.late),
            ("gaps", told.gaps, self.order.gaps),
            ("missing messages", told.missing, self.order.missing),
            ("the routing version", told.version, self.version),
        ];
        for (what, counted, expected) in counts {
            if counted != expected {
                return Err(format!("{what}: {counted} where {expected} should be"));
            }
        }
        let rules: Vec<_> =
            self.rules.iter().map(|windows| (RULES[windows.rule.name], windows.counts)).collect();
        if told.rules != rules {
            return Err(format!("merge rules: {:?} where {rules:?} should be", told.rules));
        }
        Ok(())
    }

    fn compare_lanes(&self, told: &Told) -> Result<(), Wrong> {
        if told.lanes.len() != self.lanes.len() {
            return Err(format!("{} lanes are there", told.lanes.len()));
        }
        for (lane, counted) in self.lanes.iter().zip(&told.lanes) {
            let (least, most) = lane.published();
            let name = NAMES[lane.member.name];
            if counted.published < least || counted.published > most {
                return Err(format!("{name}: {counted:?}, where {most} were published"));
            }
            if counted.delivered != lane.taken {
                return Err(format!("{name}: {counted:?}, where {} were taken", lane.taken));
            }
            let by_kind = (counted.failed, counted.filtered, counted.refused);
            if by_kind != (lane.failed, lane.filtered, lane.refused) {
                return Err(format!("{name}: {counted:?} where others failed or were passed over"));
            }
            if counted.folded < lane.told_folded {
                let told = lane.told_folded;
                return Err(format!("{name}: {counted:?} where {told} are told as folded"));
            }
            if counted.depth > lane.most_waiting() {
                let most = lane.most_waiting();
                return Err(format!("{name}: {counted:?} where no more than {most} may wait"));
            }
            if counted.paused != lane.paused {
                return Err(format!("{name}: {counted:?} where paused is {}", lane.paused));
            }
            let ends = counted.delivered + counted.folded + counted.dropped + counted.discarded;
            if ends + counted.depth as u64 != counted.published {
                return Err(format!("{name}: {counted:?} does not add up"));
            }
        }
        Ok(())
    }

    /// A consumer had nothing to do.
    pub(crate) fn was_idle(&self, name: usize) -> Result<(), Wrong> {
        let Some(lane) = self.lanes.iter().find(|lane| lane.member.name == name) else {
            return Ok(());
        };
        if lane.paused || self.cancelled {
            return Ok(());
        }
        lane.is_served().map_err(|wrong| format!("consumer {}: {wrong}", NAMES[name]))
    }

    pub(crate) fn is_paused(&self, name: &str) -> bool {
        self.lanes.iter().any(|lane| NAMES[lane.member.name] == name && lane.paused)
    }

    /// Whether a consumer of this name is subscribed.
    pub(crate) fn has(&self, name: usize) -> bool {
        self.lanes.iter().any(|lane| lane.member.name == name)
    }

    /// How many commands were sent and never obeyed.
    pub(crate) fn waiting_commands(&self) -> usize {
        self.sent.len()
    }

    /// The pipeline is over: what was seen at the last, and what was handed back.
    pub(crate) fn end(
        &mut self,
        told: &Told,
        undelivered: &[(String, Body)],
        end: End,
    ) -> Result<(), Wrong> {
        if end == End::Drop {
            // There is nobody left to ask for counts.
            let log = std::mem::take(&mut self.seen);
            same("dead letters", &mut self.letters, log.letters)?;
            return same("answers to commands", &mut self.answers, log.answers);
        }
        self.absorb(told)?;
        if matches!(end, End::Settle | End::Deliver) {
            // All that was not handed back was delivered: to a paused consumer, nothing.
            let paused = |name: &String| self.is_paused(name);
            if let Some((name, body)) = undelivered.iter().find(|(name, _)| !paused(name)) {
                return Err(format!("{name} is not paused, and was handed back {body:?}"));
            }
            (0..NAMES.len()).try_for_each(|name| self.was_idle(name))?;
        }
        self.handed_back(undelivered)
    }

    /// What the shutdown handed back: the critical messages first, each consumer's in order, and all
    /// that they had not had.
    fn handed_back(&mut self, undelivered: &[(String, Body)]) -> Result<(), Wrong> {
        let is_critical = |(_, body): &&(String, Body)| body.class() == Class::Critical;
        let first = undelivered.iter().take_while(is_critical).count();
        if undelivered.iter().filter(is_critical).count() != first {
            return Err("critical messages were not handed back first".into());
        }
        for lane in &mut self.lanes {
            let name = NAMES[lane.member.name];
            let of_lane = undelivered.iter().filter(|(consumer, _)| consumer == name);
            let (critical, market): (Vec<_>, Vec<_>) =
                of_lane.map(|(_, body)| body).partition(|body| body.class() == Class::Critical);
            if let Some(body) = market.iter().find(|body| !lane.is_waiting(body)) {
                return Err(format!("{name} was handed back what it has had: {body:?}"));
            }
            let expected = lane.leave();
            if critical != expected.iter().collect::<Vec<_>>() {
                return Err(format!("{name} was handed back {critical:?}, not {expected:?}"));
            }
        }
        Ok(())
    }
}

/// Whether two lists are the same but for their order.
fn same<T: std::fmt::Debug + Ord>(
    what: &str,
    expected: &mut Vec<T>,
    mut seen: Vec<T>,
) -> Result<(), Wrong> {
    let mut expected = std::mem::take(expected);
    expected.sort();
    seen.sort();
    if seen == expected { Ok(()) } else { Err(format!("{what}: {seen:?}, not {expected:?}")) }
}
