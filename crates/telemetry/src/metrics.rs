use std::{fmt, sync::Arc, time::Duration};

use meltica_dispatcher::{Protocol, Routes};
use meltica_recycler::Recycler;

use crate::{
    Family, Kind, Value,
    scrape::Scrape,
    stages,
    text::{self, Format},
};

type Source = Box<dyn Fn(&mut Scrape) + Send + Sync>;

/// What there is to read, and how: made once, rendered whenever somebody scrapes, from any thread.
///
/// Rendering reads every stage's counters where they stand. It takes each lane's lock for as long as
/// its depth is read, copies 15 KiB a histogram, and allocates; the data path does not wait for it and
/// does nothing for it. Series that occur twice are added up: two dispatchers are seen as one, unless
/// their consumers have names of their own.
#[derive(Default)]
#[must_use]
pub struct Metrics {
    sources: Vec<Source>,
}

impl Metrics {
    /// Nothing to read.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every pool of this recycler, those included that it is still to make.
    pub fn recycler(self, recycler: Recycler) -> Self {
        self.source(move |scrape| stages::recycler(scrape, &recycler))
    }

    /// A dispatcher and its present lanes, by its routes.
    pub fn dispatcher<P: Protocol>(self, routes: Routes<P>) -> Self
    where
        Routes<P>: Send + Sync,
    {
        self.source(move |scrape| stages::dispatcher(scrape, &routes.stats(), routes.timings()))
    }

    /// Consumers, by name.
    pub fn consumers(
        self,
        read: impl Fn() -> Vec<(Arc<str>, meltica_consumer::Stats)> + Send + Sync + 'static,
    ) -> Self {
        self.source(move |scrape| {
            read().iter().for_each(|(id, stats)| stages::consumer(scrape, id, stats));
        })
    }

    /// An orchestrator, under the name of what it merges.
    pub fn orchestrator(
        self,
        rule: impl Into<Arc<str>>,
        read: impl Fn() -> meltica_orchestrator::Stats + Send + Sync + 'static,
    ) -> Self {
        let rule = rule.into();
        self.source(move |scrape| stages::orchestrator(scrape, &rule, &read()))
    }

    /// Orchestrators that come and go, each under the name of what it merges.
    pub fn orchestrators(
        self,
        read: impl Fn() -> Vec<(Arc<str>, meltica_orchestrator::Stats)> + Send + Sync + 'static,
    ) -> Self {
        self.source(move |scrape| {
            read().iter().for_each(|(rule, stats)| stages::orchestrator(scrape, rule, stats));
        })
    }

    /// A series of a family, under these values of its labels: what somebody else counts.
    ///
    /// # Panics
    ///
    /// If there are not as many labels as the family has, or if the family is a histogram: for these
    /// there is [`histogram`](Self::histogram).
    pub fn number(
        self,
        family: &'static Family,
        labels: impl IntoIterator<Item = impl Into<String>>,
        read: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self {
        assert!(!matches!(family.kind, Kind::Histogram(_)), "{} is a histogram", family.name);
        self.add(family, labels, move || Value::Number(read()))
    }

    /// A series of a family that is a time, in seconds. `None` where there is none to tell: then there is no series.
    ///
    /// # Panics
    ///
    /// If the family has labels, or is a histogram.
    pub fn time(
        self,
        family: &'static Family,
        read: impl Fn() -> Option<Duration> + Send + Sync + 'static,
    ) -> Self {
        assert!(!matches!(family.kind, Kind::Histogram(_)), "{} is a histogram", family.name);
        assert!(family.labels.is_empty(), "{} has labels", family.name);
        self.source(move |scrape| {
            if let Some(time) = read() {
                let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
                scrape.add(family, &[], Value::Time(nanos));
            }
        })
    }

    /// Series of a family that come and go: the values of its labels, and the number.
    ///
    /// # Panics
    ///
    /// If the family is a histogram; and when rendered, if there are not as many labels as it has.
    pub fn numbers(
        self,
        family: &'static Family,
        read: impl Fn() -> Vec<(Vec<String>, u64)> + Send + Sync + 'static,
    ) -> Self {
        assert!(!matches!(family.kind, Kind::Histogram(_)), "{} is a histogram", family.name);
        self.source(move |scrape| {
            for (labels, number) in read() {
                assert_eq!(labels.len(), family.labels.len(), "{} has other labels", family.name);
                let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
                scrape.add(family, &labels, Value::Number(number));
            }
        })
    }

    /// A series of a family of histograms.
    ///
    /// # Panics
    ///
    /// If there are not as many labels as the family has, or if it is no histogram.
    pub fn histogram(
        self,
        family: &'static Family,
        labels: impl IntoIterator<Item = impl Into<String>>,
        read: impl Fn() -> meltica_stats::Snapshot + Send + Sync + 'static,
    ) -> Self {
        assert!(matches!(family.kind, Kind::Histogram(_)), "{} is no histogram", family.name);
        self.add(family, labels, move || Value::Histogram(read()))
    }

    fn add(
        self,
        family: &'static Family,
        labels: impl IntoIterator<Item = impl Into<String>>,
        read: impl Fn() -> Value + Send + Sync + 'static,
    ) -> Self {
        let labels: Vec<String> = labels.into_iter().map(Into::into).collect();
        assert_eq!(labels.len(), family.labels.len(), "{} has other labels", family.name);
        self.source(move |scrape| {
            let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
            scrape.add(family, &labels, read());
        })
    }

    fn source(mut self, read: impl Fn(&mut Scrape) + Send + Sync + 'static) -> Self {
        self.sources.push(Box::new(read));
        self
    }

    /// Everything as it is now, in the Prometheus text format, version 0.0.4: what a server answers
    /// with the content type [`Metrics::CONTENT_TYPE`].
    pub fn render(&self) -> String {
        text::render(&self.scrape(), Format::Classic)
    }

    /// The same in OpenMetrics, version 1.0.0, for whoever asks for it: what a server answers with the content type
    /// [`Metrics::OPEN_CONTENT_TYPE`].
    pub fn render_open(&self) -> String {
        text::render(&self.scrape(), Format::Open)
    }

    fn scrape(&self) -> Scrape {
        let mut scrape = Scrape::default();
        self.sources.iter().for_each(|read| read(&mut scrape));
        scrape
    }

    /// The content type of what [`render`](Self::render) answers.
    pub const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// The content type of what [`render_open`](Self::render_open) answers.
    pub const OPEN_CONTENT_TYPE: &'static str =
        "application/openmetrics-text; version=1.0.0; charset=utf-8";
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("sources", &self.sources.len()).finish()
    }
}
