//! Recordings are read plain and compressed, and their faults named with file, line and cause.

use std::{fs, io::Write, path::Path};

use flate2::{Compression, write::GzEncoder};
use meltica_event::Timestamp;
use meltica_venue::Recording;

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(vec![], Compression::default());
    encoder.write_all(text).expect("memory suffices");
    encoder.finish().expect("memory suffices")
}

fn error(path: &Path) -> String {
    let error = Recording::check(path).expect_err("it is faulty");
    error.to_string().replace(&path.display().to_string(), "FILE")
}

#[test]
fn frames_are_read_in_order_with_their_times_plain_or_compressed() {
    let text =
        b"1700000000000000017 {\"a\":1}\n\n   \n1700000000017 {}\n1700000000000000018   {\"b\":2}";
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [("plain", text.to_vec()), ("compressed.gz", gzip(text))] {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        assert_eq!(Recording::check(&path).unwrap().frames, 3);
        let mut recording = Recording::open(&path).unwrap();
        let mut frames = vec![];
        while let Some(frame) = recording.next_frame().unwrap() {
            frames.push((frame.line, frame.received, frame.bytes.to_vec()));
        }
        let at = |nanos: i64| Some(Timestamp::from_nanos(1_700_000_000_000_000_000 + nanos));
        assert_eq!(
            frames,
            [
                (1, at(17), b"{\"a\":1}".to_vec()),
                (4, None, b"1700000000017 {}".to_vec()),
                (5, at(18), b"{\"b\":2}".to_vec()),
            ]
        );
    }
}

#[test]
fn a_file_that_cannot_be_read_says_where_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    assert!(error(&path("missing")).starts_with("FILE: No such file"));
    fs::write(path("empty"), "").unwrap();
    fs::write(path("blank"), "\n \n").unwrap();
    assert!(error(&path("empty")).starts_with("FILE: there is no frame in it"));
    assert!(error(&path("blank")).starts_with("FILE, line 2: there is no frame in it"));
    let frames: String = (0..5_000).map(|n| format!("{n} {{\"n\":{}}}\n", n * 7919)).collect();
    let whole = gzip(frames.as_bytes());
    fs::write(path("truncated.gz"), &whole[..20]).unwrap();
    let message = error(&path("truncated.gz"));
    assert!(message.contains("ends before its first entry does"), "{message}");
    fs::write(path("truncated.gz"), &whole[..whole.len() - 9]).unwrap();
    let summary = Recording::check(&path("truncated.gz")).expect("what is there is read");
    assert!(summary.cut && (4_000..5_001).contains(&summary.frames), "{summary:?}");
    let mut broken = whole;
    broken[20..40].fill(0xff);
    fs::write(path("broken.gz"), broken).unwrap();
    assert!(error(&path("broken.gz")).starts_with("FILE, line 1: "));
    fs::write(path("long"), vec![b'x'; 17 << 20]).unwrap();
    assert!(error(&path("long")).contains("line 1: the line is longer than 16 MiB"));
    assert!(error(folder.path()).starts_with("FILE: this is no regular file"));
}
