use fastrand::Rng;

use super::{Subject, Wire};

/// Lets so many faults happen to the frames of a connection: lost, repeated, swapped with the next,
/// cut, corrupted, and the end of the connection itself.
///
/// A corrupted frame has a byte that no JSON has. Where books carry a checksum, a digit is changed
/// just as often; elsewhere nobody could notice, which is what the transport's own integrity is for.
///
/// # Panics
///
/// If a book is handed on that never was at the venue, an object does not come home, or, once the
/// faults have ended, a book is not the venue's.
pub fn faults<S: Subject>(seed: u64, count: u32) {
    let mut rng = Rng::with_seed(seed);
    let mut wire = Wire::new::<S>(seed);
    wire.open();
    let (mut happened, mut steps) = (0, 0);
    while happened < count {
        steps += 1;
        wire.step();
        if steps % 40 == 0 {
            wire.silence();
        }
        while let Some(frame) = wire.line.pop_front() {
            let mut frame = frame.into_bytes();
            if rng.u8(..8) != 0 {
                let _ = wire.hand(&frame);
                continue;
            }
            happened += 1;
            match rng.u8(..7) {
                0 => {}
                // An execution that comes twice is told apart by its identity, further up.
                1 if !is_execution(&frame) => {
                    let _ = wire.hand(&frame);
                    let _ = wire.hand(&frame);
                }
                1 => {}
                2 => {
                    if let Some(next) = wire.line.pop_front() {
                        let _ = wire.hand(next.as_bytes());
                    }
                    let _ = wire.hand(&frame);
                }
                3 => {
                    frame.truncate(rng.usize(..frame.len()));
                    let _ = wire.hand(&frame);
                }
                4 => {
                    let at = rng.usize(..frame.len());
                    frame[at] = rng.u8(..0x20);
                    if frame[at] != b'\n' && frame[at] != b'\t' && frame[at] != b'\r' {
                        let _ = wire.hand(&frame);
                    }
                }
                5 if S::NOTICES_DIGITS => {
                    let digits = (0..frame.len()).filter(|at| frame[*at].is_ascii_digit());
                    let digits: Vec<_> = digits.collect();
                    if let Some(at) = rng.choice(digits) {
                        frame[at] = b'0' + (frame[at] - b'0' + rng.u8(1..10)) % 10;
                    }
                    let _ = wire.hand(&frame);
                }
                5 => wire.cut_bodies = true,
                _ => {
                    wire.close();
                    wire.open();
                }
            }
        }
    }
    wire.cut_bodies = false;
    for round in 0..200 {
        wire.step();
        if round % 20 == 0 {
            wire.silence();
        }
        while let Some(frame) = wire.line.pop_front() {
            let _ = wire.hand(frame.as_bytes());
        }
    }
    wire.equal("after the faults");
    let stats = wire.session.stats().books;
    assert!(stats.gaps + stats.mismatches > 50 && stats.restarts > 50, "{stats:?}");
    assert!(stats.resyncs > 100 && wire.consumer.applied > 1_000, "{stats:?}");
    let pools = wire.pools.clone();
    drop(wire);
    for outstanding in [
        pools.books.stats().outstanding(),
        pools.events.stats().outstanding(),
        pools.executions.stats().outstanding(),
    ] {
        assert_eq!(outstanding, 0, "every object is home");
    }
}

fn is_execution(frame: &[u8]) -> bool {
    let text = String::from_utf8_lossy(frame);
    text.contains("executionReport") || text.contains("\"ordId\"")
}
