//! What an endurance run tells at its end.

use std::fmt;

use serde::Serialize;

use crate::{
    soak::memory::{BAR, Memory},
    summary::{Critical, grouped},
};

/// What happened, and what should not have. A field that was not measured is null.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Endured {
    /// Events that were pushed.
    pub(crate) events: u64,
    pub(crate) consumers: usize,
    /// Flips that were commanded and came into force.
    pub(crate) flips: u64,
    /// To the last delivery.
    pub(crate) elapsed_s: f64,
    pub(crate) events_per_second: f64,
    /// Messages handed to consumers or filtered in front of them.
    pub(crate) deliveries: u64,
    /// Messages folded into others of their stream.
    pub(crate) conflated: u64,
    /// Messages that gave way for lack of room.
    pub(crate) dropped: u64,
    /// Messages that a flip had made stale, filtered in front of their consumer.
    pub(crate) filtered: u64,
    pub(crate) critical: Critical,
    /// The most critical messages that ever waited for one consumer.
    pub(crate) critical_peak: usize,
    /// Market data that started although its consumer's gate had moved past it.
    pub(crate) stale: u64,
    /// Market data that came again, or after newer data of their stream.
    pub(crate) out_of_order: u64,
    /// Market data whose word of what was skipped before them was wrong.
    pub(crate) untold: u64,
    /// Messages of which no statistic says what became of them.
    pub(crate) unaccounted: u64,
    /// Flips that were refused.
    pub(crate) flips_refused: u64,
    pub(crate) panics: Panics,
    pub(crate) leases_outstanding: u64,
    /// Objects that came from the heap because their pool was empty.
    pub(crate) heap_fallbacks: u64,
    pub(crate) threads_leaked: Option<u64>,
    pub(crate) memory: Option<Memory>,
    /// Resident memory over the run, evenly, of no more than a hundred moments.
    pub(crate) resident_bytes: Vec<u64>,
}

/// Consumers' panics, and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Panics {
    pub(crate) thrown: u64,
    /// Those that the fault sink heard of.
    pub(crate) heard: u64,
    /// Those on critical messages.
    pub(crate) thrown_on_critical: u64,
    /// Critical messages that came to the dead-letter sink.
    pub(crate) dead_letters: u64,
    /// Whether a sink was told other trace ids than those of the messages that consumers panicked on.
    pub(crate) misattributed: bool,
}

impl Panics {
    /// How many panics somebody should have heard of and did not, or heard of twice.
    pub(crate) fn amiss(&self) -> u64 {
        let counts =
            self.thrown.abs_diff(self.heard) + self.thrown_on_critical.abs_diff(self.dead_letters);
        // As many as there should be, but others.
        counts.max(u64::from(self.misattributed))
    }
}

impl Endured {
    /// Which promises were broken.
    pub(crate) fn verdict(&self) -> Result<(), String> {
        let panics = &self.panics;
        let mut broken: Vec<_> = [
            (self.critical.lost, "critical messages were lost"),
            (self.critical.repeated, "critical messages were repeated"),
            (self.stale, "stale market data started after their gate had moved"),
            (self.out_of_order, "market data came out of order"),
            (self.untold, "market data told wrongly what was skipped before them"),
            (self.unaccounted, "messages are in no statistic"),
            (self.flips_refused, "flips were refused"),
            (self.leases_outstanding, "leases are outstanding"),
            (self.threads_leaked.unwrap_or(0), "threads were left behind"),
        ]
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", grouped(*count)))
        .collect();
        if panics.amiss() > 0 {
            let [thrown, heard, critical, dead] =
                [panics.thrown, panics.heard, panics.thrown_on_critical, panics.dead_letters]
                    .map(grouped);
            broken.push(format!(
                "of {thrown} panics the fault sink heard {heard}, and of {critical} on critical \
                 messages the dead-letter sink {dead}, or of others"
            ));
        }
        if let Some(Memory { growth, flat: Some(false), .. }) = self.memory {
            broken.push(format!(
                "resident memory went from its second tenth to its last by {:+.2} %",
                growth * 100.0
            ));
        }
        if broken.is_empty() { Ok(()) } else { Err(broken.join("; ")) }
    }

    /// One JSON object.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).expect("numbers are always JSON")
    }
}

impl fmt::Display for Endured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |name: &str, value: String| writeln!(f, "{name:<20} {value}");
        let rate = grouped(self.events_per_second.round() as u64);
        let events = grouped(self.events);
        row("events", format!("{events} in {:.2} s, {rate} per second", self.elapsed_s))?;
        row("consumers", self.consumers.to_string())?;
        row("flips", format!("{}, {} refused", grouped(self.flips), grouped(self.flips_refused)))?;
        let filtered = grouped(self.filtered);
        row("deliveries", format!("{}, {filtered} filtered", grouped(self.deliveries)))?;
        let (conflated, dropped) = (grouped(self.conflated), grouped(self.dropped));
        row("gave way", format!("{conflated} conflated, {dropped} dropped"))?;
        let Critical { published, expected, delivered, lost, repeated } = self.critical;
        let [published, expected, delivered, lost, repeated] =
            [published, expected, delivered, lost, repeated].map(grouped);
        row(
            "critical",
            format!(
                "{published} published, {delivered} of {expected} delivered, {lost} lost, \
                 {repeated} repeated; {} waited at most",
                grouped(self.critical_peak as u64)
            ),
        )?;
        let [stale, order, untold, unaccounted] =
            [self.stale, self.out_of_order, self.untold, self.unaccounted].map(grouped);
        row(
            "market data",
            format!(
                "{stale} stale, {order} out of order, {untold} untold, {unaccounted} unaccounted"
            ),
        )?;
        let Panics { thrown, heard, thrown_on_critical, dead_letters, .. } = self.panics;
        let [thrown, heard, critical, dead] =
            [thrown, heard, thrown_on_critical, dead_letters].map(grouped);
        row(
            "panics",
            format!("{thrown}, {heard} heard; {critical} critical, {dead} dead letters"),
        )?;
        let (left, heap) = (grouped(self.leases_outstanding), grouped(self.heap_fallbacks));
        row("leases outstanding", format!("{left}, {heap} were from the heap"))?;
        let unmeasured = || "not measured".to_owned();
        row("threads leaked", self.threads_leaked.map_or_else(unmeasured, grouped))?;
        let memory = self.memory.map(|memory| memory.to_string());
        row("memory", memory.unwrap_or_else(|| "too few samples to compare".to_owned()))
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.flat {
            Some(true) => "flat",
            Some(false) => "NOT FLAT",
            None => "not judged: the run was too short",
        };
        let (growth, bar) = (self.growth * 100.0, BAR * 100.0);
        write!(f, "{growth:+.2} % from the second tenth to the last, bar {bar} %: {verdict}")
    }
}

#[cfg(test)]
mod tests;
