use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn flips_are_even_and_all_of_them_come() {
    let length = Length::Events { events: 10, flips: Some(4), duration: None };
    let due: Vec<_> = (0..=10).map(|number| length.flips_due(number)).collect();
    assert_eq!(due, [0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 4]);
    let most = Length::Events { events: u64::MAX, flips: Some(u64::MAX), duration: None };
    assert_eq!(most.flips_due(u64::MAX), u64::MAX);
    assert_eq!(Length::Time(SECOND).flips_due(1_000), 10);
    let by_default = Length::Events { events: 5_000, flips: None, duration: None };
    assert_eq!(by_default.flips_due(5_000), 50);
    let none = Length::Events { events: 5_000, flips: Some(0), duration: None };
    assert_eq!(none.flips_due(5_000), 0);
}

#[test]
fn it_is_over_with_the_events_or_the_time_whichever_is_first() {
    let both = Length::Events { events: 10, flips: None, duration: Some(10 * SECOND) };
    assert!(!both.is_over(9, 9 * SECOND));
    assert!(both.is_over(10, SECOND) && both.is_over(1, 10 * SECOND));
    assert_eq!((both.over(5, SECOND), both.over(1, 7 * SECOND)), (0.5, 0.7));
    assert_eq!(Length::Time(4 * SECOND).over(u64::MAX, SECOND), 0.25);
    assert_eq!(Length::Time(SECOND).over(0, 4 * SECOND), 1.0);
}
