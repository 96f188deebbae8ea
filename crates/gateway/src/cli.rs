use std::{ffi::OsString, path::PathBuf, str::FromStr, time::Duration};

use clap::{Arg, ArgGroup, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use meltica::event::Instrument;
use meltica_nats::OriginName;
use tracing_subscriber::filter::Targets;

use crate::{
    config,
    http::Listen,
    soak::{self, Length},
    venues::Venue,
};

/// Market data and execution reports from venues to consumers, in one process.
///
/// Without a command: `run`.
#[derive(Debug, Parser)]
#[command(name = "meltica", version, args_conflicts_with_subcommands = true, after_help = AFTER)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) log: LogArgs,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// What the log on stderr says, and how.
#[derive(Args, Clone, Debug)]
pub(crate) struct LogArgs {
    /// What the log on stderr says: error, warn, info, debug or trace, also by module, as `info,meltica_nats=debug`. Each
    /// failure of a consumer is told at debug, with its trace id.
    #[arg(long, value_name = "LEVEL", default_value = "info", global = true)]
    pub(crate) log: Targets,
    /// How: lines for people, or objects for machines.
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text", global = true)]
    pub(crate) log_format: LogFormat,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Connect to venues and feed the pipeline. Without a venue: to local ones, made up from a seed,
    /// whose frames go to ten consumers, one of them slow and one unreliable.
    Run(Box<RunArgs>),
    /// Write what a venue sends to a file, byte for byte, and feed it to the pipeline meanwhile.
    Record(RecordArgs),
    /// Push recorded traffic through the pipeline, frame by frame.
    Replay(ReplayArgs),
    /// Serve local venues, each venue's own side of its protocol with a market made up from a seed, for
    /// other programs of this machine to connect to.
    Serve(ServeArgs),
    /// Measure, on this machine, what meltica promises in numbers; fails if a bar is missed. Wants a
    /// quiet machine. With `--events` or `--for`: an endurance run, to the end or until the time is
    /// over, whichever is first; fails if a promise is broken.
    Soak(SoakArgs),
    /// Say what is wrong in a file for `run --config`, line by line.
    CheckConfig(CheckConfigArgs),
    /// Print what a shell needs to complete commands and flags, as `meltica completions bash > meltica.bash`.
    Completions(CompletionsArgs),
}

/// What the help ends with.
const AFTER: &str = "Each flag of `run` may also stand in a file (--config) or a variable (MELTICA_RATE for --rate).\n\n\
    Exit codes: 0 all is well; 1 something is not, and the last line says what; 2 the command line or the file is not understood; \
    130 a second Ctrl-C.";

#[derive(Args, Clone, Debug)]
pub(crate) struct CompletionsArgs {
    /// Whose.
    pub(crate) shell: Shell,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct CheckConfigArgs {
    /// The file.
    pub(crate) file: PathBuf,
    /// Print what is wrong as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

impl Cli {
    /// The flags of `run`, if that is what is to be done.
    pub(crate) fn runs(&self) -> Option<&RunArgs> {
        match &self.command {
            None => Some(&self.run),
            Some(Command::Run(args)) => Some(args),
            Some(_) => None,
        }
    }
}

/// Which command the command line names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// None, which is `run`.
    Nothing,
    Run,
    Another,
    /// Help, or the version: nothing is done.
    Help,
}

/// Which command this command line names, whatever else may be wrong with it.
pub(crate) fn asked(arguments: &[OsString]) -> Asked {
    match Cli::command().ignore_errors(true).try_get_matches_from(arguments) {
        Err(_) => Asked::Help,
        Ok(matches) => match matches.subcommand_name() {
            None => Asked::Nothing,
            Some("run") => Asked::Run,
            Some(_) => Asked::Another,
        },
    }
}

/// The command line, with the environment where it is silent; ends the process where it is wrong.
pub(crate) fn parse(arguments: Vec<OsString>, asked: Asked) -> Cli {
    let command = Cli::command();
    // Beside another command, what is said of a run is nobody's business; else both would be asked to make sense.
    let command = match asked {
        Asked::Nothing | Asked::Help => with_environment(command, |_| true),
        Asked::Run => with_environment(command, Arg::is_global_set)
            .mut_subcommand("run", |run| with_environment(run, |_| true)),
        Asked::Another => with_environment(command, Arg::is_global_set),
    };
    let matches = command.get_matches_from(arguments);
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

/// Each of these flags may be said by a variable as well.
fn with_environment(command: clap::Command, which: fn(&Arg) -> bool) -> clap::Command {
    command.mut_args(|arg| match arg.get_long().filter(|_| which(&arg)) {
        None | Some("help" | "version") => arg,
        Some(flag) => {
            let variable = config::variable(flag);
            arg.env(variable).hide_env(true)
        }
    })
}

#[derive(Args, Clone, Debug)]
pub(crate) struct RunArgs {
    /// Read flags from this TOML file, where neither the command line nor the environment (MELTICA_RATE for --rate) says
    /// them; docs/meltica.toml has all.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Connect to this venue's public endpoints; repeat it for several. Without it, to local venues
    /// that this program serves itself, on ports of this machine alone.
    #[arg(long = "venue", value_enum, value_name = "VENUE", requires = "symbols")]
    pub(crate) venues: Vec<Venue>,
    /// An instrument to subscribe to at every venue, as BTC-USD; repeat it for several.
    #[arg(long = "symbol", value_name = "BASE-QUOTE", value_delimiter = ',', requires = "venues")]
    pub(crate) symbols: Vec<Instrument>,
    #[command(flatten)]
    pub(crate) reach: ReachArgs,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
    /// Stop after this long, as `10s` or `1h 30m`; without it, on Ctrl-C.
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, allow_hyphen_values = true)]
    pub(crate) duration: Option<Duration>,
    /// Moves of the market per second, over all local venues; each is about an event.
    #[arg(long, value_name = "EVENTS", default_value_t = 15_000, value_parser = clap::value_parser!(u32).range(1..=2_000_000), conflicts_with = "venues")]
    pub(crate) rate: u32,
    /// The seed of the local venues: equal seeds make equal markets.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, conflicts_with = "venues")]
    pub(crate) seed: u64,
    /// Have the local venues lose, repeat, reorder, cut, corrupt and delay what they send, and close
    /// connections, as this seed has it; at the end all is well again, and the books are compared.
    #[arg(long, value_name = "SEED", conflicts_with = "venues")]
    pub(crate) faults: Option<u64>,
    /// Where to serve the live page, /metrics and /healthz: an address and a port, or `none`.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9464")]
    pub(crate) listen: Listen,
    /// Also take commands, as JSON over HTTP, from whoever may connect to this machine: at this address of it, or without
    /// one at 127.0.0.1:9465. GET /openapi.json there says how.
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_value = "none", default_missing_value = "127.0.0.1:9465", value_parser = Listen::here_alone)]
    pub(crate) control: Listen,
    /// Append critical messages that a consumer could not handle to this file, each a line of JSON, with its trace id.
    #[arg(long, value_name = "FILE")]
    pub(crate) dead_letters: Option<PathBuf>,
    /// Tell the log the path of one message in so many, by trace id, from the venue to each consumer.
    #[arg(long, value_name = "MESSAGES", default_value_t = 0)]
    pub(crate) follow_one_in: u64,
    /// Send the paths of followed messages as traces to this OpenTelemetry collector, as http://127.0.0.1:4318. Wants a
    /// program that was built with the feature `otlp`, and --follow-one-in.
    #[arg(long, value_name = "URL", requires = "follow_one_in")]
    pub(crate) otlp: Option<String>,
    /// Print the summary as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Other machines, over NATS.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Over NATS")]
