//! What each frame becomes, and what is wrong with those that are not as documented.

use meltica_event::{EventKind, InstrumentId, Payload, Side, VenueId};
use meltica_venue::{
    Decode, DecodeCause, DecodeError, Decoded, Ingest, LocalVenue, Session, VenuePools, Wish,
    conformance::instruments,
};
use meltica_venue_kraken::{Kraken, LocalKraken};

fn adapter() -> Kraken {
    let mut kraken = Kraken::new(VenueId(1), VenuePools::new(8));
    for (instrument, id) in instruments() {
        kraken.add(instrument, id).expect("it is spot");
    }
    kraken.opened();
    kraken
}

fn decode(kraken: &mut Kraken, frame: &str) -> Result<Vec<Decoded>, DecodeError> {
    let mut said = vec![];
    kraken.decode(frame.as_bytes(), Ingest::default(), &mut |decoded| said.push(decoded))?;
    Ok(said)
}

fn trade(kind: &str, ids: &[u64]) -> String {
    let trades: Vec<_> = ids
        .iter()
        .map(|id| {
            format!(
                r#"{{"symbol":"BTC/USD","side":"sell","price":90001.0,"qty":0.02000000,"ord_type":"market","trade_id":{id},"timestamp":"2026-01-01T00:00:02.586716Z"}}"#
            )
        })
        .collect();
    format!(r#"{{"channel":"trade","type":"{kind}","data":[{}]}}"#, trades.join(","))
}

#[test]
fn trades_come_oldest_first_once_and_without_the_history() {
    let mut kraken = adapter();
    let mut ids = |frame: String| -> Vec<u64> {
        let said = decode(&mut kraken, &frame).unwrap();
        said.iter().map(|decoded| decoded.header().sequence).collect()
    };
    assert_eq!(ids(trade("snapshot", &[3, 2, 1])), [0; 0], "history");
    assert_eq!(ids(trade("update", &[5, 4])), [4, 5]);
    assert_eq!(ids(trade("update", &[5])), [0; 0], "a repeat");
    assert_eq!(ids(trade("snapshot", &[7, 6, 5, 4])), [6, 7], "missed by the last connection");
    let said = decode(&mut adapter(), &trade("update", &[9])).unwrap();
    let Decoded::Event(event) = &said[0] else { panic!("{said:?}") };
    let Payload::Trade(trade) = event.payload else { panic!("{event:?}") };
    assert_eq!((trade.id, trade.aggressor), (9, Some(Side::Sell)));
    assert_eq!(trade.price, "90001".parse().unwrap());
    assert_eq!(event.header.exchange_time.nanos(), Some(1_767_225_602_586_716_000));
}

const TICKER: &str = r#"{"channel":"ticker","type":"update","data":[{"symbol":"ETH/USD","bid":3000.01,"bid_qty":7.40000000,"ask":3000.36,"ask_qty":1.44813783,"last":3000.35,"volume":997038.98383185,"vwap":3000.14,"low":2990.79,"high":3100.85,"change":-0.17,"change_pct":-0.17}]}"#;

#[test]
fn a_ticker_has_best_prices_and_the_day() {
    let said = decode(&mut adapter(), TICKER).unwrap();
    let [Decoded::Event(top), Decoded::Event(day)] = &said[..] else { panic!("{said:?}") };
    let (Payload::TopOfBook(top), Payload::Ticker(day)) = (top.payload, day.payload) else {
        panic!("{said:?}")
    };
    assert_eq!(
        (top.bid.price, top.ask.quantity),
        ("3000.01".parse().unwrap(), "1.44813783".parse().unwrap())
    );
    assert_eq!((day.last, day.open), ("3000.35".parse().unwrap(), "3000.52".parse().unwrap()));
    assert_eq!((day.low, day.high), ("2990.79".parse().unwrap(), "3100.85".parse().unwrap()));
    assert_eq!(day.volume, "997038.98383185".parse().unwrap());
}

const BOOK: &str = r#"{"channel":"book","type":"snapshot","data":[{"symbol":"BTC/USD","bids":[{"price":1.5,"qty":2.0}],"asks":[],"checksum":1,"timestamp":"2026-01-01T00:00:01.110183Z"}]}"#;

#[test]
fn cq_06_a_faulty_frame_says_what_is_wrong() {
    let trade = trade("update", &[1]);
    for (frame, message) in [
        ("{}".to_owned(), "kraken frame: column 1: missing field `channel`"),
        ("{\"channel\":\"news\"}".to_owned(), "kraken frame: unknown stream \"news\""),
        ("{\"channel\":\"book\"}".to_owned(), "kraken book: column 1: missing field `data`"),
        (trade.replace("update", "rumour"), "kraken trade: column 1: unknown type \"rumour\""),
        (trade.replace(r#""type":"update","#, ""), "missing field `type`"),
        (trade.replace("sell", "both"), "kraken trade: column 1: unknown side \"both\""),
        (trade.replace("BTC/USD", "XBT/USD"), "kraken trade: unexpected symbol \"XBT/USD\""),
        (trade.replace("90001.0", "9e4"), "\"9e4\": byte 1 is not part of a decimal"),
        (trade.replace("90001.0", "\"9\""), "is not part of a decimal"),
        (trade.replace("2026-01-01T", "today "), "is no time in UTC"),
        (TICKER.replace("ETH/USD", "X/Y"), "kraken ticker: unexpected symbol \"X/Y\""),
        (BOOK.replace("BTC/USD", "X/Y"), "kraken book: unexpected symbol \"X/Y\""),
        (BOOK.replace("1.5", "1.0000000001"), "is beyond the 9 that are kept"),
        (BOOK.replace("2.0", "-2.0"), "byte 0 is not part of a decimal"),
        (BOOK.replace(r#","checksum":1"#, ""), "missing field `checksum`"),
        (BOOK.replace(r#""symbol":"BTC/USD","#, ""), "missing field `symbol`"),
        (BOOK.replace("[{\"price\":1.5,\"qty\":2.0}]", "7"), "expected an array"),
    ] {
        let error = decode(&mut adapter(), &frame).unwrap_err().to_string();
        assert!(error.contains(message), "{frame}\n{error}\n{message}");
    }
}

#[test]
fn a_book_that_differs_from_its_checksum_is_not_handed_on_and_asked_for_again() {
    let mut kraken = adapter();
    while kraken.next_wish().is_some() {}
    assert!(decode(&mut kraken, BOOK).unwrap().is_empty());
    assert_eq!(kraken.stats().books.mismatches, 1);
    let unsubscribe =
        r#"{"method":"unsubscribe","params":{"channel":"book","symbol":["BTC/USD"],"depth":10}}"#;
    assert_eq!(kraken.next_wish(), Some(Wish::Send(unsubscribe.into())));
    let subscribe = unsubscribe.replace("unsub", "sub").replace("}}", r#","snapshot":true}}"#);
    assert_eq!(kraken.next_wish(), Some(Wish::Send(subscribe)));
    assert_eq!(kraken.next_wish(), None);
    // If the next is no better, whoever drives it asks, in its own time.
    assert!(decode(&mut kraken, BOOK).unwrap().is_empty());
    assert_eq!((kraken.stats().books.mismatches, kraken.next_wish()), (2, None));
}

#[test]
fn a_quantity_beyond_all_range_is_the_most_there_is_and_costs_nothing_else() {
    let said =
        decode(&mut adapter(), &TICKER.replace("997038.98383185", "1234567890123.5")).unwrap();
    let [Decoded::Event(top), Decoded::Event(day)] = &said[..] else { panic!("{said:?}") };
    let (Payload::TopOfBook(top), Payload::Ticker(day)) = (top.payload, day.payload) else {
        panic!("{said:?}")
    };
    assert_eq!(top.bid.price, "3000.01".parse().unwrap());
    assert_eq!(day.volume.units(), u64::MAX);
    // Its checksum is of the digits as they stand.
    let mut kraken = adapter();
    let found = decode(&mut kraken, &BOOK.replace("2.0", "999999999999"));
    assert!(found.unwrap().is_empty() && kraken.stats().books.mismatches == 1);
}

#[test]
fn a_depth_that_kraken_does_not_have_is_refused_in_words() {
    let mut kraken = Kraken::new(VenueId(1), VenuePools::new(8)).with_depth(11);
    let mut local = LocalKraken::new(instruments(), 1);
    kraken.add("BTC-USD".parse().unwrap(), InstrumentId(1)).unwrap();
    kraken.opened();
    let Some(Wish::Send(subscribe)) = kraken.next_wish() else { panic!("it subscribes") };
    let mut frames = vec![];
    let time = meltica_event::Timestamp::from_nanos(0);
    local.heard(&subscribe, time, &mut |frame| frames.push(frame.to_owned()));
    let error = decode(&mut kraken, &frames[0]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "kraken answer: refused: subscribe BTC/USD: Subscription depth not supported"
    );
    assert_eq!(error.kind(), ("answer", "refused"));
    let refused = r#"{"method":"subscribe","success":false}"#;
    let error = decode(&mut kraken, refused).unwrap_err();
    let reason = "subscribe: no reason is given".to_owned();
    assert_eq!(error.cause, DecodeCause::Refused { reason });
    let future = kraken.add("BTC-USD-PERP".parse().unwrap(), InstrumentId(2)).unwrap_err();
    assert!(future.to_string().starts_with("kraken has no BTC-USD-PERP: "));
}

#[test]
fn the_local_side_refuses_what_the_venue_would() {
    let mut local = LocalKraken::new(instruments(), 1);
    let mut ask = |text: &str| {
        let mut frames = vec![];
        let time = meltica_event::Timestamp::from_nanos(0);
        local.heard(text, time, &mut |frame| frames.push(frame.to_owned()));
        frames.join("\n")
    };
    let trades = r#"{"method":"subscribe","params":{"channel":"trade","symbol":["BTC/USD"]}}"#;
    assert!(ask(trades).contains("\"success\":true"));
    for (text, reason) in [
        (trades.to_owned(), "Already subscribed"),
        (trades.replace("BTC/USD", "X/Y"), "Currency pair not supported"),
        (trades.replace("trade", "news"), "Subscription channel not supported"),
        (trades.replace("subscribe", "dance"), "Method not supported"),
        (
            trades.replace("subscribe", "unsubscribe").replace("trade", "ticker"),
            "Subscription Not Found",
        ),
        ("hello".to_owned(), "Malformed request"),
    ] {
        assert!(ask(&text).contains(reason), "{text}: {}", ask(&text));
    }
    assert!(ask(r#"{"method":"ping"}"#).starts_with(r#"{"method":"pong""#));
}

#[test]
fn every_kind_that_kraken_has_is_made() {
    let mut kraken = adapter();
    let mut kinds = vec![];
    for line in include_str!("../fixtures/frames.jsonl").lines() {
        kinds.extend(decode(&mut kraken, line).unwrap().iter().map(|d| d.header().kind));
    }
    use EventKind as K;
    for kind in [K::Trade, K::Ticker, K::TopOfBook, K::BookSnapshot, K::BookDelta] {
        assert!(kinds.contains(&kind), "{kind}");
    }
}
