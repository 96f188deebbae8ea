//! Ends processes, servers and connections under load, and compares what was sent with what came.

#![forbid(unsafe_code)]

mod bridge;
mod child;
mod ledger;
mod market;
mod memory;
mod publisher;
mod report;
mod script;
mod subscriber;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing::level_filters::LevelFilter;

/// Two publishers and a receiver over a real nats-server, whose processes, server and connections end without warning.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    script: script::ScriptArgs,
}

/// What the script runs as processes of their own.
#[derive(Debug, Subcommand)]
enum Part {
    /// One that sends.
    #[command(hide = true)]
    Publisher(publisher::PublisherArgs),
    /// The one that receives.
    #[command(hide = true)]
    Subscriber(subscriber::SubscriberArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let level = if cli.part.is_some() { LevelFilter::INFO } else { LevelFilter::ERROR };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .with_writer(std::io::stderr)
        .log_internal_errors(false)
        .init();
    let outcome = match cli.part {
        Some(Part::Publisher(args)) => publisher::run(&args),
        Some(Part::Subscriber(args)) => subscriber::run(&args),
        None => script::run(&cli.script).and_then(|report| {
            println!("{}", if cli.script.json { report.json() } else { report.to_string() });
            report.verdict()
        }),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
