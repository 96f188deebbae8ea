use std::{collections::BTreeMap, fmt, sync::atomic::Ordering::Relaxed, time::Duration};

use hdrhistogram::Histogram;
use meltica::{End, recycler};
use meltica_venue::VenueStats;
use serde::Serialize;

use crate::{
    connection::{Counts, Outcome},
    remote::Traffic,
    say::say,
};

/// What happened, all told. A field that was not measured is null; every other was counted where it
/// happened.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Summary {
    /// Frames of bytes that venues sent.
    pub(crate) frames: Option<u64>,
    /// Of these, those that were not understood.
    pub(crate) frames_malformed: Option<u64>,
    /// Events that entered the pipeline.
    pub(crate) events: u64,
    /// Merged views that entered the dispatcher.
    pub(crate) merged: Option<u64>,
    /// Messages handed to consumers' handlers or filtered in front of them.
    pub(crate) deliveries: u64,
    /// Of these, filtered by version or policy.
    pub(crate) filtered: u64,
    /// Events that nobody wanted.
    pub(crate) unrouted: u64,
    /// Events that came after a newer one of their stream, and went no further.
    pub(crate) late: u64,
    /// Critical messages that came again, and went no further.
    pub(crate) repeats: u64,
    /// Gaps in dense streams that were given up.
    pub(crate) order_gaps: u64,
    /// Messages folded into others of their stream for consumers that lagged.
    pub(crate) conflated: u64,
    /// Messages that some consumer should have had and did not get.
    pub(crate) dropped: u64,
    /// Errors that consumers returned.
    pub(crate) consumer_errors: u64,
    /// Panics of consumers.
    pub(crate) consumer_panics: u64,
    pub(crate) critical: Critical,
    /// Critical messages that reached a consumer which then failed on them, or left.
    pub(crate) dead_letters: u64,
    /// Critical messages that a consumer had not had when it was over.
    pub(crate) undelivered: u64,
    pub(crate) pool: PoolUse,
    /// The same, pool by pool.
    pub(crate) pools: Vec<OnePool>,
    pub(crate) leases_outstanding: u64,
    pub(crate) threads_leaked: Option<u64>,
    /// Of the whole process, after its first fifth.
    pub(crate) heap_allocations_after_warmup: Option<u64>,
    pub(crate) book: BookCheck,
    /// Of those that sockets connect to, how each fared.
    pub(crate) venues: Vec<OneVenue>,
    /// Books compared with a local venue's own, once all had come to rest.
    pub(crate) books_compared: Option<u64>,
    /// Of these, equal to the last level.
    pub(crate) books_equal: Option<u64>,
    /// What local venues did to their frames and connections because they were told to.
    pub(crate) faults: Option<u64>,
    /// What went over NATS.
    pub(crate) nats: Option<OverNats>,
    /// For each consumer, a hash of all it got, in its order, without trace ids, versions and times
    /// of receipt. Two replays of one file have the same; a run's threads interleave as they will.
    pub(crate) content_hash: BTreeMap<String, String>,
    pub(crate) latency_ns: Latency,
    pub(crate) events_per_second: f64,
    pub(crate) elapsed_s: f64,
}

/// Execution reports, by a ledger of trace ids at both ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Critical {
    pub(crate) published: u64,
    /// Published, for each consumer interested: delivered, lost, or undelivered at the end.
    pub(crate) expected: u64,
    pub(crate) delivered: u64,
    pub(crate) lost: u64,
    pub(crate) repeated: u64,
}

/// All pools added up; of peaks, each pool's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct PoolUse {
    pub(crate) capacity: u64,
    pub(crate) peak: u64,
    pub(crate) heap_fallbacks: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct OnePool {
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) pool: PoolUse,
}

/// How the assembled books fared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct BookCheck {
    pub(crate) oracle_compared: Option<u64>,
    pub(crate) oracle_equal: Option<u64>,
    pub(crate) gaps: Option<u64>,
    pub(crate) resyncs: Option<u64>,
    pub(crate) checksum_ok: Option<u64>,
    pub(crate) checksum_bad: Option<u64>,
}

