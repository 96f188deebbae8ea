//! Recorded connections are understood whole: no number is missing, and no book is crossed.

use std::path::{Path, PathBuf};

use meltica_event::{EventKind, InstrumentId, VenueId};
use meltica_venue::{Decode, Ingest, Session, VenuePools, conformance::instruments};
use meltica_venue_coinbase::Coinbase;

/// Replays a recording; answers how many trades there were and the adapter.
fn replay(name: &str) -> Option<(u64, u64, Coinbase)> {
    let captures = std::env::var_os("MELTICA_CAPTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/captures"),
        PathBuf::from,
    );
    let path = captures.join(name);
    if !path.exists() {
        println!("skipped: there is no {}; set MELTICA_CAPTURES", path.display());
        return None;
    }
    let mut coinbase = Coinbase::new(VenueId(1), VenuePools::new(64));
    for (instrument, id) in instruments() {
        coinbase.add(instrument, id).expect("it is spot");
    }
    let (mut frames, mut trades, mut last) = (0, 0, [0; 3]);
    for line in std::fs::read_to_string(path).expect("it can be read").lines() {
        let frame = line.split_once('\t').map_or(line, |(_, frame)| frame);
        frames += 1;
        let decoded = coinbase.decode(frame.as_bytes(), Ingest::default(), &mut |decoded| {
            let header = decoded.header();
            if header.kind == EventKind::Trade {
                let last = &mut last[header.instrument.0 as usize];
                assert!(*last == 0 || header.sequence == *last + 1, "trades are dense");
                *last = header.sequence;
                trades += 1;
            }
        });
        decoded.unwrap_or_else(|error| panic!("frame {frames}: {error}"));
        for (_, id) in instruments() {
            if let Some(book) = coinbase.book(id) {
                assert!(book.bids[0].price < book.asks[0].price, "frame {frames}: crossed");
            }
        }
    }
    Some((frames, trades, coinbase))
}

#[test]
fn lm_07_two_products_on_one_connection_have_no_gap_and_no_crossed_book() {
    let Some((frames, trades, coinbase)) = replay("coinbase/coinbase_advanced_first100.jsonl")
    else {
        return;
    };
    let stats = coinbase.stats().books;
    assert_eq!((frames, stats.gaps, stats.snapshots), (100, 0, 2));
    assert!(trades > 10 && stats.deltas > 50, "{trades} {stats:?}");
    for id in [InstrumentId(1), InstrumentId(2)] {
        assert!(coinbase.book(id).is_some());
    }
}

#[test]
fn lm_07_twelve_frames_of_level2_have_no_gap() {
    let Some((frames, _, coinbase)) = replay("coinbase/coinbase_l2.jsonl") else { return };
    let stats = coinbase.stats().books;
    assert_eq!((frames, stats.gaps, stats.snapshots), (12, 0, 1));
}
