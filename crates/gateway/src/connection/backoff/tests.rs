use super::*;

#[test]
fn it_doubles_to_its_limit_with_jitter_and_begins_anew_when_reset() {
    let (first, most) = (Duration::from_millis(100), Duration::from_secs(1));
    let mut backoff = Backoff::new(first, most);
    for due in [100, 200, 400, 800, 1_000, 1_000] {
        let due = Duration::from_millis(due);
        let pause = backoff.next();
        assert!((due / 2..=due).contains(&pause), "{pause:?} of {due:?}");
    }
    backoff.reset();
    assert!(backoff.next() <= first);
    for _ in 0..100 {
        assert!(backoff.next() <= most, "it does not overflow");
    }
    let mut firsts: Vec<_> = (0..20).map(|_| Backoff::new(first, most).next()).collect();
    firsts.dedup();
    assert!(firsts.len() > 1, "there is jitter");
}
