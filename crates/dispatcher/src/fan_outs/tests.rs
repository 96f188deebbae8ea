use super::*;

fn places() -> (Instant, FanOuts) {
    let now = Instant::now();
    (now, FanOuts::new(true))
}

#[test]
fn fr_026_completion_and_parallelism_are_of_the_whole_fan_out() {
    let (now, fan_outs) = places();
    let us = |us| now + Duration::from_micros(us);
    let place = fan_outs.begin(now, 3).unwrap();
    fan_outs.report(place, Some((us(10), us(30))));
    fan_outs.report(place, Some((us(20), us(50))));
    assert_eq!(fan_outs.completion_ns.snapshot().count(), 0, "one is left");
    fan_outs.report(place, Some((us(30), us(40))));
    assert_eq!(fan_outs.completion_ns.snapshot().max(), Some(50_000));
    // 20 + 30 + 10 µs of work in 40 µs.
    assert_eq!(fan_outs.parallelism_percent.snapshot().max(), Some(150));
}

#[test]
fn a_fan_out_that_did_not_reach_every_lane_has_no_completion() {
    let (now, fan_outs) = places();
    let place = fan_outs.begin(now, 2).unwrap();
    fan_outs.report(place, Some((now, now)));
    fan_outs.report(place, None);
    assert_eq!(fan_outs.completion_ns.snapshot().count(), 0);
    // Its place is free again.
    let taken = (0..PLACES).filter(|_| fan_outs.begin(now, 1).is_some()).count();
    assert_eq!(taken, PLACES);
    assert_eq!(fan_outs.begin(now, 1), None);
}

#[test]
fn without_places_nothing_is_begun() {
    assert_eq!(FanOuts::new(false).begin(Instant::now(), 1), None);
}

#[test]
fn a_span_beyond_what_can_be_told_is_the_longest() {
    assert_eq!(nanos(Duration::MAX), u64::MAX);
    assert_eq!(nanos(Duration::from_nanos(7)), 7);
}
