use super::*;

#[test]
fn a_thread_goes_on_with_the_tally_of_one_that_is_gone() {
    let tallies = Tallies::default();
    let (first, second) = (tallies.open(), tallies.open());
    first.count_taken();
    second.count_taken();
    first.count_returned();
    tallies.close(&first);
    assert_eq!((tallies.taken(), tallies.returned()), (2, 1), "what it did stays counted");
    let next = tallies.open();
    assert!(Arc::ptr_eq(&next, &first) && !Arc::ptr_eq(&next, &second));
    next.count_taken();
    tallies.count_taken();
    assert_eq!(tallies.taken(), 4);
}
