//! What it costs a server to have each message on disk before it is acknowledged.

use std::{
    fmt::Write,
    thread,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use meltica_benches::spread;
use meltica_nats::{
    async_nats::{self, jetstream},
    testing::{Server, ServerOptions},
};

/// For how long publishes are counted.
const HELD: Duration = Duration::from_secs(1);

/// Who subscribes is heard of by the server a little later.
pub(crate) fn settle() {
    thread::sleep(Duration::from_millis(300));
}

pub(crate) fn table(rounds: usize) -> String {
    let mut text = "### What `sync_interval: always` costs: JetStream publishes of 200 bytes on file storage\n\n\
                    | on their way | usual sync, per second | always, per second |\n| ---: | ---: | ---: |\n"
        .to_owned();
    let servers = [
        Server::start(ServerOptions::default()).expect("a nats-server"),
        Server::start(ServerOptions::default().sync_always()).expect("a nats-server from 2.10 on"),
    ];
    for on_their_way in [1, 64] {
        let mut rates = [vec![], vec![]];
        for round in 0..rounds {
            for turn in 0..2 {
                let index = (round + turn) % 2;
                rates[index].push(rate(&servers[index].url(), on_their_way));
            }
        }
        let [usual, always] = rates.map(spread);
        writeln!(
            text,
            "| {on_their_way} | {:.0} [{:.0} to {:.0}] | {:.0} [{:.0} to {:.0}] |",
            usual.0, usual.1, usual.2, always.0, always.1, always.2
        )
        .expect("a String takes all");
    }
    text
}

/// Publishes acknowledged in a second.
fn rate(url: &str, on_their_way: usize) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let context = jetstream::new(async_nats::connect(url).await.expect("a server"));
        let plan = jetstream::stream::Config {
            name: "SYNC".to_owned(),
            subjects: vec!["sync".to_owned()],
            ..Default::default()
        };
        context.get_or_create_stream(plan).await.expect("a stream");
        let end = Instant::now() + HELD;
        let publish = |_| async {
            let payload = vec![7; 200].into();
            context.publish("sync", payload).await.expect("a connection").await.expect("stored");
        };
        let publishes = stream::iter(0..).take_while(|_| async { Instant::now() < end });
        let count = publishes.map(publish).buffer_unordered(on_their_way).count().await;
        count as f64 / HELD.as_secs_f64()
    })
}
