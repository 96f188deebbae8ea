//! What a recorder writes is read again, byte for byte, also when it was killed.

use std::{fs, path::Path, time::Duration};

use meltica_event::{Instrument, Timestamp};
use meltica_venue::{Entry, Happened, Recorder, Recording};
use proptest::prelude::*;

const START: i64 = 1_700_000_000_000_000_000;
const SECOND: Duration = Duration::from_secs(1);

fn at(nanos: i64) -> Timestamp {
    Timestamp::from_nanos(START + nanos)
}

/// An entry, without the file that it was in.
#[derive(Clone, Debug, PartialEq)]
struct Told(Option<Timestamp>, String, Vec<u8>);

impl Told {
    fn of(received: Option<Timestamp>, what: Happened<'_>) -> Self {
        let (kind, bytes) = match what {
            Happened::Opened(url) => ("opened".to_owned(), url.as_bytes()),
            Happened::Frame(bytes) => ("frame".to_owned(), bytes),
            Happened::Fetched(instrument, bytes) => (format!("fetched {instrument}"), bytes),
            Happened::Resync(instrument) => (format!("resync {instrument}"), &[][..]),
            Happened::Closed(reason) => ("closed".to_owned(), reason.as_bytes()),
        };
        Self(received, kind, bytes.to_vec())
    }
}

/// Everything in a file, and whether it is cut.
fn read(path: &Path) -> (Vec<Told>, bool) {
    let mut recording = Recording::open(path).expect("it can be read");
    let mut told = vec![];
    while let Some(Entry { received, what, .. }) = recording.next_entry().expect("it can be read") {
        told.push(Told::of(received, what));
    }
    (told, recording.is_cut())
}

fn instrument() -> Instrument {
    "BTC-USD".parse().expect("it is one")
}

#[test]
fn everything_that_happened_is_read_again_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("all.gz");
    let mut recorder = Recorder::open(&path, SECOND).unwrap();
    let happened = [
        Happened::Opened("wss://ws.kraken.com/v2"),
        Happened::Frame(b"{\"a\":1}"),
        Happened::Frame(b"{\n  \"a\": 1\n}\n"),
        Happened::Frame(b" {\"a\":1}\r"),
        Happened::Frame(b""),
        Happened::Frame(b"#frame 7"),
        Happened::Frame(b"pong"),
        Happened::Frame(b"\xff\xfe\x00"),
        Happened::Fetched(instrument(), b"{\"lastUpdateId\":1}\n\n"),
        Happened::Resync(instrument()),
        Happened::Closed("nothing came for 30 s"),
    ];
    let mut told = vec![];
    for (index, what) in happened.into_iter().enumerate() {
        recorder.write(at(index as i64), what).unwrap();
        told.push(Told::of(Some(at(index as i64)), what));
    }
    let stats = recorder.finish().unwrap();
    assert_eq!((stats.frames, stats.blocks, stats.cut), (8, 1, 0));
    assert_eq!(stats.written, fs::metadata(&path).unwrap().len());
    assert_eq!(read(&path), (told, false));
    let summary = Recording::check(&path).unwrap();
    assert_eq!((summary.frames, summary.connections, summary.cut), (8, 1, false));
    let mut recording = Recording::open(&path).unwrap();
    let mut lines = vec![];
    while let Some(frame) = recording.next_frame().unwrap() {
        lines.push(frame.line);
    }
    assert_eq!(lines, [2, 3, 8, 10, 12, 14, 15], "bodies are no frames");
}

#[test]
fn a_block_is_written_when_it_is_old_or_large_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("blocks.gz");
    let mut recorder = Recorder::open(&path, SECOND).unwrap();
    recorder.poll(at(0)).unwrap();
    recorder.write(at(0), Happened::Frame(b"1")).unwrap();
    recorder.write(at(999_999_999), Happened::Frame(b"2")).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), 0);
    recorder.poll(at(1_000_000_000)).unwrap();
    assert_eq!(read(&path).0.len(), 2);
    recorder.write(at(1_100_000_000), Happened::Frame(b"3")).unwrap();
    recorder.write(at(1_000_000_000), Happened::Frame(b"4")).unwrap();
    assert_eq!(read(&path).0.len(), 4, "the clock was set back");
    recorder.write(at(3_000_000_000), Happened::Frame(&vec![b'x'; 300 << 10])).unwrap();
    assert_eq!(recorder.stats().blocks, 3);
    recorder.write(at(3_000_000_001), Happened::Frame(b"5")).unwrap();
    drop(recorder);
    assert_eq!(read(&path).0.len(), 6, "what waits is written at the end");
}

/// Three blocks of two entries; where each block ends.
fn three_blocks(path: &Path) -> (Vec<Told>, Vec<usize>) {
    let mut recorder = Recorder::open(path, SECOND).expect("it can be written");
    let (mut told, mut ends) = (vec![], vec![0]);
    for block in 0..3i64 {
        for entry in 0..2i64 {
            let text = format!("{{\"block\":{block},\n\"entry\":{entry}}}");
            let what = match entry {
                0 => Happened::Opened("wss://ws.kraken.com/v2"),
                _ => Happened::Frame(text.as_bytes()),
            };
            recorder.write(at(block * 10 + entry), what).expect("it can be written");
            told.push(Told::of(Some(at(block * 10 + entry)), what));
        }
        recorder.flush().expect("it can be written");
        ends.push(fs::metadata(path).expect("it can be written").len() as usize);
    }
    (told, ends)
}

