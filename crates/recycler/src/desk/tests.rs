use std::thread;

use super::*;
use crate::{Pool, Recycler};

#[test]
fn the_key_is_zero_while_something_asks_for_attention_and_only_then() {
    let recycler = Recycler::new();
    let pool = recycler.exact_pool("key", 1, || 0u64, |_| {});
    let desk = Arc::clone(&pool.room().desk);
    let own = desk.own_key;
    assert!(own != 0 && desk.key() == own);
    recycler.enable_debug_mode();
    assert_eq!(desk.key(), 0);
    recycler.disable_debug_mode();
    assert_eq!(desk.key(), own);

    let held = pool.try_lease().unwrap();
    let waiter = {
        let pool = pool.clone();
        let far = clock::now() + Duration::from_secs(600);
        thread::spawn(move || drop(pool.lease_until(far).unwrap()))
    };
    while pool.stats().waiting == 0 {
        thread::yield_now();
    }
    assert_eq!(desk.key(), 0);
    drop(held);
    waiter.join().unwrap();
    assert_eq!(desk.key(), own);

    let lease = pool.try_lease().unwrap();
    drop(pool);
    assert_eq!((desk.key(), desk.is_closed()), (0, true));
    let again = lease.pool();
    assert_eq!((desk.key(), desk.is_closed()), (own, false));
    drop((lease, again));
    assert_eq!(desk.key(), 0);
}

#[test]
fn a_pool_that_there_is_again_is_not_closed_by_the_one_that_left() {
    let pool = Pool::new(64, || 0u64, |_| {});
    let desk = &pool.room().desk;
    let storage = || pool.room().storage().upgrade().unwrap();
    desk.close(storage(), &AtomicUsize::new(1));
    assert!(!desk.is_closed());
    desk.close(storage(), &AtomicUsize::new(0));
    assert!(desk.is_closed());
    desk.reopen();
    assert_eq!(desk.key(), desk.own_key);
}

#[test]
fn a_thread_that_ends_leaves_its_magazine_to_the_next() {
    let pool = Pool::new(64, || 0u64, |_| {});
    let desk = &pool.room().desk;
    assert_eq!(desk.magazines.load(Relaxed), 2);
    for _ in 0..5 {
        let other = pool.clone();
        thread::spawn(move || drop(other.try_lease().unwrap())).join().unwrap();
    }
    assert_eq!(desk.magazines.load(Relaxed), 2);
    let exact = Pool::exact(64, || 0u64, |_| {});
    let other = exact.clone();
    thread::spawn(move || drop(other.try_lease().unwrap())).join().unwrap();
    assert_eq!(exact.room().desk.magazines.load(Relaxed), 0, "there is none to be left");
}

#[test]
fn who_leaves_the_queue_takes_nobody_elses_place() {
    let pool = Pool::exact(1, || 0u64, |_| {});
    let held = pool.try_lease().unwrap();
    let wait = |seconds: f64| {
        let (pool, before) = (pool.clone(), pool.stats().waiting);
        let deadline = clock::now() + Duration::from_secs_f64(seconds);
        let other = pool.clone();
        let waiter = thread::spawn(move || other.lease_until(deadline).is_ok());
        while pool.stats().waiting == before && !waiter.is_finished() {
            thread::yield_now();
        }
        waiter
    };
    let first = wait(600.0);
    let second = wait(0.02);
    assert!(!second.join().unwrap());
    drop(held);
    assert!(first.join().unwrap(), "woken, though a later one has left");
    assert_eq!((pool.stats().leases, pool.stats().returned), (2, 2));
}
