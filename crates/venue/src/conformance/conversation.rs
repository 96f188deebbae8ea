use meltica_event::Timestamp;

use super::instruments;
use crate::{LocalVenue, Session, Wish};

/// What a venue says to an adapter for [`INSTRUMENTS`](super::INSTRUMENTS) that has just connected and says what it wishes
/// to say, over so many moves of the venue's market with a heartbeat after each. For venues without fetches.
///
/// # Panics
///
/// If the adapter does not take the instruments.
pub fn conversation(
    session: &mut dyn Session,
    local: &mut dyn LocalVenue,
    moves: usize,
) -> Vec<String> {
    for (instrument, id) in instruments() {
        session.add(instrument, id).expect("spot is traded everywhere");
    }
    let now = Timestamp::from_nanos(1_767_225_600_000_000_000);
    let mut frames = vec![];
    let mut out = |frame: &str| frames.push(frame.to_owned());
    session.opened();
    while let Some(Wish::Send(text)) = session.next_wish() {
        local.heard(&text, now, &mut out);
    }
    for _ in 0..moves {
        local.step(now, &mut out);
        local.heartbeat(now, &mut out);
    }
    frames
}