#[test]
fn a_file_that_is_cut_at_any_byte_keeps_its_whole_blocks_and_says_that_it_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("whole.gz");
    let (told, ends) = three_blocks(&path);
    let whole = fs::read(&path).unwrap();
    let cut = folder.path().join("cut.gz");
    for length in 0..=whole.len() {
        fs::write(&cut, &whole[..length]).unwrap();
        let blocks = ends.iter().filter(|end| **end <= length).count() - 1;
        let (read, is_cut) = read(&cut);
        assert!(read.len() >= 2 * blocks, "{length}: whole blocks are kept");
        assert_eq!(read, told[..read.len()], "{length}: nothing is made up");
        assert_eq!(is_cut, !ends.contains(&length), "{length}");
    }
}

#[test]
fn a_recorder_goes_on_where_another_was_killed_at_any_byte() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("whole.gz");
    let (told, ends) = three_blocks(&path);
    let whole = fs::read(&path).unwrap();
    let cut = folder.path().join("cut.gz");
    for length in 0..=whole.len() {
        fs::write(&cut, &whole[..length]).unwrap();
        let blocks = ends.iter().filter(|end| **end <= length).count() - 1;
        let mut recorder = Recorder::open(&cut, SECOND).unwrap();
        let more = Happened::Frame(b"{\"more\":1}");
        recorder.write(at(99), more).unwrap();
        let stats = recorder.finish().unwrap();
        assert_eq!(stats.cut, (length - ends[blocks]) as u64, "{length}");
        let mut expected = told[..2 * blocks].to_vec();
        expected.push(Told::of(Some(at(99)), more));
        assert_eq!(read(&cut), (expected, false), "{length}");
    }
}

#[test]
fn what_cannot_be_recorded_says_why_and_harms_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    fs::write(&path, "not a recording").unwrap();
    let error = |path: &Path| Recorder::open(path, SECOND).unwrap_err().to_string();
    assert!(
        error(&path)
            .ends_with("something else in this file than a compressed recording; choose another")
    );
    assert_eq!(fs::read(&path).unwrap(), b"not a recording");
    assert!(error(folder.path()).ends_with("this is no regular file; record into one"));
    assert!(error(&folder.path().join("no/such/folder")).contains("No such file"));
    let path = folder.path().join("large.gz");
    let mut recorder = Recorder::open(&path, SECOND).unwrap();
    let error = recorder.write(at(0), Happened::Frame(&vec![0; 16 << 20])).unwrap_err();
    assert!(
        error.to_string().ends_with(
            "16777216 bytes are more than a recording takes as one; the limit is 16 MiB"
        )
    );
    recorder.write(at(0), Happened::Closed("two\nlines")).unwrap();
    recorder.finish().unwrap();
    assert_eq!(read(&path).0, [Told::of(Some(at(0)), Happened::Closed("two lines"))]);
}

#[test]
fn marks_that_nobody_wrote_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("marks.txt");
    for (text, part) in [
        ("#what", "\"#what\" is no mark"),
        ("#resync btc", "is no mark"),
        ("#frame many", "is no mark"),
        ("#fetched BTC-USD", "is no mark"),
        ("#frame 7\nabc\n", "7 bytes and an end of line"),
        ("#frame 2\nabc\n", "2 bytes and an end of line"),
        ("#frame 99999999999\nabc\n", "longer than 16 MiB"),
    ] {
        fs::write(&path, format!("{START} {text}")).unwrap();
        let error = Recording::check(&path).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("line 1"), "{error}");
    }
}

#[test]
fn times_of_any_clock_before_a_tab_and_frames_without_a_time_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("imported.jsonl");
    fs::write(&path, "378111510795199\t{\"a\":1}\n{\"b\":2}\n-5\t{}\n").unwrap();
    let (told, _) = read(&path);
    let frame = |time: Option<i64>, text: &str| {
        Told::of(time.map(Timestamp::from_nanos), Happened::Frame(text.as_bytes()))
    };
    let expected = [
        frame(Some(378_111_510_795_199), "{\"a\":1}"),
        frame(None, "{\"b\":2}"),
        frame(None, "-5\t{}"),
    ];
    assert_eq!(told, expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_come_back_as_they_were(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..20),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("any.gz");
        let mut recorder = Recorder::open(&path, Duration::from_nanos(5)).unwrap();
        let mut told = vec![];
        for (index, frame) in frames.iter().enumerate() {
            let what = match index % 3 {
                0 => Happened::Fetched(instrument(), frame),
                _ => Happened::Frame(frame),
            };
            recorder.write(at(index as i64), what).unwrap();
            told.push(Told::of(Some(at(index as i64)), what));
        }
        recorder.finish().unwrap();
        prop_assert_eq!(read(&path), (told, false));
    }
}
