//! The volume-weighted average price agrees with the same sum done by hand in wider integers, also
//! where a hundred and twenty-eight bits would overflow.

use meltica_event::{Price, Quantity, Vwap};
use proptest::prelude::*;

fn vwap(trades: &[(i64, u64)]) -> Vwap {
    let mut vwap = Vwap::default();
    for (price, quantity) in trades {
        vwap.add(Price::from_units(*price), Quantity::from_units(*quantity));
    }
    vwap
}

/// To the nearest, halves away from zero.
fn rounded(dividend: i128, divisor: i128) -> i64 {
    let (quotient, rest) = (dividend / divisor, dividend % divisor);
    let up = rest.unsigned_abs() * 2 >= divisor.unsigned_abs();
    i64::try_from(quotient + if up { dividend.signum() } else { 0 }).unwrap_or(i64::MAX)
}

proptest! {
    #[test]
    fn it_is_the_rounded_quotient_of_the_sums(
        trades in prop::collection::vec((-1_000_000_000_000..1_000_000_000_000i64, 0..10_000_000_000u64), 1..50)
    ) {
        let dividend: i128 = trades.iter().map(|(p, q)| i128::from(*p) * i128::from(*q)).sum();
        let divisor: i128 = trades.iter().map(|(_, q)| i128::from(*q)).sum();
        let expected = (divisor > 0).then(|| Price::from_units(rounded(dividend, divisor)));
        prop_assert_eq!(vwap(&trades).average(), expected);
    }

    // Prices and quantities are multiples of large units here, so that the sums need up to 140 bits
    // and the expected average still does not.
    #[test]
    fn it_is_exact_where_128_bits_overflow(
        unit in (1i64 << 50)..(1 << 57),
        lot in (1u64 << 50)..(1 << 58),
        negative in any::<bool>(),
        trades in prop::collection::vec((0..64i64, 0..64u64), 1..200),
    ) {
        let sign = if negative { -1 } else { 1 };
        let scaled: Vec<_> = trades.iter().map(|(k, m)| (sign * unit * k, lot * m)).collect();
        let weighted: i128 = trades.iter().map(|(k, m)| i128::from(*k) * i128::from(*m)).sum();
        let divisor: i128 = trades.iter().map(|(_, m)| i128::from(*m)).sum();
        let expected = (divisor > 0)
            .then(|| Price::from_units(rounded(i128::from(sign * unit) * weighted, divisor)));
        prop_assert_eq!(vwap(&scaled).average(), expected);
    }

    #[test]
    fn the_order_of_trades_does_not_matter(
        (trades, shuffled) in prop::collection::vec((any::<i64>(), any::<u64>()), 0..40)
            .prop_flat_map(|trades| (Just(trades.clone()), Just(trades).prop_shuffle()))
    ) {
        prop_assert_eq!(vwap(&trades), vwap(&shuffled));
    }
}

#[test]
fn the_extremes_of_both_types_average_to_themselves() {
    for price in [i64::MIN, -1, 0, 1, i64::MAX] {
        for count in [1, 2, 3, 1_000] {
            let trades = vec![(price, u64::MAX); count];
            assert_eq!(vwap(&trades).average(), Some(Price::from_units(price)), "{count}");
        }
    }
    assert_eq!(vwap(&[(i64::MAX, u64::MAX), (-i64::MAX, u64::MAX)]).average(), Some(Price::ZERO));
    assert_eq!(vwap(&[(1, 1), (2, 1)]).average(), Some(Price::from_units(2)));
    assert_eq!(vwap(&[(-1, 1), (-2, 1)]).average(), Some(Price::from_units(-2)));
}

#[test]
fn nothing_traded_has_no_average_and_too_much_has_the_greatest_volume() {
    assert_eq!((vwap(&[]).average(), vwap(&[]).volume()), (None, Quantity::ZERO));
    assert_eq!(vwap(&[(7, 0)]).average(), None);
    let much = vwap(&[(7, u64::MAX), (8, u64::MAX), (9, u64::MAX)]);
    assert_eq!(much.average(), Some(Price::from_units(8)));
    assert_eq!(much.volume(), Quantity::from_units(u64::MAX));
}
