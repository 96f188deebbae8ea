//! `--otlp`: the paths of followed messages as traces of an OpenTelemetry collector, each step a span below the one by
//! which the message was taken.
//!
//! The lower half of a trace's id is the message's trace id, as the log, dead letters and metrics have it; the upper half
//! is this start of the program, since trace ids begin anew with each. Steps that a full queue has no room for are dropped
//! and counted: what is exported is a sample, and nothing waits for it.

use std::{
    collections::{HashMap, VecDeque},
    fmt::{self, Debug},
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, Response, body::Bytes, client::conn::http1, header::HOST};
use hyper_util::rt::TokioIo;
use opentelemetry::{
    InstrumentationScope, KeyValue,
    trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState},
};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{SpanData, SpanEvents, SpanExporter, SpanLinks},
};
use tokio::sync::{mpsc, oneshot};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

use super::OtlpError;
use crate::connection::{Endpoint, Trust};

/// Of what is told under this name the traces are made.
const TARGET: &str = "meltica::path";
/// How many steps may wait.
const ROOM: usize = 8_192;
/// How many are sent at once.
const BATCH: usize = 512;
/// How long a step waits for others.
const PAUSE: Duration = Duration::from_millis(500);
/// How long the collector may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many paths are known at a time: older ones get no further step.
const PATHS: usize = 16_384;

/// Sends what it is told until it is dropped, and then what waits, as long as a collector may take.
pub(crate) struct Otlp {
    steps: Option<mpsc::Sender<SpanData>>,
    ending: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    dropped: Arc<AtomicU64>,
}

impl Otlp {
    /// To the collector at this URL; `/v1/traces` is appended where it has no path.
    pub(crate) fn start(url: &str) -> Result<Self, OtlpError> {
        let endpoint = Endpoint::new(url, &Trust::new(None)?)?;
        let url = match endpoint.uri.path() {
            "" | "/" => format!("{}/v1/traces", url.trim_end_matches('/')),
            _ => url.to_owned(),
        };
        let mut exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_http_client(Client(endpoint))
            .with_endpoint(url)
            .with_timeout(PATIENCE)
            .build()
            .map_err(|error| OtlpError::Exporter(error.to_string()))?;
        let version = env!("CARGO_PKG_VERSION");
        let about =
            [KeyValue::new("service.name", "meltica"), KeyValue::new("service.version", version)];
        exporter.set_resource(&Resource::builder_empty().with_attributes(about).build());
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let (steps, waiting) = mpsc::channel(ROOM);
        let (ending, ended) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("otlp".to_owned())
            .spawn(move || runtime.block_on(serve(exporter, waiting, ended)))?;
        Ok(Self {
            steps: Some(steps),
            ending: Some(ending),
            thread: Some(thread),
            dropped: Arc::default(),
        })
    }

    /// What hears of the steps.
    pub(crate) fn paths(&self) -> Paths {
        Paths {
            steps: self.steps.clone(),
            dropped: Arc::clone(&self.dropped),
            start: fastrand::u64(1..),
            known: Mutex::default(),
        }
    }
}

impl Drop for Otlp {
    fn drop(&mut self) {
        // From now on it has so long.
        self.ending.take();
        // The layer holds a sender of its own until the process ends: an empty step says that it is over.
        if let Some(steps) = self.steps.take() {
            let _ = steps.blocking_send(over());
        }
        let _ = self.thread.take().map(JoinHandle::join);
        let dropped = self.dropped.load(Relaxed);
        if dropped > 0 {
            tracing::warn!(
                dropped,
                "steps of followed messages were not exported, for want of room"
            );
        }
    }
}

/// Sends steps until it is over, and a little longer: nobody waits for a collector that hangs.
async fn serve(
    exporter: opentelemetry_otlp::SpanExporter,
    mut waiting: mpsc::Receiver<SpanData>,
    ended: oneshot::Receiver<()>,
) {
    let late = async {
        let _ = ended.await;
        tokio::time::sleep(PATIENCE).await;
    };
    tokio::select! {
        () = send(exporter, &mut waiting) => return,
        () = late => {}
    }
    let steps = waiting.len();
    tracing::warn!(steps, "the collector has not taken all traces, and is not waited for");
}

