//! Once warm, decoding allocates nothing: not for trades, nor best prices, nor depth.

use std::alloc::System;

use meltica_event::{Instrument, InstrumentId, VenueId};
use meltica_venue::{Decode, Ingest, Session, VenuePools};
use meltica_venue_binance::BinanceSpot;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn nothing_is_allocated_once_warm() {
    let pools = VenuePools::new(8);
    let mut binance = BinanceSpot::new(VenueId(1), pools);
    let instrument: Instrument = "BTC-USDT".parse().unwrap();
    binance.add(instrument, InstrumentId(1)).unwrap();
    let snapshot = r#"{"lastUpdateId":0,"bids":[["1","2"]],"asks":[["500","2"]]}"#.to_owned();
    let frames: Vec<String> = std::iter::once(snapshot)
        .chain((1..2_000).flat_map(|n| {
            let (bid, ask) = (2 + n % 40, 100 + n % 60);
            [
                format!(r#"{{"stream":"btcusdt@depth@100ms","data":{{"e":"depthUpdate","E":{n},"s":"BTCUSDT","U":{n},"u":{n},"b":[["{bid}.5","1.25"],["1","{n}"]],"a":[["{ask}","{}"]]}}}}"#, n % 3),
                format!(r#"{{"stream":"btcusdt@bookTicker","data":{{"u":{n},"s":"BTCUSDT","b":"{bid}","B":"1","a":"{ask}","A":"2"}}}}"#),
                format!(r#"{{"stream":"btcusdt@trade","data":{{"e":"trade","E":{n},"s":"BTCUSDT","t":{n},"p":"{bid}.25","q":"1","T":{n},"m":true}}}}"#),
            ]
        }))
        .collect();
    let mut decoded = 0;
    let mut decode = |frame: &String| {
        binance.decode(frame.as_bytes(), Ingest::default(), &mut |_| decoded += 1).unwrap();
    };
    frames[..1_000].iter().for_each(&mut decode);
    let region = Region::new(ALLOCATOR);
    frames[1_000..].iter().for_each(&mut decode);
    let change = region.change();
    assert_eq!((change.allocations, change.reallocations), (0, 0));
    assert_eq!(decoded, frames.len());
}
