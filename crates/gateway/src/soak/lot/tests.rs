use super::*;

fn shares(rate: f64, consumers: usize) -> Vec<usize> {
    let lot = Lot::new(rate, consumers, 1);
    let mut shares = vec![0; consumers];
    (1..=100_000).filter_map(|number| lot.falls_on(3, number)).for_each(|one| shares[one] += 1);
    shares
}

#[test]
fn it_falls_on_the_share_asked_for_and_on_every_consumer_alike() {
    for share in shares(0.1, 10) {
        assert!((900..1_100).contains(&share), "{share}");
    }
    assert_eq!(shares(1.0, 3).iter().sum::<usize>(), 100_000);
    assert_eq!(shares(0.0, 3), [0, 0, 0]);
}

#[test]
fn it_is_the_same_for_the_same_seed() {
    let of = |seed, stream| -> Vec<_> {
        let lot = Lot::new(0.5, 4, seed);
        (1..100).map(|number| lot.falls_on(stream, number)).collect()
    };
    assert_eq!(of(7, 1), of(7, 1));
    assert_ne!(of(7, 1), of(8, 1));
    assert_ne!(of(7, 1), of(7, 2));
}
