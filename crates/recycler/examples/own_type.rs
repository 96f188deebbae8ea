//! A pool of one's own type: frames of bytes that keep their buffers.

use std::time::{Duration, Instant};

use meltica_recycler::Recycler;

struct Frame {
    bytes: Vec<u8>,
    checked: bool,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let recycler = Recycler::new();
    let frames = recycler.pool(
        "frame",
        2,
        || Frame { bytes: Vec::with_capacity(1_500), checked: false },
        |frame| {
            frame.bytes.clear();
            frame.checked = false;
        },
    );

    let mut frame = frames.try_lease()?;
    frame.bytes.extend_from_slice(b"61837.63");
    frame.checked = true;

    // Several readers, on any threads; the last one to finish sends it home.
    let frame = frame.share();
    let reader = frame.clone();
    let length =
        std::thread::spawn(move || reader.bytes.len()).join().map_err(|_| "a reader panicked")?;
    println!("{length} bytes, checked: {}", frame.checked);

    // The second object is free, then none is: wait for one, or take from the heap.
    let _second = frames.try_lease()?;
    match frames.lease_until(Instant::now() + Duration::from_millis(10)) {
        Ok(_) => println!("a frame came home in time"),
        Err(empty) => println!("{empty}"),
    }
    println!("from the heap: {}", frames.lease_or_heap().is_heap());

    // An index for a queue that takes plain numbers only.
    drop(frame);
    let (pool, key) = frames.try_lease()?.into_ticket().map_err(|_| "a heap object")?.into_parts();
    let ticket = meltica_recycler::Ticket::from_parts(pool, key);
    drop(frames.redeem(ticket)?);
    if let Err(refused) = frames.redeem(ticket) {
        println!("{refused}");
    }
    println!("{:#?}", frames.stats());
    Ok(())
}
