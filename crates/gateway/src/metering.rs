//! What venues' connections, and those over NATS, count, under the names that telemetry has for it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use meltica_nats::{InboundStats, LinkStats, OutboundStats};
use meltica_telemetry::{Family, Metrics, families};

use crate::connection::{BookCounts, CAUSES, Counts, Ended};

/// A series for each thing that is counted of a venue.
pub(crate) fn of_venue(metrics: Metrics, venue: &'static str, counts: &Arc<Counts>) -> Metrics {
    let number = |metrics: Metrics, family: &'static Family, of: fn(&Counts) -> u64| {
        let counts = Arc::clone(counts);
        metrics.number(family, [venue], move || of(&counts))
    };
    let metrics = number(metrics, &families::VENUE_EVENTS, |of| read(&of.events));
    let metrics = number(metrics, &families::VENUE_CONNECTIONS, |of| read(&of.opened));
    let metrics = number(metrics, &families::VENUE_CONNECT_FAILURES, |of| read(&of.refused));
    let metrics =
        number(metrics, &families::VENUE_CONNECTED, |of| of.connected.load(Relaxed).into());
    let metrics = number(metrics, &families::VENUE_BACKOFF, |of| read(&of.backoff_ns) / 1_000_000);
    let metrics = number(metrics, &families::VENUE_FRAMES, |of| read(&of.frames));
    let metrics = number(metrics, &families::VENUE_BYTES, |of| read(&of.bytes));
    let metrics = number(metrics, &families::VENUE_FETCHES, |of| read(&of.fetches));
    let metrics = number(metrics, &families::VENUE_FETCH_FAILURES, |of| read(&of.fetches_failed));
    let metrics = Ended::ALL.into_iter().fold(metrics, |metrics, reason| {
        let counts = Arc::clone(counts);
        let family = &families::VENUE_CONNECTIONS_ENDED;
        metrics.number(family, [venue, reason.label()], move || counts.ended(reason))
    });
    let metrics = CAUSES.into_iter().enumerate().fold(metrics, |metrics, (index, cause)| {
        let counts = Arc::clone(counts);
        let family = &families::VENUE_DECODE_ERRORS;
        metrics.number(family, [venue, cause], move || counts.errors(index))
    });
    let books: [(&'static Family, OfBook); 6] = [
        (&families::BOOK_VERIFIED, |book| book.verified.load(Relaxed).into()),
        (&families::BOOK_UPDATES, |book| read(&book.updates)),
        (&families::BOOK_SNAPSHOTS, |book| read(&book.snapshots)),
        (&families::BOOK_GAPS, |book| read(&book.gaps)),
        (&families::BOOK_MISMATCHES, |book| read(&book.mismatches)),
        (&families::BOOK_RESYNCS, |book| read(&book.resyncs)),
    ];
    books.into_iter().fold(metrics, |metrics, (family, of)| {
        let counts = Arc::clone(counts);
        metrics.numbers(family, move || {
            let series =
                |book: &BookCounts| (vec![venue.to_owned(), book.instrument.to_string()], of(book));
            counts.books.iter().map(series).collect()
        })
    })
}

/// One of the things that are counted of a book.
type OfBook = fn(&BookCounts) -> u64;

fn read(count: &AtomicU64) -> u64 {
    count.load(Relaxed)
}

/// A series for each thing that is counted on the way out.
pub(crate) fn of_outbound(
    metrics: Metrics,
    stats: impl Fn() -> OutboundStats + Send + Sync + 'static,
) -> Metrics {
    let series: &[Series<OutboundStats>] = &[
        (&families::NATS_FRAMES, &["out"], |of| of.sent),
        (&families::NATS_BYTES, &["out"], |of| of.sent_bytes),
        (&families::NATS_FOLDED, &["out"], |of| of.folded),
        (&families::NATS_LOST, &["dropped_out"], |of| of.dropped),
        (&families::NATS_REFRESHED, &["out"], |of| of.refreshed),
        (&families::NATS_CRITICAL, &["out"], |of| of.critical),
        (&families::NATS_ACKNOWLEDGED, &["out"], |of| of.acknowledged),
        (&families::NATS_WAITING, &["outbox"], |of| of.waiting),
        (&families::NATS_OUTBOX_BYTES, &[], |of| of.outbox_bytes),
    ];
    let stats = Arc::new(stats);
    let metrics = numbers(metrics, series, &stats);
    let metrics = of_link(metrics, "market_out", &stats, |of| of.market_link);
    of_link(metrics, "critical_out", &stats, |of| of.critical_link)
}

