//! Kraken is held to what every adapter is held to.

use meltica_event::VenueId;
use meltica_venue::{
    LocalVenue, Session, VenuePools,
    conformance::{Subject, instruments},
};
use meltica_venue_kraken::{Kraken, LocalKraken};

struct KrakenSubject;

impl Subject for KrakenSubject {
    const FRAMES: &'static str = include_str!("../fixtures/frames.jsonl");
    const NOTICES_DIGITS: bool = true;

    fn session(pools: VenuePools) -> Box<dyn Session> {
        Box::new(Kraken::new(VenueId(1), pools))
    }

    fn local(seed: u64) -> Box<dyn LocalVenue> {
        Box::new(LocalKraken::new(instruments(), seed))
    }
}

meltica_venue::conformance!(KrakenSubject);
