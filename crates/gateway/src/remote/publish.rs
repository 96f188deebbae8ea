//! `--publish`: a consumer that sends everything on.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use meltica::{Builder, Consumer, Control, Delivery, Select, event::Catalog};
use meltica_nats::{Names, OriginName, Outbound, OutboundConfig};
use meltica_telemetry::Metrics;

use super::{RemoteError, Traffic, commands::Remote, connect, kept, own_name};
use crate::{bridge, cli::RemoteArgs, metering, say::say};

/// The consumer's name.
const CONSUMER: &str = "nats";

/// A consumer that sends everything on, from when the pipeline runs.
pub(crate) struct Publishing {
    url: String,
    origin: OriginName,
    config: OutboundConfig,
    names: Names,
    /// Set before anything is pushed.
    outbound: Arc<OnceLock<Outbound>>,
}

impl Publishing {
    /// As the user said; `None` if nothing is to be sent.
    pub(crate) fn new(args: &RemoteArgs, catalog: &Catalog) -> Result<Option<Self>, RemoteError> {
        let Some(url) = &args.publish else { return Ok(None) };
        let origin = args.origin.map_or_else(|| own_name("--origin"), Ok)?;
        let outbox = kept(args.outbox.as_ref(), format!("{origin}.outbox"))?;
        let config = OutboundConfig::new(connect(url, args), origin, outbox);
        let (url, names) = (url.clone(), Names::new(catalog.clone()));
        Ok(Some(Self { url, origin, config, names, outbound: Arc::default() }))
    }

    /// Adds the consumer. Whole books come in place of deltas that a gate has filtered, so that receivers have them too.
    pub(crate) fn subscribe(&self, builder: Builder) -> Builder {
        let outbound = Arc::clone(&self.outbound);
        let consumer = Consumer::new(CONSUMER, move |delivery: &Delivery| {
            let Some(outbound) = outbound.get() else { return Ok(()) };
            outbound.publish(bridge::view(delivery), delivery.skipped.dropped > 0)
        });
        builder.keep_current_state(true).consumer(consumer, [Select::all()])
    }

    /// Begins to send.
    pub(crate) fn start(&self, control: Control) -> Result<(), RemoteError> {
        let commands = Arc::new(Remote(control));
        let outbound = Outbound::start(self.config.clone(), self.names.clone(), Some(commands))?;
        // It is set here, and once.
        let _ = self.outbound.set(outbound);
        say(format_args!(
            "publishing to {} as {}, by way of {}",
            self.url,
            self.origin,
            self.config.outbox.display()
        ));
        Ok(())
    }

    /// The same metrics, and what is counted of this.
    pub(crate) fn metrics(&self, metrics: Metrics) -> Metrics {
        match self.outbound.get() {
            Some(outbound) => metering::of_outbound(metrics, outbound.stats_handle()),
            None => metrics,
        }
    }

    /// Sends what waits, until `limit` is over. After the pipeline's end, with which its consumer has gone.
    pub(crate) fn finish(self, limit: Duration) -> Option<Traffic> {
        let outbound = Arc::into_inner(self.outbound)?.into_inner()?;
        Some(Traffic::Sent(outbound.shutdown(limit)))
    }
}
