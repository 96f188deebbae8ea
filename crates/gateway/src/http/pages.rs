//! What is looked at: the live page, `/metrics`, `/healthz`. The page reads `/metrics` as everybody else does, so that
//! there is nothing on it that Prometheus would not have.

use hyper::{
    Method, Request, StatusCode,
    body::Incoming,
    header::{ACCEPT, CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY},
};
use meltica_telemetry::Metrics;

use super::{
    Site,
    response::{Answer, allowing, of_kind, plain},
};

/// What asks for OpenMetrics.
const OPEN_KIND: &str = "application/openmetrics-text";

/// Nothing from elsewhere, and nothing of ours inside of another page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) struct Pages {
    metrics: Metrics,
    healthy: Box<dyn Fn() -> bool + Send + Sync>,
}

impl Pages {
    pub(crate) fn new(
        metrics: Metrics,
        healthy: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        Self { metrics, healthy: Box::new(healthy) }
    }

    fn read(&self, request: &Request<Incoming>) -> Answer {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        match request.uri().path() {
            "/" | "/page.css" | "/page.js" | "/metrics" | "/healthz" if !is_read => {
                allowing("GET, HEAD", plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n"))
            }
            "/" => {
                let mut page = of_kind("text/html; charset=utf-8", include_str!("page/index.html"));
                let headers = page.headers_mut();
                headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
                headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
                page
            }
            "/page.css" => of_kind("text/css; charset=utf-8", include_str!("page/page.css")),
            "/page.js" => of_kind("text/javascript; charset=utf-8", include_str!("page/page.js")),
            "/metrics" if wants_open(request) => {
                of_kind(Metrics::OPEN_CONTENT_TYPE, self.metrics.render_open())
            }
            "/metrics" => of_kind(Metrics::CONTENT_TYPE, self.metrics.render()),
            "/healthz" if (self.healthy)() => plain(StatusCode::OK, "ok\n"),
            "/healthz" => plain(StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
            _ => plain(StatusCode::NOT_FOUND, "there is /, /metrics and /healthz\n"),
        }
    }
}

impl Site for Pages {
    const WHAT: &'static str = "metrics";
    const FLAG: &'static str = "--listen";

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        self.read(&request)
    }
}

/// Whether OpenMetrics is asked for, and plain text not rather. What says `*/*` as well takes either.
fn wants_open(request: &Request<Incoming>) -> bool {
    let values =
        || request.headers().get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let weight = |kind: &str| {
        let of_kind = values().flat_map(|value| value.split(',')).filter_map(|one| {
            let mut parts = one.split(';').map(str::trim);
            parts.next()?.eq_ignore_ascii_case(kind).then(|| weight(parts))
        });
        of_kind.fold(0.0, f32::max)
    };
    let open = weight(OPEN_KIND);
    open > 0.0 && open >= weight("text/plain")
}

/// How much a kind is wanted: 1 where that is not said.
fn weight<'a>(mut parameters: impl Iterator<Item = &'a str>) -> f32 {
    let weight = parameters.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| value.trim().parse().unwrap_or(0.0))
    });
    weight.unwrap_or(1.0)
}
