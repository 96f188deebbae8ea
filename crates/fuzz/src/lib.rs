//! What every target of the fuzzer does with the bytes it is given.
//!
//! They are lines, as in the adapters' `fixtures/frames.jsonl`, which are its first corpus: a frame each,
//! or `GET ` and the body of a snapshot, or `END` for a new connection. Whatever they say, the adapter
//! does not panic, what it hands on can be applied and comes to its own book, its wishes are few, and
//! every object comes home. `cargo xtask fuzz` runs each target for a minute.

#![forbid(unsafe_code)]

use meltica_event::InstrumentId;
use meltica_venue::{
    Ingest, Session, VenuePools,
    conformance::{Consumer, INSTRUMENTS, instruments},
};

/// Hands the lines to a fresh adapter.
///
/// # Panics
///
/// If a promise above is broken: that is what the fuzzer looks for.
pub fn frames(bytes: &[u8], adapter: impl FnOnce(VenuePools) -> Box<dyn Session>) {
    let pools = VenuePools::new(64);
    let mut session = adapter(pools.clone());
    for (instrument, id) in instruments() {
        session.add(instrument, id).expect("spot is traded everywhere");
    }
    session.opened();
    let mut consumer = Consumer::default();
    for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let ingest = Ingest { mono_ns: number as u64, ..Ingest::default() };
        if line == b"END" {
            session.closed();
            doubt(&*session, &mut consumer);
            session.opened();
        }
        // An execution may come twice: repeats are told apart further up.
        let mut emit = |decoded: meltica_venue::Decoded| {
            if !decoded.header().kind.is_critical() {
                consumer.take(&decoded);
            }
        };
        let _ = match line.strip_prefix(b"GET ") {
            Some(body) => session.fetched(INSTRUMENTS[0].1, body, ingest, &mut emit),
            None => session.decode(line, ingest, &mut emit),
        };
        doubt(&*session, &mut consumer);
    }
    let wishes = std::iter::from_fn(|| session.next_wish()).count();
    assert!(wishes < 32, "{wishes} wishes");
    drop(session);
    let outstanding = [
        pools.books.stats().outstanding(),
        pools.events.stats().outstanding(),
        pools.executions.stats().outstanding(),
    ];
    assert_eq!(outstanding, [0; 3]);
}

/// Compares books, where the adapter trusts its own.
fn doubt(session: &dyn Session, consumer: &mut Consumer) {
    for (_, id) in INSTRUMENTS {
        let of: InstrumentId = id;
        match session.book(of) {
            None => consumer.doubts(of),
            Some(mine) => {
                let theirs = consumer.of(of).expect("what is trusted was handed on");
                assert_eq!((&theirs.bids, &theirs.asks), (&mine.bids, &mine.asks));
            }
        }
    }
}
