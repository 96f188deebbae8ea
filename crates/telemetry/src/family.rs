/// A metric's name and all that is said about it.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Family {
    /// Its name, as Prometheus has it.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: Kind,
    /// The names of its labels, in order.
    pub labels: &'static [&'static str],
    /// What it means.
    pub help: &'static str,
}

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number that only grows, until the process ends.
    Counter,
    /// A number that goes up and down.
    Gauge,
    /// How often each magnitude occurred.
    Histogram(Unit),
}

/// In what a histogram's values are rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Measured in nanoseconds.
    Seconds,
    /// Measured in hundredths.
    Ratio,
}

impl Kind {
    /// As the text format writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

impl Unit {
    /// How many digits after the point the measured number has.
    pub(crate) const fn digits(self) -> u32 {
        match self {
            Self::Seconds => 9,
            Self::Ratio => 2,
        }
    }

    /// The upper ends of the buckets, as measured.
    pub(crate) const fn bounds(self) -> &'static [u64] {
        match self {
            Self::Seconds => &[
                100,
                250,
                500,
                1_000,
                2_500,
                5_000,
                10_000,
                25_000,
                50_000,
                100_000,
                250_000,
                500_000,
                1_000_000,
                2_500_000,
                5_000_000,
                10_000_000,
                25_000_000,
                50_000_000,
                100_000_000,
                250_000_000,
                500_000_000,
                1_000_000_000,
                2_500_000_000,
                5_000_000_000,
                10_000_000_000,
            ],
            Self::Ratio => &[100, 150, 200, 300, 400, 600, 800, 1_200, 1_600, 3_200, 6_400],
        }
    }
}

/// A constant for each family, and the list of all.
macro_rules! families {
    ($($constant:ident = $name:literal $kind:expr, [$($label:literal),*], $help:literal;)*) => {
        /// Every metric there is.
        pub mod families {
            use super::{Family, Kind::*, Unit::*};

            $(
                #[doc = concat!("`", $name, "`: ", $help)]
                pub static $constant: Family =
                    Family { name: $name, kind: $kind, labels: &[$($label),*], help: $help };
            )*

            /// All of them, in the order in which they are rendered.
            pub static ALL: &[&Family] = &[$(&$constant),*];
        }
    };
}

