//! Leases, shares, and what an empty pool does.
#![cfg(not(meltica_loom))]

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use meltica_recycler::{Exhausted, Pool, Recycler};

fn pool(capacity: usize) -> Pool<Vec<u8>> {
    Pool::new(capacity, || Vec::with_capacity(16), Vec::clear)
}

#[test]
fn fr_005_whatever_way_a_lease_ends_it_is_reset_and_home() {
    let pool = pool(1);
    let ends: [fn(meltica_recycler::Lease<Vec<u8>>); 5] = [
        drop,
        |lease| drop(lease.share()),
        |lease| drop(vec![lease]),
        |lease| {
            let shared = lease.share();
            let other = shared.clone();
            thread::spawn(move || drop(other)).join().unwrap();
        },
        |lease| {
            let panicked = catch_unwind(AssertUnwindSafe(move || {
                let _held = lease;
                std::panic::resume_unwind(Box::new("on purpose"));
            }));
            assert!(panicked.is_err());
        },
    ];
    for end in ends {
        let mut lease = pool.try_lease().unwrap();
        assert!(lease.is_empty() && lease.capacity() >= 16, "reset, with its buffer");
        lease.push(1);
        end(lease);
    }
    let stats = pool.stats();
    assert_eq!((stats.leases, stats.returned, stats.leased, stats.peak), (5, 5, 0, 1));
}

#[test]
fn fr_023_an_empty_pool_fails_times_out_or_takes_from_the_heap_and_counts_each() {
    let recycler = Recycler::new();
    let pool = recycler.pool("event", 1, || 0u64, |value| *value = 0);
    let held = pool.try_lease().unwrap();
    let error = pool.try_lease().unwrap_err();
    assert_eq!(error, Exhausted { pool: "event".into(), capacity: 1 });
    assert_eq!(error.to_string(), "pool `event` is exhausted: all 1 objects are leased");
    let timed_out = pool.lease_until(Instant::now() + Duration::from_millis(2)).unwrap_err();
    assert!(timed_out.to_string().contains("before the deadline"));
    let heap = pool.lease_or_heap();
    assert!(heap.is_heap() && !held.is_heap());
    assert_eq!(recycler.leak_report().count(), 2);
    drop((held, heap));
    let stats = pool.stats();
    assert_eq!((stats.exhausted, stats.timed_out, stats.heap_fallbacks), (1, 1, 1));
    assert_eq!((stats.returned, stats.heap_leased, stats.leased, stats.peak), (2, 0, 0, 1));
    assert!(pool.try_lease().is_ok_and(|lease| !lease.is_heap()), "the heap object went home");
}

#[test]
fn a_waiting_lease_gets_what_another_thread_returns() {
    let pool = pool(1);
    let lease = pool.try_lease().unwrap();
    let waiter = {
        let pool = pool.clone();
        thread::spawn(move || pool.lease_until(Instant::now() + Duration::from_secs(60)).is_ok())
    };
    // Whether the waiter waits already or comes later, it must get the object.
    thread::yield_now();
    drop(lease);
    assert!(waiter.join().unwrap());
}

