use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use meltica::event::Instrument;

use crate::http::Listen;

/// Market data and execution reports from venues to consumers, in one process.
///
/// Without a command: `run`.
#[derive(Debug, Parser)]
#[command(name = "meltica", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run three synthetic venues into ten consumers, one of them slow and one unreliable.
    Run(RunArgs),
    /// Push recorded traffic through the pipeline, frame by frame.
    Replay(ReplayArgs),
    /// Measure, on this machine, what meltica promises in numbers; fails if a bar is missed. Wants a
    /// quiet machine.
    Soak(SoakArgs),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct RunArgs {
    /// Stop after this long, as `10s` or `1h 30m`; without it, on Ctrl-C.
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, allow_hyphen_values = true)]
    pub(crate) duration: Option<Duration>,
    /// Events per second, over all venues.
    #[arg(long, value_name = "EVENTS", default_value_t = 15_000, value_parser = clap::value_parser!(u32).range(1..=2_000_000))]
    pub(crate) rate: u32,
    /// The seed of the synthetic venues: equal seeds make equal markets.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Where to serve /metrics and /healthz: an address and a port, or `none`.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9464")]
    pub(crate) listen: Listen,
    /// Tell the log the path of one message in so many, by trace id, from the venue to each consumer.
    #[arg(long, value_name = "MESSAGES", default_value_t = 0)]
    pub(crate) follow_one_in: u64,
    /// Print the summary as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ReplayArgs {
    /// The recording, plain or gzip: a line is nanoseconds since 1970, a blank, and the frame.
    pub(crate) file: PathBuf,
    /// Whose frames these are.
    #[arg(long, value_enum)]
    pub(crate) venue: Venue,
    /// The instrument recorded, as BTC-USDT.
    #[arg(long, value_name = "BASE-QUOTE")]
    pub(crate) symbol: Instrument,
    /// Print the summary as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct SoakArgs {
    /// What to measure.
    #[arg(long, value_enum, default_value = "sc")]
    pub(crate) profile: Profile,
    /// How long each measurement is held.
    #[arg(long = "for", value_name = "DURATION", value_parser = soak_duration, default_value = "5s", allow_hyphen_values = true)]
    pub(crate) duration: Duration,
    /// Print the rows as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Profile {
    /// The success criteria: latency to ten consumers, use of the pools, parallel efficiency.
    Sc,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Venue {
    /// Binance spot, combined streams.
    Binance,
}

/// Beyond what any clock here can add.
const TEN_YEARS: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

/// What is measured is kept, event by event.
fn soak_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        held if held > Duration::from_secs(600) => Err("longer than ten minutes".to_owned()),
        held => Ok(held),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("a run of no time; write 10s".to_owned()),
        Ok(duration) if duration > TEN_YEARS => Err("longer than ten years".to_owned()),
        Ok(duration) => Ok(duration),
        Err(error) => Err(format!("{error}; write 10s, or 1h 30m")),
    }
}
