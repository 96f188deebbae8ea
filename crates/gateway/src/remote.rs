//! Over NATS: how it is reached, and what the user said about it.

mod commands;
mod publish;
mod subscribe;

use std::{env, fs, path::PathBuf};

use meltica_nats::{
    Connect, Credentials, InboundError, InboundStats, OriginName, OutboundError, OutboundStats,
};

pub(crate) use self::{commands::Remote, publish::Publishing, subscribe::subscribe};
use crate::cli::RemoteArgs;

/// Where the server is, and as whom we come.
fn connect(url: &str, args: &RemoteArgs) -> Connect {
    let connect = Connect::new(url);
    let credentials = match (&args.creds, &args.nkey) {
        (Some(file), _) => Some(Credentials::File(file.clone())),
        (None, Some(file)) => Some(Credentials::Nkey(file.clone())),
        (None, None) => None,
    };
    let connect = match credentials {
        Some(credentials) => connect.credentials(credentials),
        None => connect,
    };
    match &args.nats_ca {
        Some(file) => connect.ca(file),
        None => connect,
    }
}

/// The name that this machine goes by, as a sender or a receiver: whole, since two that are cut may be one.
fn own_name(flag: &'static str) -> Result<OriginName, RemoteError> {
    named_after(&fs::read_to_string("/etc/hostname").unwrap_or_default(), flag)
}

fn named_after(host: &str, flag: &'static str) -> Result<OriginName, RemoteError> {
    let host = host.trim().to_lowercase();
    host.parse().map_err(|_| RemoteError::NoName { host, flag })
}

/// A file that outlives a run: the one that was named, or one of this name where such files belong.
fn kept(named: Option<&PathBuf>, name: String) -> Result<PathBuf, RemoteError> {
    if let Some(path) = named {
        return Ok(path.clone());
    }
    let set = |variable: &str| env::var_os(variable).filter(|v| !v.is_empty()).map(PathBuf::from);
    let state = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")));
    let folder = state.map_or_else(|| PathBuf::from("."), |state| state.join("meltica"));
    fs::create_dir_all(&folder)
        .map_err(|cause| RemoteError::Folder { folder: folder.clone(), cause })?;
    Ok(folder.join(name))
}

/// What went over NATS.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Traffic {
    Sent(OutboundStats),
    Received(InboundStats),
}

/// Why NATS cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RemoteError {
    #[error("{0}")]
    Outbound(#[from] OutboundError),
    #[error("{0}")]
    Inbound(#[from] InboundError),
    #[error(
        "this machine's name, `{host}`, is none by which others could know it: 1 to 16 lower-case letters, digits and dashes; \
         choose one by {flag}"
    )]
    NoName { host: String, flag: &'static str },
    #[error("{}: {cause}", folder.display())]
    Folder { folder: PathBuf, cause: std::io::Error },
}

#[cfg(test)]
mod tests;
