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