/// Sends steps to the collector, many at once.
async fn send(exporter: opentelemetry_otlp::SpanExporter, waiting: &mut mpsc::Receiver<SpanData>) {
    let mut is_well = true;
    let mut is_over = false;
    while !is_over {
        let mut batch = vec![];
        if waiting.recv_many(&mut batch, BATCH).await == 0 {
            break;
        }
        // Those that come in a moment may go along.
        let end = tokio::time::Instant::now() + PAUSE;
        while batch.len() < BATCH && !batch.last().is_some_and(is_the_end) {
            let more = BATCH - batch.len();
            match tokio::time::timeout_at(end, waiting.recv_many(&mut batch, more)).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        is_over = batch.iter().any(is_the_end);
        batch.retain(|step| !is_the_end(step));
        if batch.is_empty() {
            continue;
        }
        let steps = batch.len();
        match exporter.export(batch).await {
            Ok(()) => is_well = true,
            // Told once, until it is well again.
            Err(error) if std::mem::replace(&mut is_well, false) => {
                tracing::warn!(%error, steps, "the collector does not take traces");
            }
            Err(error) => tracing::debug!(%error, steps, "the collector does not take traces"),
        }
    }
}

/// Makes spans of what is told of followed messages.
pub(crate) struct Paths {
    steps: Option<mpsc::Sender<SpanData>>,
    dropped: Arc<AtomicU64>,
    /// The upper half of trace ids.
    start: u64,
    known: Mutex<Known>,
}

/// Where messages came in that are followed, by trace id.
#[derive(Default)]
struct Known {
    roots: HashMap<u64, Root>,
    order: VecDeque<u64>,
}

#[derive(Clone, Copy)]
struct Root {
    trace: TraceId,
    span: SpanId,
    taken: SystemTime,
}

impl Known {
    fn insert(&mut self, trace: u64, root: Root) {
        if self.roots.insert(trace, root).is_none() {
            self.order.push_back(trace);
        }
        if self.order.len() > PATHS
            && let Some(oldest) = self.order.pop_front()
        {
            self.roots.remove(&oldest);
        }
    }
}

/// What is told of a step.
#[derive(Default)]
struct Step {
    what: String,
    trace: Option<u64>,
    /// A merged message's own trace.
    goes_on_as: Option<u64>,
    consumer: Option<String>,
    failed: bool,
    attributes: Vec<KeyValue>,
}

impl Visit for Step {
    fn record_u64(&mut self, field: &Field, value: u64) {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        self.attributes.push(KeyValue::new(format!("meltica.{}", field.name()), value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "consumer" => self.consumer = Some(value.to_owned()),
            "outcome" => self.failed = value == "failed",
            _ => {}
        }
        let value = value.to_owned();
        self.attributes.push(KeyValue::new(format!("meltica.{}", field.name()), value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let value = format!("{value:?}");
        match field.name() {
            "message" => self.what = value,
            "trace" => self.trace = u64::from_str_radix(&value, 16).ok(),
            "goes_on_as" => self.goes_on_as = u64::from_str_radix(&value, 16).ok(),
            name => self.attributes.push(KeyValue::new(format!("meltica.{name}"), value)),
        }
    }
}

impl Paths {
    /// The span of a step; `None` if it is of a path that is not known.
    fn span(&self, step: Step, now: SystemTime) -> Option<SpanData> {
        let trace = step.trace?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let span = SpanId::from(fastrand::u64(1..));
        let is_first = step.what == "taken";
        if is_first {
            let id = u128::from(self.start) << 64 | u128::from(trace);
            known.insert(trace, Root { trace: TraceId::from(id), span, taken: now });
        }
        let root = *known.roots.get(&trace)?;
        if let Some(merged) = step.goes_on_as {
            known.insert(merged, root);
        }
        drop(known);
        let name = match &step.consumer {
            Some(consumer) => format!("{} to {consumer}", step.what),
            None => step.what,
        };
        let parent = if is_first { SpanId::INVALID } else { root.span };
        let status = if step.failed { Status::error("the consumer failed") } else { Status::Unset };
        let context =
            SpanContext::new(root.trace, span, TraceFlags::SAMPLED, false, TraceState::default());
        Some(SpanData {
            span_context: context,
            parent_span_id: parent,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: name.into(),
            start_time: root.taken,
            end_time: now,
            attributes: step.attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status,
            instrumentation_scope: InstrumentationScope::builder("meltica").build(),
        })
    }
}

impl<S: Subscriber> Layer<S> for Paths {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != TARGET {
            return;
        }
        let mut step = Step::default();
        event.record(&mut step);
        if let Some((span, steps)) = self.span(step, SystemTime::now()).zip(self.steps.as_ref())
            && steps.try_send(span).is_err()
        {
            self.dropped.fetch_add(1, Relaxed);
        }
    }
}

/// No step, but that there are no more.
fn over() -> SpanData {
    SpanData {
        span_context: SpanContext::empty_context(),
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: "".into(),
        start_time: SystemTime::UNIX_EPOCH,
        end_time: SystemTime::UNIX_EPOCH,
        attributes: vec![],
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::default(),
    }
}

fn is_the_end(step: &SpanData) -> bool {
    !step.span_context.is_valid()
}

/// A request to the collector, on a connection of its own.
struct Client(Endpoint);

impl Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.0.url).finish()
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let asked = async {
            let stream = self.0.dial(PATIENCE).await?;
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            let (mut head, body) = request.into_parts();
            head.headers.insert(HOST, self.0.authority().parse()?);
            let path = head.uri.path_and_query().map_or("/", |path| path.as_str()).parse()?;
            head.uri = path;
            let answer = async {
                let answer =
                    sender.send_request(Request::from_parts(head, Full::new(body))).await?;
                let (head, body) = answer.into_parts();
                let body = Limited::new(body, 1 << 20).collect().await?.to_bytes();
                Ok::<_, HttpError>(Response::from_parts(head, body))
            };
            // The connection has to be driven while it is asked; what it has brought outlives it.
            let (mut answer, mut connection) = (pin!(answer), pin!(connection));
            tokio::select! {
                biased;
                answer = &mut answer => answer,
                _ = &mut connection => answer.await,
            }
        };
        tokio::time::timeout(PATIENCE, asked).await?
    }
}
