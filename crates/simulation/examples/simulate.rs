//! `simulate`: runs seeds, and of one that fails tells the least that does.

use std::{process::ExitCode, time::Instant};

use clap::Parser;
use meltica_simulation::{Plan, Tally, run, shrink};

/// Runs the whole pipeline from seeds, beside a plain model of it.
#[derive(Parser)]
#[command(name = "simulate", version)]
struct Cli {
    /// How many seeds to run.
    #[arg(long, default_value_t = 500)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Give each consumer a queue in place of the dispatcher's ring.
    #[arg(long)]
    queues: bool,
    /// Have the publisher run some of the consumers.
    #[arg(long)]
    inline: bool,
    /// Run this one alone, and show its steps.
    #[arg(long)]
    seed: Option<u64>,
    /// Of that one, run these steps alone.
    #[arg(long, value_delimiter = ',', requires = "seed")]
    steps: Option<Vec<usize>>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.seed {
        Some(seed) => replay(&cli, seed),
        None => many(&cli, cli.from, cli.seeds),
    }
}

impl Cli {
    fn plan(&self, seed: u64) -> Plan {
        let plan = Plan::new(seed);
        let plan = if self.inline { plan.with_inline(seed) } else { plan };
        if self.queues { plan.with_queues() } else { plan }
    }

    /// What sets these plans apart, as it is asked for.
    fn how(&self) -> String {
        let flags = [(self.queues, " --queues"), (self.inline, " --inline")];
        flags.into_iter().filter_map(|(is_set, flag)| is_set.then_some(flag)).collect()
    }
}

fn many(cli: &Cli, from: u64, seeds: u64) -> ExitCode {
    let start = Instant::now();
    let mut all = Tally::default();
    let mut steps = 0;
    for (count, seed) in (from..from.saturating_add(seeds)).enumerate() {
        let plan = cli.plan(seed);
        let every: Vec<usize> = (0..plan.len()).collect();
        match run(&plan, &every) {
            Ok(tally) => all.add(&tally),
            Err(failure) => {
                let (steps, failure) = shrink(&plan, failure);
                eprintln!("seed {seed} fails: {failure}");
                tell(&plan, &steps);
                let list: Vec<_> = steps.iter().map(usize::to_string).collect();
                let (how, list) = (cli.how(), list.join(","));
                eprintln!("replay: cargo xtask simulate{how} --seed {seed} --steps {list}");
                return ExitCode::FAILURE;
            }
        }
        steps += plan.len();
        if (count + 1) % 10_000 == 0 {
            eprintln!("{} seeds", count + 1);
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{seeds} seeds, {steps} steps: ok, {seconds:.1} s\n{all:?}");
    ExitCode::SUCCESS
}

fn replay(cli: &Cli, seed: u64) -> ExitCode {
    let plan = cli.plan(seed);
    let steps = cli.steps.clone().unwrap_or_else(|| (0..plan.len()).collect());
    if let Some(beyond) = steps.iter().find(|step| **step >= plan.len()) {
        eprintln!("seed {seed} has {} steps, and no step {beyond}", plan.len());
        return ExitCode::FAILURE;
    }
    tell(&plan, &steps);
    match run(&plan, &steps) {
        Ok(tally) => {
            println!("seed {seed}: ok\n{tally:?}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("seed {seed} fails {failure}");
            ExitCode::FAILURE
        }
    }
}

fn tell(plan: &Plan, steps: &[usize]) {
    eprint!("{}", plan.describe(steps));
}
