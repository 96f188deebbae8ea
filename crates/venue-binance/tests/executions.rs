//! Execution reports become what they say, as Binance's examples and as recorded ones.

use std::path::{Path, PathBuf};

use meltica_event::{ExecReport, ExecType, InstrumentId, OrderStatus, Side, VenueId};
use meltica_venue::{Decode, DecodeCause, DecodeError, Decoded, Ingest, Session, VenuePools, Wish};
use meltica_venue_binance::BinanceSpot;

fn adapter() -> BinanceSpot {
    let mut binance = BinanceSpot::new(VenueId(1), VenuePools::new(8));
    binance.add("BTC-USDT".parse().expect("a legal name"), InstrumentId(1)).expect("it is spot");
    binance
}

fn decode(frame: &str) -> Result<Vec<ExecReport>, DecodeError> {
    let mut reports = vec![];
    adapter().decode(frame.as_bytes(), Ingest::default(), &mut |decoded| match decoded {
        Decoded::Execution(report) => reports.push(*report),
        other => panic!("{other:?}"),
    })?;
    Ok(reports)
}

const EXAMPLE: &str = r#"{"e":"executionReport","E":1499405658658,"s":"BTCUSDT","c":"mine","S":"BUY","o":"LIMIT","f":"GTC","q":"1.00000000","p":"0.10264410","P":"0.00000000","F":"0.00000000","g":-1,"C":"","x":"TRADE","X":"PARTIALLY_FILLED","r":"NONE","i":4293153,"l":"0.40000000","z":"0.60000000","L":"0.10264400","n":"0","N":null,"T":1499405658657,"t":77,"I":8641984,"w":true,"m":false,"M":false,"O":1499405658657,"Z":"0.0","Y":"0.0","Q":"0.0"}"#;

