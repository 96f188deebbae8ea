use super::*;

#[test]
fn a_peak_only_rises() {
    let peak = Peak::new();
    for value in [3, 9, 4] {
        peak.raise(value);
    }
    assert_eq!(peak.get(), 9);
}
