//! `--subscribe`: another pipeline's messages in place of venues'.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use meltica::{Message, Pipeline};
use meltica_nats::{Inbound, InboundConfig, Names, NatsPools, Receipt, Received, Settled, Stopped};

use super::{RemoteError, Traffic, connect, kept, own_name};
use crate::{
    audience::Audience,
    bridge,
    cli::RunArgs,
    clock::Clock,
    failures::Failures,
    http::Doors,
    interrupt::Interrupt,
    ledger::Ledger,
    metering,
    run::{DRAIN, FEED_CAPACITY, LANE_CAPACITY, RunError, counted, watch},
    say::say,
    summary::Summary,
    threads,
};

/// How long acknowledgements may take at the end.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Runs until the time is over or the user interrupts, and tells what came.
pub(crate) fn subscribe(args: &RunArgs, url: &str) -> Result<Summary, RunError> {
    let doors = Doors::open(args.listen, args.control)?;
    let interrupt = Interrupt::listen()?;
    meltica::consumer::install_panic_hook(Default::default());
    let baseline = threads::Baseline::now();
    let clock = Clock::start();

    let remote = &args.remote;
    let durable = match &remote.durable {
        Some(durable) => durable.clone(),
        None => own_name("--durable")?.to_string(),
    };
    let mut config = InboundConfig::new(connect(url, remote), &durable);
    config.positions = Some(kept(remote.positions.as_ref(), format!("{durable}.positions"))?);
    config.follow = remote.origin;

    let settled = Settled::new();
    let told = settled.clone();
    let names = Names::default();
    let builder = Pipeline::builder()
        .lane_capacity(LANE_CAPACITY)
        .follow_one_in(args.follow_one_in)
        .keep_current_state(true)
        .follows_upstream(true)
        .receipt_sink(move |receipt| told.settle(Receipt(receipt)));
    let (failures, builder) = Failures::heard(builder, args.dead_letters.as_deref(), &names)?;
    let (audience, builder) = Audience::of_venues(builder, clock);
    let running = builder.build()?.spawn(FEED_CAPACITY)?;

    let start = Instant::now();
    let came = Arc::new(Came::default());
    let (feed, notes) = (running.feed(), Arc::clone(&came));
    let sink = move |received: Received, receipt: Option<Receipt>| {
        let mut message = bridge::received(received);
        message.header_mut().ingest_mono_ns = clock.nanos();
        notes.events.fetch_add(1, Relaxed);
        match receipt {
            Some(Receipt(receipt)) => {
                let trace = message.header().trace.0;
                let is_report = matches!(message, Message::Execution(_));
                feed.push_for_receipt(message, receipt).map_err(|_| Stopped)?;
                if is_report {
                    notes.critical.lock().unwrap_or_else(PoisonError::into_inner).note(trace);
                }
                Ok(())
            }
            None => feed.push(message).map_err(|_| Stopped),
        }
    };
    let pools = pools(running.pools());
    let inbound = Inbound::start(config, names, pools, settled, None, sink);
    let inbound = inbound.map_err(RemoteError::from)?;
    let metrics = counted(running.metrics(), start);
    let metrics = metering::of_inbound(metrics, inbound.stats_handle());
    let servers = doors.serve(metrics, &running, &interrupt)?;
    say(format_args!("subscribed at {url} as {durable}"));
    let allocations = watch(&running, args, start, &interrupt);
    interrupt.set();
    inbound.stop();
    let elapsed = start.elapsed();
    let mut end = running.shutdown(DRAIN).ok_or(RunError::CoreGone)?;
    let stats = inbound.shutdown(LAST_WORDS);
    drop(servers);
    for name in &end.stuck {
        say(format_args!("{name} would not end and was left behind"));
    }
    let undelivered = failures.undelivered(&mut end, |name, left| audience.undelivered(name, left));
    let published = came.critical.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(Summary {
        critical: audience.critical(published, &end.stats),
        undelivered,
        dead_letters: failures.dead_letters(),
        threads_leaked: baseline.leaked(),
        heap_allocations_after_warmup: allocations,
        content_hash: audience.content(),
        latency_ns: audience.latency_ns().into(),
        nats: Some(Traffic::Received(stats).into()),
        ..Summary::of(&end, came.events.load(Relaxed), elapsed)
    })
}

/// What was handed to the pipeline.
#[derive(Default)]
struct Came {
    events: AtomicU64,
    critical: Mutex<Ledger>,
}

fn pools(pools: &meltica::Pools) -> NatsPools {
    NatsPools::new(
        pools.events.clone(),
        pools.books.clone(),
        pools.executions.clone(),
        pools.controls.clone(),
        pools.merged.clone(),
    )
}
