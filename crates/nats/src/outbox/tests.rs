use std::os::unix::fs::FileExt;

use proptest::prelude::*;

use super::*;

fn open(path: &Path) -> Result<Outbox, OutboxError> {
    Outbox::open(path, Durability::Process, 1 << 30)
}

fn unsent(outbox: &Outbox) -> Vec<(u64, Vec<u8>)> {
    let mut at = outbox.first_unsent();
    let mut found = vec![];
    while let Some(record) = outbox.message_at(at).unwrap() {
        assert_eq!((&*record.subject, &*record.id), ("subject", "id"));
        found.push((record.number, record.frame));
        at = record.next;
    }
    found
}

fn acknowledge(outbox: &mut Outbox, count: usize) {
    for _ in 0..count {
        let record = outbox.message_at(outbox.first_unsent()).unwrap().unwrap();
        outbox.acknowledge(record.number, record.next).unwrap();
    }
}

#[test]
fn what_was_written_is_there_after_any_end_and_numbers_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox");
    let mut outbox = open(&path).unwrap();
    let chain = outbox.chain();
    for byte in 0..5 {
        outbox.append("subject", "id", &[byte]).unwrap();
    }
    acknowledge(&mut outbox, 2);
    drop(outbox);
    let mut outbox = open(&path).unwrap();
    assert_eq!(outbox.chain(), chain);
    assert_eq!(unsent(&outbox), [(3, vec![2]), (4, vec![3]), (5, vec![4])]);
    assert_eq!((outbox.next_number(), outbox.waiting()), (6, 3));
    acknowledge(&mut outbox, 3);
    drop(outbox);
    let outbox = open(&path).unwrap();
    assert_eq!((outbox.next_number(), outbox.waiting()), (6, 0), "a number is never given twice");
}

#[test]
fn an_append_that_was_cut_off_anywhere_was_never_taken_and_costs_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox");
    let mut outbox = open(&path).unwrap();
    outbox.append("subject", "id", b"first").unwrap();
    let whole = outbox.size();
    outbox.append("subject", "id", b"second").unwrap();
    let end = outbox.size();
    drop(outbox);
    let bytes = fs::read(&path).unwrap();
    for cut in whole..end {
        fs::write(&path, &bytes[..cut as usize]).unwrap();
        let mut outbox = open(&path).unwrap();
        assert_eq!(unsent(&outbox), [(1, b"first".to_vec())], "cut at {cut}");
        outbox.append("subject", "id", b"again").unwrap();
        assert_eq!(unsent(&outbox)[1], (2, b"again".to_vec()));
    }
}

/// What a file would be after a crash of the machine: what it is now, up to here, and of another boot.
fn crash(from: &Path, to: &Path, length: u64) {
    let mut bytes = fs::read(from).unwrap();
    bytes.truncate(length as usize);
    bytes[28] ^= 1;
    fs::write(to, bytes).unwrap();
}

#[test]
fn no_number_is_given_twice_where_the_end_of_the_file_is_lost_with_the_machine() {
    let folder = tempfile::tempdir().unwrap();
    let (path, after) = (folder.path().join("outbox"), folder.path().join("after"));
    let mut outbox = open(&path).unwrap();
    let chain = outbox.chain();
    let mut ends = vec![];
    for byte in 0..5 {
        outbox.append("subject", "id", &[byte]).unwrap();
        ends.push(outbox.size());
    }
    acknowledge(&mut outbox, 5);
    // Also where the last record that is left is not whole, and also where nothing says that it was another boot.
    for (length, is_other_boot) in [(ends[2], true), (ends[2] + 9, true), (ends[2], false)] {
        crash(&path, &after, length);
        if !is_other_boot {
            let bytes = fs::read(&path).unwrap();
            fs::write(&after, &bytes[..length as usize]).unwrap();
        }
        let mut outbox = open(&after).unwrap();
        let new = outbox.chain();
        assert!(new > chain, "cut at {length}");
        assert_eq!((outbox.next_number(), outbox.waiting()), (1, 0));
        outbox.append("subject", "id", b"new").unwrap();
        drop(outbox);
        let mut outbox = open(&after).unwrap();
        assert_eq!((outbox.chain(), outbox.next_number()), (new, 2), "it goes on with the chain");
        assert_eq!(unsent(&outbox), [(4, b"new".to_vec())]);
        acknowledge(&mut outbox, 1);
        assert_eq!(outbox.waiting(), 0);
    }
}

