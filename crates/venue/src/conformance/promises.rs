use meltica_event::EventKind;

use super::{Consumer, INSTRUMENTS, Subject, Wire, fields, session};
use crate::{DecodeError, Decoded, Ingest, Session, Wish};

/// Hands a line of [`Subject::FRAMES`] to an adapter.
fn hand(
    session: &mut dyn Session,
    line: &str,
    emit: &mut dyn FnMut(Decoded),
) -> Result<(), DecodeError> {
    hand_bytes(session, line.as_bytes(), emit)
}

fn hand_bytes(
    session: &mut dyn Session,
    line: &[u8],
    emit: &mut dyn FnMut(Decoded),
) -> Result<(), DecodeError> {
    match line.strip_prefix(b"GET ") {
        Some(body) => session.fetched(INSTRUMENTS[0].1, body, Ingest::default(), emit),
        None => session.decode(line, Ingest::default(), emit),
    }
}

fn frames<S: Subject>() -> impl Iterator<Item = &'static str> {
    S::FRAMES.lines().map(str::trim).filter(|line| !line.is_empty())
}

/// What all the frames come to, each changed in this way: events as text, and books.
fn outcome<S: Subject>(change: impl Fn(&str) -> String) -> Vec<String> {
    let (mut session, _) = session::<S>();
    session.opened();
    let mut said = vec![];
    for line in frames::<S>() {
        let (prefix, frame) = line.strip_prefix("GET ").map_or(("", line), |body| ("GET ", body));
        let frame = format!("{prefix}{}", change(frame));
        let mut emit = |decoded: Decoded| said.push(format!("{decoded:?}"));
        let handed = hand(&mut *session, &frame, &mut emit);
        handed.unwrap_or_else(|error| panic!("{error}\n{frame}"));
    }
    for (_, id) in INSTRUMENTS {
        said.push(format!("{:?}", session.book(id)));
    }
    said
}

/// The fixture is understood, it has every kind that the adapter makes, and a consumer who only
/// applies what was handed on has the adapter's book after each frame; also along thousands of moves.
pub fn lm_07_what_is_handed_on_adds_up_to_the_adapters_own_book<S: Subject>() {
    let (mut session, pools) = session::<S>();
    session.opened();
    let mut consumer = Consumer::default();
    for line in frames::<S>() {
        let mut emit = |decoded: Decoded| {
            assert!(decoded.header().venue != meltica_event::VenueId::NONE);
            consumer.take(&decoded);
        };
        let handed = hand(&mut *session, line, &mut emit);
        handed.unwrap_or_else(|error| panic!("{error}\n{line}"));
        for (_, id) in INSTRUMENTS {
            if let Some(book) = session.book(id) {
                let theirs = consumer.of(id).expect("it was handed on");
                assert_eq!((&theirs.bids, &theirs.asks), (&book.bids, &book.asks), "{line}");
            }
        }
    }
    assert!(consumer.applied >= 2 && session.book(INSTRUMENTS[0].1).is_some());
    assert_eq!(session.stats().books.gaps + session.stats().books.mismatches, 0);
    drop(session);
    assert_eq!(pools.books.stats().outstanding() + pools.events.stats().outstanding(), 0);

    let mut wire = Wire::new::<S>(11);
    wire.open();
    for _ in 0..3_000 {
        wire.step();
        wire.deliver();
        wire.equal("along the way");
    }
    let stats = wire.session.stats().books;
    assert_eq!((stats.gaps, stats.mismatches, stats.restarts), (0, 0, 0));
    assert!(stats.deltas > 1_000, "{stats:?}");
}

