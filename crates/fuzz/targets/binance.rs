//! Bytes to Binance's adapter; see the library.

#![no_main]

use libfuzzer_sys::fuzz_target;
use meltica_event::VenueId;
use meltica_venue_binance::BinanceSpot;

fuzz_target!(|bytes: &[u8]| {
    meltica_fuzz::frames(bytes, |pools| Box::new(BinanceSpot::new(VenueId(1), pools)));
});
