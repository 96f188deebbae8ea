//! The meltica gateway: venues in, consumers out, and a summary of what happened.
//!
//! `meltica run` connects to venues, or to local ones that it serves itself; `meltica record` writes what
//! comes, and `meltica replay` pushes it through the same pipeline; `meltica serve` has local venues for
//! others; `meltica soak` measures what is promised in numbers. See `meltica --help`.

#![forbid(unsafe_code)]

mod allocations;
mod audience;
mod bridge;
mod cli;
mod clock;
mod config;
mod connection;
mod failures;
mod http;
mod interrupt;
mod ledger;
mod local;
mod log;
mod metering;
mod otlp;
mod player;
mod process;
mod reach;
mod record;
mod remote;
mod replay;
mod run;
mod say;
mod soak;
mod summary;
mod threads;
mod venues;

use std::{io::Write, path::Path, process::ExitCode};

use clap::CommandFactory;

use crate::{
    cli::{Cli, Command, RunArgs, SoakArgs, SoakPlan},
    interrupt::Interrupt,
    otlp::{Otlp, OtlpError},
    say::{say, say_error},
    summary::Summary,
};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let asked = cli::asked(&arguments);
    let cli = match config::expanded(arguments, asked) {
        Ok(arguments) => cli::parse(arguments, asked),
        Err(mistakes) => {
            say(mistakes);
            return ExitCode::from(2);
        }
    };
    let otlp = match cli.runs().map(otlp).transpose() {
        Ok(otlp) => otlp.flatten(),
        Err(error) => {
            say_error(error);
            return ExitCode::FAILURE;
        }
    };
    log::start(&cli.log, otlp.as_ref());
    let outcome = match cli.command {
        None => run(&cli.run),
        Some(Command::Run(args)) => run(&args),
        Some(Command::Record(args)) => {
            let outcome = record::record(&args).map_err(|error| error.to_string());
            outcome.and_then(|summary| tell(&summary, args.json))
        }
        Some(Command::Serve(args)) => local::serve(&args).map_err(|error| error.to_string()),
        Some(Command::Replay(args)) => {
            let outcome = replay::replay(&args).map_err(|error| error.to_string());
            outcome.and_then(|summary| tell(&summary, args.json))
        }
        Some(Command::Soak(args)) => soak(&args),
        Some(Command::CheckConfig(args)) => return check_config(&args.file, args.json),
        Some(Command::Completions(args)) => {
            let mut text = vec![];
            clap_complete::generate(args.shell, &mut Cli::command(), "meltica", &mut text);
            print(String::from_utf8_lossy(&text).into_owned())
        }
    };
    // What waits is sent.
    drop(otlp);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say_error(error);
            ExitCode::FAILURE
        }
    }
}

/// Where followed messages' paths are sent to, if anywhere.
fn otlp(args: &RunArgs) -> Result<Option<Otlp>, OtlpError> {
    match &args.otlp {
        None => Ok(None),
        Some(_) if args.follow_one_in == 0 => Err(OtlpError::NothingFollowed),
        Some(url) => Otlp::start(url).map(Some),
    }
}

fn run(args: &RunArgs) -> Result<(), String> {
    let summary = run::run(args).map_err(|error| error.to_string())?;
    tell(&summary, args.json)
}

fn check_config(path: &Path, json: bool) -> ExitCode {
    let mistakes = config::read(path).err().unwrap_or_default();
    let told = if json {
        print(serde_json::json!({"file": path, "mistakes": mistakes}).to_string())
    } else {
        match &mistakes[..] {
            [] => say(format_args!("{}: nothing is wrong", path.display())),
            mistakes => say(config::told(path, mistakes)),
        }
        Ok(())
    };
    match told {
        Err(error) => {
            say_error(error);
            ExitCode::FAILURE
        }
        Ok(()) if mistakes.is_empty() => ExitCode::SUCCESS,
        Ok(()) => ExitCode::from(2),
    }
}

fn soak(args: &SoakArgs) -> Result<(), String> {
    match args.plan()? {
        SoakPlan::Criteria(held) => {
            let criteria = soak::measure(held).map_err(|error| error.to_string())?;
            print(if args.json { criteria.json() } else { criteria.to_string() })?;
            criteria.verdict()
        }
        SoakPlan::Endurance(plan) => {
            let interrupt = Interrupt::listen()
                .map_err(|error| format!("Ctrl-C cannot be listened for: {error}"))?;
            let endured = soak::endure(&plan, &interrupt).map_err(|error| error.to_string())?;
            print(if args.json { endured.json() } else { endured.to_string() })?;
            endured.verdict()
        }
    }
}

fn tell(summary: &Summary, json: bool) -> Result<(), String> {
    print(if json { summary.json() } else { summary.to_string() })?;
    summary.verdict()
}

pub(crate) fn print(text: String) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    // Whoever closes the pipe has seen enough.
    match writeln!(out, "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(format!("the summary could not be written: {error}"))
        }
        _ => Ok(()),
    }
}
