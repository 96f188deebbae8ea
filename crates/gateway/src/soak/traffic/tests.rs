use meltica::{Pipeline, event::EventKind};

use super::*;

fn headers(seed: u64) -> Vec<Header> {
    let pipeline = Pipeline::builder().build().expect("its settings are the defaults");
    let mut traffic = Traffic::new(pipeline.pools(), seed);
    let headers = (0..20_000).map(|_| *traffic.next().header()).collect();
    assert_eq!((traffic.number(), traffic.by_stream().iter().sum()), (20_000, 20_000));
    headers
}

#[test]
fn each_streams_numbers_are_one_after_another_and_every_stream_has_some() {
    let mut last = [0; STREAMS];
    for (index, header) in headers(1).iter().enumerate() {
        let stream = stream(header).unwrap();
        last[stream] += 1;
        assert_eq!((header.sequence, header.trace.0), (last[stream], index as u64 + 1));
        let first = header.kind == EventKind::BookSnapshot;
        assert_eq!(first, header.kind.topic() == Topic::Book && header.sequence == 1);
    }
    assert!(last.iter().all(|last| *last > 0), "{last:?}");
}

#[test]
fn one_message_in_twenty_is_an_execution_report() {
    let reports = headers(1).iter().filter(|header| header.kind == EventKind::ExecReport).count();
    assert!((900..1_100).contains(&reports), "{reports}");
    assert_eq!(critical_streams().count(), (VENUES * INSTRUMENTS) as usize);
}

#[test]
fn equal_seeds_make_equal_traffic() {
    assert_eq!(headers(7), headers(7));
    assert_ne!(headers(7), headers(8));
}