#[test]
fn after_another_boot_what_waits_stays_and_what_comes_is_of_a_new_chain() {
    if boot() == 0 {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (path, after) = (folder.path().join("outbox"), folder.path().join("after"));
    let mut outbox = open(&path).unwrap();
    let chain = outbox.chain();
    for byte in 0..5 {
        outbox.append("subject", "id", &[byte]).unwrap();
    }
    acknowledge(&mut outbox, 2);
    fs::copy(&path, &after).unwrap();
    assert_eq!(open(&after).unwrap().chain(), chain, "the end of a process takes nothing");
    crash(&path, &after, outbox.size());
    let mut crashed = open(&after).unwrap();
    let new = crashed.chain();
    assert!(new > chain);
    assert_eq!((crashed.next_number(), crashed.waiting()), (1, 3));
    let frame = vec![7; GIVE_BACK as usize];
    crashed.append("subject", "id", &frame).unwrap();
    crashed.append("subject", "id", &[8]).unwrap();
    let waits = [(3, vec![2]), (4, vec![3]), (5, vec![4]), (6, frame), (7, vec![8])];
    assert_eq!(unsent(&crashed), waits);
    acknowledge(&mut crashed, 4);
    assert!(crashed.size() < GIVE_BACK);
    drop(crashed);
    let crashed = open(&after).unwrap();
    assert_eq!((crashed.chain(), crashed.next_number(), crashed.waiting()), (new, 3, 1));
    drop(outbox);
    let bytes = fs::read(&path).unwrap();
    assert_eq!(bytes[28..32], [0; 4], "all is on disk, which any boot may go on from");
}

#[test]
fn a_wrong_length_cuts_off_nothing_that_waits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox");
    let mut outbox = open(&path).unwrap();
    let mut ends = vec![HEADER];
    for byte in 0..3 {
        outbox.append("subject", "id", &[byte]).unwrap();
        ends.push(outbox.size());
    }
    acknowledge(&mut outbox, 2);
    drop(outbox);
    let bytes = fs::read(&path).unwrap();
    for record in 0..2 {
        let mut bytes = bytes.clone();
        bytes[ends[record] as usize + 1] = 0xff;
        fs::write(&path, &bytes).unwrap();
        match open(&path).unwrap_err() {
            OutboxError::Damaged { at, .. } => assert_eq!(at, ends[record]),
            other => panic!("{other}"),
        }
        assert_eq!(fs::read(&path).unwrap(), bytes, "it is left as it is");
    }
}

#[test]
fn what_an_append_leaves_that_fails_half_way_is_not_behind_a_shorter_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox");
    let mut outbox = open(&path).unwrap();
    outbox.append("subject", "id", b"first").unwrap();
    let end = outbox.size();
    // As a disk that is full in the middle of it, and lets nothing be cut off either.
    let read_only = File::open(&path).unwrap();
    let file = std::mem::replace(&mut outbox.file, read_only);
    file.write_all_at(&[7; 500], end).unwrap();
    outbox.append("subject", "id", &[7; 1000]).unwrap_err();
    assert_eq!(outbox.waiting(), 1);
    outbox.file = file;
    outbox.append("subject", "id", b"second").unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), outbox.size());
    drop(outbox);
    let outbox = open(&path).unwrap();
    assert_eq!(unsent(&outbox), [(1, b"first".to_vec()), (2, b"second".to_vec())]);
}

#[test]
fn zeros_up_to_the_end_are_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox");
    let mut outbox = open(&path).unwrap();
    outbox.append("subject", "id", b"first").unwrap();
    let whole = outbox.size() as usize;
    outbox.append("subject", "id", b"second").unwrap();
    drop(outbox);
    let bytes = fs::read(&path).unwrap();
    for kept in whole..bytes.len() {
        let mut bytes = bytes[..kept].to_vec();
        bytes.resize(kept + 3 * PIECE / 2, 0);
        fs::write(&path, &bytes).unwrap();
        assert_eq!(unsent(&open(&path).unwrap()), [(1, b"first".to_vec())], "kept {kept}");
        assert_eq!(fs::metadata(&path).unwrap().len(), whole as u64);
        bytes.push(1);
        fs::write(&path, &bytes).unwrap();
        assert!(matches!(open(&path), Err(OutboxError::Damaged { .. })), "kept {kept}");
    }
}

