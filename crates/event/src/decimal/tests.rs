use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn the_short_way_to_a_decimal_ends_where_the_long_one_does(
        text in "-?[0-9]{0,22}\\.?[0-9]{0,12}e?",
        digits in prop::sample::select(vec![PRICE_DIGITS, QUANTITY_DIGITS]),
    ) {
        if let Some(units) = parse_short(text.as_bytes(), digits) {
            prop_assert_eq!(parse_any(text.as_bytes(), digits), Ok((false, units)));
        } else if let Ok((negative, _)) = parse_any(text.as_bytes(), digits) {
            let fraction = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
            let unusual = negative || text.starts_with('-');
            prop_assert!(unusual || text.len() > 19 || fraction > digits as usize, "{}", text);
        }
    }
}
