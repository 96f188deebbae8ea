use super::*;

#[test]
fn one_in_so_many_is_chosen_whatever_the_number() {
    let chosen = |one_in, of| {
        let mut sampler = Sampler::new(one_in);
        (0..of).filter(|_| sampler.chooses()).count()
    };
    assert_eq!((chosen(0, 1_000), chosen(1, 1_000)), (0, 1_000));
    assert!((900..1_100).contains(&chosen(100, 100_000)));
    // Far apart, the gaps need more than 32 bits.
    for seed in 1..1_000 {
        let mut sampler = Sampler::new(u32::MAX);
        sampler.random = seed << 40 | seed;
        assert!(sampler.chooses());
        assert!(sampler.left > 0 && sampler.left < 1 << 33);
    }
}