/// Damaged frames between good ones: refused, and nothing else is different.
pub fn an_error_leaves_no_trace<S: Subject>() {
    let expected = outcome::<S>(str::to_owned);
    let (mut session, pools) = session::<S>();
    session.opened();
    let mut said = vec![];
    for line in frames::<S>() {
        let before = (session.stats(), pools.books.stats().outstanding());
        for cut in [line.len() / 4, line.len() / 2, line.len() - 1] {
            let Some(damaged) = line.get(..cut) else { continue };
            let mut emit = |decoded: Decoded| panic!("{decoded:?} from {damaged}");
            if !line.starts_with("GET ") && line.starts_with('{') {
                hand(&mut *session, damaged, &mut emit).expect_err(damaged);
            }
        }
        for foreign in ["", "nonsense", "[]", "7", "{\"", "\"text\"", "{\"channel\":7,\"data\":{}}"]
        {
            let mut emit = |decoded: Decoded| panic!("{decoded:?} from {foreign}");
            hand(&mut *session, foreign, &mut emit).expect_err(foreign);
        }
        assert_eq!(before, (session.stats(), pools.books.stats().outstanding()), "{line}");
        let mut emit = |decoded: Decoded| said.push(format!("{decoded:?}"));
        hand(&mut *session, line, &mut emit).unwrap_or_else(|error| panic!("{error}\n{line}"));
    }
    for (_, id) in INSTRUMENTS {
        said.push(format!("{:?}", session.book(id)));
    }
    assert_eq!(said, expected);
}

/// Venues add fields without notice.
pub fn fields_that_are_not_known_are_ignored<S: Subject>() {
    assert_eq!(outcome::<S>(fields::with_more), outcome::<S>(str::to_owned));
}

/// No venue promises an order.
pub fn the_order_of_fields_does_not_matter<S: Subject>() {
    assert_eq!(outcome::<S>(fields::turned), outcome::<S>(str::to_owned));
}

/// Every frame cut at every byte, and every byte replaced: an error or not, but no panic, and
/// whatever is handed on can be applied.
pub fn no_damage_makes_it_panic<S: Subject>() {
    for line in frames::<S>() {
        let (mut session, _) = session::<S>();
        session.opened();
        for frame in frames::<S>().take_while(|frame| *frame != line) {
            let _ = hand(&mut *session, frame, &mut |_| ());
        }
        let start = if line.starts_with("GET ") { 4 } else { 0 };
        for at in start..line.len().min(1_500) {
            let _ = hand_bytes(&mut *session, &line.as_bytes()[..at], &mut |_| ());
            for with in [0, b'"', b'{', b']', b'9', b'-', b'\\', 0xff] {
                let mut frame = line.as_bytes().to_vec();
                frame[at] = with;
                let _ = hand_bytes(&mut *session, &frame, &mut |_| ());
            }
        }
        while session.next_wish().is_some() {}
    }
}

/// A lost frame is noticed by the next ones, the book is asked for again and comes back; where
/// updates are checked by instrument, the other goes on. Where only a checksum tells, what was missed
/// may be overwritten before anything is noticed; then the book is right again.
pub fn a_missed_frame_is_noticed_and_the_book_resyncs_alone<S: Subject>() {
    let mut noticed = 0;
    for seed in 1..=10 {
        let mut wire = Wire::new::<S>(seed);
        wire.open();
        for _ in 0..50 {
            wire.step();
            wire.deliver();
        }
        wire.equal("before");
        let btc = INSTRUMENTS[0].1;
        // Only a frame that changes the book is missed; no quote or trade takes its place.
        loop {
            let before = wire.local.book(btc).cloned();
            wire.step();
            let after = wire.local.book(btc).expect("it is traded");
            let same =
                before.is_some_and(|book| book.bids == after.bids && book.asks == after.asks);
            if !same && !wire.line.is_empty() {
                wire.line.clear();
                break;
            }
            wire.deliver();
        }
        let mut steps = 0;
        let troubles = |wire: &Wire| {
            let stats = wire.status(btc).stats;
            stats.gaps + stats.mismatches
        };
        while troubles(&wire) == 0 && steps < 100 {
            steps += 1;
            wire.step();
            while let Some(frame) = wire.line.pop_front() {
                let _ = wire.hand(frame.as_bytes());
            }
        }
        for _ in 0..50 {
            wire.step();
            wire.deliver();
        }
        wire.equal("afterwards");
        let stats = wire.status(btc).stats;
        let found = troubles(&wire);
        assert!(found == 1 || S::NOTICES_DIGITS && found == 0, "nobody noticed: {stats:?}");
        assert_eq!(stats.resyncs, found, "{stats:?}");
        noticed += found;
    }
    assert!(noticed >= 5, "{noticed} of ten were noticed");
}

