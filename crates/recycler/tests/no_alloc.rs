//! Once warm, leasing, sharing, ticketing and returning allocate nothing.
#![cfg(not(meltica_loom))]

use std::alloc::System;

use meltica_recycler::Pool;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn nothing_is_allocated_once_warm() {
    let pool = Pool::new(4, || Vec::<u8>::with_capacity(64), Vec::clear);
    let round = || {
        let mut lease = pool.try_lease().unwrap();
        lease.extend_from_slice(b"sixty-four bytes at most");
        let copy = lease.duplicate();
        let shared = lease.share();
        let other = shared.clone();
        drop(shared);
        let ticket = copy.into_ticket().ok().unwrap();
        drop(pool.redeem(ticket).unwrap());
        drop(other);
    };
    round();
    let region = Region::new(ALLOCATOR);
    (0..1_000).for_each(|_| round());
    let change = region.change();
    assert_eq!((change.allocations, change.reallocations), (0, 0));
}
