use super::parse;

#[test]
fn only_true_and_false_are_understood() {
    let of = |text: &str| parse(Some(text.to_owned()));
    assert_eq!((of("true"), of("1")), (Ok(true), Ok(true)));
    assert_eq!(
        (of("false"), of("0"), of(""), parse(None)),
        (Ok(false), Ok(false), Ok(false), Ok(false))
    );
    assert_eq!(of("yes"), Err("yes".to_owned()));
}