/// After an end of the connection nothing is trusted, what is still in flight makes no book, and the
/// next connection begins with snapshots.
pub fn a_new_connection_begins_with_snapshots<S: Subject>() {
    let mut wire = Wire::new::<S>(5);
    wire.open();
    for _ in 0..100 {
        wire.step();
        wire.deliver();
    }
    for _ in 0..20 {
        wire.step();
    }
    let late: Vec<_> = wire.line.drain(..).collect();
    wire.close();
    for (_, id) in INSTRUMENTS {
        let status = wire.status(id);
        assert!(!status.verified && wire.session.book(id).is_none());
        assert_eq!((status.stats.restarts, status.updated_mono_ns), (1, 0));
    }
    assert_eq!(wire.session.next_wish(), None);
    for frame in late {
        let emit = &mut |decoded: Decoded| {
            assert!(!matches!(decoded, Decoded::Book(_)), "a delta without a snapshot");
        };
        let _ = wire.session.decode(frame.as_bytes(), Ingest::default(), emit);
    }
    wire.session.closed();
    wire.open();
    for _ in 0..100 {
        wire.step();
        wire.deliver();
    }
    wire.equal("on the second connection");
    for (_, id) in INSTRUMENTS {
        let status = wire.status(id);
        assert!(status.verified && status.updated_mono_ns > 0);
        assert_eq!(status.stats.resyncs, 1);
    }
}

/// What is wished on a new connection is the same every time, and nothing of an old one is left.
pub fn wishes_are_those_of_a_new_connection<S: Subject>() {
    let (mut session, _) = session::<S>();
    assert_eq!(session.next_wish(), None, "nothing before the connection");
    let mut all = || {
        session.opened();
        let mut wishes = vec![];
        while let Some(wish) = session.next_wish() {
            wishes.push(wish);
        }
        wishes
    };
    let first = all();
    assert!(!first.is_empty());
    assert_eq!(first, all());
    session.opened();
    session.closed();
    assert_eq!(session.next_wish(), None, "nothing after it");
    session.opened();
    while session.next_wish().is_some() {}
    session.resync(meltica_event::InstrumentId(99));
    assert_eq!(session.next_wish(), None, "nothing for an instrument that was not added");
    let fetches = first.iter().any(|wish| matches!(wish, Wish::Fetch { .. }));
    assert_eq!(session.rest_url().is_some(), fetches);
    assert!(session.url().starts_with("wss://"));
    let rhythm = session.rhythm();
    assert!(rhythm.book_silence > rhythm.transport_silence);
    for (index, (instrument, id)) in super::instruments().into_iter().enumerate() {
        session.add(instrument, id).expect("again does nothing");
        let mut books = vec![];
        session.books(&mut |status| books.push(status.instrument));
        assert_eq!((books.len(), books[index]), (2, id));
    }
}

/// A book that says nothing more is asked for again, and comes back.
pub fn a_silent_book_is_asked_for_again<S: Subject>() {
    let mut wire = Wire::new::<S>(6);
    wire.open();
    for _ in 0..50 {
        wire.step();
        wire.deliver();
    }
    let (btc, eth) = (INSTRUMENTS[0].1, INSTRUMENTS[1].1);
    wire.session.resync(btc);
    assert!(wire.session.book(btc).is_none() && wire.session.book(eth).is_some());
    wire.wishes();
    for _ in 0..50 {
        wire.step();
        wire.deliver();
    }
    wire.equal("afterwards");
    assert_eq!(wire.status(btc).stats.restarts, 1);
    assert_eq!(wire.status(eth).stats.restarts, 0);
}

/// Where a venue's local side sends execution reports, each arrives, once, and as it was.
pub fn every_execution_arrives_once<S: Subject>() {
    let mut wire = Wire::new::<S>(7);
    wire.open();
    for _ in 0..2_000 {
        wire.step();
        wire.deliver();
    }
    assert_eq!(wire.consumer.executions, wire.executions);
    let (mut session, _) = session::<S>();
    session.opened();
    let mut local = S::local(7);
    local.opened("/", &mut |_| ());
    for _ in 0..200 {
        let mut frames = vec![];
        local.step(meltica_event::Timestamp::from_nanos(1_767_225_600_000_000_000), &mut |frame| {
            frames.push(frame.to_owned());
        });
        for frame in frames {
            let _ = session.decode(frame.as_bytes(), Ingest::default(), &mut |decoded| {
                if let Decoded::Execution(report) = decoded {
                    assert_eq!(report.header.kind, EventKind::ExecReport);
                    assert!(report.identity().is_some() && !report.last_quantity.is_zero());
                }
            });
        }
    }
}
