use super::*;

fn number(text: &str) -> Number {
    text.parse().expect(text)
}

#[test]
fn digits_are_those_of_the_text_without_leading_zeros() {
    for (text, digits) in [("0.00005100", 5_100), ("78871.5", 788_715), ("0.0", 0), ("12", 12)] {
        assert_eq!(number(text).digits(), digits);
    }
}

#[test]
fn numbers_compare_by_value_however_they_are_written() {
    for (less, more) in [("1", "1.1"), ("0.00000099", "0.000001"), ("9.9", "10"), ("0", "0.1")] {
        assert!(number(less) < number(more) && number(more) > number(less), "{less} {more}");
    }
    assert_eq!(number("1.50"), number("1.5"));
    let fine = format!("0.{}1", "0".repeat(60));
    assert!(number(&fine) < number("1") && number("1") > number(&fine));
    assert!(number("0") < number(&fine));
}

#[test]
fn money_is_exact_or_refused() {
    let price = |text: &str| number(text).price();
    assert_eq!(price("78871.5"), Ok(Some("78871.5".parse().unwrap())));
    assert_eq!(price("9999999997.000000"), Ok(None));
    assert_eq!(price("99999999970.0"), Ok(None));
    assert_eq!(price("0.0000000010"), Ok(Some(Price::from_units(1))));
    assert!(matches!(price("0.0000000001"), Err(ParseDecimalError::TooFine { .. })));
    let quantity = |text: &str| number(text).quantity();
    assert_eq!(quantity("0.01266503"), Ok(Quantity::from_units(1_266_503)));
    assert!(matches!(quantity("999999999999.0"), Err(ParseDecimalError::TooLarge { .. })));
}

#[test]
fn what_is_no_decimal_is_refused() {
    for text in ["", ".", "1.", ".5", "-1", "1e5", "1.2.3", "null", "99999999999999999999"] {
        assert!(text.parse::<Number>().is_err(), "{text}");
    }
    assert!(format!("0.{}", "0".repeat(300)).parse::<Number>().is_err());
}
