//! `/metrics` and `/healthz`, on a thread and a runtime of their own: whoever asks, and however, the
//! pipeline does not notice.

use std::{
    collections::VecDeque,
    convert::Infallible,
    fmt,
    io::{self, ErrorKind},
    net::{SocketAddr, TcpListener},
    str::FromStr,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use meltica_telemetry::Metrics;
use tokio::{sync::oneshot, task::AbortHandle};

/// How many connections are served at a time. When one more comes, the oldest is closed: who asks is served within
/// milliseconds, so that one says nothing, or reads nothing.
const CONNECTIONS: usize = 64;
/// How long a request's head may take, and a connection be idle.
const HEAD_LIMIT: Duration = Duration::from_secs(20);
/// How long a connection may last, however slowly the other side reads.
const CONNECTION_LIMIT: Duration = Duration::from_secs(60);
/// How large a request's head may be.
const HEAD_SIZE: usize = 16 << 10;

/// What asks for OpenMetrics.
const OPEN_KIND: &str = "application/openmetrics-text";

/// Where to listen, if anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listen {
    None,
    At(SocketAddr),
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

/// Why there is no `/metrics`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    #[error(
        "{0} is in use, so metrics cannot be served there; end what uses it, or choose another \
         address by --listen: 127.0.0.1:0 takes any free port, none does without"
    )]
    InUse(SocketAddr),
    #[error("metrics cannot be served at {0}: {1}; choose another address by --listen")]
    Refused(SocketAddr, io::Error),
}

/// A place that is ours, and not served yet.
pub(crate) struct Door(Option<TcpListener>);

impl Door {
    /// Takes the place, so that a mistake is told before anything starts.
    pub(crate) fn open(listen: Listen) -> Result<Self, ListenError> {
        let Listen::At(address) = listen else { return Ok(Self(None)) };
        let refused = |error: io::Error| match error.kind() {
            ErrorKind::AddrInUse => ListenError::InUse(address),
            _ => ListenError::Refused(address, error),
        };
        let listener = TcpListener::bind(address).map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        Ok(Self(Some(listener)))
    }

    /// Where it is; `None` if it is nowhere.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.0.as_ref()?.local_addr().ok()
    }

    /// Serves until the answer is dropped.
    pub(crate) fn serve(
        self,
        metrics: Metrics,
        healthy: impl Fn() -> bool + Send + Sync + 'static,
    ) -> io::Result<Server> {
        let Some(listener) = self.0 else { return Ok(Server { stop: None, thread: None }) };
        let (stop, stopped) = oneshot::channel();
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let pages = Arc::new(Pages { metrics, healthy: Box::new(healthy) });
        let thread = thread::Builder::new().name("http".to_owned()).spawn(move || {
            runtime.block_on(async {
                match tokio::net::TcpListener::from_std(listener) {
                    Ok(listener) => tokio::select! {
                        () = accept(listener, pages) => {}
                        _ = stopped => {}
                    },
                    Err(error) => tracing::error!(%error, "metrics are not served"),
                }
            });
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

struct Pages {
    metrics: Metrics,
    healthy: Box<dyn Fn() -> bool + Send + Sync>,
}

async fn accept(listener: tokio::net::TcpListener, pages: Arc<Pages>) {
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
        let pages = Arc::clone(&pages);
        let connection = tokio::spawn(async move {
            let answer = service_fn(|request| {
                let response = pages.answer(&request);
                async move { Ok::<_, Infallible>(response) }
            });
            let mut connection = http1::Builder::new();
            connection.timer(TokioTimer::new());
            connection.header_read_timeout(HEAD_LIMIT).max_buf_size(HEAD_SIZE);
            let served = connection.serve_connection(TokioIo::new(stream), answer);
            // Whatever the other side did wrong is its own affair, also that it does not read.
            let _ = tokio::time::timeout(CONNECTION_LIMIT, served).await;
        });
        served.push_back(connection.abort_handle());
    }
}

impl Pages {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        match request.uri().path() {
            "/metrics" | "/healthz" if !is_read => {
                let mut refused = page(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
                refused.headers_mut().insert(ALLOW, "GET, HEAD".parse().expect("it is plain text"));
                refused
            }
            "/metrics" => {
                let (text, kind) = if wants_open(request) {
                    (self.metrics.render_open(), Metrics::OPEN_CONTENT_TYPE)
                } else {
                    (self.metrics.render(), Metrics::CONTENT_TYPE)
                };
                let mut metrics = page(StatusCode::OK, text);
                metrics.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
                metrics
            }
            "/healthz" if (self.healthy)() => page(StatusCode::OK, "ok\n"),
            "/healthz" => page(StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
            _ => page(StatusCode::NOT_FOUND, "there is /metrics and /healthz\n"),
        }
    }
}

/// Whether OpenMetrics is asked for. Whoever takes both is Prometheus, which prefers it.
fn wants_open(request: &Request<Incoming>) -> bool {
    let accepts = request.headers().get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepts.flat_map(|value| value.split(',')).any(|one| {
        let mut parts = one.split(';').map(str::trim);
        let is_open = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case(OPEN_KIND));
        // A weight of zero says that it is not wanted.
        is_open && !parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

fn page(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut page = Response::new(Full::new(text.into()));
    *page.status_mut() = status;
    let plain = "text/plain; charset=utf-8".parse().expect("it is plain text");
    page.headers_mut().insert(CONTENT_TYPE, plain);
    page
}
