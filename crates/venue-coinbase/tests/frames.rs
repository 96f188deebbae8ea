//! What each frame becomes, what is wrong with those that are not as documented, and which of them
//! count.

use meltica_event::{EventKind, InstrumentId, Payload, Side, Timestamp, VenueId};
use meltica_venue::{
    Decode, DecodeCause, DecodeError, Decoded, Ingest, LocalVenue, Session, VenuePools, Wish,
    conformance::instruments,
};
use meltica_venue_coinbase::{Coinbase, LocalCoinbase};

const BTC: InstrumentId = InstrumentId(1);

fn adapter() -> Coinbase {
    let mut coinbase = Coinbase::new(VenueId(1), VenuePools::new(8));
    for (instrument, id) in instruments() {
        coinbase.add(instrument, id).expect("it is spot");
    }
    coinbase
}

fn decode(coinbase: &mut Coinbase, frame: &str) -> Result<Vec<Decoded>, DecodeError> {
    let mut said = vec![];
    coinbase.decode(frame.as_bytes(), Ingest::default(), &mut |decoded| said.push(decoded))?;
    Ok(said)
}

fn frame(channel: &str, sequence: u64, events: &str) -> String {
    format!(
        r#"{{"channel":"{channel}","client_id":"","timestamp":"2026-01-01T00:00:00.5Z","sequence_num":{sequence},"events":[{events}]}}"#
    )
}

