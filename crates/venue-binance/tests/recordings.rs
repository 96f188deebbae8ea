//! Recorded frames become the events that they stand for, and their books are right.

use std::path::{Path, PathBuf};

use meltica_event::{Catalog, EventKind, InstrumentId, Timestamp};
use meltica_venue::{
    Decode, DecodeCause, DecodeError, Decoded, Ingest, Recording, Session, VenuePools,
};
use meltica_venue_binance::BinanceSpot;

const BTC: InstrumentId = InstrumentId(1);

fn adapter() -> (BinanceSpot, VenuePools) {
    let mut catalog = Catalog::new();
    let venue = catalog.venue("binance").expect("a legal name");
    let pools = VenuePools::new(64);
    let mut binance = BinanceSpot::new(venue, pools.clone());
    binance.add("BTC-USDT".parse().expect("a legal name"), BTC).expect("it is spot");
    (binance, pools)
}

/// Decodes a whole recording; answers frames, and how many events of each kind.
fn replay(binance: &mut BinanceSpot, path: &Path) -> (u64, Vec<(EventKind, u64)>) {
    let mut recording = Recording::open(path).expect("it can be opened");
    let mut counts: Vec<_> = EventKind::ALL.iter().map(|kind| (*kind, 0)).collect();
    let (mut frames, mut last_trade) = (0, 0);
    while let Some(frame) = recording.next_frame().expect("it can be read") {
        frames += 1;
        let ingest = Ingest { time: frame.received.expect("timed"), mono_ns: frames };
        let decoded = binance.decode(frame.bytes, ingest, &mut |decoded| {
            let header = decoded.header();
            // A delta that waited for the snapshot keeps its own time.
            assert!(header.instrument == BTC && header.ingest_time <= ingest.time);
            counts.iter_mut().find(|(kind, _)| *kind == header.kind).expect("all are there").1 += 1;
            if header.kind == EventKind::Trade {
                assert!(last_trade == 0 || header.sequence == last_trade + 1);
                last_trade = header.sequence;
            }
        });
        decoded.unwrap_or_else(|error| panic!("line {}: {error}", frame.line));
    }
    counts.retain(|(_, count)| *count > 0);
    (frames, counts)
}

#[test]
fn lm_07_the_small_recording_assembles_and_agrees_with_its_best_prices() {
    let (mut binance, pools) = adapter();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings/btcusdt.txt");
    let (frames, counts) = replay(&mut binance, &path);
    assert_eq!(frames, 19);
    use EventKind as K;
    let expected = [(K::Trade, 5), (K::TopOfBook, 6), (K::BookSnapshot, 1), (K::BookDelta, 6)];
    assert_eq!(counts, expected, "one delta ended before the snapshot");
    let stats = binance.stats();
    assert_eq!((stats.books.stale, stats.books.gaps), (1, 0));
    assert_eq!((stats.oracle_compared, stats.oracle_equal), (Some(5), Some(5)));
    let book = binance.book(BTC).unwrap();
    assert_eq!(book.bids[0].price, "89999.6".parse().unwrap());
    assert_eq!((book.bids.len(), book.asks.len()), (4, 3));
    assert_eq!(pools.books.stats().outstanding() + pools.events.stats().outstanding(), 0);
}

#[test]
fn lm_07_the_real_recording_assembles_without_a_gap_and_agrees_564_times() {
    let captures = std::env::var_os("MELTICA_CAPTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/captures"),
        PathBuf::from,
    );
    let path = captures.join("binance/spot_btcusdt_20240808.gz");
    if !path.exists() {
        println!("skipped: there is no {}; set MELTICA_CAPTURES", path.display());
        return;
    }
    let (mut binance, _) = adapter();
    let (frames, counts) = replay(&mut binance, &path);
    assert_eq!(frames, 41_249);
    use EventKind as K;
    assert_eq!(counts[..3], [(K::Trade, 9_757), (K::TopOfBook, 28_040), (K::BookSnapshot, 1)]);
    let stats = binance.stats();
    assert_eq!(stats.books.deltas + stats.books.stale, 3_451);
    assert_eq!(stats.books.gaps, 0);
    assert_eq!((stats.oracle_compared, stats.oracle_equal), (Some(564), Some(564)));
}

