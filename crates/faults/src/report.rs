//! What came of it.

use std::{collections::HashSet, fmt, time::Duration};

use serde_json::json;

use crate::script::Fault;

/// So much resident memory is more than any process here needs, in bytes.
const MOST_MEMORY: u64 = 256 << 20;

#[derive(Default)]
pub(crate) struct Report {
    pub(crate) cycles: u64,
    pub(crate) seed: u64,
    pub(crate) took: Duration,
    pub(crate) delivered: Delivered,
    pub(crate) connections: u64,
    pub(crate) publisher_memory: u64,
    pub(crate) receiver_memory: u64,
    /// For how long the server was away in the end, and how much memory that took of a publisher.
    pub(crate) outage: Duration,
    pub(crate) outage_memory: u64,
    /// What the receiver's processes found wrong.
    pub(crate) problems: Vec<String>,
    /// How long each fault took until orders of every producer came again.
    pub(crate) recoveries: Vec<(Fault, Duration)>,
}

/// In the second half of an outage a publisher may take so much more, in bytes: what waits is in a file.
const OUTAGE_MEMORY: u64 = 8 << 20;

/// The ledgers, side by side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Delivered {
    /// Orders that their producers know to be in an outbox.
    pub(crate) sent: u64,
    /// Of these, those that the application has.
    pub(crate) came: u64,
    /// Of these, those that it has not.
    pub(crate) lost: u64,
    /// Orders that it has more than once.
    pub(crate) repeated: u64,
    /// Orders that came after a later one of their stream.
    pub(crate) out_of_order: u64,
    /// Orders that nobody sent.
    pub(crate) strange: u64,
}

impl Delivered {
    /// Adds one producer's. An order that was in the outbox when its process ended, but not in the ledger yet, is sent
    /// again under the same name: so there is one of each.
    pub(crate) fn add(&mut self, sent: &[u64], came: &[u64], streams: u64) {
        let distinct: HashSet<u64> = came.iter().copied().collect();
        let wanted: HashSet<u64> = sent.iter().copied().collect();
        self.sent += wanted.len() as u64;
        let has = wanted.intersection(&distinct).count() as u64;
        self.came += has;
        self.lost += wanted.len() as u64 - has;
        self.repeated += (came.len() - distinct.len()) as u64;
        self.strange += distinct.difference(&wanted).count() as u64;
        let mut last = vec![0; streams as usize];
        for number in came {
            let last = &mut last[(number % streams) as usize];
            self.out_of_order += u64::from(number < last);
            *last = (*number).max(*last);
        }
    }
}

impl Report {
    pub(crate) fn note(&mut self, fault: Fault, recovered: Duration) {
        self.recoveries.push((fault, recovered));
    }

    /// The median and the longest of a fault's recoveries, and how many there were.
    fn recovery(&self, fault: Fault) -> (usize, Duration, Duration) {
        let of = self.recoveries.iter().filter(|(what, _)| *what == fault);
        let mut took: Vec<_> = of.map(|(_, took)| *took).collect();
        took.sort_unstable();
        let median = took.get(took.len() / 2).copied().unwrap_or_default();
        (took.len(), median, took.last().copied().unwrap_or_default())
    }

    /// An error names what was promised and is not so.
    pub(crate) fn verdict(&self) -> Result<(), String> {
        let Delivered { sent, lost, repeated, out_of_order, strange, .. } = self.delivered;
        let mut broken = self.problems.clone();
        let mut ask = |count: u64, what: &str| {
            if count > 0 {
                broken.push(format!("{count} critical messages {what}"));
            }
        };
        ask(lost, "lost");
        ask(repeated, "delivered twice");
        ask(out_of_order, "out of order");
        ask(strange, "from nowhere");
        if sent == 0 {
            broken.push("nothing was sent".to_owned());
        }
        for (who, memory) in
            [("a publisher", self.publisher_memory), ("the receiver", self.receiver_memory)]
        {
            if memory > MOST_MEMORY {
                broken.push(format!("{who} took {} MiB of memory", memory >> 20));
            }
        }
        if self.outage_memory > OUTAGE_MEMORY {
            broken.push(format!(
                "{} MiB of memory while the server was away",
                self.outage_memory >> 20
            ));
        }
        if broken.is_empty() { Ok(()) } else { Err(broken.join("; ")) }
    }

    pub(crate) fn json(&self) -> String {
        let Delivered { sent, came, lost, repeated, out_of_order, strange } = self.delivered;
        let recoveries: serde_json::Map<_, _> = NAMED
            .iter()
            .map(|(fault, name)| {
                let (count, median, longest) = self.recovery(*fault);
                let milliseconds = |time: Duration| time.as_millis() as u64;
                let figures = json!({
                    "count": count,
                    "median_ms": milliseconds(median),
                    "longest_ms": milliseconds(longest),
                });
                ((*name).replace(' ', "_"), figures)
            })
            .collect();
        json!({
            "cycles": self.cycles,
            "seed": self.seed,
            "seconds": self.took.as_secs_f64(),
            "sent": sent,
            "came": came,
            "lost": lost,
            "repeated": repeated,
            "out_of_order": out_of_order,
            "strange": strange,
            "connections": self.connections,
            "publisher_memory_bytes": self.publisher_memory,
            "receiver_memory_bytes": self.receiver_memory,
            "outage_seconds": self.outage.as_secs(),
            "outage_memory_bytes": self.outage_memory,
            "faults": recoveries,
            "problems": self.problems,
        })
        .to_string()
    }
}

const NAMED: [(Fault, &str); 6] = [
    (Fault::KillPublisher, "publisher killed"),
    (Fault::KillReceiver, "receiver killed"),
    (Fault::KillServer, "server killed"),
    (Fault::Cut, "connections cut"),
    (Fault::Stall, "connections stalled"),
    (Fault::Delay, "connections slowed"),
];

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Delivered { sent, came, lost, repeated, out_of_order, strange } = self.delivered;
        writeln!(f, "{:<22} {:>6}  {:>10}  {:>10}", "fault", "times", "median", "longest")?;
        for (fault, name) in NAMED {
            let (count, median, longest) = self.recovery(fault);
            let seconds = |time: Duration| format!("{:.2} s", time.as_secs_f64());
            writeln!(
                f,
                "{name:<22} {count:>6}  {:>10}  {:>10}",
                seconds(median),
                seconds(longest)
            )?;
        }
        writeln!(f)?;
        writeln!(f, "critical messages      {came} of {sent} in {:.0} s", self.took.as_secs_f64())?;
        writeln!(f, "lost                   {lost}")?;
        writeln!(f, "delivered twice        {repeated}")?;
        writeln!(f, "out of order           {out_of_order}")?;
        writeln!(f, "from nowhere           {strange}")?;
        writeln!(f, "connections            {}", self.connections)?;
        writeln!(
            f,
            "most resident memory   {} MiB a publisher, {} MiB the receiver",
            self.publisher_memory >> 20,
            self.receiver_memory >> 20
        )?;
        writeln!(
            f,
            "server away            {} s, and {} KiB more in the second half of that",
            self.outage.as_secs(),
            self.outage_memory >> 10
        )?;
        for problem in &self.problems {
            writeln!(f, "found wrong            {problem}")?;
        }
        write!(f, "seed                   {}", self.seed)
    }
}
