//! Whatever bytes come, they are no frame, or one that JSON has back to the last byte.

#![no_main]

use libfuzzer_sys::fuzz_target;
use meltica_nats::{Frame, frame_to_json, json_to_frame};

fuzz_target!(|bytes: &[u8]| {
    let Ok(frame) = Frame::parse(bytes) else { return };
    let text = frame_to_json(&frame);
    let again = json_to_frame(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(again, bytes, "{text}");
});
