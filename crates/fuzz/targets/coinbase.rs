//! Bytes to Coinbase's adapter; see the library.

#![no_main]

use libfuzzer_sys::fuzz_target;
use meltica_event::VenueId;
use meltica_venue_coinbase::Coinbase;

fuzz_target!(|bytes: &[u8]| {
    meltica_fuzz::frames(bytes, |pools| Box::new(Coinbase::new(VenueId(1), pools)));
});