fn error(frame: &str) -> DecodeError {
    let (mut binance, pools) = adapter();
    let mut emitted = 0;
    let error = binance.decode(frame.as_bytes(), Ingest::default(), &mut |_| emitted += 1);
    assert_eq!(emitted, 0);
    assert_eq!(pools.books.stats().outstanding() + pools.events.stats().outstanding(), 0);
    error.expect_err("it is faulty")
}

#[test]
fn cq_06_a_faulty_frame_says_what_is_wrong_and_where() {
    let trade = r#"{"stream":"btcusdt@trade","data":{"e":"trade","E":1,"s":"BTCUSDT","t":2,"p":"PRICE","q":"1","T":1,"m":true}}"#;
    let cases = [
        ("", "column 1: EOF while parsing a value", "malformed"),
        ("{", "column 1: EOF while parsing an object", "malformed"),
        ("[1,2]", "column 1: invalid type: sequence", "malformed"),
        ("{}", "missing field `stream`", "malformed"),
        (r#"{"stream":"btcusdt@trade"}"#, "missing field `data`", "malformed"),
        (
            r#"{"stream":"btcusdt@kline_1m","data":{}}"#,
            r#"unknown stream "btcusdt@kline_1m""#,
            "unknown stream",
        ),
        (
            &trade.replace("BTCUSDT", "ETHUSDT").replace("PRICE", "1"),
            r#"unexpected symbol "ETHUSDT""#,
            "unknown symbol",
        ),
        (
            &trade.replace("PRICE", "1e5"),
            r#"column 81: "1e5": byte 1 is not part of a decimal"#,
            "malformed",
        ),
        (&trade.replace("PRICE", "0.0000000001"), "beyond the 9 that are kept", "malformed"),
        (&trade.replace(r#""p":"PRICE","#, ""), "missing field `p`", "malformed"),
        (&trade.replace(r#""PRICE""#, "61837.63"), "expected a decimal as text", "malformed"),
        (
            r#"{"stream":"btcusdt@depth","data":{"s":"BTCUSDT","U":5,"u":4,"b":[],"a":[]}}"#,
            "U 5 is greater than u 4",
            "malformed",
        ),
        (
            r#"{"stream":"btcusdt@depth","data":{"s":"BTCUSDT","U":5,"u":6,"b":[]}}"#,
            "a side of the book is missing",
            "malformed",
        ),
        (
            r#"{"stream":"btcusdt@depth","data":{"U":5,"u":6,"b":[],"a":[]}}"#,
            "missing field `s`",
            "malformed",
        ),
        (
            r#"{"stream":"btcusdt@depth","data":{"s":"BTCUSDT","u":6,"b":[],"a":[]}}"#,
            "missing field `U`",
            "malformed",
        ),
        (
            r#"{"stream":"btcusdt@depth","data":{"s":"BTCUSDT","U":5,"u":6,"b":[["1","-2"]],"a":[]}}"#,
            "a quantity is never negative",
            "malformed",
        ),
        (
            r#"{"stream":"btcusdt@depth","data":{"s":"BTCUSDT","U":5,"u":6,"b":[["1"]],"a":[]}}"#,
            "invalid length 1",
            "malformed",
        ),
        (r#"{"stream":"btcusdt@bookTicker","data":7}"#, "invalid type", "malformed"),
        (r#"{"lastUpdateId":7,"bids":[]}"#, "a side of the book is missing", "malformed"),
    ];
    for (frame, message, kind) in cases {
        let error = error(frame);
        assert!(error.to_string().contains(message), "{frame}\n{error}\n{message}");
        assert_eq!(error.kind().1, kind);
        assert!(error.to_string().starts_with(&format!("binance {}: ", error.operation)));
    }
    let (mut binance, _) = adapter();
    let not_text = binance.decode(b"{\"a\":\xff}", Ingest::default(), &mut |_| ());
    assert_eq!(not_text.unwrap_err().to_string(), "binance frame: column 6: not UTF-8");
}

#[test]
fn the_order_of_fields_does_not_matter() {
    let (mut binance, _) = adapter();
    let mut kinds = vec![];
    let frames = [
        r#"{"data":{"E":1,"t":2,"p":"3","q":"1","m":true,"s":"BTCUSDT"},"stream":"btcusdt@trade"}"#,
        r#"{"asks":[["9","1"]],"bids":[],"lastUpdateId":7}"#,
        r#"{"data":{"a":[],"b":[["8","1"]],"u":9,"U":8,"s":"BTCUSDT"},"stream":"btcusdt@depth"}"#,
    ];
    for frame in frames {
        let emit = &mut |decoded: Decoded| kinds.push(decoded.header().kind);
        binance.decode(frame.as_bytes(), Ingest::default(), emit).unwrap();
    }
    assert_eq!(kinds, [EventKind::Trade, EventKind::BookSnapshot, EventKind::BookDelta]);
    let early =
        r#"{"data":{"E":1,"t":2,"p":"x","q":"1","m":true,"s":"BTCUSDT"},"stream":"btcusdt@trade"}"#;
    let error = binance.decode(early.as_bytes(), Ingest::default(), &mut |_| ()).unwrap_err();
    assert!(error.to_string().starts_with("binance trade: column 28: "), "{error}");
    let unknown = r#"{"data":{},"stream":"btcusdt@kline_1m"}"#;
    let error = binance.decode(unknown.as_bytes(), Ingest::default(), &mut |_| ()).unwrap_err();
    assert_eq!(error.to_string(), "binance frame: unknown stream \"btcusdt@kline_1m\"");
}

#[test]
fn a_snapshot_belongs_to_the_only_instrument_or_to_the_one_that_is_named() {
    let (mut binance, _) = adapter();
    let eth = InstrumentId(2);
    binance.add("ETH-USDT".parse().unwrap(), eth).unwrap();
    binance.add("ETH-USDT".parse().unwrap(), eth).unwrap();
    let frame = br#"{"lastUpdateId":7,"bids":[["1","2"]],"asks":[]}"#;
    let ingest = Ingest { time: Timestamp::from_nanos(1), mono_ns: 0 };
    let ambiguous = binance.decode(frame, ingest, &mut |_| ());
    assert!(matches!(ambiguous, Err(DecodeError { cause: DecodeCause::UnknownSymbol { .. }, .. })));
    let mut emitted = vec![];
    binance.snapshot(eth, frame, ingest, &mut |d| emitted.push(d.header().instrument)).unwrap();
    assert_eq!(emitted, [eth]);
    assert!(binance.book(eth).is_some() && binance.book(BTC).is_none());
    assert!(binance.snapshot(InstrumentId(9), frame, ingest, &mut |_| ()).is_err());
    let future = binance.add("BTC-USDT-PERP".parse().unwrap(), BTC).unwrap_err();
    assert!(future.to_string().starts_with("binance has no BTC-USDT-PERP: it is not a spot"));
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let (mut binance, _) = adapter();
        let _ = binance.decode(&bytes, Ingest::default(), &mut |_| ());
    }

    #[test]
    fn no_damage_to_a_frame_makes_it_panic(at in 0usize..300, with in proptest::num::u8::ANY) {
        let (mut binance, _) = adapter();
        let recording = include_bytes!("../recordings/btcusdt.txt");
        for line in recording.split(|byte| *byte == b'\n') {
            let mut frame = line.get(20..).unwrap_or_default().to_vec();
            if let Some(byte) = frame.get_mut(at) {
                *byte = with;
            }
            let _ = binance.decode(&frame, Ingest::default(), &mut |_| ());
        }
    }
}
