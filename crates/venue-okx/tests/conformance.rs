//! OKX is held to what every adapter is held to.

use meltica_event::VenueId;
use meltica_venue::{
    LocalVenue, Session, VenuePools,
    conformance::{Subject, instruments},
};
use meltica_venue_okx::{LocalOkx, Okx};

struct OkxSubject;

impl Subject for OkxSubject {
    const FRAMES: &'static str = include_str!("../fixtures/frames.jsonl");

    fn session(pools: VenuePools) -> Box<dyn Session> {
        Box::new(Okx::new(VenueId(1), pools))
    }

    fn local(seed: u64) -> Box<dyn LocalVenue> {
        Box::new(LocalOkx::new(instruments(), seed))
    }
}

meltica_venue::conformance!(OkxSubject);
