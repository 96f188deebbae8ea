use std::sync::Arc;

use meltica_telemetry::{Metrics, families};

use crate::{Pipeline, Running, pipeline::StatsSource};

impl Pipeline {
    /// Everything that this pipeline counts, to be rendered for Prometheus: by any thread, at any time,
    /// also while the pipeline runs. With the feature `telemetry`.
    ///
    /// ```
    /// # use meltica::{Consumer, Pipeline, Select};
    /// let pipeline = Pipeline::builder()
    ///     .consumer(Consumer::new("printer", |_| ()), [Select::all()])
    ///     .build()?;
    /// let text = pipeline.metrics().render();
    /// assert!(text.contains("consumer_invocations_total{consumer_id=\"printer\"} 0\n"));
    /// # Ok::<(), meltica::BuildError>(())
    /// ```
    pub fn metrics(&self) -> Metrics {
        self.stats_source().metrics()
    }
}

impl Running {
    /// Everything that this pipeline counts: see [`Pipeline::metrics`]. Reading it asks nothing of the
    /// core thread.
    pub fn metrics(&self) -> Metrics {
        self.stats_source().metrics()
    }
}

impl StatsSource {
    fn metrics(self) -> Metrics {
        let consumers = self.consumers.clone();
        let read = move || {
            let stats = consumers.stats().into_iter();
            stats.map(|consumer| (consumer.consumer, consumer.stats)).collect()
        };
        let merges = self.merges.clone();
        let windows =
            move || merges.read().into_iter().map(|merge| (merge.rule, merge.windows)).collect();
        let merges = self.merges.clone();
        let not_offered = move || {
            let rows = merges.read().into_iter().flat_map(|merge| {
                let row = |outcome: &str, count| {
                    (vec![merge.rule.to_string(), outcome.to_owned()], count)
                };
                [row("no_duplicate", merge.without_duplicate), row("no_base", merge.without_base)]
            });
            rows.collect()
        };
        let [repeats, applied, rejected] = [(); 3].map(|()| Arc::clone(&self.counts));
        Metrics::new()
            .recycler(self.recycler)
            .dispatcher(self.routes)
            .consumers(read)
            .number(&families::DISPATCHER_REPEATS, [""; 0], move || repeats.repeated.get())
            .number(&families::DISPATCHER_COMMANDS, ["applied"], move || {
                applied.commands_applied.get()
            })
            .number(&families::DISPATCHER_COMMANDS, ["rejected"], move || {
                rejected.commands_rejected.get()
            })
            .orchestrators(windows)
            .numbers(&families::ORCHESTRATOR_PARTIALS, not_offered)
    }
}
