//! Connections to the server: where to, as whom, and what becomes of them.

use std::{
    error::Error as _,
    fs, io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, ServerAddr};
use tokio::sync::watch;

use crate::subject;

/// How a server is reached, and as whom.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Connect {
    /// The server, as `nats://10.0.0.7:4222`, or `tls://…`; several of one cluster, separated by commas. Secrets do not
    /// belong here: whoever may list processes reads them.
    pub url: String,
    /// Who we are; `None` where the server lets everybody in.
    pub credentials: Option<Credentials>,
    /// A PEM file of the certificate authorities that may vouch for the server, beside those that the system knows.
    pub ca: Option<PathBuf>,
    /// How often a connection is asked whether it still lives; after two questions without an answer it is given up.
    pub ping: Duration,
}

/// Who we are, in a file that only we may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// A credentials file, as `nsc` makes it: a token and a seed.
    File(PathBuf),
    /// A file with the seed of an nkey, as `SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY`.
    Nkey(PathBuf),
}

impl Connect {
    /// To this server, without credentials.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), credentials: None, ca: None, ping: Duration::from_secs(5) }
    }

    /// As whom.
    #[must_use]
    pub fn credentials(self, credentials: Credentials) -> Self {
        Self { credentials: Some(credentials), ..self }
    }

    /// Whom to trust.
    #[must_use]
    pub fn ca(self, file: impl Into<PathBuf>) -> Self {
        Self { ca: Some(file.into()), ..self }
    }

    /// How often a connection is asked whether it still lives.
    #[must_use]
    pub fn ping(self, every: Duration) -> Self {
        Self { ping: every, ..self }
    }

    /// The servers, or why they cannot be meant.
    fn servers(&self) -> Result<Vec<ServerAddr>, ConnectError> {
        let wrong = |reason: String| ConnectError::Url { url: hidden(&self.url), reason };
        let server = |text: &str| {
            let address: ServerAddr =
                text.trim().parse().map_err(|error: io::Error| wrong(error.to_string()))?;
            if address.has_user_pass() {
                return Err(ConnectError::Secret { url: hidden(&self.url) });
            }
            if !matches!(address.scheme(), "nats" | "tls") {
                return Err(wrong("it begins neither with nats:// nor with tls://".to_owned()));
            }
            if address.host().is_empty() {
                return Err(wrong("it names no host".to_owned()));
            }
            Ok(address)
        };
        self.url.split(',').map(server).collect()
    }

    /// Everything that can be found wrong without the server: for whoever wants to know before a start.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] names what is wrong.
    pub fn check(&self) -> Result<(), ConnectError> {
        self.servers()?;
        self.secret()?;
        match &self.ca {
            Some(path) => readable(path).map(drop),
            None => Ok(()),
        }
    }

    /// What the file of the credentials says.
    fn secret(&self) -> Result<Option<String>, ConnectError> {
        let Some(Credentials::File(path) | Credentials::Nkey(path)) = &self.credentials else {
            return Ok(None);
        };
        readable(path).map(Some)
    }

    /// A connection that comes back by itself. One that cannot be had for want of a server is waited for in the
    /// background; one that is refused is an error. What is asked is answered below `_INBOX.<owner>`, so that a server can
    /// keep others from reading it.
    pub(crate) async fn open(
        &self,
        owner: &str,
        queue: usize,
        link: &Arc<Link>,
    ) -> Result<Client, ConnectError> {
        let servers = self.servers()?;
        let told = Arc::clone(link);
        let mut options = ConnectOptions::new()
            .name(format!("meltica {}", link.role))
            .custom_inbox_prefix(subject::inbox(owner))
            .ping_interval(self.ping)
            .connection_timeout(Duration::from_secs(5))
            .client_capacity(queue)
            .skip_subject_validation(true)
            .reconnect_delay_callback(|attempts| {
                let doublings = attempts.min(6) as u32;
                Duration::from_millis(25 << doublings)
            })
            .event_callback(move |event| {
                told.note(&event);
                std::future::ready(())
            });
        if let Some(ca) = &self.ca {
            readable(ca)?;
            options = options.add_root_certificates(ca.clone());
        }
        options = match (&self.credentials, self.secret()?) {
            (Some(Credentials::File(path)), Some(text)) => {
                let bad = |cause| ConnectError::Credentials { path: path.clone(), cause };
                options.credentials(&text).map_err(bad)?
            }
            (_, Some(seed)) => options.nkey(seed.trim().to_owned()),
            _ => options,
        };
        match options.clone().connect(&servers[..]).await {
            Ok(client) => Ok(client),
            Err(error) if is_absence(&error) => {
                tracing::warn!(url = hidden(&self.url), %error, "no server yet; trying on");
                let options = options.retry_on_initial_connect();
                options.connect(&servers[..]).await.map_err(|error| self.refused(&error))
            }
            Err(error) => Err(self.refused(&error)),
        }
    }

    fn refused(&self, error: &async_nats::ConnectError) -> ConnectError {
        ConnectError::Refused { url: hidden(&self.url), reason: error.to_string() }
    }
}

