//! Once warm, decoding allocates nothing: not for trades, nor tickers, nor books.

use std::alloc::System;

use meltica_event::VenueId;
use meltica_venue::{
    Decode, Ingest, VenuePools,
    conformance::{conversation, instruments},
};
use meltica_venue_kraken::{Kraken, LocalKraken};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn nothing_is_allocated_once_warm() {
    let mut kraken = Kraken::new(VenueId(1), VenuePools::new(8));
    let mut local = LocalKraken::new(instruments(), 1);
    let frames = conversation(&mut kraken, &mut local, 6_000);
    let mut decoded = 0;
    let mut decode = |frame: &String| {
        kraken.decode(frame.as_bytes(), Ingest::default(), &mut |_| decoded += 1).unwrap();
    };
    frames[..4_000].iter().for_each(&mut decode);
    let region = Region::new(ALLOCATOR);
    frames[4_000..].iter().for_each(&mut decode);
    let change = region.change();
    assert_eq!((change.allocations, change.reallocations), (0, 0));
    assert!(decoded > 5_000, "{decoded}");
}
