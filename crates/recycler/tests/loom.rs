//! No interleaving of leases, shares and tickets breaks the slots' states.
//!
//! `RUSTFLAGS="--cfg meltica_loom" LOOM_MAX_PREEMPTIONS=3 CARGO_TARGET_DIR=target/loom
//!  cargo test -p meltica-recycler --release --test loom`
#![cfg(meltica_loom)]

use loom::thread;
use meltica_recycler::Pool;

fn pool() -> Pool<u64> {
    Pool::new(1, || 0, |value| *value = 0)
}

#[test]
fn two_threads_never_hold_the_same_object() {
    loom::model(|| {
        let pool = pool();
        let other = pool.clone();
        let thread = thread::spawn(move || {
            if let Ok(mut lease) = other.try_lease() {
                *lease += 1;
                assert_eq!(*lease, 1);
            }
        });
        if let Ok(mut lease) = pool.try_lease() {
            *lease += 1;
            assert_eq!(*lease, 1);
        }
        thread.join().expect("the other thread's assertions hold");
        assert_eq!(*pool.try_lease().expect("both are home"), 0);
    });
}

#[test]
fn the_last_share_to_go_resets_after_every_read() {
    loom::model(|| {
        let pool = pool();
        let mut lease = pool.try_lease().expect("the pool is full");
        *lease = 7;
        let (mine, theirs) = {
            let shared = lease.share();
            (shared.clone(), shared)
        };
        let thread = thread::spawn(move || assert_eq!(*theirs, 7));
        assert_eq!(*mine, 7);
        drop(mine);
        thread.join().expect("the other thread's assertions hold");
        assert_eq!(*pool.try_lease().expect("both handles are gone"), 0);
    });
}

#[test]
fn a_sole_share_writes_only_after_the_others_have_read() {
    loom::model(|| {
        let pool = pool();
        let mut mine = pool.try_lease().expect("the pool is full").share();
        let theirs = mine.clone();
        let thread = thread::spawn(move || assert_eq!(*theirs, 0));
        if let Some(value) = mine.get_mut() {
            *value = 9;
        }
        thread.join().expect("the other thread's assertions hold");
    });
}

#[test]
fn a_ticket_is_redeemed_by_one_of_two() {
    loom::model(|| {
        let pool = pool();
        let mut lease = pool.try_lease().expect("the pool is full");
        *lease = 7;
        let ticket = lease.into_ticket().expect("it is pooled");
        let other = pool.clone();
        let thread = thread::spawn(move || match other.redeem(ticket) {
            Ok(lease) => {
                assert_eq!(*lease, 7);
                1
            }
            Err(_) => 0,
        });
        let mine = u32::from(pool.recycle(ticket).is_ok());
        let theirs = thread.join().expect("the other thread's assertions hold");
        assert_eq!(mine + theirs, 1);
        assert_eq!(*pool.try_lease().expect("it is home"), 0);
    });
}

#[test]
fn a_ticket_known_by_its_number_alone_brings_the_value_along() {
    loom::model(|| {
        let pool = pool();
        let first = pool.try_lease().expect("the pool is full").into_ticket().expect("pooled");
        let mut lease = pool.redeem(first).expect("it is fresh");
        let thread = thread::spawn(move || {
            *lease = 7;
            // The same slot and generation, so the same ticket: nothing but the slot's own word
            // carries the value to the other thread.
            let _ = lease.into_ticket();
        });
        if let Ok(lease) = pool.redeem(first) {
            assert_eq!(*lease, 7);
        }
        thread.join().expect("the other thread does not fail");
    });
}
