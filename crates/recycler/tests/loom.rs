//! No interleaving of leases, shares and tickets breaks the slots' states, leaves somebody waiting, or
//! finds a pool empty that is not. What a pool is made of has models of its own beside it, in
//! `src/*/models.rs`.
//!
//! `RUSTFLAGS="--cfg meltica_loom" LOOM_MAX_PREEMPTIONS=3 CARGO_TARGET_DIR=target/loom
//!  cargo test -p meltica-recycler --release --lib --test loom`
#![cfg(meltica_loom)]

use std::time::{Duration, Instant};

use loom::thread;
use meltica_recycler::Pool;

/// Each slot comes from the depot and goes there.
fn exact(capacity: usize) -> Pool<u64> {
    Pool::exact(capacity, || 0, |value| *value = 0)
}

/// Four slots: one thread may keep two at hand, and exchanges them one by one.
fn with_magazine() -> Pool<u64> {
    Pool::new(2, || 0, |value| *value = 0)
}

fn use_once(pool: &Pool<u64>) {
    let mut lease = pool.try_lease().expect("there is one for each");
    *lease += 1;
    assert_eq!(*lease, 1);
}

#[test]
fn two_threads_never_hold_the_same_object() {
    loom::model(|| {
        let pool = exact(1);
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
fn as_many_as_asked_for_are_available_from_two_threads() {
    loom::model(|| {
        let pool = with_magazine();
        let other = pool.clone();
        let thread = thread::spawn(move || use_once(&other));
        use_once(&pool);
        thread.join().expect("the other thread's assertions hold");
        let both = [pool.try_lease(), pool.try_lease()];
        assert!(both.iter().all(Result::is_ok), "a thread that ended took none along");
    });
}

#[test]
fn a_magazine_exchanges_with_the_depot_while_another_thread_takes_from_it() {
    loom::model(|| {
        let pool = with_magazine();
        let held = [pool.try_lease(), pool.try_lease()].map(|lease| lease.expect("two are free"));
        let other = pool.clone();
        let thread = thread::spawn(move || {
            other.try_lease().is_ok_and(|mut lease| {
                *lease += 1;
                *lease == 1
            })
        });
        drop(held);
        use_once(&pool);
        // Two were out: whether the third was to be had is open, but not whether it was another's.
        let _ = thread.join().expect("the other thread's assertions hold");
        assert_eq!(pool.stats().leased, 0);
    });
}

#[test]
fn the_last_share_to_go_resets_after_every_read() {
    loom::model(|| {
        let pool = exact(1);
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
        let pool = exact(1);
        let mut mine = pool.try_lease().expect("the pool is full").share();
        let theirs = mine.clone();
        let thread = thread::spawn(move || assert_eq!(*theirs, 0));
        // Until it is so, and not once: loom compares an access with the last one only, so a look before
        // another thread's look and change is not seen to matter.
        loop {
            match mine.get_mut() {
                Some(value) => break *value = 9,
                None => thread::yield_now(),
            }
        }
        thread.join().expect("the other thread's assertions hold");
    });
}

#[test]
fn a_ticket_is_redeemed_by_one_of_two() {
    loom::model(|| {
        let pool = exact(1);
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
        let pool = exact(1);
        let first = pool.try_lease().expect("the pool is full").into_ticket().expect("pooled");
        let mut lease = pool.redeem(first).expect("it is fresh");
        let thread = thread::spawn(move || {
            *lease = 7;
            // The same slot and generation, so the same ticket: nothing but the slot's own word
            // tells the other thread that it is good again.
            lease.into_ticket().expect("pooled")
        });
        if let Ok(lease) = pool.redeem(first) {
            assert_eq!(*lease, 7);
        }
        let second = thread.join().expect("the other thread's assertions hold");
        assert_eq!(first, second);
    });
}

/// Another thread waits while this one returns all but so many of those that there are.
fn one_waits(pool: Pool<u64>, kept: usize) {
    let mut held: Vec<_> = std::iter::from_fn(|| pool.try_lease().ok()).collect();
    let other = pool.clone();
    let thread = thread::spawn(move || {
        // Nobody's time runs out in a model: if nothing came, it would be stuck.
        let far = Instant::now() + Duration::from_secs(1_000);
        assert_eq!(*other.lease_until(far).expect("one comes home"), 0);
    });
    held.truncate(kept);
    thread.join().expect("the other thread's assertions hold");
}

#[test]
fn who_waits_is_served_by_whoever_returns() {
    loom::model(|| one_waits(exact(1), 0));
}

#[test]
fn who_waits_is_served_when_fewer_than_were_asked_for_are_out_whatever_lies_in_magazines() {
    loom::model(|| one_waits(with_magazine(), 1));
}

/// Whose drop is a write, which loom sees if somebody still uses it, or used it without this being told.
struct Watched(loom::cell::UnsafeCell<u64>);

impl Watched {
    fn touch(&self) {
        self.0.with_mut(|_| ());
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.touch();
    }
}

fn watched() -> Pool<Watched> {
    Pool::new(2, || Watched(loom::cell::UnsafeCell::new(0)), |watched| watched.touch())
}

#[test]
fn a_pool_that_goes_while_a_lease_comes_home_is_there_until_then() {
    loom::model(|| {
        let pool = watched();
        let lease = pool.try_lease().expect("the pool is full");
        let thread = thread::spawn(move || lease.touch());
        drop(pool);
        thread.join().expect("the other thread's assertions hold");
    });
}

#[test]
fn a_pool_drops_its_objects_after_all_that_was_done_to_them() {
    loom::model(|| {
        let pool = watched();
        let lease = pool.try_lease().expect("the pool is full");
        let thread = thread::spawn(move || lease.touch());
        while pool.stats().leased > 0 {
            thread::yield_now();
        }
        drop(pool);
        thread.join().expect("the other thread's assertions hold");
    });
}
