//! What is asked and answered over HTTP, on threads and runtimes of its own: whoever asks, and however, the pipeline does
//! not notice.

mod control;
mod doors;
mod pages;
mod response;

use std::{
    collections::VecDeque,
    convert::Infallible,
    fmt,
    io::{self, ErrorKind},
    marker::PhantomData,
    net::{SocketAddr, TcpListener},
    pin::pin,
    str::FromStr,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{sync::oneshot, task::AbortHandle};

pub(crate) use self::doors::Doors;
use self::{control::ControlSite, pages::Pages, response::Answer};

/// How many connections are served at a time. When one more comes, the oldest is closed: who asks is served within
/// milliseconds, so that one says nothing, or reads nothing.
const CONNECTIONS: usize = 64;
/// How long a request's head may take, and a connection be idle.
const HEAD_LIMIT: Duration = Duration::from_secs(20);
/// How long a connection may last, however slowly the other side reads; a request that is being answered then gets as long again
/// as a head may take.
const CONNECTION_LIMIT: Duration = Duration::from_secs(60);
/// How large a request's head may be.
const HEAD_SIZE: usize = 16 << 10;

/// Where to listen, if anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listen {
    None,
    At(SocketAddr),
}

impl Listen {
    /// A place that nobody else's machine can reach.
    pub(crate) fn here_alone(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(Self::At(address)) if !address.ip().is_loopback() => Err(format!(
                "{address} is no loopback address, and whoever reached it could command the pipeline; write 127.0.0.1:9465"
            )),
            listen => listen,
        }
    }

    fn address(self) -> Option<SocketAddr> {
        match self {
            Self::None => None,
            Self::At(address) => Some(address),
        }
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(address) => Ok(Self::At(address)),
            Err(_) if text == "none" => Ok(Self::None),
            Err(_) => Err("write an address and a port, as 127.0.0.1:9464, or none".to_owned()),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::At(address) => address.fmt(f),
        }
    }
}

/// What is served at a place.
pub(crate) trait Site: Send + Sync + 'static {
    /// What it is, as in `metrics cannot be served`.
    const WHAT: &'static str;
    /// By which flag its place is chosen.
    const FLAG: &'static str;

    /// Answers a request.
    fn answer(&self, request: Request<Incoming>) -> impl Future<Output = Answer> + Send;
}

/// Why there is no such site.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    #[error(
        "{address} is in use, so {what} cannot be served there; end what uses it, or choose another address by {flag}: \
         127.0.0.1:0 takes any free port, none does without"
    )]
    InUse { address: SocketAddr, what: &'static str, flag: &'static str },
    #[error("{what} cannot be served at {address}: {cause}; choose another address by {flag}")]
    Refused { address: SocketAddr, what: &'static str, flag: &'static str, cause: io::Error },
}

/// A place that is ours, and not served yet.
pub(crate) struct Door<S> {
    listener: Option<TcpListener>,
    site: PhantomData<fn(S)>,
}

impl<S: Site> Door<S> {
    /// Takes the place, so that a mistake is told before anything starts.
    pub(crate) fn open(listen: Listen) -> Result<Self, ListenError> {
        let Some(address) = listen.address() else {
            return Ok(Self { listener: None, site: PhantomData });
        };
        let (what, flag) = (S::WHAT, S::FLAG);
        let refused = |cause: io::Error| match cause.kind() {
            ErrorKind::AddrInUse => ListenError::InUse { address, what, flag },
            _ => ListenError::Refused { address, what, flag, cause },
        };
        let listener = TcpListener::bind(address).map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        Ok(Self { listener: Some(listener), site: PhantomData })
    }

    /// Where it is; `None` if it is nowhere.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.listener.as_ref()?.local_addr().ok()
    }

    /// Serves until the answer is dropped.
    pub(crate) fn serve(self, site: S) -> io::Result<Server> {
        let Some(listener) = self.listener else { return Ok(Server { stop: None, thread: None }) };
        let (stop, stopped) = oneshot::channel();
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let site = Arc::new(site);
        let thread = thread::Builder::new().name("http".to_owned()).spawn(move || {
            runtime.block_on(async {
                match tokio::net::TcpListener::from_std(listener) {
                    Ok(listener) => tokio::select! {
                        () = accept(listener, site) => {}
                        _ = stopped => {}
                    },
                    Err(error) => tracing::error!(%error, "{} cannot be served", S::WHAT),
                }
            });
            // Who waits for a command's outcome on a thread of its own is not waited for.
            runtime.shutdown_background();
        })?;
        Ok(Server { stop: Some(stop), thread: Some(thread) })
    }
}

/// Serves until it is dropped.
pub(crate) struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.take();
        // It contains its panics; if it ended by one all the same, it has ended.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

async fn accept<S: Site>(listener: tokio::net::TcpListener, site: Arc<S>) {
    let mut served: VecDeque<AbortHandle> = VecDeque::with_capacity(CONNECTIONS);
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(_) => {
                // Out of descriptors, most likely: it passes, or does not.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        served.retain(|connection| !connection.is_finished());
        if served.len() == CONNECTIONS
            && let Some(oldest) = served.pop_front()
        {
            oldest.abort();
        }
        let site = Arc::clone(&site);
        let connection = tokio::spawn(async move {
            let answer =
                service_fn(|request| async { Ok::<_, Infallible>(site.answer(request).await) });
            let mut connection = http1::Builder::new();
            connection.timer(TokioTimer::new());
            connection.header_read_timeout(HEAD_LIMIT).max_buf_size(HEAD_SIZE);
            let mut served = pin!(connection.serve_connection(TokioIo::new(stream), answer));
            // Whatever the other side did wrong is its own affair, also that it does not read.
            if tokio::time::timeout(CONNECTION_LIMIT, served.as_mut()).await.is_err() {
                // What is asked just now is answered.
                served.as_mut().graceful_shutdown();
                let _ = tokio::time::timeout(HEAD_LIMIT, served).await;
            }
        });
        served.push_back(connection.abort_handle());
    }
}
