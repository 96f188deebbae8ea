use meltica_event::Side;
use proptest::prelude::*;

use super::*;

/// Keys and where their values begin.
fn all(text: &str) -> Result<Vec<(&str, usize)>, DecodeCause> {
    let (mut reader, mut found) = (Reader::new(text), vec![]);
    reader.object(|reader, key| {
        found.push((key, reader.place()?));
        Ok(())
    })?;
    reader.end()?;
    Ok(found)
}

#[test]
fn fields_are_found_wherever_their_values_end() {
    let text = r#" { "a" : 1.50 , "b\"}":"x,}\\", "c":[{"d":"]"},[]], "e":{}, "f":null} "#;
    let found = all(text).unwrap();
    let keys: Vec<_> = found.iter().map(|(key, _)| *key).collect();
    assert_eq!(keys, ["a", r#"b\"}"#, "c", "e", "f"]);
    let number: u64 = Reader::from("[7,8]", 3).bare().unwrap();
    assert_eq!((number, &text[found[0].1..][..4]), (8, "1.50"));
    assert_eq!(all("{}").unwrap(), []);
}

#[test]
fn what_is_no_object_says_where_it_ends_to_be_one() {
    for (text, column, reason) in [
        ("", 1, "expected an object, but the frame ends"),
        ("[]", 1, "expected an object"),
        ("{", 2, "expected a text, but the frame ends"),
        ("{\"a", 4, "expected the end of a text, but the frame ends"),
        ("{\"a\\", 5, "expected the end of a text, but the frame ends"),
        ("{\"a\"}", 5, "expected `:`"),
        ("{\"a\":", 6, "expected the end of a value, but the frame ends"),
        ("{\"a\":}", 6, "expected a value"),
        ("{\"a\":\"x\" 7}", 10, "expected `,` or `}`"),
        ("{\"a\":1,}", 8, "expected a text"),
        ("{\"a\":\"\u{1}\"}", 7, "a control character in a text"),
        ("{} x", 4, "trailing characters"),
    ] {
        let error = all(text).expect_err(text);
        let DecodeCause::Malformed { column: at, reason: why } = &error else { panic!("{error}") };
        assert!((*at, why.as_str()) == (column, reason), "{text}: {error}");
    }
}

#[test]
fn every_cut_of_an_object_is_an_error() {
    let text = r#"{"a":[1,{"b":"\u00e9é"}],"c":null}"#;
    assert_eq!(all(text).unwrap().len(), 2);
    for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
        assert!(all(&text[..end]).is_err(), "{}", &text[..end]);
    }
}

#[test]
fn levels_are_read_into_their_side_and_absurd_prices_passed_over() {
    let mut side = Levels::with_capacity(Side::Sell, 4);
    let text = r#"[["2","1","0","7"],["99999999999","1"],["1.5","0.25"]]"#;
    Reader::new(text).levels(&mut side).unwrap();
    let prices: Vec<_> = side.iter().map(|level| level.price.to_string()).collect();
    assert_eq!(prices, ["1.5", "2"]);
    for (text, reason) in [
        ("7", "expected an array"),
        ("[7]", "expected [price, quantity]"),
        (r#"[["1"]]"#, "expected a quantity"),
        (r#"[["1","2"}"#, "expected `,` or `]`"),
        (r#"[["1","-2"]]"#, "a quantity is never negative"),
        (r#"[["0.0000000001","2"]]"#, "beyond the 9 that are kept"),
        (r#"[["1","2"]"#, "expected `,` or `]`"),
    ] {
        let error = Reader::new(text).levels(&mut side).expect_err(text).to_string();
        assert!(error.contains(reason), "{text}: {error}");
    }
}

#[test]
fn messages_are_for_people() {
    let message = |text| Reader::new(text).message().map(Cow::into_owned);
    assert_eq!(message(r#""plain""#).unwrap(), "plain");
    let escaped = r#""a \"b\" \\ \/ \u00e9 \n\t\r \x \ud800 \u""#;
    assert_eq!(message(escaped).unwrap(), "a \"b\" \\ / é \n\t\r \\x \\ud800 \\u");
    assert!(message("7").is_err());
    assert!(Reader::new(" true}").boolean().unwrap() && !Reader::new("false").boolean().unwrap());
    assert!(Reader::new("yes").boolean().is_err());
}

proptest! {
    #[test]
    fn the_short_way_to_decimals_is_the_long_one(text in "-?[0-9]{0,22}\\.?[0-9]{0,12}e?") {
        let quoted = format!("{text:?}");
        prop_assert_eq!(Reader::new(&quoted).price().ok(), text.parse::<Price>().ok());
        prop_assert_eq!(Reader::new(&quoted).quantity().ok(), text.parse::<Quantity>().ok());
        let level = Reader::new(&quoted).level_price();
        match text.parse::<Price>() {
            Ok(price) => prop_assert_eq!(level, Ok(Some(price))),
            Err(ParseDecimalError::TooLarge { .. }) => prop_assert_eq!(level, Ok(None)),
            Err(_) => prop_assert!(level.is_err()),
        }
        prop_assert!(Reader::new(&quoted[..quoted.len() - 1]).price().is_err());
    }

    #[test]
    fn no_text_makes_it_panic(text in "[\\PC\\x00-\\x1f]{0,40}|[{}\\[\\]\",:\\\\0-9a-z]{0,60}") {
        let _ = all(&text);
        let mut reader = Reader::new(&text);
        let _ = reader.array(|reader| reader.skip());
        let _ = Reader::new(&text).message();
        let _ = Reader::new(&text).number();
        let _ = Reader::new(&text).price();
    }
}
