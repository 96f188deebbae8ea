//! A recorded connection is understood whole: no update is missing, and wherever book and best prices
//! have the same number, they are equal.

use std::path::{Path, PathBuf};

use meltica_event::{EventKind, ExecType, InstrumentId, OrderStatus, Side, VenueId};
use meltica_venue::{Decode, Decoded, Ingest, Session, VenuePools};
use meltica_venue_okx::Okx;

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

fn adapter(instrument: &str) -> Okx {
    let mut okx = Okx::new(VenueId(1), VenuePools::new(64));
    okx.add(instrument.parse().expect("a legal name"), InstrumentId(1)).expect("it is there");
    okx
}

#[test]
fn lm_07_a_recorded_connection_has_no_gap_and_its_book_agrees_with_its_best_prices() {
    let Some(path) = capture("okx/okx_v5.jsonl") else { return };
    let mut okx = adapter("BTC-USDT-PERP");
    let (mut frames, mut kinds) = (0, vec![]);
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let (_, frame) = line.split_once('\t').unwrap();
        frames += 1;
        let emit = &mut |decoded: Decoded| kinds.push(decoded.header().kind);
        let decoded = okx.decode(frame.as_bytes(), Ingest::default(), emit);
        decoded.unwrap_or_else(|error| panic!("frame {frames}: {error}"));
    }
    let count = |kind| kinds.iter().filter(|one| **one == kind).count();
    let stats = okx.stats();
    assert_eq!((frames, stats.books.gaps, stats.books.snapshots), (142, 0, 1));
    assert_eq!(count(EventKind::Trade), 36);
    assert_eq!(count(EventKind::BookDelta) as u64, stats.books.deltas);
    let (compared, equal) = (stats.oracle_compared.unwrap(), stats.oracle_equal.unwrap());
    assert!(compared > 0 && compared == equal, "{compared} compared, {equal} equal");
    println!("book and best prices: {equal} of {compared} equal");
    let book = okx.book(InstrumentId(1)).unwrap();
    assert_eq!((book.bids.len(), book.asks.len()), (400, 400));
}

#[test]
fn a_recorded_fill_is_understood() {
    let Some(path) = capture("exec_reports/private_spot_sell_fill_demo.json") else { return };
    let frame = std::fs::read_to_string(path).unwrap();
    let mut reports = vec![];
    adapter("BTC-USDT")
        .decode(frame.trim().as_bytes(), Ingest::default(), &mut |decoded| match decoded {
            Decoded::Execution(report) => reports.push(*report),
            other => panic!("{other:?}"),
        })
        .unwrap();
    let [report] = reports[..] else { panic!("{reports:?}") };
    assert_eq!(report.client_order_id.as_str(), "fm000500000025");
    assert_eq!(report.venue_order_id.as_str(), "3967288020668928000");
    assert_eq!(report.report_id.as_str(), "1413632420");
    assert_eq!((report.exec_type, report.status), (ExecType::Trade, OrderStatus::Filled));
    assert_eq!((report.side, report.last_price), (Side::Sell, "84019.4".parse().unwrap()));
    assert_eq!(report.cumulative_quantity, "0.00002".parse().unwrap());
    assert_eq!(report.header.exchange_time.nanos(), Some(1_790_736_801_442_000_000));
}
