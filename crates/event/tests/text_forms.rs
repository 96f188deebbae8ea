//! Whatever is printed parses back to the same thing, and what is malformed says what and where
//! (CQ-03..06).

use meltica_event::{
    Catalog, CatalogError, ControlOutcome, EventKind, ExecType, Instrument, InstrumentKind,
    OrderStatus, ParseDecimalError, ParseInstrumentError, Price, Quantity, Side, Text, TextTooLong,
    Timestamp, Topic, TraceId,
};
use proptest::prelude::*;

proptest! {
    #[test]
    fn cq_03_prices_round_trip_through_text(units in any::<i64>()) {
        let price = Price::from_units(units);
        prop_assert_eq!(price.to_string().parse::<Price>(), Ok(price));
    }

    #[test]
    fn cq_03_quantities_round_trip_through_text(units in any::<u64>()) {
        let quantity = Quantity::from_units(units);
        prop_assert_eq!(quantity.to_string().parse::<Quantity>(), Ok(quantity));
    }

    #[test]
    fn no_text_makes_a_decimal_panic_and_what_parses_prints_the_same_number(
        text in "-?[0-9]{0,12}(\\.[0-9]{0,12})?",
    ) {
        if let Ok(price) = text.parse::<Price>() {
            let trimmed = |t: &str| {
                let (sign, t) = t.strip_prefix('-').map_or(("", t), |t| ("-", t));
                let (whole, fraction) = t.split_once('.').unwrap_or((t, ""));
                let whole = whole.trim_start_matches('0');
                let fraction = fraction.trim_end_matches('0');
                let sign = if whole.is_empty() && fraction.is_empty() { "" } else { sign };
                format!("{sign}{whole}.{fraction}")
            };
            prop_assert_eq!(trimmed(&price.to_string()), trimmed(&text));
        }
    }

    #[test]
    fn any_text_at_all_is_parsed_or_refused_without_a_panic(text in "\\PC*") {
        let _ = text.parse::<Price>();
        let _ = text.parse::<Quantity>();
        let _ = text.parse::<Instrument>();
        let _ = text.parse::<TraceId>();
        let cut = Text::<7>::truncated(&text);
        prop_assert!(text.starts_with(cut.as_str()));
    }

    #[test]
    fn cq_04_instruments_round_trip_through_text(
        base in "[A-Z0-9]{1,16}",
        quote in "[A-Z0-9]{1,16}",
        year in 1970u16..=9999,
        month in 1u8..=12,
        day in 1u8..=28,
        which in 0..3,
    ) {
        let kind = match which {
            0 => InstrumentKind::Spot,
            1 => InstrumentKind::Perpetual,
            _ => InstrumentKind::Future { year, month, day },
        };
        let instrument = Instrument {
            base: Text::new(&base).unwrap(),
            quote: Text::new(&quote).unwrap(),
            kind,
        };
        prop_assert_eq!(instrument.to_string().parse::<Instrument>(), Ok(instrument));
        prop_assert_eq!(format!("{instrument:?}"), instrument.to_string());
    }
}