impl From<VenueStats> for BookCheck {
    fn from(stats: VenueStats) -> Self {
        Self {
            oracle_compared: stats.oracle_compared,
            oracle_equal: stats.oracle_equal,
            gaps: Some(stats.books.gaps),
            resyncs: Some(stats.books.resyncs),
            checksum_ok: None,
            checksum_bad: None,
        }
    }
}

/// How the connections to a venue fared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct OneVenue {
    pub(crate) name: String,
    /// Connections that were opened.
    pub(crate) connections: u64,
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
    pub(crate) frames_malformed: u64,
    pub(crate) gaps: u64,
    pub(crate) resyncs: u64,
    /// Books that could be trusted at the end.
    pub(crate) books_verified: u64,
    pub(crate) books: u64,
    /// What the venue said when it refused something.
    pub(crate) refused: Vec<String>,
    /// Why there never was a connection, or why there is none any more.
    pub(crate) failed: Option<String>,
}

impl OneVenue {
    pub(crate) fn new(name: &str, counts: &Counts, outcome: &Outcome) -> Self {
        let books = outcome.session.stats().books;
        Self {
            name: name.to_owned(),
            connections: counts.opened.load(Relaxed),
            frames: counts.frames.load(Relaxed),
            bytes: counts.bytes.load(Relaxed),
            frames_malformed: counts.all_errors(),
            gaps: books.gaps + books.mismatches,
            resyncs: books.resyncs,
            books_verified: outcome.books.iter().filter(|(_, book)| book.is_some()).count() as u64,
            books: counts.books.len() as u64,
            refused: outcome.refusals.clone(),
            failed: outcome.failed.clone().or_else(|| outcome.never.clone()),
        }
    }
}

/// What went over NATS, whichever way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct OverNats {
    /// `sent` or `received`.
    pub(crate) way: &'static str,
    pub(crate) market_data: u64,
    /// Market data that became part of newer, before they were sent or handed on.
    pub(crate) folded: u64,
    /// Market data that had to go, or never came.
    pub(crate) lost: u64,
    pub(crate) critical: u64,
    /// Of these, those that the server knows to be done with.
    pub(crate) acknowledged: u64,
    /// Critical messages that wait: in the outbox, or for earlier ones.
    pub(crate) waiting: u64,
    /// Critical messages that never came.
    pub(crate) missing: u64,
    /// Connections, of both kinds.
    pub(crate) connections: u64,
}

impl From<Traffic> for OverNats {
    fn from(traffic: Traffic) -> Self {
        match traffic {
            Traffic::Sent(stats) => Self {
                way: "sent",
                market_data: stats.sent,
                folded: stats.folded,
                lost: stats.dropped,
                critical: stats.critical,
                acknowledged: stats.acknowledged,
                waiting: stats.waiting,
                missing: 0,
                connections: stats.market_link.connects + stats.critical_link.connects,
            },
            Traffic::Received(stats) => Self {
                way: "received",
                market_data: stats.handed_on,
                folded: stats.folded,
                lost: stats.lost + stats.dropped + stats.pool_empty,
                critical: stats.critical,
                acknowledged: stats.acknowledged,
                waiting: stats.held,
                missing: stats.missing,
                connections: stats.market_link.connects + stats.critical_link.connects,
            },
        }
    }
}

/// From handing a frame to its decoder (or making an event up) to a consumer's entry, by a monotonic
/// clock, over all consumers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50: Option<u64>,
    pub(crate) p99: Option<u64>,
    pub(crate) p999: Option<u64>,
    pub(crate) max: Option<u64>,
}

impl From<Histogram<u64>> for Latency {
    fn from(histogram: Histogram<u64>) -> Self {
        let at = |quantile| (!histogram.is_empty()).then(|| histogram.value_at_quantile(quantile));
        Self { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1.0) }
    }
}

