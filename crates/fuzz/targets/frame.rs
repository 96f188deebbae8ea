//! Whatever bytes come, they are no frame, or one that comes out again to the last byte: by way of JSON, and of an object
//! in a pool and numbers of a catalog.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use meltica_event::{Book, Control, Event, ExecReport, Merged};
use meltica_nats::{Decoder, Encoder, Frame, Names, NatsPools, frame_to_json, json_to_frame};
use meltica_recycler::Recycler;

static POOLS: LazyLock<NatsPools> = LazyLock::new(|| {
    let recycler = Recycler::new();
    NatsPools::new(
        recycler.pool("event", 1, Event::blank, |event| *event = Event::blank()),
        recycler.exact_pool("book", 1, || Book::with_capacity(8), Book::clear),
        recycler.pool("execution", 1, ExecReport::blank, |_| ()),
        recycler.pool("control", 1, Control::blank, |_| ()),
        recycler.pool("merged", 1, Merged::blank, |_| ()),
    )
});

fuzz_target!(|bytes: &[u8]| {
    let Ok(frame) = Frame::parse(bytes) else { return };
    let text = frame_to_json(&frame);
    let again = json_to_frame(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(again, bytes, "{text}");

    let names = Names::default();
    let (envelope, received) =
        Decoder::new(names.clone(), POOLS.clone()).decode(bytes).expect("a frame is in order");
    let mut again = vec![];
    Encoder::new(names)
        .encode(received.view(), &envelope, &mut again)
        .expect("what came has names here");
    assert_eq!(again, bytes, "{text}");
});
