//! Binance is held to what every adapter is held to.

use meltica_event::VenueId;
use meltica_venue::{
    LocalVenue, Session, VenuePools,
    conformance::{Subject, instruments},
};
use meltica_venue_binance::{BinanceSpot, LocalBinance};

struct Binance;

impl Subject for Binance {
    const FRAMES: &'static str = include_str!("../fixtures/frames.jsonl");

    fn session(pools: VenuePools) -> Box<dyn Session> {
        Box::new(BinanceSpot::new(VenueId(1), pools))
    }

    fn local(seed: u64) -> Box<dyn LocalVenue> {
        Box::new(LocalBinance::new(instruments(), seed))
    }
}

meltica_venue::conformance!(Binance);
