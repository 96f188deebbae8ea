use meltica_event::{
    Event, EventKind, Header, InstrumentId, Level, Merged, Numbering, Payload, Quote, Sources,
    Timestamp, Topic, VenueId, Vwap,
};
use meltica_orchestrator::{Merge, Sequence, Window};
use meltica_recycler::{Lease, Pool};

use crate::{
    follow::{Follow, PATH},
    merge_rule::MergeRule,
};

/// How far ahead of its receipt, in nanoseconds, an exchange time may be: a venue's clock is not ours.
const AHEAD: i64 = 60_000_000_000;

/// Merges tops of book and trades into one view: see [`MergeRule::view`].
pub(crate) struct View {
    /// The tops of book that are waited for.
    expected: Vec<(VenueId, Topic)>,
    published_as: VenueId,
    /// The width of a bar, in nanoseconds.
    bars: Option<i64>,
    pool: Pool<Merged>,
    follow: Follow,
}

impl View {
    pub(crate) fn new(rule: &MergeRule, pool: Pool<Merged>, follow: Follow) -> Self {
        let bars = rule.bars.map(|width| i64::try_from(width.as_nanos()).unwrap_or(i64::MAX));
        // A bar takes what it gets.
        let waited_for = if bars.is_some() { &[][..] } else { &rule.venues };
        let expected = waited_for.iter().map(|venue| (*venue, Topic::TopOfBook)).collect();
        Self { expected, published_as: rule.published_as, bars, pool, follow }
    }
}

impl Merge for View {
    type Partial = Lease<Event>;
    type Key = InstrumentId;
    type Source = (VenueId, Topic);
    type Merged = Lease<Merged>;

    fn key(&self, event: &Lease<Event>) -> InstrumentId {
        event.header.instrument
    }

    fn source(&self, event: &Lease<Event>) -> (VenueId, Topic) {
        (event.header.venue, event.payload.kind().topic())
    }

    fn sequence(&self, event: &Lease<Event>) -> Sequence {
        sequence(&event.header)
    }

    fn expected(&self, _: InstrumentId) -> &[(VenueId, Topic)] {
        &self.expected
    }

    fn keeps_each(&self, event: &Lease<Event>) -> bool {
        matches!(event.payload, Payload::Trade(_))
    }

    fn period(&self, event: &Lease<Event>) -> Option<u64> {
        let time = time_of(&event.header).nanos()?;
        // Shifted, so that times before 1970 keep their order.
        Some((time.div_euclid(self.bars?) as u64) ^ 1 << 63)
    }

    fn merge(&mut self, window: Window<'_, Self>) -> Option<Lease<Merged>> {
        let mut merged = self.pool.try_lease().ok()?;
        let headers = window.partials().map(|event| &event.header);
        let last_to_come = &window.last_to_come().header;
        merged.header = header(EventKind::Merged, self.published_as, headers, last_to_come);
        merged.header.sequence = window.id();
        merged.window = window.id();
        let mut sources = Sources::default();
        let mut vwap = Vwap::default();
        let mut last: Option<&Lease<Event>> = None;
        for event in window.partials() {
            let venue = event.header.venue;
            sources.insert(venue);
            match event.payload {
                Payload::TopOfBook(top) => {
                    merged.bid = better(merged.bid, quote(venue, top.bid), |a, b| a > b);
                    merged.ask = better(merged.ask, quote(venue, top.ask), |a, b| a < b);
                }
                Payload::Trade(trade) => {
                    vwap.add(trade.price, trade.quantity);
                    let when = |event: &Lease<Event>| {
                        (time_of(&event.header), event.header.venue, event.header.sequence)
                    };
                    if last.is_none_or(|last| when(event) >= when(last)) {
                        last = Some(event);
                    }
                }
                Payload::Ticker(_) => {}
            }
            if self.follow.follows(event.header.trace) {
                told(&event.header, &merged.header);
            }
        }
        merged.sources = sources.with_missing(window.missing());
        merged.last = last.and_then(|event| match event.payload {
            Payload::Trade(trade) => Some(trade.price),
            _ => None,
        });
        merged.vwap = vwap.average();
        merged.volume = vwap.volume();
        Some(merged)
    }
}

/// A side of a top of book; `None` if nobody stands there.
fn quote(venue: VenueId, level: Level) -> Option<Quote> {
    let Level { price, quantity } = level;
    (!quantity.is_zero()).then_some(Quote { venue, price, quantity })
}

/// The better of two quotes. Partials come in order of venue, so that of equals the first stays.
fn better(
    best: Option<Quote>,
    other: Option<Quote>,
    is_better: fn(meltica_event::Price, meltica_event::Price) -> bool,
) -> Option<Quote> {
    let (Some(held), Some(new)) = (best, other) else { return best.or(other) };
    let equal = held.price == new.price;
    let wins = is_better(new.price, held.price) || (equal && new.quantity > held.quantity);
    if wins { other } else { best }
}

/// Where a message stands among those of its stream.
pub(crate) fn sequence(header: &Header) -> Sequence {
    match header.numbering {
        Numbering::Unsequenced => Sequence::Unsequenced,
        Numbering::Monotone | Numbering::Dense => Sequence::Numbered(header.sequence),
        Numbering::Rebase => Sequence::Rebase(header.sequence),
    }
}

/// When it happened: by the venue's clock, unless that is far ahead of ours, since one wrong time must not
/// end the bars of everybody, nor be the last for good.
fn time_of(header: &Header) -> Timestamp {
    let Header { exchange_time, ingest_time, .. } = *header;
    match (exchange_time.nanos(), ingest_time.nanos()) {
        (Some(time), Some(received)) if time.saturating_sub(received) > AHEAD => ingest_time,
        _ => exchange_time,
    }
}

/// The header of what is made of these: the latest of their times, and the trace of the one that came
/// last, which goes on with the merged message.
pub(crate) fn header<'a>(
    kind: EventKind,
    venue: VenueId,
    partials: impl Iterator<Item = &'a Header>,
    last_to_come: &Header,
) -> Header {
    let mut header = Header::new(kind);
    header.venue = venue;
    header.instrument = last_to_come.instrument;
    header.trace = last_to_come.trace;
    for partial in partials {
        header.exchange_time = header.exchange_time.max(time_of(partial));
        header.ingest_time = header.ingest_time.max(partial.ingest_time);
        header.ingest_mono_ns = header.ingest_mono_ns.max(partial.ingest_mono_ns);
    }
    header
}

/// A followed message was merged.
pub(crate) fn told(partial: &Header, merged: &Header) {
    let (trace, goes_on_as, window) = (partial.trace, merged.trace, merged.sequence);
    tracing::info!(target: PATH, %trace, %goes_on_as, window, kind = %merged.kind, "merged");
}