fn level2(kind: &str, sequence: u64, product: &str) -> String {
    let level = r#"{"side":"bid","event_time":"2026-01-01T00:00:00Z","price_level":"90000.25","new_quantity":"0.5"}"#;
    let event = format!(r#"{{"type":"{kind}","product_id":"{product}","updates":[{level}]}}"#);
    frame("l2_data", sequence, &event)
}

fn trades(kind: &str, sequence: u64, ids: &[u64]) -> String {
    let trades = ids.iter().map(|id| {
        format!(
            r#"{{"product_id":"BTC-USD","trade_id":"{id}","price":"90000.25","size":"0.1","time":"2026-01-01T00:00:00.25Z","side":"BUY"}}"#
        )
    });
    let trades: Vec<_> = trades.collect();
    let event = format!(r#"{{"type":"{kind}","trades":[{}]}}"#, trades.join(","));
    frame("market_trades", sequence, &event)
}

#[test]
fn trades_come_oldest_first_once_and_without_the_history() {
    let mut coinbase = adapter();
    let mut ids = |frame: String| -> Vec<u64> {
        let said = decode(&mut coinbase, &frame).unwrap();
        said.iter().map(|decoded| decoded.header().sequence).collect()
    };
    assert_eq!(ids(trades("snapshot", 0, &[3, 2, 1])), [0; 0], "history");
    assert_eq!(ids(trades("update", 1, &[5, 4])), [4, 5]);
    assert_eq!(ids(trades("update", 2, &[5])), [0; 0], "a repeat");
    assert_eq!(ids(trades("snapshot", 3, &[7, 6, 5])), [6, 7], "missed by the last connection");
    let said = decode(&mut adapter(), &trades("update", 0, &[9])).unwrap();
    let Decoded::Event(event) = &said[0] else { panic!("{said:?}") };
    let Payload::Trade(trade) = event.payload else { panic!("{event:?}") };
    assert_eq!(trade.aggressor, Some(Side::Sell), "the maker bought");
    assert_eq!(event.header.exchange_time.nanos(), Some(1_767_225_600_250_000_000));
}

#[test]
fn a_ticker_has_best_prices_and_the_day() {
    let ticker = r#"{"type":"update","tickers":[{"type":"ticker","product_id":"ETH-USD","price":"2932.98","volume_24_h":"16038.28770938","low_24_h":"2835.29","high_24_h":"3011.18","best_bid":"2931.98","best_bid_quantity":"8000.21","best_ask":"2933.98","best_ask_quantity":"8038.07770938"}]}"#;
    let said = decode(&mut adapter(), &frame("ticker", 0, ticker)).unwrap();
    let [Decoded::Event(top), Decoded::Event(day)] = &said[..] else { panic!("{said:?}") };
    let (Payload::TopOfBook(quote), Payload::Ticker(day)) = (top.payload, day.payload) else {
        panic!("{said:?}")
    };
    assert_eq!(quote.bid.price, "2931.98".parse().unwrap());
    assert_eq!(quote.ask.quantity, "8038.07770938".parse().unwrap());
    assert_eq!((day.last, day.low), ("2932.98".parse().unwrap(), "2835.29".parse().unwrap()));
    assert_eq!(top.header.instrument, InstrumentId(2));
}

#[test]
fn quotes_of_one_frame_stay_in_their_order_and_a_volume_beyond_all_range_costs_nothing() {
    let ticker = |bid: usize| {
        format!(
            r#"{{"type":"ticker","product_id":"ETH-USD","price":"1","volume_24_h":"1234567890123.5","low_24_h":"1","high_24_h":"1","best_bid":"{bid}","best_bid_quantity":"184467440738","best_ask":"9","best_ask_quantity":"1"}}"#
        )
    };
    let tickers: Vec<_> = (1..=40).map(ticker).collect();
    let event = format!(r#"{{"type":"update","tickers":[{}]}}"#, tickers.join(","));
    let said = decode(&mut adapter(), &frame("ticker", 0, &event)).unwrap();
    let of = |decoded: &Decoded| match decoded {
        Decoded::Event(event) => event.payload,
        _ => panic!("{decoded:?}"),
    };
    let bids: Vec<_> = said.iter().step_by(2).map(of).collect();
    for (index, payload) in bids.iter().enumerate() {
        let Payload::TopOfBook(top) = payload else { panic!("{payload:?}") };
        assert_eq!(top.bid.price, (index + 1).to_string().parse().unwrap());
        assert_eq!(top.bid.quantity.units(), u64::MAX);
    }
    let Payload::Ticker(day) = of(&said[1]) else { panic!("{said:?}") };
    assert_eq!((bids.len(), day.volume.units()), (40, u64::MAX));
}

#[test]
fn lm_07_a_number_that_is_missing_costs_every_book_and_a_repeat_none() {
    let mut coinbase = adapter();
    assert_eq!(decode(&mut coinbase, &level2("snapshot", 0, "BTC-USD")).unwrap().len(), 1);
    assert_eq!(decode(&mut coinbase, &level2("snapshot", 1, "ETH-USD")).unwrap().len(), 1);
    assert!(decode(&mut coinbase, &level2("update", 1, "ETH-USD")).unwrap().is_empty(), "a repeat");
    assert_eq!(coinbase.stats().books.gaps, 0);
    // A frame of no interest that nobody can read is missing as well as any other.
    decode(&mut coinbase, r#"{"channel":"heartbeats","sequence_num":2"#).unwrap_err();
    assert!(coinbase.book(BTC).is_some(), "nobody knows yet");
    assert!(decode(&mut coinbase, &frame("heartbeats", 3, "{}")).unwrap().is_empty());
    assert_eq!((coinbase.book(BTC), coinbase.stats().books.gaps), (None, 2));
    let products = r#""product_ids":["BTC-USD","ETH-USD"],"channel":"level2"}"#;
    for kind in ["unsubscribe", "subscribe"] {
        let text = format!(r#"{{"type":"{kind}",{products}"#);
        assert_eq!(coinbase.next_wish(), Some(Wish::Send(text)));
    }
    assert_eq!(coinbase.next_wish(), None);
    assert!(decode(&mut coinbase, &level2("update", 4, "BTC-USD")).unwrap().is_empty());
    assert_eq!(decode(&mut coinbase, &trades("update", 6, &[1])).unwrap().len(), 1, "trades go on");
    assert_eq!(coinbase.next_wish(), None, "both are asked for already");
    assert_eq!(decode(&mut coinbase, &level2("snapshot", 7, "BTC-USD")).unwrap().len(), 1);
    assert_eq!(coinbase.stats().books.resyncs, 1);
    assert_eq!(coinbase.book(InstrumentId(2)), None, "it waits for its own");
}

#[test]
fn a_product_or_a_channel_that_was_not_asked_for_is_not_missing() {
    let mut coinbase = adapter();
    decode(&mut coinbase, &level2("snapshot", 0, "BTC-USD")).unwrap();
    let error = decode(&mut coinbase, &level2("update", 1, "DOGE-USD")).unwrap_err();
    assert_eq!(error.to_string(), "coinbase l2_data: unexpected symbol \"DOGE-USD\"");
    let error = decode(&mut coinbase, &frame("candles", 2, "{}")).unwrap_err();
    assert_eq!(error.to_string(), "coinbase frame: unknown stream \"candles\"");
    assert_eq!(decode(&mut coinbase, &level2("update", 3, "BTC-USD")).unwrap().len(), 1);
    assert_eq!(coinbase.stats().books.gaps, 0);
    let event = |product: &str| {
        let frame = level2("update", 0, product);
        let start = frame.find("[{").unwrap() + 1;
        frame[start..frame.len() - 2].to_owned()
    };
    let two = |number, first: &str, second: &str| {
        frame("l2_data", number, &format!("{},{}", event(first), event(second)))
    };
    decode(&mut coinbase, &two(4, "DOGE-USD", "PEPE-USD")).unwrap_err();
    assert_eq!(decode(&mut coinbase, &level2("update", 5, "BTC-USD")).unwrap().len(), 1);
    // Beside a product that was asked for, whose update is not told either, it is.
    decode(&mut coinbase, &two(6, "BTC-USD", "DOGE-USD")).unwrap_err();
    assert!(decode(&mut coinbase, &level2("update", 7, "BTC-USD")).unwrap().is_empty());
    assert_eq!(coinbase.stats().books.gaps, 1);
}

#[test]
fn cq_06_a_faulty_frame_says_what_is_wrong() {
    let book = level2("update", 0, "BTC-USD");
    let trade = trades("update", 0, &[1]);
    for (frame, message) in [
        ("{}".to_owned(), "coinbase frame: column 1: missing field `channel`"),
        (book.replace(r#""sequence_num":0,"#, ""), "missing field `sequence_num`"),
        (book.replace("\"events\"", "\"happenings\""), "missing field `events`"),
        (book.replace("update\"", "rumour\""), "l2_data: column 1: unknown type \"rumour\""),
        (book.replace(r#""type":"update","#, ""), "missing field `type`"),
        (book.replace("\"bid\"", "\"both\""), "unknown side \"both\""),
        (book.replace(r#""product_id":"BTC-USD","#, ""), "missing field `product_id`"),
        (book.replace("0.5\"", "half\""), "\"half\": byte 0 is not part of a decimal"),
        (book.replace("2026-01-01T00:00:00.5Z", "today"), "is no time in UTC"),
        (book.replace("[{\"side\"", "{\"side\""), "expected"),
        (trade.replace("BUY", "HOLD"), "market_trades: column 1: unknown side \"HOLD\""),
        (trade.replace("BTC-USD", "X-Y"), "market_trades: unexpected symbol \"X-Y\""),
        (trade.replace("\"trade_id\":\"1\"", "\"trade_id\":\"one\""), "\"one\": invalid digit"),
    ] {
        let error = decode(&mut adapter(), &frame).unwrap_err().to_string();
        assert!(error.contains(message), "{frame}\n{error}\n{message}");
    }
}

#[test]
fn a_refusal_is_an_error_in_words() {
    let mut local = LocalCoinbase::new(instruments(), 1);
    let mut ask = |text: &str| {
        let mut frames = vec![];
        local.heard(text, Timestamp::from_nanos(0), &mut |frame| frames.push(frame.to_owned()));
        frames.pop().expect("there is an answer")
    };
    let asked = r#"{"type":"subscribe","product_ids":["BTC-USD"],"channel":"level2"}"#;
    assert!(ask(asked).contains(r#"{"subscriptions":{"level2":["BTC-USD"]}}"#));
    for (text, reason) in [
        (asked.replace("BTC-USD", "X-Y"), "X-Y is not a valid product"),
        (asked.replace("level2", "level9"), "channel does not exist"),
        (asked.replace("\"subscribe", "\"dance"), "unknown message type"),
        ("hello".to_owned(), "failed to parse message"),
    ] {
        let error = decode(&mut adapter(), &ask(&text)).unwrap_err();
        assert_eq!(error.to_string(), format!("coinbase answer: refused: {reason}"));
    }
    let error = decode(&mut adapter(), r#"{"type":"error"}"#).unwrap_err();
    assert_eq!(error.cause, DecodeCause::Refused { reason: "no reason is given".into() });
    let future = adapter().add("BTC-USD-PERP".parse().unwrap(), BTC).unwrap_err();
    assert!(future.to_string().starts_with("coinbase has no BTC-USD-PERP: "));
}

#[test]
fn every_kind_that_coinbase_has_is_made() {
    let mut coinbase = adapter();
    let mut kinds = vec![];
    for line in include_str!("../fixtures/frames.jsonl").lines() {
        kinds.extend(decode(&mut coinbase, line).unwrap().iter().map(|d| d.header().kind));
    }
    use EventKind as K;
    for kind in [K::Trade, K::Ticker, K::TopOfBook, K::BookSnapshot, K::BookDelta] {
        assert!(kinds.contains(&kind), "{kind}");
    }
}
