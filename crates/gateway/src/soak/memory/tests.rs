use super::*;

const LONG: Duration = Duration::from_secs(3_600);

#[test]
fn a_tenth_has_its_own_mean() {
    let bytes: Vec<u64> = (0..100).collect();
    assert_eq!(tenth(&bytes, 0), Some(4.5));
    assert_eq!(tenth(&bytes, 1), Some(14.5));
    assert_eq!(tenth(&bytes, 9), Some(94.5));
    assert_eq!(tenth(&[7], 9), Some(7.0));
    assert_eq!(tenth(&[7], 1), None);
    assert_eq!(tenth(&[], 0), None);
}

#[test]
fn memory_is_flat_within_a_hundredth_and_growth_is_told() {
    let of = |last| {
        let bytes: Vec<_> = (0..400).map(|at| if at < 360 { 100_000 } else { last }).collect();
        Memory::of(&bytes, LONG).unwrap()
    };
    assert_eq!((of(100_000).growth, of(100_000).flat), (0.0, Some(true)));
    assert_eq!(of(100_900).flat, Some(true));
    assert_eq!(of(101_100).flat, Some(false));
    assert_eq!(of(98_000).flat, Some(false));
    assert!((of(110_000).growth - 0.1).abs() < 1e-9);
}

#[test]
fn a_short_run_or_one_of_few_samples_is_not_judged() {
    let bytes = [1; 400];
    assert_eq!(Memory::of(&bytes, Duration::from_secs(59)).unwrap().flat, None);
    assert_eq!(Memory::of(&bytes[..99], LONG).unwrap().flat, None);
    assert_eq!(Memory::of(&bytes[..1], LONG), None);
}

#[test]
fn samples_are_taken_as_the_run_goes_on_and_told_in_part() {
    let mut samples = Samples::new();
    for step in 0..=2_000 {
        samples.take(f64::from(step) / 1_000.0);
    }
    let expected = if resident().is_some() { SAMPLES } else { 0 };
    assert_eq!(samples.bytes.len(), expected);
    assert!(samples.thinned().len() <= TOLD);
    assert!(samples.bytes.iter().all(|bytes| *bytes > 0));
}
