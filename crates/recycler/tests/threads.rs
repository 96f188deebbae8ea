//! As many objects as asked for are available from any mix of threads, however these come and go.
#![cfg(not(meltica_loom))]

use std::{
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use meltica_recycler::{Lease, Pool, Recycler};

fn pool(capacity: usize) -> Pool<u64> {
    Pool::new(capacity, || 0, |value| *value = 0)
}

fn take(pool: &Pool<u64>, how_many: usize) -> Vec<Lease<u64>> {
    (0..how_many).map(|_| pool.try_lease().expect("fewer than the capacity are out")).collect()
}

#[test]
fn what_idle_threads_keep_at_hand_is_made_up_for() {
    for capacity in [64, 256, 1_000, 4_096] {
        let pool = pool(capacity);
        let (all_idle, over) = (Barrier::new(41), Barrier::new(41));
        thread::scope(|scope| {
            for _ in 0..40 {
                scope.spawn(|| {
                    // Some more than fit into a magazine, so that it is full afterwards.
                    drop((0..80).map_while(|_| pool.try_lease().ok()).collect::<Vec<_>>());
                    all_idle.wait();
                    over.wait();
                });
            }
            all_idle.wait();
            let all = take(&pool, capacity);
            assert_eq!(pool.stats().leased, capacity);
            drop(all);
            over.wait();
        });
    }
}

#[test]
fn threads_that_end_leave_nothing_behind() {
    let pool = pool(64);
    for round in 0..200 {
        // Joined, and not only scoped: a scope does not wait for what a thread does at its very end.
        let other = pool.clone();
        thread::spawn(move || drop(take(&other, 1 + round % 64))).join().unwrap();
    }
    let objects = pool.stats().objects;
    let all: Vec<_> = std::iter::from_fn(|| pool.try_lease().ok()).collect();
    assert_eq!(all.len(), objects, "all that there are, from the one thread that is left");
}

#[test]
fn one_takes_and_another_returns_for_as_long_as_they_like() {
    let pool = pool(64);
    let (sender, receiver) = crossbeam_channel::bounded(32);
    thread::scope(|scope| {
        scope.spawn(|| receiver.into_iter().for_each(drop::<Lease<u64>>));
        let pool = &pool;
        scope.spawn(move || {
            for number in 0..50_000u64 {
                let mut lease = pool.try_lease().expect("34 are out at most");
                assert_eq!(std::mem::replace(&mut *lease, number), 0);
                sender.send(lease).unwrap();
            }
        });
    });
    assert_eq!(
        (pool.stats().leases, pool.stats().returned, pool.stats().leased),
        (50_000, 50_000, 0)
    );
}

#[test]
fn an_exact_pool_has_no_object_more_than_asked_for() {
    let made = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&made);
    let make = move || counted.fetch_add(1, Relaxed);
    let pool = Recycler::new().exact_pool("exact", 500, make, |_| {});
    assert_eq!((made.load(Relaxed), pool.stats().objects, pool.capacity()), (500, 500, 500));
    let all: Vec<_> = (0..500).map(|_| pool.try_lease().unwrap()).collect();
    assert!(pool.try_lease().is_err());
    assert_eq!(pool.stats().peak, 500);
    drop(all);

    // From any mix of threads as well: 5 of 100 at a time are all of them.
    let together = Barrier::new(5);
    thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let mine: Vec<_> = (0..100).map(|_| pool.try_lease().unwrap()).collect();
                    together.wait();
                    assert!(pool.try_lease().is_err());
                    together.wait();
                    drop(mine);
                    together.wait();
                }
            });
        }
    });
    assert_eq!((pool.stats().leased, pool.stats().peak), (0, 500));
}

#[test]
fn under_load_an_object_is_in_one_hand_at_a_time() {
    let pool = pool(64);
    thread::scope(|scope| {
        for id in 1..=4u64 {
            let pool = &pool;
            scope.spawn(move || {
                let mut held = vec![];
                for turn in 0..20_000 {
                    let mut lease = pool.try_lease().expect("64 are out at most");
                    assert_eq!(*lease, 0);
                    *lease = id << 32 | turn;
                    held.push((lease, id << 32 | turn));
                    if held.len() == 16 {
                        assert!(held.drain(..).all(|(lease, written)| *lease == written));
                    }
                }
            });
        }
    });
    assert_eq!(pool.stats().leased, 0);
}

#[test]
fn who_waits_is_served_in_the_order_of_coming_and_before_anyone_else() {
    let pool = Pool::exact(1, || 0u64, |_| {});
    let held = pool.try_lease().unwrap();
    let order = std::sync::Mutex::new(vec![]);
    let far = std::time::Instant::now() + Duration::from_secs(600);
    thread::scope(|scope| {
        for number in 0..5 {
            let (pool, order) = (&pool, &order);
            scope.spawn(move || {
                let lease = pool.lease_until(far).expect("one comes home");
                order.lock().unwrap().push(number);
                drop(lease);
            });
            while pool.stats().waiting <= number {
                thread::yield_now();
            }
        }
        assert!(pool.try_lease().is_err(), "not past those who wait");
        drop(held);
    });
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
    assert_eq!(pool.stats().waiting, 0);
}

#[test]
fn who_waits_in_vain_leaves_the_queue_and_takes_nothing_along() {
    let pool = Pool::exact(1, || 0u64, |_| {});
    let held = pool.try_lease().unwrap();
    let soon = || std::time::Instant::now() + Duration::from_millis(2);
    thread::scope(|scope| {
        let threads: Vec<_> =
            (0..3).map(|_| scope.spawn(|| pool.lease_until(soon()).is_err())).collect();
        assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
    });
    assert_eq!((pool.stats().timed_out, pool.stats().waiting), (3, 0));
    drop(held);
    assert!(pool.try_lease().is_ok());
    let past = std::time::Instant::now();
    assert!(pool.lease_until(past).is_ok(), "a deadline that has passed is no reason not to look");
}

#[test]
fn who_asks_shares_what_it_has_at_hand_with_those_who_wait() {
    let pool = pool(64);
    let far = std::time::Instant::now() + Duration::from_secs(600);
    // Some at hand here, and all others out.
    drop(take(&pool, 8));
    let (held, over) = (Barrier::new(2), Barrier::new(2));
    thread::scope(|scope| {
        let others = scope.spawn(|| {
            let all: Vec<_> = std::iter::from_fn(|| pool.try_lease().ok()).collect();
            held.wait();
            over.wait();
            all.len()
        });
        held.wait();
        let waiter = scope.spawn(|| drop(pool.lease_until(far).unwrap()));
        while pool.stats().waiting == 0 {
            thread::yield_now();
        }
        let past = std::time::Instant::now();
        assert!(pool.lease_until(past).is_ok(), "what is left beside the waiter's");
        waiter.join().unwrap();
        over.wait();
        assert!(others.join().unwrap() >= 64);
    });
}
