use std::fs;

use super::*;

/// All up to this number are settled.
fn done(origin: &str, chain: u64, number: u64) -> (ChainId, Noted) {
    (id(origin, chain), Noted::Done(number))
}

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
    known.sort_by_key(|(id, _)| *id);
    assert_eq!(known, [done("a", 1, 6), done("b-2", 1, 7)]);
    positions.note(id("a", 2), 1).unwrap();
    drop(positions);
    let mut bytes = fs::read(&path).unwrap();
    bytes[2 * ENTRY + 41] ^= 1;
    bytes.truncate(bytes.len() - 20);
    fs::write(&path, &bytes).unwrap();
    let (mut positions, known) = Positions::open(&path).unwrap();
    assert_eq!(known, [done("a", 1, 6)]);
    positions.note(id("c", 3), 9).unwrap();
    drop(positions);
    let known = Positions::open(&path).unwrap().1;
    assert_eq!(known, [done("a", 1, 6), done("c", 3, 9)]);
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
            assert_eq!(Positions::open(&path).unwrap().1, [done("a", 1, 5)]);
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
    assert_eq!(Positions::open(&path).unwrap().1, [done("b", 1, 7), done("a", 1, 6)]);
}

#[test]
fn what_was_given_up_is_there_again_until_it_has_come() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("positions");
    let (mut positions, _) = Positions::open(&path).unwrap();
    let gap = |start: u64, end: u64| (id("a", 1), Noted::Gap(start..end));
    positions.note_gaps(id("a", 1), [5..9, 20..21].iter()).unwrap();
    positions.note(id("a", 1), 30).unwrap();
    positions.note_gaps(id("b", 1), std::iter::once(&(1..2))).unwrap();
    drop(positions);
    let (mut positions, known) = Positions::open(&path).unwrap();
    let other = (id("b", 1), Noted::Gap(1..2));
    assert_eq!(known, [done("a", 1, 30), other.clone(), gap(5, 9), gap(20, 21)]);
    // 6 has come, and what is not needed any more gives its place to what is.
    let size = fs::metadata(&path).unwrap().len();
    positions.note_gaps(id("a", 1), [5..6, 7..9, 20..21].iter()).unwrap();
    positions.note_gaps(id("a", 1), [5..6, 7..9].iter()).unwrap();
    positions.note_gaps(id("a", 1), std::iter::once(&(7..9))).unwrap();
    drop(positions);
    assert_eq!(fs::metadata(&path).unwrap().len(), size + 2 * ENTRY as u64);
    let (mut positions, known) = Positions::open(&path).unwrap();
    assert_eq!(known, [done("a", 1, 30), other, gap(7, 9)]);
    for origin in ["c", "d", "e", "f"] {
        positions.note(id(origin, 1), 1).unwrap();
    }
    assert_eq!(fs::metadata(&path).unwrap().len(), size + 3 * ENTRY as u64, "it is used again");
    drop(positions);
    assert_eq!(Positions::open(&path).unwrap().1.len(), 7);
}
