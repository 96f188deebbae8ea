//! Commands from elsewhere: a request, and two answers.
//!
//! A request on `meltica.control.<origin>` is a [`RemoteCommand`] in JSON, as `{"pause":{"consumer":"risk"}}`. The first
//! answer is what the command's `ControlAck` says, the second what its `ControlResult` says, each as a
//! [`RemoteAnswer`] in JSON. Both also reach every consumer that wants control events, on all machines.

use std::{sync::Arc, time::Duration};

use async_nats::{Client, Message};
use futures_util::StreamExt;
use meltica_event::{ControlOutcome, TraceId};
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, watch};

use crate::{OriginName, subject};

/// How long a command may take to be in force before the operator is told that it is not known.
const LONGEST: Duration = Duration::from_secs(10);
/// How many commands may wait at a time.
const AT_A_TIME: usize = 16;

/// What a pipeline can be told from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum RemoteCommand {
    /// Makes a new routing version.
    Flip,
    /// Sets the least version of market data that a consumer accepts.
    SetMinVersion {
        /// Its name.
        consumer: String,
        /// The version.
        version: u64,
    },
    /// Has no message be taken for a consumer any more.
    Pause {
        /// Its name.
        consumer: String,
    },
    /// Lets a paused consumer run again.
    Resume {
        /// Its name.
        consumer: String,
    },
    /// Has a consumer run on the pipeline's own thread, as a part of pushing, or on the workers' again.
    SetInline {
        /// Its name.
        consumer: String,
        /// Whether on the pipeline's own.
        inline: bool,
    },
    /// Removes a consumer.
    Unsubscribe {
        /// Its name.
        consumer: String,
    },
    /// Removes a merge rule.
    RemoveMerge {
        /// Its name.
        rule: String,
    },
}

/// What became of a command: first that it was received, then whether it is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteAnswer {
    /// The number of the command in that pipeline; 0 if it never got that far.
    pub command: u64,
    /// The trace id of its control events, 16 hexadecimal digits; empty if there are none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trace: String,
    /// `accepted`, `applied` or `rejected`; or [`UNKNOWN`](Self::UNKNOWN).
    pub outcome: String,
    /// The routing version when it was in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Why it was refused; empty if it was not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

impl RemoteAnswer {
    /// The outcome of a command that was received, was not in force after ten seconds, and may be still: ask the pipeline
    /// before it is sent again.
    pub const UNKNOWN: &str = "unknown";

    /// Whether it is the last one.
    pub fn is_last(&self) -> bool {
        self.outcome != ControlOutcome::Accepted.as_str()
    }

    fn rejected(detail: String) -> Self {
        Self {
            command: 0,
            trace: String::new(),
            outcome: ControlOutcome::Rejected.as_str().to_owned(),
            version: None,
            detail,
        }
    }
}

/// A pipeline that takes commands from elsewhere.
pub trait Commands: Send + Sync {
    /// Sends a command to the pipeline.
    ///
    /// # Errors
    ///
    /// Why it was not sent, in words for the operator.
    fn send(&self, command: RemoteCommand) -> Result<Sent, String>;
}

/// A command on its way.
pub struct Sent {
    /// Its number.
    pub command: u64,
    /// The trace id of its control events.
    pub trace: TraceId,
    /// Waits until it is in force, for so long at most: the routing version then, or why it was refused; `None` if that
    /// is not known yet. Called on a thread that may block.
    pub wait: Box<dyn FnOnce(Duration) -> Option<Result<u64, String>> + Send>,
}

impl std::fmt::Debug for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sent").field("command", &self.command).finish_non_exhaustive()
    }
}

/// Answers commands until it is told to stop.
pub(crate) async fn answer(
    client: Client,
    origin: OriginName,
    commands: Arc<dyn Commands>,
    mut stop: watch::Receiver<bool>,
) {
    let Ok(mut requests) = client.subscribe(subject::control(origin)).await else {
        tracing::error!("no operator will be heard");
        return;
    };
    let room = Arc::new(Semaphore::new(AT_A_TIME));
    loop {
        let request = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            request = requests.next() => request,
        };
        let Some(request) = request else { return };
        let (client, commands) = (client.clone(), Arc::clone(&commands));
        let Ok(room) = Arc::clone(&room).try_acquire_owned() else {
            let full = RemoteAnswer::rejected(format!(
                "{AT_A_TIME} commands are being answered; send it again"
            ));
            reply(&client, &request, &full).await;
            continue;
        };
        tokio::spawn(async move {
            obey(&client, &request, commands).await;
            drop(room);
        });
    }
}

