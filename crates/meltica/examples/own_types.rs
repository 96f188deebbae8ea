//! The same machinery for messages of one's own: the ground crates without the market's types.
//!
//! Here a plant's sensors: readings may be folded, alarms may not be lost. What the crates must know of a message is said by
//! a type that is nothing but a name.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use meltica::{
    consumer::{self, Inspect, Outcome},
    dispatcher::{Class, Delivery, Dispatcher, Protocol, Route, Subscription, Verdict},
    recycler::{Lease, Recycler},
};

/// What a sensor says.
#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    sensor: u32,
    millidegrees: i64,
    is_alarm: bool,
    version: u64,
}

/// A reading in a pooled object, and the pool's way to make another of it.
type Sample = Lease<Reading>;

/// How readings are distributed, and what a consumer's gate goes by.
enum Plant {}

impl Protocol for Plant {
    type Message = Sample;
    type Key = u32;
    type Fault = consumer::Fault;

    fn key(sample: &Sample) -> u32 {
        sample.sensor
    }

    fn class(sample: &Sample) -> Class {
        if sample.is_alarm { Class::Critical } else { Class::Conflatable }
    }

    fn duplicate(sample: &Sample, class: Class) -> Option<Sample> {
        // An alarm's duplicate is made whatever the pool holds.
        if class == Class::Critical {
            Some(sample.duplicate())
        } else {
            sample.try_duplicate().ok()
        }
    }

    fn stamp(sample: &mut Sample, version: u64) {
        sample.version = version;
    }
}

impl Inspect for Plant {
    type Message = Delivery<Sample>;

    fn version(delivery: &Delivery<Sample>) -> u64 {
        delivery.version
    }

    fn is_critical(delivery: &Delivery<Sample>) -> bool {
        delivery.is_alarm
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let recycler = Recycler::new();
    let pool =
        recycler.pool("reading", 1_024, Reading::default, |reading| *reading = Reading::default());

    let alarms = Arc::new(AtomicU64::new(0));
    let heard = Arc::clone(&alarms);
    let mut operator =
        consumer::Consumer::<Plant>::new("operator", move |delivery: &Delivery<Sample>| {
            if delivery.is_alarm {
                heard.fetch_add(1, Relaxed);
                println!("sensor {} is at {} m°C", delivery.sensor, delivery.millidegrees);
            }
        });

    let mut dispatcher = Dispatcher::<Plant>::builder().name("plant").lane_capacity(64).build()?;
    let routes = dispatcher.routes();
    routes.subscribe(
        Subscription::borrowing("operator", move |delivery: &Delivery<Sample>| {
            match operator.invoke_borrowed(delivery) {
                Outcome::Handled => Verdict::Handled,
                Outcome::Filtered(()) => Verdict::Filtered,
                Outcome::Failed { fault, .. } => Verdict::Failed { fault, message: None },
                Outcome::Refused(()) => Verdict::Refused(()),
            }
        })
        .to(Route::All),
    )?;

    for number in 0..10_000 {
        let mut sample = pool.lease_or_heap();
        let is_alarm = number % 1_000 == 999;
        *sample = Reading { sensor: number % 7, millidegrees: 20_000, is_alarm, version: 0 };
        dispatcher.publish(sample, Instant::now())?;
    }
    let end = dispatcher.shutdown(Duration::from_secs(5));
    assert!(end.is_clean());
    assert_eq!(alarms.load(Relaxed), 10, "not one was folded or dropped");
    assert!(recycler.leak_report().is_clean());
    Ok(())
}