impl Summary {
    /// What a pipeline's end tells by itself.
    pub(crate) fn of(end: &End, events: u64, elapsed: Duration) -> Self {
        let leaks = end.leaks();
        if !leaks.is_clean() {
            say(&leaks);
        }
        let stats = &end.stats;
        let lanes = &stats.dispatcher.lanes;
        let elapsed_s = elapsed.as_secs_f64();
        let panics: u64 = stats.consumers.iter().map(|c| c.stats.panicked).sum();
        let failures: u64 = stats.consumers.iter().map(|c| c.stats.failed).sum();
        let pools: Vec<_> = stats.pools.iter().map(OnePool::from).collect();
        let mut pool = PoolUse::default();
        for one in &pools {
            pool.capacity += one.pool.capacity;
            pool.peak += one.pool.peak;
            pool.heap_fallbacks += one.pool.heap_fallbacks;
        }
        Self {
            events,
            merged: Some(stats.merges.iter().map(|merge| merge.merged()).sum()),
            deliveries: lanes.iter().map(|lane| lane.delivered).sum(),
            unrouted: stats.dispatcher.unrouted,
            late: stats.dispatcher.late,
            repeats: stats.repeated,
            order_gaps: stats.dispatcher.gaps,
            filtered: stats.consumers.iter().map(|c| c.stats.filtered).sum(),
            conflated: lanes.iter().map(|lane| lane.folded).sum(),
            dropped: lanes.iter().map(|lane| lane.dropped + lane.discarded).sum(),
            consumer_errors: failures - panics,
            consumer_panics: panics,
            pool,
            pools,
            leases_outstanding: leaks.count(),
            events_per_second: if elapsed_s > 0.0 { events as f64 / elapsed_s } else { 0.0 },
            elapsed_s,
            ..Self::default()
        }
    }

    /// What a program that calls this one must not overlook.
    pub(crate) fn verdict(&self) -> Result<(), String> {
        let unequal = match (self.books_compared, self.books_equal) {
            (Some(compared), Some(equal)) => compared - equal,
            _ => 0,
        };
        let wrong = [
            (unequal, "books not the venue's own"),
            (self.critical.lost, "critical messages lost"),
            (self.critical.repeated, "critical messages repeated"),
            (self.undelivered, "critical messages undelivered, which the log names"),
            (self.leases_outstanding, "leases outstanding"),
            (self.threads_leaked.unwrap_or(0), "threads leaked"),
            (
                self.nats.as_ref().map_or(0, |nats| nats.missing),
                "critical messages that never came over NATS",
            ),
        ];
        let counted = wrong.iter().filter(|(count, _)| *count > 0);
        let mut wrong: Vec<_> = counted.map(|(count, what)| format!("{count} {what}")).collect();
        for venue in &self.venues {
            let told = venue.refused.iter().map(|said| format!("{} refused: {said}", venue.name));
            wrong.extend(told);
            wrong.extend(venue.failed.as_ref().map(|why| format!("{}: {why}", venue.name)));
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join(", ")) }
    }

    /// One JSON object.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).expect("numbers and text are always JSON")
    }
}

