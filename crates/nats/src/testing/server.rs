use std::{
    env, fs, io,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// How long a server may take until it answers.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a server is started.
#[derive(Clone, Debug, Default)]
pub struct ServerOptions {
    sync_always: bool,
    extra: String,
    whole: Option<String>,
}

impl ServerOptions {
    /// Each write waits for the disk: what is acknowledged outlives a crash of the machine. Servers from 2.10 on.
    #[must_use]
    pub fn sync_always(self) -> Self {
        Self { sync_always: true, ..self }
    }

    /// This configuration as it is, but for `port: 4222` and `/var/lib/nats`, in whose place are a port and a folder of its
    /// own.
    #[must_use]
    pub fn whole(self, config: &str) -> Self {
        Self { whole: Some(config.to_owned()), ..self }
    }

    /// More lines of its configuration.
    #[must_use]
    pub fn extra(self, lines: &str) -> Self {
        Self { extra: format!("{}{lines}\n", self.extra), ..self }
    }
}

/// A nats-server with JetStream, on a port of this machine alone, with its store in a folder that goes when it is
/// dropped. Dropped, it is killed.
#[derive(Debug)]
pub struct Server {
    binary: PathBuf,
    options: ServerOptions,
    folder: TempDir,
    address: SocketAddr,
    /// `None` after a kill.
    child: Option<Child>,
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// It is not installed.
    #[error(
        "nats-server is not here: run `cargo xtask nats-server`, which installs it below target/, or name it by the \
         variable NATS_SERVER"
    )]
    NotInstalled,
    /// It did not come up.
    #[error("nats-server did not come up: {reason}\n{log}")]
    Silent {
        /// What was waited for.
        reason: String,
        /// The end of what it said.
        log: String,
    },
    /// The system did not let us.
    #[error("nats-server: {0}")]
    System(#[from] io::Error),
}

impl Server {
    /// Starts one on a free port.
    ///
    /// # Errors
    ///
    /// [`ServerError`].
    pub fn start(options: ServerOptions) -> Result<Self, ServerError> {
        let binary = find().ok_or(ServerError::NotInstalled)?;
        let folder = tempfile::tempdir()?;
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self { binary, options, folder, address, child: None };
        server.spawn()?;
        Ok(server)
    }

    /// Where it is, as long as this lives.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it is, as clients write it.
    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Its process; `None` after a kill.
    pub fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Ends it at once, as `kill -9` does.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn kill(&mut self) -> io::Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        child.kill()?;
        child.wait().map(drop)
    }

    /// Starts it again on the same port, with the store as it is.
    ///
    /// # Errors
    ///
    /// [`ServerError`].
    pub fn restart(&mut self) -> Result<(), ServerError> {
        self.kill()?;
        self.spawn()
    }

    fn spawn(&mut self) -> Result<(), ServerError> {
        let folder = self.folder.path();
        let (config, log) = (folder.join("server.conf"), folder.join("log"));
        fs::write(&config, self.config(folder))?;
        let said = fs::File::options().create(true).append(true).open(&log)?;
        let child = Command::new(&self.binary)
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(said.try_clone()?)
            .stderr(said)
            .spawn()?;
        let id = child.id();
        self.child = Some(child);
        let end = Instant::now() + PATIENCE;
        while !self.is_up(id)? {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            let reason = match ended {
                Some(status) => format!("it ended ({status})"),
                None if Instant::now() >= end => format!("no answer within {PATIENCE:?}"),
                None => {
                    thread::sleep(Duration::from_millis(5));
                    continue;
                }
            };
            let text = fs::read_to_string(&log).unwrap_or_default();
            let lines: Vec<_> = text.lines().rev().take(20).collect();
            let log = lines.into_iter().rev().collect::<Vec<_>>().join("\n");
            return Err(ServerError::Silent { reason, log });
        }
        Ok(())
    }

    /// Whether it answers. The first time it has chosen its port itself, so that nobody else has it.
    fn is_up(&mut self, id: u32) -> io::Result<bool> {
        if self.address.port() == 0 {
            let ports = self.folder.path().join(format!("nats-server_{id}.ports"));
            let Ok(text) = fs::read_to_string(ports) else { return Ok(false) };
            let Some(port) = port_of(&text) else { return Ok(false) };
            self.address.set_port(port);
        }
        Ok(TcpStream::connect_timeout(&self.address, Duration::from_millis(200)).is_ok())
    }

    fn config(&self, folder: &Path) -> String {
        let port = match self.address.port() {
            0 => "-1".to_owned(),
            port => port.to_string(),
        };
        let folder = folder.display();
        if let Some(whole) = &self.options.whole {
            let whole = whole.replace("port: 4222", &format!("port: {port}"));
            let whole = whole.replace("/var/lib/nats", &format!("{folder}/store"));
            return format!("{whole}\nports_file_dir: \"{folder}\"\n");
        }
        let sync = if self.options.sync_always { "sync_interval: always" } else { "" };
        format!(
            "host: 127.0.0.1\nport: {port}\nports_file_dir: \"{folder}\"\n\
             jetstream {{ store_dir: \"{folder}/store\"\n max_file_store: 4GB\n {sync} }}\n{}",
            self.options.extra
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// 4222 of `{"nats":["nats://127.0.0.1:4222"]}`.
fn port_of(text: &str) -> Option<u16> {
    let after = text.split_once("\"nats\":")?.1;
    let digits = after.split_once("://")?.1.split_once(':')?.1;
    digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Where the server's program is.
fn find() -> Option<PathBuf> {
    if let Some(named) = env::var_os("NATS_SERVER") {
        return Some(PathBuf::from(named));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/nats-server/bin");
    let folders = env::split_paths(&path).chain([installed]);
    folders.map(|folder| folder.join("nats-server")).find(|file| file.is_file())
}
