//! What each frame becomes, and what is wrong with those that are not as documented.

use meltica_event::{
    EventKind, ExecReport, ExecType, InstrumentId, Numbering, OrderStatus, Payload, Side,
    Timestamp, VenueId,
};
use meltica_venue::{
    Decode, DecodeError, Decoded, Ingest, LocalVenue, Session, VenuePools, Wish,
    conformance::instruments,
};
use meltica_venue_okx::{LocalOkx, Okx};

const BTC: InstrumentId = InstrumentId(1);

fn adapter() -> Okx {
    let mut okx = Okx::new(VenueId(1), VenuePools::new(8));
    for (instrument, id) in instruments() {
        okx.add(instrument, id).expect("it is spot");
    }
    okx
}

fn decode(okx: &mut Okx, frame: &str) -> Result<Vec<Decoded>, DecodeError> {
    let mut said = vec![];
    okx.decode(frame.as_bytes(), Ingest::default(), &mut |decoded| said.push(decoded))?;
    Ok(said)
}

fn book(action: &str, sequence: u64, previous: i64, bids: &str) -> String {
    format!(
        r#"{{"arg":{{"channel":"books","instId":"BTC-USD"}},"action":"{action}","data":[{{"asks":[],"bids":[{bids}],"ts":"1790439594900","checksum":0,"seqId":{sequence},"prevSeqId":{previous}}}]}}"#
    )
}

const LEVEL: &str = r#"["84093.4","1","0","1"]"#;