#[test]
fn a_malformed_decimal_says_what_is_wrong_and_at_which_byte() {
    use ParseDecimalError as E;
    let cases: &[(&str, E)] = &[
        ("", E::DigitMissing { at: 0 }),
        ("-", E::DigitMissing { at: 1 }),
        (".5", E::DigitMissing { at: 0 }),
        ("5.", E::DigitMissing { at: 2 }),
        ("1.2.3", E::NotADecimal { at: 3 }),
        ("+1", E::NotADecimal { at: 0 }),
        ("1e5", E::NotADecimal { at: 1 }),
        (" 1", E::NotADecimal { at: 0 }),
        ("1,000", E::NotADecimal { at: 1 }),
        ("0.1234567891", E::TooFine { at: 11, digits: 9 }),
        ("9223372036.854775808", E::TooLarge { at: 19 }),
        ("99999999999999999999", E::TooLarge { at: 19 }),
        ("999999999999", E::TooLarge { at: 11 }),
    ];
    for (text, error) in cases {
        assert_eq!(text.parse::<Price>(), Err(*error), "{text:?}");
    }
    assert_eq!("-1".parse::<Quantity>(), Err(E::Negative));
    assert_eq!("-0".parse::<Quantity>(), Ok(Quantity::ZERO));
    assert_eq!("1.0000000000000".parse::<Price>(), Ok(Price::from_units(1_000_000_000)));
    assert_eq!("-9223372036.854775808".parse::<Price>(), Ok(Price::from_units(i64::MIN)));
    let error = "0.1234567891".parse::<Price>().unwrap_err();
    assert_eq!(error.to_string(), "the digit at byte 11 is beyond the 9 that are kept");
}

#[test]
fn decimals_print_without_trailing_zeros_and_pad_to_a_column() {
    let price: Price = "-61837.63000000".parse().unwrap();
    assert_eq!(
        (format!("{price}"), format!("{price:>12}")),
        ("-61837.63".into(), "   -61837.63".into())
    );
    assert_eq!(format!("{:?} {:?}", Price::ZERO, Quantity::from_units(1)), "0 0.00000001");
    assert_eq!((price.units(), Quantity::from_units(7).units()), (-61_837_630_000_000, 7));
}

#[test]
fn cq_04_a_malformed_instrument_says_what_is_wrong_and_at_which_byte() {
    use ParseInstrumentError as E;
    let (base, quote) = ("base currency", "quote currency");
    let cases: &[(&str, E)] = &[
        ("", E::Missing { what: base, at: 0 }),
        ("BTC", E::Missing { what: quote, at: 3 }),
        ("BTC-", E::Missing { what: quote, at: 4 }),
        ("btc-USDT", E::BadCharacter { what: base, at: 0 }),
        ("BTC-US/T", E::BadCharacter { what: quote, at: 6 }),
        ("ABCDEFGHIJKLMNOPQ-USDT", E::TooLong { what: base, at: 0 }),
        ("BTC-USDT-SWAP", E::BadKind { at: 9 }),
        ("BTC-USDT-20250229", E::BadKind { at: 9 }),
        ("BTC-USDT-20251301", E::BadKind { at: 9 }),
        ("BTC-USDT-20250431", E::BadKind { at: 9 }),
        ("BTC-USDT-PERP-X", E::BadKind { at: 9 }),
    ];
    for (text, error) in cases {
        assert_eq!(text.parse::<Instrument>(), Err(*error), "{text:?}");
    }
    assert!("BTC-USDT-20240229".parse::<Instrument>().is_ok());
    let error = "BTC".parse::<Instrument>().unwrap_err().to_string();
    assert_eq!(error, "the quote currency is missing at byte 3; write BASE-QUOTE, as BTC-USDT");
}

#[test]
fn cq_05_unknown_names_are_errors_that_list_the_known_ones() {
    fn check<T: std::str::FromStr<Err = meltica_event::UnknownName> + Copy + PartialEq>(
        all: &[T],
        name: fn(T) -> &'static str,
    ) {
        for value in all {
            assert!(name(*value).parse::<T>().is_ok_and(|parsed| parsed == *value));
        }
        let Err(error) = "nonsense".parse::<T>() else { panic!("nonsense was understood") };
        assert_eq!(error.expected.len(), all.len());
        assert!(error.to_string().starts_with(&format!("unknown {} \"nonsense\"", error.what)));
    }
    check(EventKind::ALL, EventKind::as_str);
    check(Topic::ALL, Topic::as_str);
    check(Side::ALL, Side::as_str);
    check(ExecType::ALL, ExecType::as_str);
    check(OrderStatus::ALL, OrderStatus::as_str);
    check(ControlOutcome::ALL, ControlOutcome::as_str);
    assert_eq!(format!("{:>6}", Side::Buy), "   BUY");
}

