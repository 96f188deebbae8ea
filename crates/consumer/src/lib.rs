//! A closure wrapped for the hot path: version gate, panic isolation, outcome counters.
