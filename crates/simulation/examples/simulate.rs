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
        Some(seed) => replay(seed, cli.queues, cli.steps),
        None => many(cli.from, cli.seeds, cli.queues),
    }
}

fn plan(seed: u64, queues: bool) -> Plan {
    let plan = Plan::new(seed);
    if queues { plan.with_queues() } else { plan }
}

fn many(from: u64, seeds: u64, queues: bool) -> ExitCode {
    let start = Instant::now();
    let mut all = Tally::default();
    let mut steps = 0;
    for (count, seed) in (from..from.saturating_add(seeds)).enumerate() {
        let plan = plan(seed, queues);
        let every: Vec<usize> = (0..plan.len()).collect();
        match run(&plan, &every) {
            Ok(tally) => all.add(&tally),
            Err(failure) => {
                let (steps, failure) = shrink(&plan, failure);
                eprintln!("seed {seed} fails: {failure}");
                tell(&plan, &steps);
                let list: Vec<_> = steps.iter().map(usize::to_string).collect();
                let how = if queues { " --queues" } else { "" };
                let list = list.join(",");
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

fn replay(seed: u64, queues: bool, steps: Option<Vec<usize>>) -> ExitCode {
    let plan = plan(seed, queues);
    let steps = steps.unwrap_or_else(|| (0..plan.len()).collect());
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
