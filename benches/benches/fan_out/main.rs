//! What does it cost to hand every message to all of several consumers, and what in the dispatcher's place?
//!
//! - *saturation*: one thread publishes as fast as it goes, nothing is dropped, and a round is over when every
//!   consumer has read the first and the last word of every message; what they read is added up and compared, so that
//!   nobody is quick by leaving something out. Each contender in the modes that suit it: threads of its own, or one or
//!   two that poll for all. The dispatcher routes, isolates, counts and recycles meanwhile; the others do none of that.
//!   Contenders take turns within a round, and each figure is compared with the dispatcher's of the same round.
//! - *unwell*: of ten consumers one sleeps over every message, or panics over every tenth.
//! - *paced*: ten thousand messages a second; how long one takes, and what waiting costs.
//! - *sparse*: every message is for three of many consumers.
//!
//! All allocate from mimalloc, with a look at a flag before each allocation.
//!
//! `cargo bench -p meltica-benches --bench fan_out` prints the tables; `-- --write` puts them into
//! `docs/performance.md`, with a plot. `-- --quick` takes three rounds in place of eleven. `-- saturation` takes that
//! part only, `-- saturation 10` of it ten consumers only, `-- saturation --like=polls` contenders with that in their
//! names.

mod contenders;
mod dispatcher;
mod paced;
mod peers;
mod saturation;
mod sparse;
mod unwell;

use std::process::ExitCode;

use meltica_benches::{bars, counting::Counting, page};
use mimalloc::MiMalloc;

/// What those who allocate are quickest with.
#[global_allocator]
static ALLOCATOR: Counting<MiMalloc> = Counting(MiMalloc);

/// Numbers of consumers at saturation.
const CONSUMERS: [usize; 5] = [1, 3, 10, 50, 200];

/// What was asked for.
struct Asked(Vec<String>);

impl Asked {
    fn has(&self, flag: &str) -> bool {
        self.0.iter().any(|argument| argument == flag)
    }

    /// Whether a part is wanted: all are, unless some are named.
    fn part(&self, part: &str) -> bool {
        const PARTS: [&str; 4] = ["saturation", "unwell", "paced", "sparse"];
        self.has(part) || !PARTS.iter().any(|part| self.has(part))
    }

    fn consumers(&self) -> Vec<usize> {
        let some: Vec<usize> = self.0.iter().filter_map(|argument| argument.parse().ok()).collect();
        if some.is_empty() { CONSUMERS.to_vec() } else { some }
    }

    /// Whether a contender of this name is wanted: all are, unless parts of names are given.
    fn wants(&self, name: &str) -> bool {
        let mut like = self.0.iter().filter_map(|argument| argument.strip_prefix("--like="));
        let is_any = like.clone().next().is_some();
        !is_any || like.any(|part| name.contains(part))
    }
}

fn main() -> ExitCode {
    let asked = Asked(std::env::args().skip(1).collect());
    let rounds = if asked.has("--quick") { 3 } else { 11 };
    let mut text = format!(
        "Median [least to greatest] of {rounds} interleaved rounds.\n\n\
         ![The dispatcher beside the others, at ten consumers](fan-out.svg)\n"
    );
    let mut tell = |part: String| {
        println!("{part}");
        text.push('\n');
        text.push_str(&part);
    };
    if asked.part("unwell") {
        tell(format!(
            "### One of ten is unwell\n\n{}",
            unwell::markdown(&unwell::rows(rounds, |name| asked.wants(name)))
        ));
    }
    let mut groups = vec![];
    if asked.part("saturation") {
        for consumers in asked.consumers() {
            let small = saturation::table::<16>(consumers, rounds, |name| asked.wants(name));
            let large = saturation::table::<96>(consumers, rounds, |name| asked.wants(name));
            for table in [small, large] {
                tell(table.markdown());
                if consumers == 10 {
                    groups.push(table.group());
                }
            }
        }
    }
    if asked.part("sparse") {
        let table = sparse::markdown(&sparse::rows(rounds.min(5)));
        tell(format!("### For three of many\n\n{table}"));
    }
    if asked.part("paced") {
        let table = paced::markdown(&paced::rows(rounds.min(5)));
        tell(format!("### Ten thousand a second to ten consumers\n\n{table}"));
    }
    if !asked.has("--write") {
        return ExitCode::SUCCESS;
    }
    let drawn = bars::draw(&groups, 10.0, &page::plot("fan-out.svg"));
    match drawn.and_then(|()| page::write("fan_out", &text)) {
        Ok(()) => {
            println!("written to docs/performance.md");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
