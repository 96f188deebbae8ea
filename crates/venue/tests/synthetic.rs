//! A synthetic venue is repeatable, and behaves as a venue does.

use std::collections::HashMap;

use meltica_event::{EventKind, InstrumentId, Numbering, Timestamp, Topic, VenueId};
use meltica_recycler::Lease;
use meltica_venue::{Applied, BookAssembly, Decoded, Ingest, Synthetic, VenuePools};

fn feed(seed: u64) -> Synthetic {
    let instruments = [InstrumentId(1), InstrumentId(2)];
    Synthetic::new(VenueId(3), instruments, seed, VenuePools::new(8))
}

const INGEST: Ingest = Ingest { time: Timestamp::from_nanos(5), mono_ns: 6 };

#[test]
fn equal_seeds_make_equal_events_and_other_seeds_others() {
    let text = |seed| {
        let mut feed = feed(seed);
        (0..2_000).map(|_| format!("{:?}", feed.next(INGEST))).collect::<String>()
    };
    assert_eq!(text(1), text(1));
    assert_ne!(text(1), text(2));
}

#[test]
fn every_kind_occurs_and_every_stream_is_numbered_as_it_says() {
    let mut feed = feed(1);
    let mut counts = HashMap::new();
    let mut last: HashMap<(InstrumentId, Topic), u64> = HashMap::new();
    let mut books: HashMap<InstrumentId, BookAssembly> = HashMap::new();
    for _ in 0..30_000 {
        let decoded = feed.next(INGEST);
        let header = *decoded.header();
        *counts.entry(header.kind).or_insert(0u32) += 1;
        assert_eq!((header.venue, header.ingest_mono_ns), (VenueId(3), 6));
        let before = last.insert((header.instrument, header.kind.topic()), header.sequence);
        match header.numbering {
            Numbering::Dense => assert_eq!(before.map_or(1, |n| n + 1), header.sequence),
            Numbering::Monotone => assert!(before.is_none_or(|n| n < header.sequence)),
            Numbering::Rebase => assert_eq!(header.kind, EventKind::BookSnapshot),
            Numbering::Unsequenced => assert!(header.kind.is_critical()),
        }
        if let Decoded::Book(book) = decoded {
            let assembly = books.entry(header.instrument).or_insert_with(|| BookAssembly::new(16));
            let mut home = |book: Lease<_>| drop(book);
            if header.kind == EventKind::BookSnapshot {
                assert_eq!(assembly.snapshot(book, &mut home, &mut |_| {}), Applied::Applied);
                let book = assembly.book().expect("just taken");
                assert!(book.bids[0].price < book.asks[0].price);
            } else {
                assert_eq!(assembly.delta(book, &mut home, &mut |_| {}), Applied::Applied);
            }
        }
    }
    let share = |kind| f64::from(counts[&kind]) / 300.0;
    for (kind, percent) in [
        (EventKind::TopOfBook, 60.0),
        (EventKind::Trade, 20.0),
        (EventKind::ExecReport, 3.0),
        (EventKind::ControlAck, 1.0),
        (EventKind::ControlResult, 1.0),
    ] {
        assert!((share(kind) - percent).abs() < percent / 4.0, "{kind}: {} %", share(kind));
    }
    assert!(counts[&EventKind::BookSnapshot] > 2 && counts[&EventKind::BookDelta] > 4_000);
}

#[test]
#[should_panic(expected = "nothing to say")]
fn a_venue_without_instruments_is_a_mistake() {
    Synthetic::new(VenueId(1), [], 1, VenuePools::new(1));
}
