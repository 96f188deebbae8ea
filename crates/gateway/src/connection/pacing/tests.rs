use super::*;

#[test]
fn no_span_has_more_than_the_limit_and_no_two_are_closer_than_the_gap() {
    let (gap, span) = (Duration::from_millis(10), Duration::from_secs(1));
    let mut pacing = Pacing::new(gap, (5, span));
    let start = Instant::now();
    let mut now = start;
    let mut gone = vec![];
    for _ in 0..12 {
        now = pacing.next(now);
        pacing.note(now);
        gone.push(now - start);
    }
    assert_eq!(gone[0], Duration::ZERO, "the first goes at once");
    assert!(gone.windows(2).all(|two| two[1] - two[0] >= gap), "{gone:?}");
    assert!(gone.windows(6).all(|six| six[5] - six[0] >= span), "{gone:?}");
    assert_eq!(gone[4], 4 * gap, "and none waits for longer than it must: {gone:?}");
    assert_eq!(gone[5], span);
}
