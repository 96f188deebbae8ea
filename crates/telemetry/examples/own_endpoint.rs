//! What stages count, in the Prometheus text format, without the facade: for a server of one's own to answer with.

use meltica_dispatcher::{Class, Delivery, Dispatcher, Protocol, Route, Subscription};
use meltica_recycler::{Lease, Recycler};
use meltica_telemetry::{Metrics, families};

/// Pooled texts, all for everybody.
enum Texts {}

impl Protocol for Texts {
    type Message = Lease<String>;
    type Key = ();
    type Fault = std::convert::Infallible;

    fn key(_: &Lease<String>) {}

    fn class(_: &Lease<String>) -> Class {
        Class::Sequential
    }

    fn duplicate(text: &Lease<String>, _: Class) -> Option<Lease<String>> {
        text.try_duplicate().ok()
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let recycler = Recycler::new();
    let pool = recycler.pool("text", 64, || String::with_capacity(64), String::clear);
    let mut dispatcher = Dispatcher::<Texts>::builder().build()?;
    let routes = dispatcher.routes();
    routes.subscribe(Subscription::borrowing("reader", |_: &Delivery<_>| ()).to(Route::All))?;

    // Made once; rendered whenever somebody asks, from any thread.
    let metrics = Metrics::new().recycler(recycler).dispatcher(routes).number(
        &families::PROCESS_BUILD_INFO,
        ["1.2.3"],
        || 1,
    );

    for number in 0..10 {
        let mut text = pool.try_lease()?;
        text.push_str("message ");
        text.push_str(&number.to_string());
        dispatcher.publish(text, std::time::Instant::now())?;
    }
    assert!(dispatcher.shutdown(std::time::Duration::from_secs(5)).is_clean());
    let text = metrics.render();
    for line in text.lines().filter(|line| line.contains("lane_") || line.contains("leases_total"))
    {
        println!("{line}");
    }
    assert!(text.contains("dispatcher_lane_delivered_total{consumer_id=\"reader\"} 10\n"));
    Ok(())
}
