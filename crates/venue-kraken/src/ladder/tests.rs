use super::*;

fn ladder(asks: &[(&str, &str)], bids: &[(&str, &str)]) -> Ladder {
    let mut ladder = Ladder::with_capacity(10);
    for (side, levels) in [(Side::Sell, asks), (Side::Buy, bids)] {
        for (price, quantity) in levels {
            ladder.set(side, price.parse().expect(price), quantity.parse().expect(quantity));
        }
    }
    ladder
}

/// The example of Kraken's own guide to its checksum.
#[test]
fn the_documented_example_comes_to_3310070434() {
    let asks = [
        ("45285.2", "0.00100000"),
        ("45286.4", "1.54571953"),
        ("45286.6", "1.54571109"),
        ("45289.6", "1.54560911"),
        ("45290.2", "0.15890660"),
        ("45291.8", "1.54553491"),
        ("45294.7", "0.04454749"),
        ("45296.1", "0.35380000"),
        ("45297.5", "0.09945542"),
        ("45299.5", "0.18772827"),
    ];
    let bids = [
        ("45283.5", "0.10000000"),
        ("45283.4", "1.54582015"),
        ("45282.1", "0.10000000"),
        ("45281.0", "0.10000000"),
        ("45280.3", "1.54592586"),
        ("45279.0", "0.07990000"),
        ("45277.6", "0.03310103"),
        ("45277.5", "0.30000000"),
        ("45277.3", "1.54602737"),
        ("45276.6", "0.15445238"),
    ];
    assert_eq!(ladder(&asks, &bids).checksum(), 3_310_070_434);
    let mut reversed = (asks, bids);
    reversed.0.reverse();
    reversed.1.reverse();
    let mut ladder = ladder(&reversed.0, &reversed.1);
    assert_eq!(ladder.checksum(), 3_310_070_434, "in whatever order they come");
    ladder.set(Side::Sell, "45300.0".parse().unwrap(), "1.0".parse().unwrap());
    assert_eq!(ladder.checksum(), 3_310_070_434, "the eleventh does not count");
    let mut gone = vec![];
    ladder.cut(10, &mut |side, price| gone.push((side, price)));
    assert_eq!(gone, [(Side::Sell, "45300".parse().unwrap())]);
    ladder.set(Side::Sell, "45299.5".parse().unwrap(), "0.0".parse().unwrap());
    ladder.set(Side::Sell, "1".parse().unwrap(), "0.0".parse().unwrap());
    assert_ne!(ladder.checksum(), 3_310_070_434);
    ladder.clear();
    assert_eq!(ladder.checksum(), 0);
}

#[test]
fn the_greatest_numbers_have_room() {
    let mut ladder = Ladder::default();
    for side in [Side::Buy, Side::Sell] {
        for digit in 0..10 {
            let text = format!("1844674407370955161{digit}").replace("16", "15");
            let number: Number = text.parse().unwrap();
            ladder.set(side, number, number);
        }
    }
    ladder.checksum();
    let mut text = [0; 20];
    assert_eq!((write(u64::MAX, &mut text), write(0, &mut [0; 1])), (20, 1));
    assert_eq!(&text, b"18446744073709551615");
}