pub(crate) struct RemoteArgs {
    /// Send everything on to this server, as nats://10.0.0.7:4222, for pipelines on other machines.
    #[arg(long, value_name = "URL", conflicts_with = "subscribe")]
    pub(crate) publish: Option<String>,
    /// Feed the pipeline with what another one publishes at this server, in place of venues.
    #[arg(long, value_name = "URL", conflicts_with_all = ["venues", "rate", "seed", "faults", "url", "rest_url", "ca"])]
    pub(crate) subscribe: Option<String>,
    /// By which name receivers know this sender: 1 to 16 lower-case letters, digits and dashes; without it, the
    /// machine's. Of --subscribe: whose routing versions are followed; without it, those of the first sender heard.
    #[arg(long, value_name = "NAME")]
    pub(crate) origin: Option<OriginName>,
    /// Where critical messages wait until the server has them; without it, a file of the sender's name among the user's
    /// state.
    #[arg(long, value_name = "FILE", requires = "publish")]
    pub(crate) outbox: Option<PathBuf>,
    /// The name under which the server remembers what this receiver has had; without it, the machine's.
    #[arg(long, value_name = "NAME", requires = "subscribe")]
    pub(crate) durable: Option<String>,
    /// Where this receiver itself notes what it has had; without it, a file of the receiver's name among the user's
    /// state.
    #[arg(long, value_name = "FILE", requires = "subscribe")]
    pub(crate) positions: Option<PathBuf>,
    /// A credentials file, as nsc makes it.
    #[arg(long, value_name = "FILE", conflicts_with = "nkey")]
    pub(crate) creds: Option<PathBuf>,
    /// A file with the seed of an nkey.
    #[arg(long, value_name = "FILE")]
    pub(crate) nkey: Option<PathBuf>,
    /// Trust the certificate authorities of this PEM file too when connecting to the server.
    #[arg(long, value_name = "FILE")]
    pub(crate) nats_ca: Option<PathBuf>,
}

