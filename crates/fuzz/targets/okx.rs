//! Bytes to OKX's adapter; see the library.

#![no_main]

use libfuzzer_sys::fuzz_target;
use meltica_event::VenueId;
use meltica_venue_okx::Okx;

fuzz_target!(|bytes: &[u8]| {
    meltica_fuzz::frames(bytes, |pools| Box::new(Okx::new(VenueId(1), pools)));
});
