//! Traces for an OpenTelemetry collector, where the program was built with the feature `otlp`.

#[cfg(feature = "otlp")]
mod paths;

#[cfg(feature = "otlp")]
pub(crate) use self::paths::Otlp;
use crate::connection::{EndpointError, TrustError};

/// Why no traces can be sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OtlpError {
    #[error(
        "this program was built without OpenTelemetry; build it with `--features otlp`, or leave --otlp out"
    )]
    #[cfg_attr(feature = "otlp", expect(dead_code, reason = "it was"))]
    NotBuilt,
    #[error(
        "--otlp has no message to tell of: say which by --follow-one-in, as 1000 for one in a thousand"
    )]
    NothingFollowed,
    #[error("--otlp: {0}")]
    Endpoint(#[from] EndpointError),
    #[error("{0}")]
    Trust(#[from] TrustError),
    #[error("--otlp: {0}")]
    #[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "there is none"))]
    Exporter(String),
    #[error("no thread: {0}")]
    System(#[from] std::io::Error),
}

#[cfg(not(feature = "otlp"))]
pub(crate) struct Otlp(std::convert::Infallible);

#[cfg(not(feature = "otlp"))]
impl Otlp {
    pub(crate) fn start(_: &str) -> Result<Self, OtlpError> {
        Err(OtlpError::NotBuilt)
    }

    /// What hears of the steps: nobody.
    pub(crate) fn paths(&self) -> tracing_subscriber::layer::Identity {
        match self.0 {}
    }
}
