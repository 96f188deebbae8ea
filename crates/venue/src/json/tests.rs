use super::*;

fn all(text: &str) -> Result<Vec<(&str, &str)>, DecodeCause> {
    fields(text).collect()
}

#[test]
fn fields_are_found_with_their_values_as_they_stand() {
    let text = r#" { "a" : 1.50 , "b\"}":"x,}\\", "c":[{"d":"]"},[]], "e":{} } "#;
    assert_eq!(
        all(text).unwrap(),
        [("a", "1.50"), (r#"b\"}"#, r#""x,}\\""#), ("c", r#"[{"d":"]"},[]]"#), ("e", "{}")]
    );
    assert_eq!(all("{}").unwrap(), []);
}

#[test]
fn what_is_no_object_says_where_it_ends_to_be_one() {
    for (text, column, reason) in [
        ("", 1, "expected an object"),
        ("[]", 1, "expected an object"),
        ("{", 2, "expected a key"),
        ("{\"a", 3, "EOF while looking for the end of a key"),
        ("{\"a\\", 5, "EOF while looking for the end of a key"),
        ("{\"a\"}", 5, "expected `:`"),
        ("{\"a\":", 6, "EOF while looking for the end of a value"),
        ("{\"a\":}", 6, "expected a value"),
        ("{\"a\":[1", 8, "EOF while looking for the end of a value"),
        ("{\"a\":1", 7, "EOF while looking for the end of a value"),
        ("{\"a\":\"x\" 7}", 10, "expected `,` or `}`"),
        ("{\"a\":1,}", 8, "expected a key"),
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