#[test]
fn only_execution_reports_and_control_events_are_critical() {
    let critical: Vec<_> = EventKind::ALL.iter().filter(|kind| kind.is_critical()).collect();
    use EventKind::{BookDelta, BookSnapshot, ControlAck, ControlResult, ExecReport};
    assert_eq!(critical, [&ExecReport, &ControlAck, &ControlResult]);
    assert_eq!(BookSnapshot.topic(), BookDelta.topic());
    let topics: std::collections::HashSet<_> = EventKind::ALL.iter().map(|k| k.topic()).collect();
    assert_eq!(topics.len(), Topic::ALL.len());
}

#[test]
fn a_text_that_does_not_fit_is_refused_or_cut_between_characters() {
    assert_eq!(Text::<3>::new("abcd"), Err(TextTooLong { len: 4, room: 3 }));
    assert_eq!("abc".parse::<Text<3>>().unwrap().as_str(), "abc");
    assert_eq!(Text::<3>::truncated("aüü").as_str(), "aü");
    assert!(Text::<3>::default().is_empty());
    assert_eq!(format!("{0} {0:?} {0:>5}", Text::<8>::truncated("x")), "x \"x\"     x");
}

#[test]
fn a_text_is_written_piece_by_piece_as_long_as_it_fits() {
    use std::fmt::Write;
    let mut text = Text::<5>::EMPTY;
    write!(text, "{}-{}", 12, 34).unwrap();
    assert!(write!(text, "5").is_err());
    assert_eq!(text.as_str(), "12-34");
}

#[test]
fn trace_ids_print_as_sixteen_digits_and_parse_back() {
    let trace = TraceId(0xbeef);
    assert_eq!(trace.to_string(), "000000000000beef");
    assert_eq!(trace.to_string().parse(), Ok(trace));
    assert_eq!(format!("{trace:?}"), trace.to_string());
}

#[test]
fn an_absent_time_is_not_a_time() {
    assert_eq!(Timestamp::default().nanos(), None);
    assert_eq!(Timestamp::from_millis(1_723_161_255_208).nanos(), Some(1_723_161_255_208_000_000));
    assert_eq!(Timestamp::from_millis(i64::MAX), Timestamp::ABSENT);
    assert_eq!(format!("{:?} {:?}", Timestamp::ABSENT, Timestamp::from_nanos(5)), "absent 5 ns");
}

#[test]
fn a_catalog_gives_each_name_one_number_and_gives_it_back() {
    let mut catalog = Catalog::new();
    let binance = catalog.venue("binance").unwrap();
    let kraken = catalog.venue("kraken").unwrap();
    let btc = catalog.instrument("BTC-USDT".parse().unwrap()).unwrap();
    assert_eq!(catalog.venue("binance").unwrap(), binance);
    assert_eq!(catalog.instrument("BTC-USDT".parse().unwrap()).unwrap(), btc);
    assert_ne!(binance, kraken);
    assert_eq!(catalog.venue_name(kraken), Some("kraken"));
    assert_eq!(catalog.instrument_of(btc).unwrap().to_string(), "BTC-USDT");
    assert_eq!(catalog.venue_name(meltica_event::VenueId::NONE), None);
    assert_eq!(catalog.instrument_of(meltica_event::InstrumentId(9)), None);
    assert_eq!(catalog.venues().collect::<Vec<_>>(), [(binance, "binance"), (kraken, "kraken")]);
    assert_eq!(catalog.instruments().count(), 1);
    assert_eq!(format!("{binance:?} {btc:?}"), "venue 1 instrument 1");
    for bad in ["", "Binance", "a name of more than sixteen"] {
        assert_eq!(catalog.venue(bad), Err(CatalogError::BadVenue { name: bad.into() }));
    }
}