families! {
    RECYCLER_EVENTS = "recycler_events_total" Counter, ["event_kind"],
        "Objects that came home to their pool, by pool.";
    RECYCLER_LEASES = "recycler_leases_total" Counter, ["event_kind"],
        "Leases of pooled objects, by pool.";
    RECYCLER_HEAP_FALLBACKS = "recycler_heap_fallbacks_total" Counter, ["event_kind"],
        "Leases served from the heap because the pool was empty.";
    RECYCLER_EXHAUSTED = "recycler_exhausted_total" Counter, ["event_kind"],
        "Leases refused because the pool was empty.";
    RECYCLER_LEASE_TIMEOUTS = "recycler_lease_timeouts_total" Counter, ["event_kind"],
        "Leases whose deadline passed while the pool was empty.";
    RECYCLER_DOUBLE_PUTS = "recycler_double_puts_total" Counter, ["event_kind"],
        "Tickets refused because they were recycled twice.";
    RECYCLER_USES_AFTER_PUT = "recycler_uses_after_put_total" Counter, ["event_kind"],
        "Tickets refused because they were redeemed after they were spent.";
    RECYCLER_STRAY_WRITES = "recycler_stray_writes_total" Counter, ["event_kind"],
        "Writes, found in debug mode, to objects that nobody held.";
    RECYCLER_RETIRED = "recycler_retired_objects_total" Counter, ["event_kind"],
        "Objects whose make or reset panicked: they are not used.";
    RECYCLER_RECYCLE_DURATION = "recycler_recycle_duration_seconds" Histogram(Seconds), ["event_kind"],
        "How long a return took, the object's reset included; of an object's returns one in 4,096 is measured.";
    RECYCLER_POOL_CAPACITY = "recycler_pool_capacity" Gauge, ["event_kind"],
        "Objects that can be out at once, whatever threads keep at hand.";
    RECYCLER_POOL_OBJECTS = "recycler_pool_objects" Gauge, ["event_kind"],
        "Objects that the pool was made with: its capacity, and what threads may keep at hand.";
    RECYCLER_POOL_LEASED = "recycler_pool_leased" Gauge, ["event_kind"],
        "Objects of the pool that are out now.";
    RECYCLER_POOL_LEASED_PEAK = "recycler_pool_leased_peak" Gauge, ["event_kind"],
        "At most so many objects of the pool were ever out at once; those that threads keep at hand count as out.";
    RECYCLER_POOL_WAITING = "recycler_pool_waiting" Gauge, ["event_kind"],
        "Threads that wait for an object of the pool.";
    RECYCLER_POOL_HEAP_LEASED = "recycler_pool_heap_leased" Gauge, ["event_kind"],
        "Objects from the heap that are out now.";
    RECYCLER_DEBUG_MODE = "recycler_debug_mode" Gauge, [],
        "Whether debug mode is on: 1 or 0.";

    CONSUMER_INVOCATIONS = "consumer_invocations_total" Counter, ["consumer_id"],
        "Messages given to the consumer: handled, failed, filtered or refused.";
    CONSUMER_FAILURES = "consumer_failures_total" Counter, ["consumer_id"],
        "Messages that the consumer failed on: errors and panics. In OpenMetrics with the trace id of the last one.";
    CONSUMER_PANICS = "consumer_panics_total" Counter, ["consumer_id"],
        "Messages that the consumer panicked on.";
    CONSUMER_FILTERED_EVENTS = "consumer_filtered_events_total" Counter, ["consumer_id"],
        "Market data that did not reach the consumer's handler: stale by routing version, or in quarantine.";
    CONSUMER_QUARANTINED_EVENTS = "consumer_quarantined_events_total" Counter, ["consumer_id"],
        "Of the filtered, those in quarantine.";
    CONSUMER_REFUSED_EVENTS = "consumer_refused_events_total" Counter, ["consumer_id"],
        "Messages handed back because the consumer has stopped.";
    CONSUMER_PROCESSING_DURATION = "consumer_processing_duration_seconds" Histogram(Seconds), ["consumer_id"],
        "How long the consumer took over a message, of the sample that is measured.";
    CONSUMER_DELIVERY_LATENCY = "consumer_delivery_latency_seconds" Histogram(Seconds), ["consumer_id"],
        "From publishing a message to the consumer being entered, of the sample that is measured.";

    DISPATCHER_PUBLISHED = "dispatcher_published_total" Counter, [],
        "Messages taken.";
    DISPATCHER_ROUTED = "dispatcher_routed_total" Counter, [],
        "Messages routed to at least one consumer.";
    DISPATCHER_UNROUTED = "dispatcher_unrouted_total" Counter, [],
        "Messages that nobody wanted.";
    DISPATCHER_LATE = "dispatcher_late_total" Counter, [],
        "Messages dropped because a newer one of their stream had passed.";
    DISPATCHER_ORDER_GAPS = "dispatcher_order_gaps_total" Counter, [],
        "Gaps in dense streams that were given up.";
    DISPATCHER_MISSING = "dispatcher_missing_total" Counter, [],
        "Messages that never came to fill a gap.";
    DISPATCHER_DUPLICATES_FAILED = "dispatcher_duplicates_failed_total" Counter, [],
        "Duplicates that could not be had.";
    DISPATCHER_DEAD_LETTERS = "dispatcher_dead_letters_total" Counter, [],
        "Critical messages that a consumer should have had and did not handle: they went to the dead-letter sink.";
    DISPATCHER_REPEATS = "dispatcher_repeats_total" Counter, [],
        "Critical messages recognised as exact repeats, and dropped.";
    DISPATCHER_COMMANDS = "dispatcher_commands_total" Counter, ["outcome"],
        "Commands that were carried out: applied, or rejected with a reason.";
    DISPATCHER_ROUTING_VERSION = "dispatcher_routing_version" Gauge, [],
        "The version of the present routing snapshot.";
    DISPATCHER_LANES = "dispatcher_lanes" Gauge, [],
        "Consumers that are subscribed.";
    DISPATCHER_LANE_PUBLISHED = "dispatcher_lane_published_total" Counter, ["consumer_id"],
        "Messages that the consumer's lane should have.";
    DISPATCHER_LANE_DELIVERED = "dispatcher_lane_delivered_total" Counter, ["consumer_id"],
        "Messages handed to the consumer, whatever it made of them.";
    DISPATCHER_LANE_DEPTH = "dispatcher_lane_depth" Gauge, ["consumer_id"],
        "Messages that wait for the consumer.";
    DISPATCHER_LANE_CRITICAL_PEAK = "dispatcher_lane_critical_peak" Gauge, ["consumer_id"],
        "The most critical messages that ever waited for the consumer.";
    DISPATCHER_LANE_CRITICAL_ALARMS = "dispatcher_lane_critical_alarms_total" Counter, ["consumer_id"],
        "How many times too many critical messages waited for the consumer; they are kept all the same.";
    DISPATCHER_LANE_PAUSED = "dispatcher_lane_paused" Gauge, ["consumer_id"],
        "1 while the consumer is paused, else 0.";
    DISPATCHER_CONFLATED = "dispatcher_conflated_total" Counter, ["consumer_id"],
        "Messages folded into an earlier one of their stream for a consumer that lagged.";
    DISPATCHER_DROPPED = "dispatcher_dropped_total" Counter, ["consumer_id", "reason"],
        "Messages that the consumer did not get: full (no room for trades, or for deltas behind a gap), no_duplicate (its pool was empty), closed (it had left).";
    DISPATCHER_FAN_OUT_DURATION = "dispatcher_fan_out_duration_seconds" Histogram(Seconds), [],
        "From publishing a message to one of its consumers being entered, of the sample that is measured.";
    DISPATCHER_FAN_OUT_COMPLETION = "dispatcher_fan_out_completion_seconds" Histogram(Seconds), [],
        "From publishing a message to the last of its consumers being done, of the sample that is measured.";
    DISPATCHER_FAN_OUT_PARALLELISM = "dispatcher_fan_out_parallelism" Histogram(Ratio), [],
        "How many of a message's consumers ran at a time: what all took over the span of them. One after the other is 1.";

    ORCHESTRATOR_PARTIALS = "orchestrator_partials_total" Counter, ["rule", "outcome"],
        "Partials offered to a merge rule: used or unused (their window was merged or not), late, repeated, superseded (a newer one of their source counts), refused (too many windows), no_duplicate (their pool was empty), no_base (a delta without a book).";
    ORCHESTRATOR_PARTIALS_HELD = "orchestrator_partials_held" Gauge, ["rule"],
        "Partials in open windows.";
    ORCHESTRATOR_WINDOWS = "orchestrator_windows_total" Counter, ["rule", "outcome"],
        "Windows that ended: complete, marked (merged with sources missing), suppressed (not merged for it), unmade (the merged message could not be had), forgotten (by a restart).";
    ORCHESTRATOR_WINDOWS_OPEN = "orchestrator_windows_open" Gauge, ["rule"],
        "Windows that are open.";
    ORCHESTRATOR_WINDOWS_TIMED_OUT = "orchestrator_windows_timed_out_total" Counter, ["rule"],
        "Windows that closed because their time was up.";
    ORCHESTRATOR_WINDOWS_FILLED = "orchestrator_windows_filled_total" Counter, ["rule"],
        "Windows that closed because they had taken as many partials as a window may.";

    VENUE_EVENTS = "venue_events_total" Counter, ["venue"],
        "Events that a venue handed to the pipeline.";
    VENUE_CONNECTIONS = "venue_connections_total" Counter, ["venue"],
        "Connections to a venue that were opened.";
    VENUE_CONNECTIONS_ENDED = "venue_connections_ended_total" Counter, ["venue", "reason"],
        "Connections to a venue that ended: venue (it closed), broken, silent (nothing came), too_large (a frame was), useless (the adapter asked for another), stopped (the program did).";
    VENUE_CONNECT_FAILURES = "venue_connect_failures_total" Counter, ["venue"],
        "Attempts to connect to a venue that led to no connection.";
    VENUE_CONNECTED = "venue_connected" Gauge, ["venue"],
        "1 while there is a connection to the venue, else 0.";
    VENUE_BACKOFF = "venue_backoff_milliseconds" Gauge, ["venue"],
        "How long the last wait was to be before an attempt to connect, in milliseconds.";
    VENUE_FRAMES = "venue_frames_total" Counter, ["venue"],
        "Frames that came from a venue.";
    VENUE_BYTES = "venue_bytes_total" Counter, ["venue"],
        "Bytes in a venue's frames and in the answers to requests.";
    VENUE_DECODE_ERRORS = "venue_decode_errors_total" Counter, ["venue", "cause"],
        "Frames that were not understood: malformed, unknown_stream, unknown_symbol, refused (the venue refused what was asked of it), other.";
    VENUE_FETCHES = "venue_fetches_total" Counter, ["venue"],
        "Snapshots that were asked for by HTTP.";
    VENUE_FETCH_FAILURES = "venue_fetch_failures_total" Counter, ["venue"],
        "Of these, those that did not come, and were asked for again.";
    BOOK_VERIFIED = "book_verified" Gauge, ["venue", "instrument"],
        "1 while the book can be trusted, else 0; then nothing of it is handed on.";
    BOOK_UPDATES = "book_updates_total" Counter, ["venue", "instrument"],
        "Deltas that were applied to the book.";
    BOOK_SNAPSHOTS = "book_snapshots_total" Counter, ["venue", "instrument"],
        "Snapshots that were taken.";
    BOOK_GAPS = "book_gaps_total" Counter, ["venue", "instrument"],
        "Times that an update of the book was missing.";
    BOOK_MISMATCHES = "book_mismatches_total" Counter, ["venue", "instrument"],
        "Times that the book was not what its checksum said.";
    BOOK_RESYNCS = "book_resyncs_total" Counter, ["venue", "instrument"],
        "Snapshots that brought the book back after it could not be trusted.";
    NATS_FRAMES = "nats_frames_total" Counter, ["way"],
        "Frames of market data over NATS: out (sent), in (received).";
    NATS_BYTES = "nats_bytes_total" Counter, ["way"],
        "Bytes in these.";
    NATS_FOLDED = "nats_folded_total" Counter, ["way"],
        "Market data that became part of newer ones: out (before they were sent), in (before the pipeline took them).";
    NATS_LOST = "nats_lost_total" Counter, ["cause"],
        "Market data that did not come through: dropped_out, dropped_in (trades, because too many waited), missing (never came, by their numbers), baseless (deltas of a book of which something is missing), pool_empty, malformed, foreign (of a stream that another sender has).";
    NATS_REFRESHED = "nats_refreshed_total" Counter, ["way"],
        "Frames that repeat what was sent: out (sent), in (passed over, since it was there).";
    NATS_CRITICAL = "nats_critical_total" Counter, ["way"],
        "Critical messages: out (taken into the outbox), in (handed to the pipeline).";
    NATS_ACKNOWLEDGED = "nats_critical_acknowledged_total" Counter, ["way"],
        "Critical messages: out (the server has them), in (the pipeline was done with them, and the server knows).";
    NATS_REPEATED = "nats_critical_repeated_total" Counter, ["cause"],
        "Critical messages that came again and went no further: redelivered, identity (another sender has sent them too), known (the application had them).";
    NATS_MISSING = "nats_critical_missing_total" Counter, [],
        "Critical messages that were not in the stream any more, and were not had.";
    NATS_CRITICAL_MALFORMED = "nats_critical_malformed_total" Counter, [],
        "Critical messages that were not understood; they stay in the stream.";
    NATS_WAITING = "nats_critical_waiting" Gauge, ["where"],
        "Critical messages that are somewhere: outbox (for the server), held (for earlier ones), pipeline (for its consumers).";
    NATS_OUTBOX_BYTES = "nats_outbox_bytes" Gauge, [],
        "How large the outbox is.";
    NATS_CONNECTED = "nats_connected" Gauge, ["connection"],
        "1 while the connection stands, else 0.";
    NATS_CONNECTIONS = "nats_connections_total" Counter, ["connection"],
        "Connections that were made.";
    NATS_SLOW = "nats_slow_consumer_total" Counter, ["connection"],
        "At least so many messages came faster than they were taken off the connection, and are lost.";
    NATS_ERRORS = "nats_errors_total" Counter, ["connection"],
        "What the server or the client complained of.";
    PROCESS_BUILD_INFO = "meltica_build_info" Gauge, ["version"],
        "Always 1; says which version runs.";
    PROCESS_UPTIME = "meltica_uptime_seconds" Gauge, [],
        "Seconds since the program began.";
    PROCESS_CPU = "process_cpu_seconds_total" Counter, [],
        "Seconds of CPU time that the process has used, of all its threads.";
    PROCESS_RESIDENT_MEMORY = "process_resident_memory_bytes" Gauge, [],
        "Memory of the process that is in RAM.";
    PROCESS_VIRTUAL_MEMORY = "process_virtual_memory_bytes" Gauge, [],
        "Address space that the process has asked for.";
    PROCESS_THREADS = "process_threads" Gauge, [],
        "Threads of the process.";
    PROCESS_OPEN_FILES = "process_open_fds" Gauge, [],
        "Files and sockets that the process has open.";
    PROCESS_MOST_FILES = "process_max_fds" Gauge, [],
        "As many of these as it may have open.";
    PROCESS_START_TIME = "process_start_time_seconds" Gauge, [],
        "When the program began, in seconds since 1970.";
}