/// Whether there may be a server later, as it is. A certificate that nobody vouches for stays so.
fn is_absence(error: &async_nats::ConnectError) -> bool {
    let io = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    match error.kind() {
        ConnectErrorKind::Dns | ConnectErrorKind::TimedOut => true,
        ConnectErrorKind::Io => io.is_none_or(|io| io.kind() != io::ErrorKind::InvalidData),
        _ => false,
    }
}

fn readable(path: &PathBuf) -> Result<String, ConnectError> {
    fs::read_to_string(path).map_err(|cause| ConnectError::File { path: path.clone(), cause })
}

/// Without what a log must not have.
fn hidden(url: &str) -> String {
    let one = |one: &str| match (one.split_once("://"), one.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        (None, Some((_, host))) => format!("…@{host}"),
        _ => one.to_owned(),
    };
    url.split(',').map(one).collect::<Vec<_>>().join(",")
}

/// Why there is no connection, and none will come by itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// It is no server's address.
    #[error("{url}: {reason}; write nats://HOST:4222")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A user or a password is in it.
    #[error(
        "{url} has a secret in it, for all to read who may list processes; put it into a file and name that as credentials"
    )]
    Secret {
        /// What was given, without the secret.
        url: String,
    },
    /// A file that was named cannot be read.
    #[error("{}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// The file holds no credentials.
    #[error("{} holds no credentials: {cause}", path.display())]
    Credentials {
        /// The file.
        path: PathBuf,
        /// What was missed.
        #[source]
        cause: io::Error,
    },
    /// The server does not let us in.
    #[error("{url} refuses: {reason}")]
    Refused {
        /// The server.
        url: String,
        /// What it says.
        reason: String,
    },
}

/// What a connection went through, counted; and a number that changes with it, for who waits.
#[derive(Debug)]
pub(crate) struct Link {
    /// What it is for, as `market data out`.
    pub(crate) role: &'static str,
    connects: AtomicU64,
    disconnects: AtomicU64,
    slow: AtomicU64,
    errors: AtomicU64,
    changes: watch::Sender<Change>,
}

/// How a connection stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) connected: bool,
    /// How often it was lost.
    pub(crate) losses: u64,
}

/// What a connection went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkStats {
    /// Whether it stands.
    pub connected: bool,
    /// How often it was made.
    pub connects: u64,
    /// How often it was lost.
    pub disconnects: u64,
    /// Messages that came faster than they were taken, and so were not: each is one lost.
    pub slow: u64,
    /// What the server complained of.
    pub errors: u64,
}

impl Link {
    pub(crate) fn new(role: &'static str) -> Arc<Self> {
        Arc::new(Self {
            role,
            connects: AtomicU64::new(0),
            disconnects: AtomicU64::new(0),
            slow: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            changes: watch::Sender::default(),
        })
    }

    fn note(&self, event: &Event) {
        match event {
            Event::Connected => {
                self.connects.fetch_add(1, Relaxed);
                tracing::info!(role = self.role, "connected to NATS");
                self.changes.send_modify(|change| change.connected = true);
            }
            Event::Disconnected | Event::Closed => {
                self.disconnects.fetch_add(1, Relaxed);
                tracing::info!(role = self.role, "the connection to NATS is gone");
                self.changes.send_modify(|change| {
                    change.connected = false;
                    change.losses += 1;
                });
            }
            // They come in floods, one a message.
            Event::SlowConsumer(_) => {
                self.slow.fetch_add(1, Relaxed);
            }
            Event::ServerError(error) => {
                self.errors.fetch_add(1, Relaxed);
                tracing::warn!(%error, "the server complains");
            }
            Event::ClientError(error) => {
                self.errors.fetch_add(1, Relaxed);
                tracing::debug!(%error, "no connection");
            }
            Event::LameDuckMode | Event::Draining => {}
        }
    }

    /// To be woken by changes.
    pub(crate) fn watch(&self) -> watch::Receiver<Change> {
        self.changes.subscribe()
    }

    pub(crate) fn stats(&self) -> LinkStats {
        LinkStats {
            connected: self.changes.borrow().connected,
            connects: self.connects.load(Relaxed),
            disconnects: self.disconnects.load(Relaxed),
            slow: self.slow.load(Relaxed),
            errors: self.errors.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests;
