//! What the program tells beside its summary: events, each with a level, and with a trace id where it is about a message.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{Layer, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{
    cli::{LogArgs, LogFormat},
    otlp::Otlp,
    say,
};

/// Logs to stderr from now on.
pub(crate) fn start(args: &LogArgs, otlp: Option<&Otlp>) {
    let LogArgs { log, log_format } = args;
    // The client tells every event of its connections, of a slow one each message; what matters of it we tell.
    let mut wanted = log.clone();
    if !log.iter().any(|(target, _)| target.starts_with("async_nats")) {
        wanted = wanted.with_target("async_nats", LevelFilter::ERROR);
    }
    let lines = tracing_subscriber::fmt::layer()
        .with_target(false)
        .with_writer(std::io::stderr)
        // It would be told on stderr too, and panic.
        .log_internal_errors(false);
    let lines = match log_format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => {
            say::log_from_now_on();
            lines.json().flatten_event(true).boxed()
        }
    };
    // What is exported is not a question of what the log has.
    let paths = otlp.map(Otlp::paths);
    tracing_subscriber::registry().with(lines.with_filter(wanted)).with(paths).init();
}
