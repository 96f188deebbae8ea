use super::*;

#[test]
fn a_stream_has_one_and_what_is_absent_has_a_token_too() {
    let names = Names::default();
    let venue = names.venue("kraken").unwrap();
    let instrument = names.instrument("BTC-USD-PERP".parse().unwrap()).unwrap();
    let of = |venue, instrument, topic| market(&names, venue, instrument, topic);
    assert_eq!(of(venue, instrument, Topic::Book).unwrap(), "meltica.md.kraken.BTC-USD-PERP.book");
    let merged = of(VenueId::NONE, instrument, Topic::MergedBook).unwrap();
    assert_eq!(merged, "meltica.md._.BTC-USD-PERP.merged_book");
    assert_eq!(of(venue, InstrumentId::NONE, Topic::Ticker).unwrap(), "meltica.md.kraken._.ticker");
    assert_eq!(of(VenueId(9), instrument, Topic::Book), Err(EncodeError::Venue(VenueId(9))));
    let unknown = InstrumentId(9);
    assert_eq!(of(venue, unknown, Topic::Book), Err(EncodeError::Instrument(unknown)));
    let origin = "desk-1".parse().unwrap();
    assert_eq!(critical(origin, Topic::Executions), "meltica.critical.desk-1.executions");
    assert_eq!(refresh(origin), "meltica.refresh.desk-1");
    assert_eq!(control(origin), "meltica.control.desk-1");
}