/// How a venue is reached, where not as usual.
#[derive(Args, Clone, Debug)]
pub(crate) struct ReachArgs {
    /// Connect to this URL in place of the venue's own, as through a proxy; with one venue only.
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Fetch snapshots below this URL in place of the venue's own; with one venue only.
    #[arg(long, value_name = "URL")]
    pub(crate) rest_url: Option<String>,
    /// Trust the certificate authorities of this PEM file, and no others; without it, those of
    /// Mozilla's list.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct RecordArgs {
    /// The venue to record.
    #[arg(long, value_enum)]
    pub(crate) venue: Venue,
    /// An instrument to record, as BTC-USD; repeat it for several.
    #[arg(long = "symbol", value_name = "BASE-QUOTE", value_delimiter = ',', required = true)]
    pub(crate) symbols: Vec<Instrument>,
    /// The recording, compressed by gzip; one that exists is appended to.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Stop after this long, as `10s` or `1h 30m`; without it, on Ctrl-C.
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, allow_hyphen_values = true)]
    pub(crate) duration: Option<Duration>,
    #[command(flatten)]
    pub(crate) reach: ReachArgs,
    /// Print the summary as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ServeArgs {
    /// A venue to serve; repeat it for several.
    #[arg(long = "venue", value_enum, value_name = "VENUE", required = true)]
    pub(crate) venues: Vec<Venue>,
    /// An instrument that they trade, as BTC-USD; repeat it for several.
    #[arg(long = "symbol", value_name = "BASE-QUOTE", value_delimiter = ',', required = true)]
    pub(crate) symbols: Vec<Instrument>,
    /// The port of the first venue, the next of the second, and so on; 0 takes any free ones.
    #[arg(long, default_value_t = 0)]
    pub(crate) port: u16,
    /// Moves of the market per second, over all venues.
    #[arg(long, value_name = "EVENTS", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=2_000_000))]
    pub(crate) rate: u32,
    /// The seed of the markets.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Print where each venue is as one JSON object, as soon as it is served.
    #[arg(long)]
    pub(crate) json: bool,
    /// Have one frame in 32 lost, repeated, reordered, cut, corrupted or delayed, or the connection
    /// closed, as this seed has it.
    #[arg(long, value_name = "SEED")]
    pub(crate) faults: Option<u64>,
    /// Stop after this long, as `10s` or `1h 30m`; without it, on Ctrl-C.
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, allow_hyphen_values = true)]
    pub(crate) duration: Option<Duration>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ReplayArgs {
    /// The recording, plain or gzip: as `record` writes it, or a line is nanoseconds since 1970, a
    /// blank or a tab, and the frame; or the frame alone.
    pub(crate) file: PathBuf,
    /// Whose frames these are.
    #[arg(long, value_enum)]
    pub(crate) venue: Venue,
    /// An instrument that was recorded, as BTC-USDT; repeat it for several.
    #[arg(long = "symbol", value_name = "BASE-QUOTE", value_delimiter = ',', required = true)]
    pub(crate) symbols: Vec<Instrument>,
    /// `fast`, as fast as it goes; 1, at the pace of the recording; 10, ten times as fast. What is
    /// delivered is the same.
    #[arg(long, default_value = "fast")]
    pub(crate) pace: Pace,
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

/// How fast a recording is replayed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    /// As fast as it goes.
    Fast,
    /// So many times as fast as it was recorded.
    Times(f64),
}

impl FromStr for Pace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            _ if text == "fast" => Ok(Self::Fast),
            Ok(times) if (0.001..=1e6).contains(&times) => Ok(Self::Times(times)),
            _ => Err("write fast, 1 for the pace of the recording, or 10 for ten times as fast; \
                      from 0.001 to 1000000"
                .to_owned()),
        }
    }
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