impl From<&recycler::Stats> for OnePool {
    fn from(stats: &recycler::Stats) -> Self {
        let pool = PoolUse {
            capacity: stats.capacity as u64,
            peak: stats.peak as u64,
            heap_fallbacks: stats.heap_fallbacks,
        };
        Self { name: stats.pool.to_string(), pool }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |name: &str, value: String| writeln!(f, "{name:<20} {value}");
        if let Some(frames) = self.frames {
            let malformed = self.frames_malformed.unwrap_or(0);
            row("frames", format!("{}, {} malformed", grouped(frames), grouped(malformed)))?;
        }
        let rate = grouped(self.events_per_second.round() as u64);
        let events = grouped(self.events);
        row("events", format!("{events} in {:.2} s, {rate} per second", self.elapsed_s))?;
        if let Some(merged) = self.merged.filter(|merged| *merged > 0) {
            row("merged", format!("{} views and books", grouped(merged)))?;
        }
        let filtered = grouped(self.filtered);
        row("deliveries", format!("{}, {filtered} filtered", grouped(self.deliveries)))?;
        let [unrouted, late, repeats, gaps] =
            [self.unrouted, self.late, self.repeats, self.order_gaps].map(grouped);
        row("not routed", format!("{unrouted} unwanted, {late} late, {repeats} repeats"))?;
        row("order", format!("{gaps} gaps given up"))?;
        let (conflated, dropped) = (grouped(self.conflated), grouped(self.dropped));
        row("gave way", format!("{conflated} conflated, {dropped} dropped"))?;
        let Critical { published, expected, delivered, lost, repeated } = self.critical;
        row(
            "critical",
            format!(
                "{} published, {} of {} delivered, {} lost, {} repeated",
                grouped(published),
                grouped(delivered),
                grouped(expected),
                grouped(lost),
                grouped(repeated)
            ),
        )?;
        let (errors, panics) = (grouped(self.consumer_errors), grouped(self.consumer_panics));
        let dead = grouped(self.dead_letters);
        row("consumers", format!("{errors} errors, {panics} panics, {dead} dead letters"))?;
        let BookCheck { oracle_compared, oracle_equal, gaps, resyncs, .. } = self.book;
        if let (Some(gaps), Some(resyncs)) = (gaps, resyncs) {
            let oracle = match (oracle_compared, oracle_equal) {
                (Some(compared), Some(equal)) => {
                    format!("{} of {} equal to best prices, ", grouped(equal), grouped(compared))
                }
                _ => String::new(),
            };
            row("book", format!("{oracle}{gaps} gaps, {resyncs} resyncs"))?;
        }
        for venue in &self.venues {
            let OneVenue { connections, books_verified, books, gaps, resyncs, .. } = venue;
            let (frames, bytes) = (grouped(venue.frames), grouped(venue.bytes));
            row(
                &venue.name,
                format!(
                    "{connections} connections, {frames} frames, {bytes} bytes, {books_verified} \
                     of {books} books verified, {gaps} gaps, {resyncs} resyncs"
                ),
            )?;
        }
        if let (Some(compared), Some(equal)) = (self.books_compared, self.books_equal) {
            row("books", format!("{equal} of {compared} equal to the local venue's own"))?;
        }
        if let Some(faults) = self.faults {
            row("faults", grouped(faults))?;
        }
        if let Some(nats) = &self.nats {
            let [data, folded, lost, critical, acknowledged, waiting] = [
                nats.market_data,
                nats.folded,
                nats.lost,
                nats.critical,
                nats.acknowledged,
                nats.waiting,
            ]
            .map(grouped);
            row(
                "over NATS",
                format!(
                    "{} {data} market data ({folded} folded, {lost} lost), {critical} critical, \
                     {acknowledged} acknowledged, {waiting} waiting",
                    nats.way
                ),
            )?;
        }
        let Latency { p50, p99, p999, max } = self.latency_ns;
        let of = |ns: Option<u64>| ns.map_or("-".to_owned(), duration);
        row(
            "latency, all",
            format!("p50 {}, p99 {}, p99.9 {}, max {}", of(p50), of(p99), of(p999), of(max)),
        )?;
        let PoolUse { capacity, peak, heap_fallbacks } = self.pool;
        let (peak, capacity) = (grouped(peak), grouped(capacity));
        let heap = grouped(heap_fallbacks);
        row("pools", format!("peak {peak} of {capacity}, {heap} from the heap"))?;
        let left = |value: Option<u64>| value.map_or("not measured".to_owned(), grouped);
        row("leases outstanding", grouped(self.leases_outstanding))?;
        row("threads leaked", left(self.threads_leaked))?;
        row(
            "heap allocations",
            format!("{} after warm-up", left(self.heap_allocations_after_warmup)),
        )?;
        for (name, hash) in &self.content_hash {
            row("content", format!("{hash} {name}"))?;
        }
        Ok(())
    }
}

/// 41249 as 41,249.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Nanoseconds with the unit that suits them.
fn duration(ns: u64) -> String {
    match ns {
        0..10_000 => format!("{ns} ns"),
        10_000..10_000_000 => format!("{} µs", ns / 1_000),
        10_000_000..10_000_000_000 => format!("{} ms", ns / 1_000_000),
        _ => format!("{} s", ns / 1_000_000_000),
    }
}

#[cfg(test)]
mod tests;
