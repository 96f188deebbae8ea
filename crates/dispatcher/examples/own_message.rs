//! The dispatcher alone, with a message of one's own: readings of sensors by city.

use std::time::{Duration, Instant};

use meltica_dispatcher::{Class, Delivery, Dispatcher, Protocol, Route, Subscription};

struct Reading {
    city: &'static str,
    degrees: i32,
    alarm: bool,
}

/// The marker: it says what the dispatcher must know, so that `Reading` need not.
enum Weather {}

impl Protocol for Weather {
    type Message = Reading;
    type Key = &'static str;
    type Fault = String;

    fn key(reading: &Reading) -> &'static str {
        reading.city
    }

    fn class(reading: &Reading) -> Class {
        if reading.alarm { Class::Critical } else { Class::Conflatable }
    }

    fn duplicate(reading: &Reading, _: Class) -> Option<Reading> {
        Some(Reading { ..*reading })
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut dispatcher = Dispatcher::<Weather>::builder()
        .name("weather")
        .lane_capacity(8)
        .keep_current_state(true)
        .build()?;
    let routes = dispatcher.routes();
    let print = |reading: Delivery<Reading>| println!("{}: {}°", reading.city, reading.degrees);
    routes.subscribe(Subscription::new("printer", print).to(Route::All))?;
    routes.subscribe(
        Subscription::new("siren", |reading: Delivery<Reading>| {
            if reading.alarm { Err(format!("no siren in {}", reading.city)) } else { Ok(()) }
        })
        .to(Route::matching(|city: &&str| city.starts_with('B'))),
    )?;

    let now = Instant::now();
    dispatcher.publish(Reading { city: "Oslo", degrees: -3, alarm: false }, now)?;
    dispatcher.publish(Reading { city: "Bonn", degrees: 21, alarm: false }, now)?;
    let report =
        dispatcher.dispatch(Reading { city: "Bonn", degrees: 48, alarm: true }, now, None)?;
    for failure in report.failures() {
        println!("{failure}");
    }
    let late = |reading: Delivery<Reading>| println!("late, but informed: {}", reading.city);
    routes
        .subscribe(Subscription::new("late", late).to(Route::Key("Oslo")).with_current_state())?;
    dispatcher.poll(Instant::now());
    let end = dispatcher.shutdown(Duration::from_secs(1));
    println!("clean: {}", end.is_clean());
    Ok(())
}
