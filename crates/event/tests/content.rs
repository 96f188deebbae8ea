//! The content hash sees what the venue said and ignores how the message travelled.

use std::hash::Hasher;

use meltica_event::*;
use twox_hash::XxHash64;

fn hash(feed: impl Fn(&mut XxHash64)) -> u64 {
    let mut hasher = XxHash64::with_seed(0);
    feed(&mut hasher);
    hasher.finish()
}

fn travelled(header: Header) -> Header {
    Header {
        trace: TraceId(7),
        routing_version: 3,
        ingest_time: Timestamp::from_nanos(9),
        ingest_mono_ns: 11,
        ..header
    }
}

/// Asserts that travelling changes no content, and that each of `changes` does.
fn check<T: Clone>(
    value: &T,
    header: fn(&mut T) -> &mut Header,
    feed: fn(&T, &mut XxHash64),
    changes: &[fn(&mut T)],
) {
    let original = hash(|state| feed(value, state));
    let mut moved = value.clone();
    *header(&mut moved) = travelled(*header(&mut moved));
    assert_eq!(hash(|state| feed(&moved, state)), original);
    for (index, change) in changes.iter().enumerate() {
        let mut changed = value.clone();
        change(&mut changed);
        assert_ne!(hash(|state| feed(&changed, state)), original, "change {index} went unseen");
    }
}

#[test]
fn every_event_hashes_its_payload_and_not_its_journey() {
    let one = Price::from_units(1);
    let event = |payload| Event::new(Header::default(), payload);
    let feed: fn(&Event, &mut XxHash64) = |e, state| e.hash_content(state);
    check(
        &event(Payload::Trade(Trade::default())),
        |e| &mut e.header,
        feed,
        &[
            |e| e.header.sequence = 1,
            |e| e.header.venue = VenueId(1),
            |e| e.header.exchange_time = Timestamp::from_nanos(0),
            |e| {
                e.payload =
                    Payload::Trade(Trade { aggressor: Some(Side::Buy), ..Trade::default() });
            },
            |e| e.payload = Payload::Trade(Trade { id: 1, ..Trade::default() }),
            |e| *e = Event::new(e.header, Payload::Ticker(Ticker::default())),
        ],
    );
    check(
        &event(Payload::Ticker(Ticker { low: one, ..Ticker::default() })),
        |e| &mut e.header,
        feed,
        &[|e| {
            e.payload = Payload::Ticker(Ticker { last: Price::from_units(1), ..Ticker::default() });
        }],
    );
    check(
        &event(Payload::TopOfBook(TopOfBook::default())),
        |e| &mut e.header,
        feed,
        &[|e| {
            let ask = Level { price: Price::from_units(2), quantity: Quantity::from_units(1) };
            e.payload = Payload::TopOfBook(TopOfBook { ask, ..TopOfBook::default() });
        }],
    );
    assert_eq!(Event::blank(), event(Payload::Trade(Trade::default())));
}

#[test]
fn a_book_hashes_its_levels() {
    let level = Level { price: Price::from_units(1), quantity: Quantity::from_units(1) };
    let mut book = Book::with_capacity(2);
    book.bids.set(level);
    check(
        &book,
        |b| &mut b.header,
        |b, state| b.hash_content(state),
        &[
            |b| b.first_sequence = 1,
            |b| assert!(b.sources.insert(VenueId(4))),
            |b| b.bids.clear(),
            |b| {
                let level = b.bids[0];
                b.bids.clear();
                b.asks.set(level);
            },
        ],
    );
}

#[test]
fn a_merged_view_hashes_both_sides_and_its_sources() {
    check(
        &Merged::blank(),
        |m| &mut m.header,
        |m, state| m.hash_content(state),
        &[
            |m| m.window = 1,
            |m| assert!(m.sources.insert(VenueId(4))),
            |m| m.sources = m.sources.with_missing(1),
            |m| {
                m.bid =
                    Some(Quote { venue: VenueId(1), price: Price::ZERO, quantity: Quantity::ZERO });
            },
            |m| m.vwap = Some(Price::ZERO),
        ],
    );
}

#[test]
fn an_execution_report_hashes_every_id() {
    check(
        &ExecReport::blank(),
        |r| &mut r.header,
        |r, state| r.hash_content(state),
        &[
            |r| r.client_order_id = Text::truncated("a"),
            |r| r.venue_order_id = Text::truncated("a"),
            |r| r.report_id = Text::truncated("a"),
            |r| r.status = OrderStatus::Filled,
            |r| r.reason = Text::truncated("a"),
        ],
    );
}

#[test]
fn a_control_event_hashes_its_command_and_outcome() {
    check(
        &Control::blank(),
        |c| &mut c.header,
        |c, state| c.hash_content(state),
        &[
            |c| c.command = 1,
            |c| c.outcome = ControlOutcome::Applied,
            |c| c.detail = Text::truncated("a"),
        ],
    );
    let refused =
        Control::result(Header::default(), 4, Text::truncated("flip"), Err(Text::truncated("no")));
    assert_eq!(refused.header.kind, EventKind::ControlResult);
    assert_eq!((refused.outcome, refused.detail.as_str()), (ControlOutcome::Rejected, "no"));
    let applied = Control::result(Header::default(), 4, Text::EMPTY, Ok(()));
    assert_eq!(applied.outcome, ControlOutcome::Applied);
}

#[test]
fn a_report_without_an_id_of_its_own_is_never_a_repeat() {
    let mut report = ExecReport::blank();
    assert_eq!(report.identity(), None);
    report.report_id = Text::truncated("17");
    assert_eq!(report.identity().map(|id| id.report_id), Some(report.report_id));
}

#[test]
fn sources_hold_each_venue_once_and_at_most_eight() {
    let mut sources = Sources::default();
    assert!(sources.is_empty());
    assert!((1..=8).all(|n| sources.insert(VenueId(n))));
    assert!(!sources.insert(VenueId(3)) && !sources.insert(VenueId(9)));
    assert_eq!((sources.len(), sources.iter().last()), (8, Some(VenueId(8))));
}
