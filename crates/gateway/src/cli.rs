use std::{path::PathBuf, time::Duration};

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use meltica::event::Instrument;

use crate::{
    http::Listen,
    soak::{self, Length},
};

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
    /// quiet machine. With `--events` or `--for`: an endurance run, to the end or until the time is
    /// over, whichever is first; fails if a promise is broken.
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
#[command(group = ArgGroup::new("length").args(["events", "duration"]).multiple(true))]
pub(crate) struct SoakArgs {
    /// What to measure; without it, and without a length of an endurance run, `sc`.
    #[arg(long, value_enum, conflicts_with_all = ["events", "consumers", "panic_rate", "flips", "seed"])]
    pub(crate) profile: Option<Profile>,
    /// Endure so many events.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000_000))]
    pub(crate) events: Option<u64>,
    /// Endure for so long, as `10s` or `24h`; of a profile, how long each measurement is held, `5s`
    /// without it.
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, allow_hyphen_values = true)]
    pub(crate) duration: Option<Duration>,
    /// How many consumers have each event.
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=200), requires = "length")]
    pub(crate) consumers: u16,
    /// The share of the events, from 0 to 1, for which one consumer panics: on the event, or, where it
    /// skipped that, on the next one that it gets.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share, allow_hyphen_values = true, requires = "length")]
    pub(crate) panic_rate: f64,
    /// Flips of the routing version, evenly among the events, at most as many; without it, one in a
    /// hundred events.
    #[arg(long, value_name = "NUMBER", requires = "events")]
    pub(crate) flips: Option<u64>,
    /// The seed of the events and the panics: equal seeds make equal ones.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, requires = "length")]
    pub(crate) seed: u64,
    /// Print what was measured as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a soak is to do.
pub(crate) enum SoakPlan {
    /// The success criteria, each held for so long.
    Criteria(Duration),
    Endurance(soak::Plan),
}

impl SoakArgs {
    /// What they ask for.
    pub(crate) fn plan(&self) -> Result<SoakPlan, String> {
        let length = match (self.profile, self.events, self.duration) {
            (Some(Profile::Sc), ..) | (None, None, None) => {
                // What is measured is kept, event by event.
                return match self.duration.unwrap_or(Duration::from_secs(5)) {
                    held if held > Duration::from_secs(600) => Err(
                        "--for is longer than ten minutes, which is the most that --profile holds a \
                         measurement; without --profile it is an endurance run"
                            .to_owned(),
                    ),
                    held => Ok(SoakPlan::Criteria(held)),
                };
            }
            (None, Some(events), duration) => match self.flips {
                Some(flips) if flips > events => {
                    return Err(format!("--flips {flips} are more than --events {events}"));
                }
                flips => Length::Events { events, flips, duration },
            },
            (None, None, Some(duration)) => Length::Time(duration),
        };
        let (consumers, panic_rate) = (usize::from(self.consumers), self.panic_rate);
        Ok(SoakPlan::Endurance(soak::Plan { length, consumers, panic_rate, seed: self.seed }))
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Profile {
    /// The success criteria: latency to ten consumers, use of the pools, parallel efficiency, and what
    /// an endurance run with flips and panics must not break.
    Sc,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Venue {
    /// Binance spot, combined streams.
    Binance,
}

/// Beyond what any clock here can add.
const TEN_YEARS: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("not a share from 0 to 1; write 0.1 for one in ten".to_owned()),
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
