//! Every checksum of recorded books is met, of version 2 and, by the same algorithm, of version 1.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use flate2::read::GzDecoder;
use meltica_event::{InstrumentId, Side, VenueId};
use meltica_venue::{Decode, Ingest, Session, VenuePools};
use meltica_venue_kraken::{Kraken, Ladder};

fn capture(name: &str) -> Option<PathBuf> {
    let captures = std::env::var_os("MELTICA_CAPTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/captures"),
        PathBuf::from,
    );
    let path = captures.join(name);
    if !path.exists() {
        println!("skipped: there is no {}; set MELTICA_CAPTURES", path.display());
        return None;
    }
    Some(path)
}

#[test]
fn lm_07_four_of_four_checksums_of_version_2_are_met() {
    let Some(path) = capture("kraken/kraken_book.jsonl") else { return };
    let mut kraken = Kraken::new(VenueId(1), VenuePools::new(8));
    let btc = InstrumentId(1);
    kraken.add("BTC-USD".parse().unwrap(), btc).unwrap();
    let mut books = 0;
    for line in std::fs::read_to_string(path).unwrap().lines() {
        kraken.decode(line.as_bytes(), Ingest::default(), &mut |_| books += 1).unwrap();
    }
    let stats = kraken.stats().books;
    assert_eq!((books, stats.snapshots, stats.deltas, stats.mismatches), (4, 1, 3, 0));
    let book = kraken.book(btc).unwrap();
    assert_eq!((book.bids.len(), book.asks.len()), (10, 10));
}

/// A frame of version 1: `[channel, {"as": .., "bs": ..} or {"a": .., "c": ..}, .., name, pair]`.
fn levels(book: &serde_json::Value, key: &str) -> Vec<(String, String)> {
    let levels = book[key].as_array().cloned().unwrap_or_default();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    levels.iter().map(|level| (text(&level[0]), text(&level[1]))).collect()
}

#[test]
fn lm_07_all_4269_checksums_of_version_1_are_met_by_the_same_algorithm() {
    let Some(path) = capture("kraken/kraken_v1_book1000.gz") else { return };
    let file = BufReader::new(GzDecoder::new(std::fs::File::open(path).unwrap()));
    let mut ladders: HashMap<String, Ladder> = HashMap::new();
    let (mut checked, mut met, mut beyond) = (0, 0, 0);
    for line in file.lines() {
        let line = line.unwrap();
        let Some((_, frame)) = line.split_once(": ") else { continue };
        let Ok(serde_json::Value::Array(frame)) = serde_json::from_str(frame) else { continue };
        let pair = frame.last().and_then(|pair| pair.as_str()).unwrap().to_owned();
        let ladder = ladders.entry(pair).or_default();
        for part in &frame[1..frame.len() - 2] {
            let sides =
                [("as", Side::Sell), ("bs", Side::Buy), ("a", Side::Sell), ("b", Side::Buy)];
            for (key, side) in sides {
                for (price, quantity) in levels(part, key) {
                    let price: meltica_venue_kraken::Number = price.parse().unwrap();
                    beyond += u32::from(price.price().unwrap().is_none());
                    ladder.set(side, price, quantity.parse().unwrap());
                }
            }
        }
        ladder.cut(1_000, &mut |_, _| ());
        if let Some(sum) = frame[1..].iter().find_map(|part| part["c"].as_str()) {
            checked += 1;
            met += u32::from(sum.parse() == Ok(ladder.checksum()));
        }
    }
    assert_eq!((met, checked), (4_269, 4_269));
    assert!(beyond > 0, "somebody asks more than a price can hold");
}