async fn obey(client: &Client, request: &Message, commands: Arc<dyn Commands>) {
    let sent = serde_json::from_slice(&request.payload)
        .map_err(|error| {
            format!(
                "no command: {error}; write \"flip\" or {{\"pause\":{{\"consumer\":\"NAME\"}}}}"
            )
        })
        .and_then(|command: RemoteCommand| commands.send(command));
    let Sent { command, trace, wait } = match sent {
        Ok(sent) => sent,
        Err(reason) => return reply(client, request, &RemoteAnswer::rejected(reason)).await,
    };
    let answer = |outcome: &str, version, detail| RemoteAnswer {
        command,
        trace: trace.to_string(),
        outcome: outcome.to_owned(),
        version,
        detail,
    };
    let [accepted, applied, rejected] =
        [ControlOutcome::Accepted, ControlOutcome::Applied, ControlOutcome::Rejected]
            .map(ControlOutcome::as_str);
    reply(client, request, &answer(accepted, None, String::new())).await;
    let result = tokio::task::spawn_blocking(move || wait(LONGEST)).await;
    let last = match result {
        Ok(Some(Ok(version))) => answer(applied, Some(version), String::new()),
        Ok(Some(Err(reason))) => answer(rejected, None, reason),
        Ok(None) | Err(_) => answer(
            RemoteAnswer::UNKNOWN,
            None,
            format!(
                "not in force after {} s, and may be still; see the control events",
                LONGEST.as_secs()
            ),
        ),
    };
    reply(client, request, &last).await;
}

async fn reply(client: &Client, request: &Message, answer: &RemoteAnswer) {
    let Some(to) = &request.reply else { return };
    match serde_json::to_vec(answer) {
        Ok(text) => {
            let _ = client.publish(to.clone(), text.into()).await;
        }
        Err(error) => tracing::error!(%error, "an answer has no JSON"),
    }
}

/// Sends a command to the pipeline of this origin, and waits for both answers, for so long at most.
///
/// # Errors
///
/// [`RemoteError`]. A command that was refused is none: its last answer says so.
pub async fn command(
    client: &Client,
    origin: OriginName,
    command: &RemoteCommand,
    limit: Duration,
) -> Result<(RemoteAnswer, RemoteAnswer), RemoteError> {
    let inbox = client.new_inbox();
    let asked = async {
        let failed = |error: &dyn std::fmt::Display| RemoteError::Failed(error.to_string());
        let mut answers = client.subscribe(inbox.clone()).await.map_err(|e| failed(&e))?;
        let text = serde_json::to_vec(command).map_err(|e| failed(&e))?;
        client
            .publish_with_reply(subject::control(origin), inbox, text.into())
            .await
            .map_err(|e| failed(&e))?;
        let mut first = None;
        while let Some(answer) = answers.next().await {
            if answer.status == Some(async_nats::StatusCode::NO_RESPONDERS) {
                return Err(RemoteError::Nobody(origin));
            }
            let answer: RemoteAnswer =
                serde_json::from_slice(&answer.payload).map_err(|e| failed(&e))?;
            if answer.is_last() {
                return Ok((first.unwrap_or_else(|| answer.clone()), answer));
            }
            first = Some(answer);
        }
        Err(RemoteError::Failed("the connection is closed".to_owned()))
    };
    tokio::time::timeout(limit, asked).await.unwrap_or(Err(RemoteError::Late(limit)))
}

/// Why a command has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// Nobody of this name listens.
    #[error("no pipeline `{0}` listens; see that it runs with --publish and --origin {0}")]
    Nobody(OriginName),
    /// No answer came in time. The command may be in force all the same.
    #[error("no answer within {0:?}; the command may be in force all the same")]
    Late(Duration),
    /// The connection or the answer is at fault.
    #[error("{0}")]
    Failed(String),
}
