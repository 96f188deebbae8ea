//! `cargo run -p meltica-dispatcher --example pinned`: workers on cores of their own, with the publisher on another.

use std::time::{Duration, Instant};

use meltica_dispatcher::{Class, Delivery, Dispatcher, Protocol, Route, Subscription};

enum Ticks {}

impl Protocol for Ticks {
    type Message = u64;
    type Key = ();
    type Fault = String;

    fn key(_: &u64) {}

    fn class(_: &u64) -> Class {
        Class::Sequential
    }

    fn duplicate(message: &u64, _: Class) -> Option<u64> {
        Some(*message)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let Some((mine, others)) = cores.split_first() else {
        return Err("this system does not say which cores there are".into());
    };
    println!("publisher: core {}, pinned: {}", mine.id, core_affinity::set_for_current(*mine));
    let others = others.to_vec();
    let mut dispatcher = Dispatcher::<Ticks>::builder()
        .workers(others.len().max(1))
        .thread_start(move |name| {
            // `dispatcher-worker-1` gets the first of the others, and so on; who is hired because a handler keeps
            // its worker shares a core. The monitor goes where it likes.
            let worker = name.rsplit_once("-worker-").and_then(|(_, n)| n.parse::<usize>().ok());
            let core = worker.and_then(|n| others.get(n.checked_sub(1)? % others.len().max(1)));
            if let Some(core) = core {
                println!(
                    "{name}: core {}, pinned: {}",
                    core.id,
                    core_affinity::set_for_current(*core)
                );
            }
        })
        .build()?;
    for name in ["book", "strategy", "recorder"] {
        dispatcher
            .routes()
            .subscribe(Subscription::borrowing(name, |_: &Delivery<u64>| ()).to(Route::All))?;
    }
    dispatcher.publish_batch(0..100_000, Instant::now())?;
    let routes = dispatcher.routes();
    assert!(dispatcher.shutdown(Duration::from_secs(10)).is_clean());
    for lane in routes.stats().lanes {
        println!("{}: {} delivered, {} dropped", lane.consumer, lane.delivered, lane.dropped);
    }
    Ok(())
}
