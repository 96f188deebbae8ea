//! One thread publishes as fast as it goes: what does a message cost?

use std::fmt::Write as _;

use meltica_benches::{
    Figures,
    bars::{Bar, Group},
    counting, interleaved,
};

use crate::contenders::{Contender, Load, Payload, contenders};

/// Deliveries of a round, about; fewer messages where there are more consumers, and fewer of all where threads are many.
const EVENTS: u64 = 6_000_000;

/// From how many consumers on only those are asked who need no thread for each.
const MANY: usize = 100;

pub(crate) struct Table {
    consumers: usize,
    bytes: usize,
    rows: Vec<(&'static str, Figures, f64)>,
}

/// Of the contenders that are wanted, by name.
pub(crate) fn table<const WORDS: usize>(
    consumers: usize,
    rounds: usize,
    is_wanted: impl Fn(&str) -> bool,
) -> Table {
    let load =
        Load::of(consumers, EVENTS / (consumers as u64 + 4) / if consumers > 20 { 3 } else { 1 });
    let mut contenders = contenders::<WORDS>();
    contenders.retain(|row| row.with_many || consumers < MANY);
    contenders.retain(|row| is_wanted(row.name));
    let run = |contender: &Contender<WORDS>| {
        let round = (contender.round)(load);
        let all = consumers as u64 * (load.events * (load.events - 1) / 2);
        assert_eq!(round.sum, all, "{} left something out", contender.name);
        round.took.as_nanos() as f64 / load.events as f64
    };
    let figures = interleaved(contenders.len(), rounds, |index| run(&contenders[index]));
    let rows = contenders.iter().zip(figures).map(|(contender, figures)| {
        // What is there from the beginning is allocated in a round of no length too.
        let few = Load { events: load.events / 100, ..load };
        let (_, fixed) = counting::allocations(|| (contender.round)(few));
        let (_, all) = counting::allocations(|| (contender.round)(load));
        let messages = load.events - few.events;
        (contender.name, figures, all.saturating_sub(fixed) as f64 / messages as f64)
    });
    Table { consumers, bytes: size_of::<Payload<WORDS>>(), rows: rows.collect() }
}

impl Table {
    fn title(&self) -> String {
        let consumers = if self.consumers == 1 { "consumer" } else { "consumers" };
        format!("{} bytes to {} {consumers}", self.bytes, self.consumers)
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = format!(
            "### {}\n\n| | ns per message | × the dispatcher | allocations |\n\
             | --- | ---: | ---: | ---: |\n",
            self.title()
        );
        for (name, figures, allocations) in &self.rows {
            let ((nanos, least, most), (ratio, low, high)) = (figures.nanos, figures.ratio);
            let _ = writeln!(
                text,
                "| {name} | {nanos:.0} [{least:.0} to {most:.0}] | {ratio:.2} [{low:.2} to {high:.2}] | \
                 {allocations:.2} |"
            );
        }
        text
    }

    pub(crate) fn group(&self) -> Group {
        let bar =
            |(name, figures, _): &(&'static str, Figures, f64)| Bar { name, nanos: figures.nanos };
        Group { title: self.title(), bars: self.rows.iter().map(bar).collect() }
    }
}
