//! What venues' connections count, under the names that telemetry has for it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

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
