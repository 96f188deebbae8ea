use std::time::Duration;

use meltica::{Command, Control};
use meltica_nats::{Commands, RemoteCommand, Sent};

/// The pipeline's control, for operators elsewhere.
pub(crate) struct Remote(pub(crate) Control);

impl Commands for Remote {
    fn send(&self, command: RemoteCommand) -> Result<Sent, String> {
        let command = match command {
            RemoteCommand::Flip => Command::Flip,
            RemoteCommand::SetMinVersion { consumer, version } => {
                Command::SetMinVersion { consumer, version }
            }
            RemoteCommand::Pause { consumer } => Command::Pause { consumer },
            RemoteCommand::Resume { consumer } => Command::Resume { consumer },
            RemoteCommand::SetInline { consumer, inline } => {
                Command::SetInline { consumer, inline }
            }
            RemoteCommand::Unsubscribe { consumer } => Command::Unsubscribe { consumer },
            RemoteCommand::RemoveMerge { rule } => Command::RemoveMerge { rule },
            other => return Err(format!("this program has no {other:?}; update it")),
        };
        let pending = self.0.send(command).map_err(|error| error.to_string())?;
        Ok(Sent {
            command: pending.command(),
            trace: pending.trace(),
            wait: Box::new(move |limit: Duration| {
                let result = pending.wait(limit)?;
                Some(result.map(|applied| applied.version).map_err(|error| error.to_string()))
            }),
        })
    }
}