/// A series for each thing that is counted on the way in.
pub(crate) fn of_inbound(
    metrics: Metrics,
    stats: impl Fn() -> InboundStats + Send + Sync + 'static,
) -> Metrics {
    let series: &[Series<InboundStats>] = &[
        (&families::NATS_FRAMES, &["in"], |of| of.frames),
        (&families::NATS_BYTES, &["in"], |of| of.bytes),
        (&families::NATS_FOLDED, &["in"], |of| of.folded),
        (&families::NATS_LOST, &["dropped_in"], |of| of.dropped),
        (&families::NATS_LOST, &["missing"], |of| of.lost),
        (&families::NATS_LOST, &["baseless"], |of| of.baseless),
        (&families::NATS_LOST, &["pool_empty"], |of| of.pool_empty),
        (&families::NATS_LOST, &["malformed"], |of| of.malformed),
        (&families::NATS_LOST, &["foreign"], |of| of.foreign),
        (&families::NATS_REFRESHED, &["in"], |of| of.again),
        (&families::NATS_CRITICAL, &["in"], |of| of.critical),
        (&families::NATS_ACKNOWLEDGED, &["in"], |of| of.acknowledged),
        (&families::NATS_REPEATED, &["redelivered"], |of| of.redelivered),
        (&families::NATS_REPEATED, &["identity"], |of| of.repeated),
        (&families::NATS_REPEATED, &["known"], |of| of.known),
        (&families::NATS_MISSING, &[], |of| of.missing),
        (&families::NATS_CRITICAL_MALFORMED, &[], |of| of.critical_malformed),
        (&families::NATS_WAITING, &["held"], |of| of.held),
        (&families::NATS_WAITING, &["pipeline"], |of| of.in_progress),
    ];
    let stats = Arc::new(stats);
    let metrics = numbers(metrics, series, &stats);
    let metrics = of_link(metrics, "market_in", &stats, |of| of.market_link);
    of_link(metrics, "critical_in", &stats, |of| of.critical_link)
}

/// One of the things that are counted of a connection.
type OfLink = fn(LinkStats) -> u64;

/// A family, its labels, and where its number is.
type Series<S> = (&'static Family, &'static [&'static str], fn(&S) -> u64);

fn numbers<S: 'static>(
    metrics: Metrics,
    series: &[Series<S>],
    stats: &Arc<impl Fn() -> S + Send + Sync + 'static>,
) -> Metrics {
    series.iter().fold(metrics, |metrics, (family, labels, of)| {
        let (stats, of) = (Arc::clone(stats), *of);
        metrics.number(family, labels.iter().copied(), move || of(&stats()))
    })
}

fn of_link<S: 'static>(
    metrics: Metrics,
    connection: &'static str,
    stats: &Arc<impl Fn() -> S + Send + Sync + 'static>,
    link: fn(&S) -> LinkStats,
) -> Metrics {
    let counts: [(&'static Family, OfLink); 4] = [
        (&families::NATS_CONNECTED, |link| link.connected.into()),
        (&families::NATS_CONNECTIONS, |link| link.connects),
        (&families::NATS_SLOW, |link| link.slow),
        (&families::NATS_ERRORS, |link| link.errors),
    ];
    counts.into_iter().fold(metrics, |metrics, (family, of)| {
        let stats = Arc::clone(stats);
        metrics.number(family, [connection], move || of(link(&stats())))
    })
}
