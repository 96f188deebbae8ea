use std::fs;

use super::*;

fn id(origin: &str, chain: u64) -> ChainId {
    ChainId { origin: origin.parse().unwrap(), chain }
}

#[test]
fn what_was_noted_is_there_again_and_what_was_cut_off_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("positions");
    let (mut positions, known) = Positions::open(&path).unwrap();
    assert!(known.is_empty());
    positions.note(id("a", 1), 5).unwrap();
    positions.note(id("b-2", 1), 7).unwrap();
    positions.note(id("a", 1), 6).unwrap();
    assert!(matches!(Positions::open(&path), Err(PositionsError::InUse(_))));
    drop(positions);
    let (mut positions, mut known) = Positions::open(&path).unwrap();
    known.sort_unstable();
    assert_eq!(known, [(id("a", 1), 6), (id("b-2", 1), 7)]);
    positions.note(id("a", 2), 1).unwrap();
    drop(positions);
    let mut bytes = fs::read(&path).unwrap();
    bytes[2 * ENTRY + 41] ^= 1;
    bytes.truncate(bytes.len() - 20);
    fs::write(&path, &bytes).unwrap();
    let (mut positions, known) = Positions::open(&path).unwrap();
    assert_eq!(known, [(id("a", 1), 6)]);
    positions.note(id("c", 3), 9).unwrap();
    drop(positions);
    let known = Positions::open(&path).unwrap().1;
    assert_eq!(known, [(id("a", 1), 6), (id("c", 3), 9)]);
    fs::write(&path, "something else, and long enough to be read as a header of sixty-four")
        .unwrap();
    assert!(matches!(Positions::open(&path), Err(PositionsError::NotPositions(_))));
}

#[test]
fn a_header_that_was_not_written_to_its_end_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("positions");
    drop(Positions::open(&path).unwrap());
    let header = fs::read(&path).unwrap();
    for length in 1..ENTRY {
        for bytes in [&header[..length], &[0; ENTRY][..length]] {
            fs::write(&path, bytes).unwrap();
            Positions::open(&path).unwrap().0.note(id("a", 1), 5).unwrap();
            assert_eq!(Positions::open(&path).unwrap().1, [(id("a", 1), 5)]);
        }
        fs::write(&path, vec![b'x'; length]).unwrap();
        assert!(matches!(Positions::open(&path), Err(PositionsError::NotPositions(_))));
    }
}

#[test]
fn a_place_that_could_not_be_written_is_nobodys() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("positions");
    let mut positions = Positions::open(&path).unwrap().0;
    let read_only = File::open(&path).unwrap();
    let file = std::mem::replace(&mut positions.file, read_only);
    positions.note(id("a", 1), 5).unwrap_err();
    positions.file = file;
    positions.note(id("b", 1), 7).unwrap();
    positions.note(id("a", 1), 6).unwrap();
    drop(positions);
    assert_eq!(Positions::open(&path).unwrap().1, [(id("b", 1), 7), (id("a", 1), 6)]);
}
