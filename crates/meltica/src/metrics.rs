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
        let consumers = self.clone();
        let read = move || {
            let stats = consumers.consumers().into_iter();
            stats.map(|consumer| (consumer.consumer, consumer.stats)).collect()
        };
        let mut metrics = Metrics::new()
            .recycler(self.recycler.clone())
            .dispatcher(self.routes.clone())
            .consumers(read);
        let repeated = Arc::clone(&self.repeated);
        metrics = metrics.number(&families::DISPATCHER_REPEATS, [""; 0], move || repeated.get());
        for index in 0..self.merges.len() {
            let rule = self.merges[index]().rule;
            let merges = Arc::clone(&self.merges);
            metrics = metrics.orchestrator(Arc::clone(&rule), move || merges[index]().windows);
            let merges = Arc::clone(&self.merges);
            metrics = metrics.number(
                &families::ORCHESTRATOR_PARTIALS,
                [rule.to_string(), "no_duplicate".to_owned()],
                move || merges[index]().without_duplicate,
            );
            let merges = Arc::clone(&self.merges);
            metrics = metrics.number(
                &families::ORCHESTRATOR_PARTIALS,
                [rule.to_string(), "no_base".to_owned()],
                move || merges[index]().without_base,
            );
        }
        metrics
    }
}
