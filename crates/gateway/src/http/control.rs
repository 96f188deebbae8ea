//! What is commanded: the control plane as JSON, for operators and their scripts on this machine. The commands and answers
//! are those of `meltica.control.<origin>` over NATS.
//!
//! Whoever may connect to this machine may command. What keeps a browser's pages out is that a request must name this
//! machine (so that no other name was made to lead here) and be of a kind that a page cannot send unasked.

use std::{net::IpAddr, sync::Arc, time::Duration};

use http_body_util::{BodyExt, Limited};
use hyper::{
    Method, Request, StatusCode,
    body::Incoming,
    header::{CONTENT_TYPE, HOST},
};
use meltica::{Control, Stats};
use meltica_nats::{Commands, RemoteAnswer, RemoteCommand, Sent};
use serde::Serialize;
use tokio::sync::Semaphore;

use super::{
    Site,
    response::{Answer, allowing, json, of_kind},
};
use crate::remote::Remote;

/// How large a command may be.
const COMMAND_SIZE: usize = 64 << 10;
/// How long its sender may take to send it.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it may take to be in force before its sender is told that it is not known.
const LONGEST: Duration = Duration::from_secs(10);
/// How many commands may wait at a time.
const AT_A_TIME: usize = 16;

/// The site of `--control`.
pub(crate) struct ControlSite {
    commands: Arc<dyn Commands>,
    stats: Box<dyn Fn() -> Stats + Send + Sync>,
    room: Semaphore,
}

/// How the pipeline stands.
#[derive(Serialize)]
struct State<'a> {
    version: u64,
    commands_applied: u64,
    commands_rejected: u64,
    consumers: Vec<ConsumerState<'a>>,
    merge_rules: Vec<RuleState<'a>>,
}

#[derive(Serialize)]
struct ConsumerState<'a> {
    consumer: &'a str,
    min_version: u64,
    paused: bool,
    inline: bool,
    waiting: usize,
    delivered: u64,
    folded: u64,
    dropped: u64,
    failed: u64,
}

#[derive(Serialize)]
struct RuleState<'a> {
    rule: &'a str,
    merged: u64,
    open_windows: u64,
}

impl<'a> State<'a> {
    fn of(stats: &'a Stats) -> Self {
        let gate = |name: &str| {
            stats
                .consumers
                .iter()
                .find(|one| &*one.consumer == name)
                .map_or(0, |one| one.min_version)
        };
        let consumers = stats.dispatcher.lanes.iter().map(|lane| ConsumerState {
            consumer: &lane.consumer,
            min_version: gate(&lane.consumer),
            paused: lane.paused,
            inline: lane.inline,
            waiting: lane.depth,
            delivered: lane.delivered,
            folded: lane.folded,
            dropped: lane.dropped,
            failed: lane.failed,
        });
        let merge_rules = stats.merges.iter().map(|merge| RuleState {
            rule: &merge.rule,
            merged: merge.merged(),
            open_windows: merge.windows.open,
        });
        Self {
            version: stats.dispatcher.version,
            commands_applied: stats.commands_applied,
            commands_rejected: stats.commands_rejected,
            consumers: consumers.collect(),
            merge_rules: merge_rules.collect(),
        }
    }
}

/// What is wrong with a request.
#[derive(Serialize)]
struct Refusal {
    error: String,
}

impl ControlSite {
    pub(crate) fn new(control: Control, stats: impl Fn() -> Stats + Send + Sync + 'static) -> Self {
        Self {
            commands: Arc::new(Remote(control)),
            stats: Box::new(stats),
            room: Semaphore::new(AT_A_TIME),
        }
    }

    /// Reads a command, sends it, and waits until it is in force.
    async fn command(&self, request: Request<Incoming>) -> Answer {
        let is_json = request.headers().get(CONTENT_TYPE).is_some_and(|kind| {
            let kind = kind.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
            kind.trim_ascii().eq_ignore_ascii_case(b"application/json")
        });
        if !is_json {
            return refusal(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "send it as content-type: application/json".to_owned(),
            );
        }
        let Ok(_room) = self.room.try_acquire() else {
            return refusal(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("{AT_A_TIME} commands are being answered; send it again"),
            );
        };
        let body = Limited::new(request.into_body(), COMMAND_SIZE).collect();
        let body = match tokio::time::timeout(PATIENCE, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
                return refusal(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    format!("a command has at most {COMMAND_SIZE} bytes"),
                );
            }
            Ok(Err(error)) => return refusal(StatusCode::BAD_REQUEST, error.to_string()),
            Err(_) => {
                return refusal(
                    StatusCode::REQUEST_TIMEOUT,
                    format!("the command did not come within {} s", PATIENCE.as_secs()),
                );
            }
        };
        let command: RemoteCommand = match serde_json::from_slice(&body) {
            Ok(command) => command,
            Err(error) => {
                return refusal(
                    StatusCode::BAD_REQUEST,
                    format!(
                        "no command: {error}; write \"flip\" or {{\"pause\":{{\"consumer\":\"NAME\"}}}}, and see \
                         /openapi.json"
                    ),
                );
            }
        };
        let Sent { command, trace, wait } = match self.commands.send(command) {
            Ok(sent) => sent,
            Err(reason) => return refusal(StatusCode::SERVICE_UNAVAILABLE, reason),
        };
        let answer = |outcome: &str, version, detail| RemoteAnswer {
            command,
            trace: trace.to_string(),
            outcome: outcome.to_owned(),
            version,
            detail,
        };
        match tokio::task::spawn_blocking(move || wait(LONGEST)).await {
            Ok(Some(Ok(version))) => {
                json(StatusCode::OK, &answer("applied", Some(version), String::new()))
            }
            Ok(Some(Err(reason))) => json(StatusCode::CONFLICT, &answer("rejected", None, reason)),
            Ok(None) | Err(_) => {
                let late = format!("not in force after {} s, and may be still", LONGEST.as_secs());
                json(StatusCode::ACCEPTED, &answer(RemoteAnswer::UNKNOWN, None, late))
            }
        }
    }
}

impl Site for ControlSite {
    const WHAT: &'static str = "the control plane";
    const FLAG: &'static str = "--control";

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        if !names_this_machine(&request) {
            return refusal(
                StatusCode::MISDIRECTED_REQUEST,
                "ask by an address of this machine, as 127.0.0.1, or by localhost".to_owned(),
            );
        }
        let only = |methods: &'static str| {
            allowing(methods, refusal(StatusCode::METHOD_NOT_ALLOWED, format!("only {methods}")))
        };
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        match request.uri().path() {
            "/openapi.json" | "/pipeline" if !is_read => only("GET, HEAD"),
            "/openapi.json" => of_kind("application/json", include_str!("openapi.json")),
            "/pipeline" => json(StatusCode::OK, &State::of(&(self.stats)())),
            "/commands" if request.method() != Method::POST => only("POST"),
            "/commands" => self.command(request).await,
            _ => refusal(
                StatusCode::NOT_FOUND,
                "there is /openapi.json, /pipeline and /commands".to_owned(),
            ),
        }
    }
}

/// Whether it was meant for this machine, by an address or as `localhost`.
fn names_this_machine(request: &Request<Incoming>) -> bool {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    host.is_some_and(is_this_machine)
}

fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

fn refusal(status: StatusCode, error: String) -> Answer {
    json(status, &Refusal { error })
}

#[cfg(test)]
mod tests;
