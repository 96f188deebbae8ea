//! Once warm, leasing, sharing, ticketing, waiting and returning allocate nothing, on one thread or from one
//! to another.
#![cfg(not(meltica_loom))]

use std::{
    alloc::System,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use meltica_recycler::{Lease, Pool};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

type Frame = Vec<u8>;

fn alone(pool: &Pool<Frame>) {
    let mut lease = pool.try_lease().expect("one is home");
    lease.extend_from_slice(b"sixty-four bytes at most");
    let copy = lease.duplicate();
    let shared = lease.share();
    let other = shared.clone();
    drop(shared);
    let ticket = copy.into_ticket().expect("pooled");
    drop(pool.redeem(ticket).expect("once"));
    drop(other);
}

/// Takes some hundreds, far more than a magazine holds, and lets another thread return them, which waits
/// in turn for what comes back.
fn across(pool: &Pool<Frame>, held: &mut Vec<Lease<Frame>>, turn: &Barrier) {
    for _ in 0..50 {
        while let Ok(lease) = pool.try_lease() {
            held.push(lease);
        }
        turn.wait();
        thread::yield_now();
        held.clear();
        turn.wait();
    }
}

fn waiting(pool: &Pool<Frame>, turn: &Barrier) {
    for _ in 0..50 {
        turn.wait();
        let far = Instant::now() + Duration::from_secs(60);
        drop(pool.lease_until(far).expect("one comes home"));
        turn.wait();
    }
}

/// Waits in vain, while another thread holds all there are: so waiting is warm, which `waiting` may find no
/// need for.
fn in_vain(pool: &Pool<Frame>, turn: &Barrier) {
    turn.wait();
    assert!(pool.lease_until(Instant::now() + Duration::from_millis(5)).is_err());
    turn.wait();
}

/// One test, since what others allocate meanwhile would count as well.
#[test]
fn nothing_is_allocated_once_warm() {
    let make = || Vec::with_capacity(64);
    for pool in [
        Pool::new(4, make, Vec::clear),
        Pool::new(256, make, Vec::clear),
        Pool::exact(256, make, Vec::clear),
    ] {
        let turn = Barrier::new(2);
        // Judged when the other thread is over: it would wait for one that panicked.
        let change = thread::scope(|scope| {
            scope.spawn(|| {
                in_vain(&pool, &turn);
                waiting(&pool, &turn);
                turn.wait();
                waiting(&pool, &turn);
                turn.wait();
                turn.wait();
            });
            let mut held = Vec::with_capacity(1_000);
            held.extend(std::iter::from_fn(|| pool.try_lease().ok()));
            turn.wait();
            turn.wait();
            held.clear();
            alone(&pool);
            across(&pool, &mut held, &turn);
            turn.wait();
            let region = Region::new(ALLOCATOR);
            (0..1_000).for_each(|_| alone(&pool));
            across(&pool, &mut held, &turn);
            turn.wait();
            let change = region.change();
            turn.wait();
            change
        });
        assert_eq!((change.allocations, change.reallocations), (0, 0), "{:?}", pool.stats());
    }
}
