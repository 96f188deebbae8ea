use super::*;

fn from(origin: &str, incarnation: u64) -> Envelope {
    Envelope { origin: origin.parse().unwrap(), incarnation, chain: 0, number: 1 }
}

#[test]
fn they_are_the_senders_until_it_starts_again_and_grow_all_the_same() {
    let mut versions = Versions::new(None);
    assert_eq!(versions.here(&from("a", 10), 6), 6);
    assert_eq!(versions.here(&from("a", 10), 5), 5, "what is stale stays so");
    assert_eq!(versions.here(&from("b", 99), 77), 0, "another's mean nothing");
    assert_eq!(versions.here(&from("a", 20), 1), 7, "it started again, and that is a flip");
    assert_eq!(versions.here(&from("a", 20), 2), 8);
    assert_eq!(versions.here(&from("a", 10), 6), 0, "from before its start");
    assert_eq!(versions.here(&from("a", 20), 0), 0);
    assert_eq!(versions.here(&from("a", 20), u64::MAX), 0, "none would be higher ever after");
    assert_eq!(versions.here(&from("a", 20), 3), 9);
    versions.go_back(&from("a", 15));
    assert_eq!(versions.here(&from("a", 15), 1), 10, "its clock went back, and that is a flip");
    assert_eq!(versions.here(&from("a", 20), 4), 0, "which is over now");
    assert_eq!(versions.here(&from("a", 15), 2), 11);
    assert_eq!(versions.here(&from("a", 21), 1), 12);
    let mut named = Versions::new(Some("b".parse().unwrap()));
    assert_eq!((named.here(&from("a", 1), 3), named.here(&from("b", 1), 4)), (0, 4));
}
