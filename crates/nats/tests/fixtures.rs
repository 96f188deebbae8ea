//! The frames that fuzzing begins with: one of each kind, and all in order.

use std::fs;

use meltica_event::EventKind;
use meltica_nats::{Frame, frame_to_json, json_to_frame};

#[test]
fn there_is_a_frame_of_each_kind_and_each_is_in_order() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");
    for kind in EventKind::ALL {
        let bytes = fs::read(format!("{folder}/{kind}")).unwrap();
        let frame = Frame::parse(&bytes).unwrap();
        assert_eq!(frame.kind(), *kind);
        assert_eq!(json_to_frame(&frame_to_json(&frame)).unwrap(), bytes);
    }
}
