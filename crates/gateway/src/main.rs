//! The meltica gateway: venues in, consumers out, and a summary of what happened.
//!
//! `meltica` runs three synthetic venues into ten consumers; `meltica replay` pushes recorded traffic
//! through the same pipeline. See `meltica --help`.

#![forbid(unsafe_code)]

mod allocations;
mod audience;
mod bridge;
mod cli;
mod clock;
mod http;
mod interrupt;
mod ledger;
mod replay;
mod run;
mod say;
mod summary;
mod threads;

use std::{io::Write, process::ExitCode};

use clap::Parser;
use tracing::level_filters::LevelFilter;

use crate::{
    cli::{Cli, Command},
    say::say,
    summary::Summary,
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::INFO)
        .with_target(false)
        .with_writer(std::io::stderr)
        // It would be told on stderr too, and panic.
        .log_internal_errors(false)
        .init();
    let (json, outcome) = match cli.command {
        None => (cli.run.json, run::run(&cli.run).map_err(|error| error.to_string())),
        Some(Command::Run(args)) => (args.json, run::run(&args).map_err(|error| error.to_string())),
        Some(Command::Replay(args)) => {
            (args.json, replay::replay(&args).map_err(|error| error.to_string()))
        }
    };
    let outcome = outcome.and_then(|summary| print(&summary, json).and(summary.verdict()));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn print(summary: &Summary, json: bool) -> Result<(), String> {
    let text = if json { summary.json() } else { summary.to_string() };
    let mut out = std::io::stdout().lock();
    // Whoever closes the pipe has seen enough.
    match writeln!(out, "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(format!("the summary could not be written: {error}"))
        }
        _ => Ok(()),
    }
}