#[test]
fn each_field_goes_where_it_belongs_however_it_is_wrapped() {
    for frame in [
        EXAMPLE.to_owned(),
        format!(r#"{{"subscriptionId":0,"event":{EXAMPLE}}}"#),
        format!(
            r#"{{"stream":"pqia91ma19a5s61cv6a81va65sdf19v8a65a1a5s61cv6a81","data":{EXAMPLE}}}"#
        ),
        format!(
            r#"{{"data":{EXAMPLE},"stream":"pqia91ma19a5s61cv6a81va65sdf19v8a65a1a5s61cv6a81"}}"#
        ),
    ] {
        let reports = decode(&frame).unwrap();
        let [report] = reports[..] else { panic!("{reports:?}") };
        assert_eq!(report.client_order_id.as_str(), "mine");
        assert_eq!(report.venue_order_id.as_str(), "4293153");
        assert_eq!(report.report_id.as_str(), "8641984");
        assert_eq!(
            (report.exec_type, report.status),
            (ExecType::Trade, OrderStatus::PartiallyFilled)
        );
        assert_eq!((report.side, report.price), (Side::Buy, "0.1026441".parse().unwrap()));
        assert_eq!(report.last_price, "0.102644".parse().unwrap());
        assert_eq!(
            (report.quantity, report.last_quantity),
            ("1".parse().unwrap(), "0.4".parse().unwrap())
        );
        assert_eq!(report.cumulative_quantity, "0.6".parse().unwrap());
        assert_eq!(report.header.exchange_time.nanos(), Some(1_499_405_658_657_000_000));
        assert!(report.reason.is_empty());
    }
}

#[test]
fn cq_05_a_value_that_is_not_documented_is_an_error() {
    for (from, to, message) in [
        (r#""x":"TRADE""#, r#""x":"MAYBE""#, r#"unknown execution type "MAYBE""#),
        (r#""X":"PARTIALLY_FILLED""#, r#""X":"HALF""#, r#"unknown order status "HALF""#),
        (r#""S":"BUY""#, r#""S":"LONG""#, r#"unknown side "LONG""#),
        (
            r#""c":"mine""#,
            r#""c":"an-id-of-more-than-thirty-six-characters""#,
            "unknown client order id",
        ),
        ("executionReport", "executionRumour", r#"unknown stream "executionRumour""#),
        ("BTCUSDT", "DOGEUSDT", r#"unexpected symbol "DOGEUSDT""#),
    ] {
        let error = decode(&EXAMPLE.replace(from, to)).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
    for (name, expected) in
        [("TRADE_PREVENTION", ExecType::Expired), ("REPLACED", ExecType::Replaced)]
    {
        let reports =
            decode(&EXAMPLE.replace(r#""x":"TRADE""#, &format!(r#""x":"{name}""#))).unwrap();
        assert_eq!(reports[0].exec_type, expected);
    }
    for (name, expected) in
        [("PENDING_NEW", OrderStatus::New), ("EXPIRED_IN_MATCH", OrderStatus::Expired)]
    {
        let reports = decode(&EXAMPLE.replace("PARTIALLY_FILLED", name)).unwrap();
        assert_eq!(reports[0].status, expected);
    }
}

#[test]
fn a_cancellation_names_the_order_that_it_is_about() {
    let frame = EXAMPLE.replace(r#""C":"""#, r#""C":"first""#).replace("TRADE", "CANCELED");
    assert_eq!(decode(&frame).unwrap()[0].client_order_id.as_str(), "first");
    let rejected = EXAMPLE.replace("TRADE", "REJECTED").replace("NONE", "INSUFFICIENT_BALANCES");
    assert_eq!(decode(&rejected).unwrap()[0].reason.as_str(), "INSUFFICIENT_BALANCES");
}

#[test]
fn a_refusal_is_an_error_and_a_shutdown_a_wish() {
    let refused = r#"{"error":{"code":2,"msg":"Invalid request: \"x\""},"id":1}"#;
    let error = decode(refused).unwrap_err();
    assert_eq!(error.kind(), ("answer", "refused"));
    assert_eq!(error.cause, DecodeCause::Refused { reason: r#"Invalid request: "x""#.into() });
    let error = decode(r#"{"error":7,"id":1}"#).unwrap_err();
    assert_eq!(error.cause, DecodeCause::Refused { reason: "7".into() });
    let mut binance = adapter();
    let frame = br#"{"e":"serverShutdown","E":1770123456789}"#;
    binance.decode(frame, Ingest::default(), &mut |_| ()).unwrap();
    assert!(matches!(binance.next_wish(), Some(Wish::Reconnect { .. })));
    assert!(decode(r#"{"subscriptionId":0,"event":7}"#).is_err());
    assert!(decode(r#"{"subscriptionId":0,"event":{}}"#).is_err());
}

#[test]
fn the_recorded_reports_are_understood() {
    let captures = std::env::var_os("MELTICA_CAPTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/captures"),
        PathBuf::from,
    );
    let folder = captures.join("exec_reports");
    if !folder.exists() {
        println!("skipped: there is no {}; set MELTICA_CAPTURES", folder.display());
        return;
    }
    for (name, order, exec_type, status) in [
        ("new", "fm000100000001", ExecType::New, OrderStatus::New),
        ("trade", "fm000100000001", ExecType::Trade, OrderStatus::PartiallyFilled),
        ("replaced", "fm000100000005", ExecType::Replaced, OrderStatus::PartiallyFilled),
        ("canceled", "fm000100000001", ExecType::Canceled, OrderStatus::Canceled),
        ("rejected", "fm000100000002", ExecType::Rejected, OrderStatus::Rejected),
        ("expired", "fm000100000003", ExecType::Expired, OrderStatus::Expired),
    ] {
        let frame =
            std::fs::read_to_string(folder.join(format!("exec_report_{name}.json"))).unwrap();
        let reports = decode(&frame).unwrap();
        let [report] = reports[..] else { panic!("{reports:?}") };
        assert_eq!(report.client_order_id.as_str(), order);
        assert_eq!((report.exec_type, report.status), (exec_type, status), "{name}");
        assert!(report.identity().is_some());
    }
}
