//! What each stage counts, under its names.

use meltica_dispatcher::{LaneStats, LaneTimings, Timings};

use crate::{Family, Value, family::families::*, scrape::Scrape};

pub(crate) fn recycler(scrape: &mut Scrape, recycler: &meltica_recycler::Recycler) {
    for pool in recycler.stats() {
        let numbers: [(&'static Family, u64); 15] = [
            (&RECYCLER_EVENTS, pool.returned),
            (&RECYCLER_LEASES, pool.leases),
            (&RECYCLER_HEAP_FALLBACKS, pool.heap_fallbacks),
            (&RECYCLER_EXHAUSTED, pool.exhausted),
            (&RECYCLER_LEASE_TIMEOUTS, pool.timed_out),
            (&RECYCLER_DOUBLE_PUTS, pool.double_puts),
            (&RECYCLER_USES_AFTER_PUT, pool.uses_after_put),
            (&RECYCLER_STRAY_WRITES, pool.stray_writes),
            (&RECYCLER_RETIRED, pool.retired),
            (&RECYCLER_POOL_CAPACITY, pool.capacity as u64),
            (&RECYCLER_POOL_OBJECTS, pool.objects as u64),
            (&RECYCLER_POOL_LEASED, pool.leased as u64),
            (&RECYCLER_POOL_LEASED_PEAK, pool.peak as u64),
            (&RECYCLER_POOL_WAITING, pool.waiting as u64),
            (&RECYCLER_POOL_HEAP_LEASED, pool.heap_leased),
        ];
        add_all(scrape, &[&pool.pool], &numbers);
    }
    for (pool, recycle_ns) in recycler.recycle_ns() {
        scrape.add(&RECYCLER_RECYCLE_DURATION, &[&pool], recycle_ns.into());
    }
    scrape.add(&RECYCLER_DEBUG_MODE, &[], u64::from(recycler.is_debug_mode()).into());
}

pub(crate) fn consumer(scrape: &mut Scrape, id: &str, stats: &meltica_consumer::Stats) {
    let failures = match stats.last_failed {
        Some(trace) => Value::Traced { number: stats.failed, trace },
        None => stats.failed.into(),
    };
    scrape.add(&CONSUMER_FAILURES, &[id], failures);
    let numbers: [(&'static Family, u64); 5] = [
        (&CONSUMER_INVOCATIONS, stats.invoked),
        (&CONSUMER_PANICS, stats.panicked),
        (&CONSUMER_FILTERED_EVENTS, stats.filtered),
        (&CONSUMER_QUARANTINED_EVENTS, stats.quarantined),
        (&CONSUMER_REFUSED_EVENTS, stats.refused),
    ];
    add_all(scrape, &[id], &numbers);
}

pub(crate) fn dispatcher(scrape: &mut Scrape, stats: &meltica_dispatcher::Stats, timings: Timings) {
    let numbers: [(&'static Family, u64); 10] = [
        (&DISPATCHER_PUBLISHED, stats.published),
        (&DISPATCHER_ROUTED, stats.routed),
        (&DISPATCHER_UNROUTED, stats.unrouted),
        (&DISPATCHER_LATE, stats.late),
        (&DISPATCHER_ORDER_GAPS, stats.gaps),
        (&DISPATCHER_MISSING, stats.missing),
        (&DISPATCHER_DUPLICATES_FAILED, stats.duplicates_failed),
        (&DISPATCHER_DEAD_LETTERS, stats.dead_letters),
        (&DISPATCHER_ROUTING_VERSION, stats.version),
        (&DISPATCHER_LANES, stats.lanes.len() as u64),
    ];
    add_all(scrape, &[], &numbers);
    stats.lanes.iter().for_each(|stats| lane(scrape, stats));
    // Counters go on where a consumer comes back, and remain where it does not.
    stats.left.iter().for_each(|stats| lane_counters(scrape, stats));
    scrape.add(&DISPATCHER_FAN_OUT_DURATION, &[], timings.reach_ns.into());
    scrape.add(&DISPATCHER_FAN_OUT_COMPLETION, &[], timings.completion_ns.into());
    scrape.add(&DISPATCHER_FAN_OUT_PARALLELISM, &[], timings.parallelism_percent.into());
    for LaneTimings { consumer, waited_ns, took_ns, .. } in timings.lanes {
        scrape.add(&CONSUMER_DELIVERY_LATENCY, &[&consumer], waited_ns.into());
        scrape.add(&CONSUMER_PROCESSING_DURATION, &[&consumer], took_ns.into());
    }
}

fn lane(scrape: &mut Scrape, lane: &LaneStats) {
    let numbers: [(&'static Family, u64); 3] = [
        (&DISPATCHER_LANE_DEPTH, lane.depth as u64),
        (&DISPATCHER_LANE_CRITICAL_PEAK, lane.critical_peak as u64),
        (&DISPATCHER_LANE_PAUSED, u64::from(lane.paused)),
    ];
    add_all(scrape, &[&lane.consumer], &numbers);
    lane_counters(scrape, lane);
}

fn lane_counters(scrape: &mut Scrape, lane: &LaneStats) {
    let id = &*lane.consumer;
    let numbers: [(&'static Family, u64); 4] = [
        (&DISPATCHER_LANE_PUBLISHED, lane.published),
        (&DISPATCHER_LANE_DELIVERED, lane.delivered),
        (&DISPATCHER_LANE_CRITICAL_ALARMS, lane.critical_alarms),
        (&DISPATCHER_CONFLATED, lane.folded),
    ];
    add_all(scrape, &[id], &numbers);
    // Read one after the other while the lane goes on: the part may be ahead of the whole.
    let full = lane.dropped.saturating_sub(lane.without_duplicate);
    let dropped =
        [("full", full), ("no_duplicate", lane.without_duplicate), ("closed", lane.discarded)];
    for (reason, count) in dropped {
        scrape.add(&DISPATCHER_DROPPED, &[id, reason], count.into());
    }
}

pub(crate) fn orchestrator(scrape: &mut Scrape, rule: &str, stats: &meltica_orchestrator::Stats) {
    let partials = [
        ("used", stats.used),
        ("unused", stats.unused),
        ("late", stats.late),
        ("repeated", stats.repeated),
        ("superseded", stats.superseded),
        ("refused", stats.refused),
    ];
    for (outcome, count) in partials {
        scrape.add(&ORCHESTRATOR_PARTIALS, &[rule, outcome], count.into());
    }
    let windows = [
        ("complete", stats.complete),
        ("marked", stats.marked),
        ("suppressed", stats.suppressed),
        ("unmade", stats.unmade),
        ("forgotten", stats.forgotten),
    ];
    for (outcome, count) in windows {
        scrape.add(&ORCHESTRATOR_WINDOWS, &[rule, outcome], count.into());
    }
    let numbers: [(&'static Family, u64); 4] = [
        (&ORCHESTRATOR_PARTIALS_HELD, stats.held),
        (&ORCHESTRATOR_WINDOWS_OPEN, stats.open),
        (&ORCHESTRATOR_WINDOWS_TIMED_OUT, stats.timed_out),
        (&ORCHESTRATOR_WINDOWS_FILLED, stats.filled),
    ];
    add_all(scrape, &[rule], &numbers);
}

fn add_all(scrape: &mut Scrape, labels: &[&str], numbers: &[(&'static Family, u64)]) {
    for (family, number) in numbers {
        scrape.add(family, labels, (*number).into());
    }
}