#[test]
fn a_header_that_was_not_written_to_its_end_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox");
    drop(open(&path).unwrap());
    let header = fs::read(&path).unwrap();
    for length in 1..HEADER as usize {
        for bytes in [&header[..length], &[0; HEADER as usize][..length]] {
            fs::write(&path, bytes).unwrap();
            let mut outbox = open(&path).unwrap();
            outbox.append("subject", "id", b"first").unwrap();
            drop(outbox);
            assert_eq!(unsent(&open(&path).unwrap()), [(1, b"first".to_vec())]);
        }
        let other = vec![b'x'; length];
        fs::write(&path, &other).unwrap();
        assert!(matches!(open(&path), Err(OutboxError::NotAnOutbox(_))));
        assert_eq!(fs::read(&path).unwrap(), other, "it is left as it is");
    }
}

#[test]
fn damage_in_the_middle_is_told_and_nothing_is_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox");
    let mut outbox = open(&path).unwrap();
    let first = outbox.size();
    outbox.append("subject", "id", b"first").unwrap();
    let second = outbox.size();
    outbox.append("subject", "id", b"second").unwrap();
    let left = outbox.size() - second;
    drop(outbox);
    let file = File::options().write(true).open(&path).unwrap();
    file.write_all_at(b"X", second - 1).unwrap();
    match open(&path).unwrap_err() {
        OutboxError::Damaged { at, left: found, .. } => assert_eq!((at, found), (first, left)),
        other => panic!("{other}"),
    }
}

#[test]
fn another_process_other_files_and_a_full_one_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox");
    let held = open(&path).unwrap();
    assert!(matches!(open(&path), Err(OutboxError::InUse(_))));
    drop(held);
    let other = folder.path().join("other");
    fs::write(&other, [7; 100]).unwrap();
    assert!(matches!(open(&other), Err(OutboxError::NotAnOutbox(_))));
    assert_eq!(fs::read(&other).unwrap(), [7; 100], "it is left as it is");
    let small = folder.path().join("small");
    let mut small = Outbox::open(&small, Durability::Machine, 200).unwrap();
    small.append("subject", "id", &[1; 50]).unwrap();
    assert!(matches!(small.append("subject", "id", &[2; 50]), Err(OutboxError::Full { .. })));
    assert_eq!(unsent(&small), [(1, vec![1; 50])]);
    acknowledge(&mut small, 1);
}

#[test]
fn acknowledged_space_is_given_back_and_what_waits_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox");
    let mut outbox = open(&path).unwrap();
    let chain = outbox.chain();
    let mut most = 0;
    for round in 0..200_u64 {
        for _ in 0..3 {
            outbox.append("subject", "id", &[round as u8; 50_000]).unwrap();
        }
        acknowledge(&mut outbox, 3 - usize::from(round == 0));
        most = most.max(outbox.size());
    }
    assert!(most < 3 * GIVE_BACK, "it grew to {most}");
    assert_eq!(outbox.waiting(), 1);
    drop(outbox);
    let outbox = open(&path).unwrap();
    assert_eq!((outbox.chain(), outbox.next_number()), (chain, 601));
    assert_eq!(unsent(&outbox), [(600, vec![199; 50_000])]);
}

