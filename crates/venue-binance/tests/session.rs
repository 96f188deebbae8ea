//! A book of Binance's asks for its own snapshots, one at a time, until one will do.

use meltica_event::{InstrumentId, Timestamp, VenueId};
use meltica_venue::{
    Decode, Ingest, LocalVenue, Session, VenuePools, Wish, conformance::instruments,
};
use meltica_venue_binance::{BinanceSpot, LocalBinance};

const BTC: InstrumentId = InstrumentId(1);

fn adapter() -> BinanceSpot {
    let mut binance = BinanceSpot::new(VenueId(1), VenuePools::new(8));
    binance.add("BTC-USD".parse().expect("a legal name"), BTC).expect("it is spot");
    binance
}

fn fetch() -> Option<Wish> {
    let path = "/api/v3/depth?symbol=BTCUSD&limit=1000".to_owned();
    Some(Wish::Fetch { instrument: BTC, path })
}

fn depth(first: u64, last: u64) -> String {
    format!(
        r#"{{"stream":"btcusd@depth@100ms","data":{{"e":"depthUpdate","E":1,"s":"BTCUSD","U":{first},"u":{last},"b":[["1","1"]],"a":[]}}}}"#
    )
}

#[test]
fn a_snapshot_is_wished_for_until_one_will_do() {
    let mut binance = adapter();
    let now = Ingest::default();
    binance.opened();
    assert_eq!((binance.next_wish(), binance.next_wish()), (fetch(), None));
    binance.decode(depth(11, 12).as_bytes(), now, &mut |_| ()).unwrap();
    assert_eq!(binance.next_wish(), None, "it is on its way");
    let cut = br#"{"lastUpdateId":11,"bids":[["1","#;
    binance.fetched(BTC, cut, now, &mut |_| ()).unwrap_err();
    assert_eq!((binance.next_wish(), binance.next_wish()), (fetch(), None), "that was unreadable");
    let old = br#"{"lastUpdateId":5,"bids":[],"asks":[]}"#;
    binance.fetched(BTC, old, now, &mut |_| ()).unwrap();
    assert_eq!((binance.next_wish(), binance.next_wish()), (fetch(), None), "that was too old");
    assert!(binance.book(BTC).is_none());
    let good = br#"{"lastUpdateId":11,"bids":[],"asks":[]}"#;
    binance.fetched(BTC, good, now, &mut |_| ()).unwrap();
    assert_eq!(binance.book(BTC).unwrap().header.sequence, 12);
    assert_eq!(binance.next_wish(), None);
    binance.decode(depth(14, 15).as_bytes(), now, &mut |_| ()).unwrap();
    assert_eq!((binance.next_wish(), binance.next_wish()), (fetch(), None), "13 is missing");
    assert!(binance.fetched(InstrumentId(9), good, now, &mut |_| ()).is_err());
    assert_eq!(binance.next_wish(), None);
}

#[test]
fn a_recording_without_a_connection_wishes_nothing() {
    let mut binance = adapter();
    let snapshot = br#"{"lastUpdateId":11,"bids":[],"asks":[]}"#;
    binance.decode(snapshot, Ingest::default(), &mut |_| ()).unwrap();
    binance.decode(depth(14, 15).as_bytes(), Ingest::default(), &mut |_| ()).unwrap();
    assert!(binance.book(BTC).is_none() && binance.next_wish().is_none());
}

#[test]
fn streams_are_those_of_the_path_or_subscribed_to() {
    let mut local = LocalBinance::new(instruments(), 1);
    let now = Timestamp::from_nanos(1_767_225_600_000_000_000);
    local.opened("/stream?streams=btcusd@trade/ethusd@trade", &mut |_| ());
    let seen = |local: &mut LocalBinance| {
        let mut streams = std::collections::BTreeSet::new();
        for _ in 0..500 {
            local.step(now, &mut |frame| {
                if let Some(rest) = frame.strip_prefix(r#"{"stream":""#) {
                    streams.insert(rest[..rest.find('"').expect("it ends")].to_owned());
                }
            });
        }
        streams.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(seen(&mut local), ["btcusd@trade", "ethusd@trade"]);
    let ask = |local: &mut LocalBinance, text: &str| {
        let mut answers = vec![];
        local.heard(text, now, &mut |frame| answers.push(frame.to_owned()));
        answers.join("\n")
    };
    let subscribe = r#"{"method":"SUBSCRIBE","params":["btcusd@bookTicker"],"id":7}"#;
    assert_eq!(ask(&mut local, subscribe), r#"{"result":null,"id":7}"#);
    let unsubscribe = r#"{"method":"UNSUBSCRIBE","params":["ethusd@trade"],"id":8}"#;
    assert_eq!(ask(&mut local, unsubscribe), r#"{"result":null,"id":8}"#);
    assert_eq!(seen(&mut local), ["btcusd@bookTicker", "btcusd@trade"]);
    for refused in ["hello", r#"{"method":"DANCE","id":9}"#] {
        let answer = ask(&mut local, refused);
        let error = adapter().decode(answer.as_bytes(), Ingest::default(), &mut |_| ());
        assert_eq!(error.unwrap_err().kind(), ("answer", "refused"));
    }
    assert_eq!(local.get("/api/v3/depth?symbol=NOSUCH"), None);
    assert_eq!(local.get("/"), None);
    local.closed();
    assert!(seen(&mut local).is_empty());
}