#[test]
fn lm_07_each_update_names_the_one_before_or_the_book_is_asked_for_again() {
    let mut okx = adapter();
    assert!(decode(&mut okx, &book("update", 9, 8, LEVEL)).unwrap().is_empty(), "no snapshot yet");
    decode(&mut okx, &book("snapshot", 10, -1, LEVEL)).unwrap();
    let said = decode(&mut okx, &book("update", 15, 10, LEVEL)).unwrap();
    let Decoded::Book(delta) = &said[0] else { panic!("{said:?}") };
    assert_eq!((delta.first_sequence, delta.header.sequence), (11, 15));
    assert!(decode(&mut okx, &book("update", 15, 10, LEVEL)).unwrap().is_empty(), "a repeat");
    assert!(decode(&mut okx, &book("update", 15, 15, "")).unwrap().is_empty(), "nothing is new");
    assert_eq!(decode(&mut okx, &book("update", 16, 15, LEVEL)).unwrap().len(), 1);
    assert!(okx.book(BTC).is_some() && okx.next_wish().is_none());
    assert!(decode(&mut okx, &book("update", 20, 18, LEVEL)).unwrap().is_empty());
    assert!(okx.book(BTC).is_none());
    for op in ["unsubscribe", "subscribe"] {
        let text = format!(r#"{{"op":"{op}","args":[{{"channel":"books","instId":"BTC-USD"}}]}}"#);
        assert_eq!(okx.next_wish(), Some(Wish::Send(text)));
    }
    assert_eq!(okx.stats().books.gaps, 1);
}

#[test]
fn lm_07_numbers_that_begin_again_are_handed_on_as_such() {
    let mut okx = adapter();
    decode(&mut okx, &book("snapshot", 1_000, -1, LEVEL)).unwrap();
    let top = |sequence: u64| {
        format!(
            r#"{{"arg":{{"channel":"bbo-tbt","instId":"BTC-USD"}},"data":[{{"asks":[],"bids":[{LEVEL}],"ts":"1","seqId":{sequence}}}]}}"#
        )
    };
    let tops = decode(&mut okx, &top(2_000)).unwrap();
    let Decoded::Event(quote) = &tops[0] else { panic!("{tops:?}") };
    assert_eq!(quote.header.numbering, Numbering::Unsequenced, "2000 is not the last for good");
    let said = decode(&mut okx, &book("update", 3, 1_000, LEVEL)).unwrap();
    let Decoded::Book(delta) = &said[0] else { panic!("{said:?}") };
    assert_eq!((delta.header.sequence, delta.header.numbering), (3, Numbering::Rebase));
    assert_eq!(decode(&mut okx, &book("update", 5, 3, LEVEL)).unwrap().len(), 1);
    decode(&mut okx, &top(5)).unwrap();
    let stats = okx.stats();
    assert_eq!(
        (stats.oracle_compared, stats.oracle_equal, stats.books.gaps),
        (Some(1), Some(1), 0)
    );
}

#[test]
fn cq_06_a_faulty_frame_says_what_is_wrong() {
    let good = book("update", 9, 8, LEVEL);
    let trade = r#"{"arg":{"channel":"trades","instId":"BTC-USD"},"data":[{"instId":"BTC-USD","tradeId":"5","px":"84093.4","sz":"0.01","side":"sell","ts":"1","count":"1","seqId":1}]}"#;
    for (frame, message) in [
        ("{}".to_owned(), "okx frame: column 1: missing field `channel`"),
        ("ping".to_owned(), "okx frame: column 1: expected value"),
        (good.replace("books", "news"), "okx frame: unknown stream \"news\""),
        (good.replace("BTC-USD", "X-Y"), "okx books: unexpected symbol \"X-Y\""),
        (good.replace(r#","instId":"BTC-USD""#, ""), "okx books: column 1: missing field `instId`"),
        (good.replace("\"update\"", "\"rumour\""), "unknown action \"rumour\""),
        (good.replace(r#""action":"update","#, ""), "missing field `action`"),
        (good.replace(r#","prevSeqId":8"#, ""), "missing field `prevSeqId`"),
        (good.replace(r#""seqId":9,"#, ""), "missing field `seqId`"),
        (good.replace(r#""ts":"1790439594900","#, ""), "missing field `ts`"),
        (good.replace(r#""asks":[],"#, ""), "a side of the book is missing"),
        (good.replace("\"seqId\":9", "\"seqId\":18446744073709551615"), "nothing can follow"),
        (good.replace("\"data\"", "\"date\""), "missing field `data`"),
        (good.replace(LEVEL, "[\"1\"]"), "invalid length 1"),
        (good.replace(LEVEL, "[\"1\",\"-1\"]"), "a quantity is never negative"),
        (trade.replace("sell", "hold"), "okx trades: column 1: unknown side \"hold\""),
        (
            trade.replace("\"instId\":\"BTC-USD\",\"tradeId\"", "\"instId\":\"X\",\"tradeId\""),
            "unexpected symbol \"X\"",
        ),
        (r#"{"event":"party"}"#.to_owned(), "okx answer: unknown stream \"party\""),
        (r#"{"event":"error"}"#.to_owned(), "okx answer: refused: (no code) no reason is given"),
    ] {
        let error = decode(&mut adapter(), &frame).unwrap_err().to_string();
        assert!(error.contains(message), "{frame}\n{error}\n{message}");
    }
    let said = decode(&mut adapter(), trade).unwrap();
    let Decoded::Event(event) = &said[0] else { panic!("{said:?}") };
    let Payload::Trade(trade) = event.payload else { panic!("{event:?}") };
    assert_eq!((trade.id, trade.aggressor), (5, Some(Side::Sell)));
}

const ORDER: &str = r#"{"arg":{"channel":"orders","instType":"SPOT","uid":"77"},"data":[{"instId":"BTC-USD","ordId":"3967288020668928000","clOrdId":"mine1","px":"84019.4","sz":"0.00002","side":"buy","accFillSz":"0","state":"live","uTime":"1790439657000","fillPx":"","tradeId":"","fillSz":"0","amendResult":"","code":"0","msg":"","cancelSourceReason":""}]}"#;

fn order(changes: &[(&str, &str)]) -> Result<ExecReport, DecodeError> {
    let frame = changes.iter().fold(ORDER.to_owned(), |frame, (key, value)| {
        let start = frame.find(&format!("\"{key}\":\"")).expect(key) + key.len() + 4;
        let end = start + frame[start..].find('"').expect("it ends");
        format!("{}{value}{}", &frame[..start], &frame[end..])
    });
    let said = decode(&mut adapter(), &frame)?;
    match said.as_slice() {
        [Decoded::Execution(report)] => Ok(**report),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_order_tells_what_happened_and_how_it_stands() {
    use ExecType as E;
    use OrderStatus as S;
    let fill = [("tradeId", "9"), ("fillSz", "0.00001"), ("fillPx", "84019.3")];
    let with = |state, more: &[(&'static str, &'static str)]| {
        let mut changes = vec![("state", state)];
        changes.extend_from_slice(more);
        order(&changes).unwrap()
    };
    for (report, exec_type, status, id) in [
        (with("live", &[]), E::New, S::New, "3967288020668928000 l1a0de850e28"),
        (with("live", &[("amendResult", "0")]), E::Replaced, S::New, ""),
        (with("live", &[("amendResult", "-1")]), E::Rejected, S::New, ""),
        (with("partially_filled", &fill), E::Trade, S::PartiallyFilled, "9"),
        (with("filled", &fill), E::Trade, S::Filled, "9"),
        (with("filled", &[]), E::Trade, S::Filled, "3967288020668928000 f1a0de850e28"),
        (with("canceled", &[]), E::Canceled, S::Canceled, "3967288020668928000 c1a0de850e28"),
        (with("mmp_canceled", &[]), E::Canceled, S::Canceled, "3967288020668928000 m1a0de850e28"),
    ] {
        assert_eq!((report.exec_type, report.status), (exec_type, status));
        assert_eq!(report.report_id.as_str(), id);
    }
    // Two orders without an id of ours are two, also in one millisecond; the longest numbers fit.
    let of = |id| order(&[("state", "live"), ("clOrdId", ""), ("ordId", id)]).unwrap().identity();
    assert_ne!(of("18446744073709551615"), of("18446744073709551614"));
    assert_eq!(with("live", &[("amendResult", "-1")]).identity(), None, "it is never a repeat");
    let nobody = order(&[("state", "filled"), ("clOrdId", ""), fill[0], fill[1]]).unwrap();
    assert_eq!(nobody.report_id.as_str(), "3967288020668928000 9");
    let why = order(&[("state", "canceled"), ("cancelSourceReason", "Canceled by user")]).unwrap();
    assert_eq!(why.reason.as_str(), "Canceled by user");
    let market = order(&[("px", "")]).unwrap();
    assert!(market.price.units() == 0 && market.side == Side::Buy);
}

#[test]
fn cq_05_a_value_that_is_not_documented_is_an_error() {
    for (key, value, message) in [
        ("state", "maybe", "unknown state \"maybe\""),
        ("side", "both", "unknown side \"both\""),
        ("amendResult", "7", "unknown amendResult \"7\""),
        ("clOrdId", "an-id-of-more-than-thirty-six-characters", "unknown clOrdId"),
        ("ordId", "an-id-of-more-than-thirty-six-characters", "unknown ordId"),
        ("instId", "X-Y", "unexpected symbol \"X-Y\""),
        ("sz", "lots", "\"lots\": byte 0 is not part of a decimal"),
    ] {
        let error = order(&[(key, value)]).unwrap_err().to_string();
        assert!(error.starts_with("okx orders: ") && error.contains(message), "{error}");
    }
    let long = [("tradeId", "a-trade-of-more-than-thirty-six-characters"), ("fillSz", "1")];
    assert!(order(&long).unwrap_err().to_string().contains("unknown tradeId"));
}

#[test]
fn a_notice_is_a_wish_to_connect_anew() {
    let mut okx = adapter();
    let notice = r#"{"event":"notice","code":"64008","msg":"The connection will soon be closed for a service upgrade. Please reconnect.","connId":"a4d3ae55"}"#;
    for _ in 0..2 {
        assert!(decode(&mut okx, notice).unwrap().is_empty());
    }
    let Some(Wish::Reconnect { reason }) = okx.next_wish() else { panic!("a wish") };
    assert!(reason.contains("64008"), "{reason}");
    assert_eq!(okx.next_wish(), None, "once");
}

#[test]
fn a_refusal_is_an_error_in_words() {
    let mut local = LocalOkx::new(instruments(), 1);
    let mut ask = |text: &str| {
        let mut frames = vec![];
        local.heard(text, Timestamp::from_nanos(0), &mut |frame| frames.push(frame.to_owned()));
        frames.pop().expect("there is an answer")
    };
    assert_eq!(ask("ping"), "pong");
    let asked = r#"{"op":"subscribe","args":[{"channel":"trades","instId":"BTC-USD"}]}"#;
    assert!(ask(asked).starts_with(r#"{"event":"subscribe""#));
    for (text, reason) in [
        (
            asked.replace("BTC", "X"),
            "60018 Wrong URL or channel:trades,instId:X-USD doesn't exist.",
        ),
        (
            asked.replace("trades", "news"),
            "60018 Wrong URL or channel:news,instId:BTC-USD doesn't exist.",
        ),
        (asked.replace("\"subscribe", "\"dance"), "60012 Illegal request"),
        ("hello".to_owned(), "60012 Illegal request"),
    ] {
        let error = decode(&mut adapter(), &ask(&text)).unwrap_err();
        assert_eq!(error.to_string(), format!("okx answer: refused: {reason}"));
    }
}

#[test]
fn instruments_are_spelled_as_okx_spells_them() {
    let mut okx = Okx::new(VenueId(1), VenuePools::new(8));
    let instruments = ["BTC-USDT", "BTC-USDT-PERP", "BTC-USD-20251226"];
    let instruments = instruments.map(|name| (name.parse().unwrap(), InstrumentId(1)));
    for (instrument, id) in instruments {
        okx.add(instrument, id).unwrap();
    }
    okx.opened();
    let Some(Wish::Send(text)) = okx.next_wish() else { panic!("it subscribes") };
    let mut local = LocalOkx::new(instruments, 1);
    let mut answers = vec![];
    local.heard(&text, Timestamp::from_nanos(0), &mut |frame| answers.push(frame.to_owned()));
    for name in ["BTC-USDT", "BTC-USDT-SWAP", "BTC-USD-251226"] {
        assert!(text.contains(&format!("{name:?}")), "{text}");
        assert!(answers.iter().any(|answer| answer.contains(&format!("{name:?}"))));
    }
    assert!(!answers.iter().any(|answer| answer.contains("error")));
}

#[test]
fn every_kind_that_okx_has_is_made() {
    let mut okx = adapter();
    let mut kinds = vec![];
    for line in include_str!("../fixtures/frames.jsonl").lines() {
        kinds.extend(decode(&mut okx, line).unwrap().iter().map(|d| d.header().kind));
    }
    use EventKind as K;
    for kind in [K::Trade, K::TopOfBook, K::BookSnapshot, K::BookDelta, K::ExecReport] {
        assert!(kinds.contains(&kind), "{kind}");
    }
}
