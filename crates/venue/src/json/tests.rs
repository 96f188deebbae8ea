use meltica_event::Side;
use proptest::prelude::*;

use super::*;

/// The fields of an object, and the values of those that are kept for later.
#[derive(Default)]
struct Kept<'a>(Vec<(String, Option<&'a RawValue>)>);

impl<'de> Fields<'de> for Kept<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        let value = if name == "skipped" { skip(map).map(|()| None)? } else { map.next_value()? };
        self.0.push((name.to_owned(), value));
        Ok(())
    }
}

fn all(text: &str) -> Result<Vec<(String, Option<&RawValue>)>, DecodeCause> {
    let mut kept = Kept::default();
    FrameText::new(text.as_bytes())?.read(Object(&mut kept))?;
    Ok(kept.0)
}

fn levels(text: &str, side: &mut Levels) -> Result<(), DecodeCause> {
    FrameText::new(text.as_bytes())?.read(LevelsInto(side))
}

#[test]
fn fields_are_handed_over_by_their_names_whatever_their_values_are() {
    let text = r#" { "a" : 1.50 , "\u0062\"}":"x,}\\", "c":[{"d":"]"},[]], "skipped":{}, "e":7} "#;
    let found = all(text).unwrap();
    let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a", r#"b"}"#, "c", "skipped", "e"]);
    assert_eq!(found[0].1.unwrap().get(), "1.50");
    assert!(found[3].1.is_none());
    assert!(all("{}").unwrap().is_empty());
}

#[test]
fn what_is_wrong_is_told_with_its_place_in_the_frame() {
    for (text, column, reason) in [
        ("", 1, "EOF while parsing a value"),
        ("[]", 1, "invalid type: sequence, expected an object"),
        ("{\"a\"}", 5, "expected `:`"),
        ("{\"a\":}", 6, "expected value"),
        ("{\"a\":\n\"x\" 7}", 11, "expected `,` or `}`"),
        ("{} x", 4, "trailing characters"),
    ] {
        let error = all(text).expect_err(text);
        let DecodeCause::Malformed { column: at, reason: why } = &error else { panic!("{error}") };
        assert!((*at, why.as_str()) == (column, reason), "{text}: {error}");
    }
    let error = FrameText::new(b"{\"a\":\xff}").err().unwrap();
    assert_eq!(error.to_string(), "column 6: not UTF-8");
}

#[test]
fn what_is_kept_is_read_later_and_its_columns_are_the_frames() {
    let text = r#"{"a":"1.5","b":["x"]}"#;
    let frame = FrameText::new(text.as_bytes()).unwrap();
    let mut kept = Kept::default();
    frame.read(Object(&mut kept)).unwrap();
    let part = |index: usize| kept.0[index].1.unwrap();
    let Decimal(price) = frame.read_part(part(0), PhantomData::<Decimal<Price>>).unwrap();
    assert_eq!(price, "1.5".parse().unwrap());
    let error = frame.read_part(part(1), PhantomData::<[Decimal<u64>; 1]>).unwrap_err();
    let at = text.find("x\"").unwrap() + 2;
    assert_eq!(error.to_string(), format!("column {at}: \"x\": invalid digit found in string"));
}

#[test]
fn whoever_takes_elements_may_refuse_one_with_a_cause_of_its_own() {
    let frame = FrameText::new(b"[1,2,3]").unwrap();
    let mut taken = vec![];
    let refused = frame.read(frame.each(|number: u64| {
        if number == 3 {
            return Err(unknown_value("number", "3"));
        }
        taken.push(number);
        Ok(())
    }));
    assert_eq!(refused.unwrap_err().to_string(), "column 1: unknown number \"3\"");
    assert_eq!(taken, [1, 2]);
    let error = frame.read(frame.each(|_: &str| Ok(()))).unwrap_err();
    assert!(error.to_string().contains("invalid type: integer `1`"), "{error}");
}

#[test]
fn every_cut_of_an_object_is_an_error() {
    let text = r#"{"a":[1,{"b":"\u00e9é"}],"c":7}"#;
    assert_eq!(all(text).unwrap().len(), 2);
    for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
        assert!(all(&text[..end]).is_err(), "{}", &text[..end]);
    }
}

#[test]
fn levels_are_read_into_their_side_and_absurd_prices_passed_over() {
    let mut side = Levels::with_capacity(Side::Sell, 4);
    levels(r#"[["2","1","0",{"a":[]}],["99999999999","1"],["1.5","0.25"]]"#, &mut side).unwrap();
    let prices: Vec<_> = side.iter().map(|level| level.price.to_string()).collect();
    assert_eq!(prices, ["1.5", "2"]);
    for (text, reason) in [
        ("7", "expected an array"),
        ("[7]", "expected [price, quantity]"),
        ("[[]]", "invalid length 0, expected [price, quantity]"),
        (r#"[["1"]]"#, "invalid length 1, expected [price, quantity]"),
        (r#"[["1","2"}"#, "expected `,` or `]`"),
        (r#"[["1",2]]"#, "expected a decimal as text"),
        (r#"[["1","-2"]]"#, "a quantity is never negative"),
        (r#"[["0.0000000001","2"]]"#, "beyond the 9 that are kept"),
        (r#"[["1","2"]"#, "EOF while parsing a list"),
    ] {
        let error = levels(text, &mut side).expect_err(text).to_string();
        assert!(error.contains(reason), "{text}: {error}");
    }
}

#[test]
fn bare_numbers_and_times_are_read_from_their_digits() {
    let read = |text: &'static str| {
        let frame = FrameText::new(text.as_bytes()).unwrap();
        let bare = frame.read(PhantomData::<[Bare<Price>; 1]>);
        bare.map(|[Bare(price)]| price.to_string()).map_err(|error| error.to_string())
    };
    assert_eq!(read("[61837.630000001 ]").unwrap(), "61837.630000001");
    assert_eq!(read("[1e5]").unwrap_err(), "column 5: \"1e5\": byte 1 is not part of a decimal");
    read("[\"1\"]").unwrap_err();
    let time = |text: &'static str| FrameText::new(text.as_bytes()).unwrap().read(PhantomData);
    let Utc(moment) = time("\"1970-01-01T00:00:00.000000007Z\"").unwrap();
    assert_eq!(moment, Timestamp::from_nanos(7));
    for text in ["\"yesterday\"", "7"] {
        time(text).map(|Utc(moment)| moment).expect_err(text);
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[\\PC\\x00-\\x1f]{0,40}|[{}\\[\\]\",:\\\\0-9a-z]{0,60}") {
        let _ = all(&text);
        let _ = levels(&text, &mut Levels::with_capacity(Side::Buy, 4));
    }
}