#[test]
fn it_is_full_of_what_waits_and_not_of_what_is_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox");
    let limit = 3 * GIVE_BACK;
    let mut outbox = Outbox::open(&path, Durability::Process, limit).unwrap();
    let (piece, mut waits) = (300_000, vec![]);
    let fill = |outbox: &mut Outbox, waits: &mut Vec<(u64, Vec<u8>)>| loop {
        let frame = vec![waits.len() as u8; piece];
        let number = outbox.next_number();
        match outbox.append("subject", "id", &frame) {
            Ok(()) => waits.push((number, frame)),
            Err(error) => return error,
        }
    };
    fill(&mut outbox, &mut waits);
    // Less than what waits, so that it is not given back at once.
    let done = GIVE_BACK as usize / piece + 1;
    acknowledge(&mut outbox, done);
    let before = outbox.size();
    waits.drain(..done);
    match fill(&mut outbox, &mut waits) {
        OutboxError::Full { waiting, limit: most, .. } => {
            assert_eq!((waiting, most), (outbox.end - outbox.unsent, limit));
            assert!(waiting + HEADER + piece as u64 + 100 > limit, "only {waiting} bytes wait");
        }
        other => panic!("{other}"),
    }
    assert!(before <= limit && outbox.size() <= limit);
    assert_eq!(unsent(&outbox), waits);
    acknowledge(&mut outbox, 1);
    let full = fill(&mut outbox, &mut waits).to_string();
    let waiting = outbox.end - outbox.unsent;
    assert!(full.contains(&format!("{waiting} bytes wait")), "less is not worth a copy: {full}");
    drop(outbox);
    waits.remove(0);
    assert_eq!(unsent(&open(&path).unwrap()), waits);
}

/// What is not acknowledged may be a gigabyte.
#[test]
fn what_waits_is_copied_in_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox");
    let mut outbox = open(&path).unwrap();
    for byte in 0..9 {
        outbox.append("subject", "id", &[byte; PIECE / 2 + 77]).unwrap();
    }
    acknowledge(&mut outbox, 1);
    let waits = unsent(&outbox);
    outbox.shrink().unwrap();
    assert_eq!(unsent(&outbox), waits);
    assert_eq!(fs::metadata(&path).unwrap().len(), outbox.size());
}

#[test]
fn space_that_cannot_be_given_back_holds_up_no_message() {
    let folder = tempfile::tempdir().unwrap();
    let (path, beside) = (folder.path().join("outbox"), folder.path().join("outbox.new"));
    let mut outbox = open(&path).unwrap();
    let mut send = |bytes: usize| {
        outbox.append("subject", "id", &vec![1; bytes]).unwrap();
        acknowledge(&mut outbox, 1);
        outbox.size()
    };
    // Nothing can be renamed to what is a folder.
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let grown = send(GIVE_BACK as usize);
    assert!(grown > GIVE_BACK);
    assert!(!beside.exists(), "it would take space itself");
    fs::remove_dir(&path).unwrap();
    assert!(send(100) > grown, "it is not tried again with every message");
    assert_eq!(send(GIVE_BACK as usize), HEADER);
    drop(outbox);
    let outbox = open(&path).unwrap();
    assert_eq!((outbox.next_number(), outbox.waiting()), (4, 0));
}

#[test]
fn a_file_whose_name_may_be_lost_with_the_machine_takes_no_message_before_it_is_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("outbox");
    let mut outbox = Outbox::open(&path, Durability::Machine, 1 << 30).unwrap();
    // As after a rename whose folder could not be synced.
    outbox.folder_behind = true;
    outbox.path = folder.path().join("absent/outbox");
    outbox.append("subject", "id", b"first").unwrap_err();
    assert_eq!(outbox.waiting(), 0);
    outbox.path = path;
    outbox.append("subject", "id", b"first").unwrap();
    assert_eq!(unsent(&outbox), [(1, b"first".to_vec())]);
}

proptest! {
    /// Beside a plain list: whatever is written, acknowledged and opened again in whatever order.
    #[test]
    fn it_is_a_queue_that_outlives_its_process(
        steps in prop::collection::vec((0..4_u8, prop::collection::vec(any::<u8>(), 0..300)), 1..80),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox");
        let mut outbox = open(&path).unwrap();
        let (mut waiting, mut written) = (vec![], 0);
        for (what, frame) in steps {
            match what {
                0 | 1 => {
                    outbox.append("subject", "id", &frame).unwrap();
                    written += 1;
                    waiting.push((written, frame));
                }
                2 if !waiting.is_empty() => {
                    acknowledge(&mut outbox, 1);
                    waiting.remove(0);
                }
                _ => {
                    drop(outbox);
                    outbox = open(&path).unwrap();
                }
            }
            prop_assert_eq!(&unsent(&outbox), &waiting);
            prop_assert_eq!(outbox.next_number(), written + 1);
        }
    }
}