#[test]
fn all_of_a_pools_objects_are_available_to_any_mix_of_threads() {
    let pool = pool(8);
    let barrier = Arc::new(Barrier::new(8));
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (pool, barrier) = (pool.clone(), Arc::clone(&barrier));
            thread::spawn(move || {
                for _ in 0..50 {
                    let lease = pool.try_lease();
                    barrier.wait();
                    assert!(lease.is_ok());
                    drop(lease);
                    barrier.wait();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!((pool.stats().peak, pool.stats().leased), (8, 0));
}

#[test]
fn a_share_reads_and_writes_only_when_alone() {
    let pool = pool(2);
    let mut lease = pool.try_lease().unwrap();
    lease.push(7);
    let mut shared = lease.share();
    shared.get_mut().unwrap().push(8);
    let other = shared.clone();
    assert!(shared.get_mut().is_none());
    let shared = shared.try_into_lease().unwrap_err();
    drop(other);
    let lease = shared.try_into_lease().unwrap();
    assert_eq!(*lease, [7, 8]);
    let mut shared = lease.share();
    let other = shared.clone();
    shared.make_mut().push(9);
    assert_eq!((shared.len(), other.len()), (3, 2), "copied on write");
    assert_eq!(pool.stats().leased, 2);
    let before = std::ptr::from_ref(&*shared);
    assert_eq!(std::ptr::from_ref(shared.make_mut()).addr(), before.addr(), "alone: in place");
    assert_ne!(shared, other);
    assert_eq!(format!("{other:?}"), "Shared([7, 8])");
}

#[test]
fn a_duplicate_is_an_object_of_its_own_from_the_same_pool() {
    let pool = pool(2);
    let mut original = pool.try_lease().unwrap();
    original.push(1);
    let mut copy = original.try_duplicate().unwrap();
    assert_eq!(copy, original);
    copy.push(2);
    assert_eq!(original.len(), 1);
    assert!(original.try_duplicate().is_err());
    let heap = original.duplicate();
    assert!(heap.is_heap());
    assert_eq!(heap.pool().capacity(), 2, "a heap object knows its pool");
    drop(copy);
    assert!(!heap.duplicate().is_heap(), "a heap object's duplicate is pooled again");
    assert_eq!(format!("{heap:?}"), "Lease([1])");
}

#[test]
fn a_reset_that_panics_retires_its_object_and_no_other() {
    let pool = Pool::new(2, || 0u32, |value| assert!(*value != 13, "an unlucky reset"));
    let mut unlucky = pool.try_lease().unwrap();
    *unlucky = 13;
    drop(unlucky);
    let stats = pool.stats();
    assert_eq!((stats.retired, stats.leased, stats.returned), (1, 0, 1));
    let held = pool.try_lease().unwrap();
    assert!(pool.try_lease().is_err(), "one is gone");
    drop(held);
    assert!(pool.try_lease().is_ok());
}

#[test]
fn whatever_a_panicking_reset_carries_is_contained_and_a_failed_make_leaves_nothing_out() {
    struct Nasty;
    impl Drop for Nasty {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    let pool = Pool::new(1, || 0u32, |_| std::panic::panic_any(Nasty));
    drop(pool.try_lease().unwrap());
    assert_eq!((pool.stats().retired, pool.stats().leased), (1, 0));

    let made = AtomicUsize::new(0);
    let make = move || assert_eq!(made.fetch_add(1, Relaxed), 0, "one is enough");
    let pool = Pool::new(1, make, |()| {});
    let held = pool.try_lease().unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| pool.lease_or_heap())).is_err());
    drop(held);
    assert_eq!(pool.stats().outstanding(), 0);
}

#[test]
#[should_panic(expected = "a capacity of zero")]
fn a_pool_of_nothing_is_a_mistake() {
    pool(0);
}

#[test]
#[should_panic(expected = "a capacity above")]
fn a_pool_beyond_what_a_ticket_can_name_is_a_mistake() {
    Pool::new((1 << 24) - 4_095, || (), |()| {});
}

#[test]
fn debug_output_names_the_pool_and_its_figures() {
    let recycler = Recycler::new();
    let pool = recycler.pool("event", 3, || 0u64, |_| {});
    assert_eq!(format!("{pool:?}"), "Pool { name: \"event\", capacity: 3, .. }");
    assert!(format!("{recycler:?}").contains("debug_mode: false"));
    assert_eq!(recycler.stats().len(), 1);
}

#[test]
fn a_sample_of_returns_is_timed_pool_by_pool() {
    let recycler = Recycler::new();
    let spin = |_: &mut u64| {
        let start = std::time::Instant::now();
        while start.elapsed() < Duration::from_micros(200) {
            std::hint::spin_loop();
        }
    };
    let slow = recycler.pool("slow", 1, || 0u64, spin);
    let quick = recycler.pool("quick", 1, || 0u64, |_| ());
    drop(slow.try_lease().unwrap());
    (0..9_000).for_each(|_| drop(quick.try_lease().unwrap()));
    let timed = recycler.recycle_ns();
    let [(first, of_slow), (second, of_quick)] = &timed[..] else { panic!("{timed:?}") };
    assert_eq!((&**first, of_slow.count()), ("slow", 1));
    assert_eq!((&**second, of_quick.count()), ("quick", 3));
    assert!(of_slow.max() >= Some(200_000), "the reset is part of it");
}
