//! Leases that end, and objects that are, in unusual ways.
#![cfg(not(meltica_loom))]

use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

use meltica_recycler::{Lease, Pool, Recycler};

fn pool(capacity: usize) -> Pool<Vec<u8>> {
    Pool::new(capacity, || Vec::with_capacity(16), Vec::clear)
}

/// An object that is counted while it is there.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn pool(capacity: usize) -> (Pool<Self>, Arc<AtomicUsize>) {
        let alive = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&alive);
        let make = move || {
            counted.fetch_add(1, Relaxed);
            Self(Arc::clone(&counted))
        };
        (Pool::new(capacity, make, |_| {}), alive)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[test]
fn a_lease_dropped_while_its_thread_unwinds_comes_home() {
    let pool = pool(100);
    let other = pool.clone();
    let thread = thread::spawn(move || {
        let _held = [other.try_lease().unwrap(), other.try_lease().unwrap()];
        let _shared = other.try_lease().unwrap().share();
        std::panic::resume_unwind(Box::new("on purpose"));
    });
    assert!(thread.join().is_err());
    assert_eq!((pool.stats().leased, pool.stats().returned), (0, 3));
}

#[test]
fn a_lease_in_thread_local_storage_comes_home_when_the_thread_ends() {
    thread_local! {
        static KEPT: RefCell<Vec<Lease<Vec<u8>>>> = const { RefCell::new(vec![]) };
    }
    /// Takes, and returns, while the thread's storage is being dropped.
    struct Late(Pool<Vec<u8>>);
    impl Drop for Late {
        fn drop(&mut self) {
            let mut lease = self.0.try_lease().unwrap();
            lease.push(1);
            drop(lease);
            drop(self.0.lease_until(std::time::Instant::now()).unwrap());
        }
    }
    thread_local! {
        static LATE: RefCell<Option<Late>> = const { RefCell::new(None) };
    }
    for capacity in [1, 100] {
        // The thread's own magazines go before or after, depending on which was used first.
        for used_first in [true, false] {
            let pool = pool(capacity);
            let other = pool.clone();
            let thread = thread::spawn(move || {
                let late = Some(Late(other.clone()));
                if used_first {
                    drop(other.try_lease().unwrap());
                    LATE.with(|kept| *kept.borrow_mut() = late);
                } else {
                    LATE.with(|kept| *kept.borrow_mut() = late);
                }
                if capacity > 1 {
                    KEPT.with(|kept| kept.borrow_mut().push(other.try_lease().unwrap()));
                }
            });
            thread.join().unwrap();
            let stats = pool.stats();
            assert_eq!(
                (stats.leased, stats.leases),
                (0, stats.returned),
                "{capacity} {used_first}"
            );
            let all: Vec<_> = std::iter::from_fn(|| pool.try_lease().ok()).collect();
            assert_eq!(all.len(), stats.objects, "nothing is stranded");
        }
    }
}

#[test]
fn a_pool_dropped_before_its_leases_keeps_its_objects_until_the_last_is_home() {
    let (pool, alive) = Counted::pool(100);
    let objects = pool.stats().objects;
    let lease = pool.try_lease().unwrap();
    let shared = pool.try_lease().unwrap().share();
    let heap: Vec<_> = (0..objects).map(|_| pool.lease_or_heap()).collect();
    assert_eq!(heap.iter().filter(|lease| lease.is_heap()).count(), 2);
    drop(pool);
    assert_eq!(alive.load(Relaxed), objects + 2);
    drop(lease);
    drop(heap);
    assert_eq!(alive.load(Relaxed), objects, "a share is out");
    thread::spawn(move || drop(shared)).join().unwrap();
    assert_eq!(alive.load(Relaxed), 0);
}

#[test]
fn a_lease_makes_a_pool_again_after_the_last_one_is_gone() {
    let (pool, alive) = Counted::pool(100);
    let objects = pool.stats().objects;
    let lease = pool.try_lease().unwrap();
    drop(pool);
    let again = lease.pool();
    drop(lease);
    assert_eq!((alive.load(Relaxed), again.stats().leased), (objects, 0));
    drop(again.try_lease().unwrap());
    drop(again);
    assert_eq!(alive.load(Relaxed), 0);
}

#[test]
fn a_lost_ticket_keeps_no_pool() {
    let (pool, alive) = Counted::pool(100);
    let [lost, spent] = [(); 2].map(|()| pool.try_lease().unwrap().into_ticket().ok().unwrap());
    let late = pool.try_lease().unwrap();
    drop(pool.redeem(spent).unwrap());
    let _ = lost;
    drop(pool);
    assert!(alive.load(Relaxed) > 0, "a lease is out");
    let _ = late.into_ticket().ok().unwrap();
    assert_eq!(alive.load(Relaxed), 0, "nobody can redeem what is left");
}

#[test]
fn a_pool_used_by_many_threads_is_gone_when_they_are() {
    let (pool, alive) = Counted::pool(100);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let pool = pool.clone();
            thread::spawn(move || {
                let lease = pool.try_lease().unwrap();
                drop(pool);
                drop(lease);
            })
        })
        .collect();
    drop(pool);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(alive.load(Relaxed), 0);
}

#[test]
fn objects_may_hold_leases_of_other_pools_and_go_after_them() {
    let (inner, alive) = Counted::pool(100);
    let outer: Pool<Option<Lease<Counted>>> = Pool::new(100, || None, |held| *held = None);
    let mut lease = outer.try_lease().unwrap();
    *lease = Some(inner.try_lease().unwrap());
    assert_eq!(inner.stats().leased, 1);
    drop(lease);
    assert_eq!((inner.stats().leased, outer.stats().leased), (0, 0));

    // A reset that keeps what is inside: it goes with the outer pool.
    let keeping: Pool<Option<Lease<Counted>>> = Pool::new(1, || None, |_| {});
    *keeping.try_lease().unwrap() = Some(inner.try_lease().unwrap());
    drop(inner);
    assert!(alive.load(Relaxed) > 0);
    drop(keeping);
    assert_eq!(alive.load(Relaxed), 0);
}

#[test]
fn an_object_that_uses_another_pool_when_it_goes_finds_that_as_it_is() {
    /// Uses a pool when it is dropped, which happens while its thread makes room for that pool's magazine.
    struct Last(Option<Pool<u64>>);
    impl Drop for Last {
        fn drop(&mut self) {
            if let Some(pool) = &self.0 {
                drop(pool.try_lease().unwrap());
            }
        }
    }
    let next = Pool::new(64, || 0u64, |_| {});
    let last = Arc::new(std::sync::Mutex::new(None));
    let pool = {
        let (last, next) = (Arc::clone(&last), next.clone());
        // The reset drops the pool of the object that is being reset.
        Pool::new(64, move || Last(Some(next.clone())), move |_| drop(last.lock().unwrap().take()))
    };
    let lease = pool.try_lease().unwrap();
    *last.lock().unwrap() = Some(pool);
    drop(lease);
    assert_eq!(next.stats().leases, next.stats().returned);
    drop(next.try_lease().unwrap());
    let all: Vec<_> = std::iter::from_fn(|| next.try_lease().ok()).collect();
    assert_eq!(all.len(), next.stats().objects, "no magazine is lost with what it holds");
}

#[test]
fn a_pool_that_goes_during_its_last_reset_is_gone_after_it() {
    let alive = Arc::new(AtomicUsize::new(0));
    let last: Arc<std::sync::Mutex<Option<Pool<Counted>>>> = Arc::default();
    let (counted, taken) = (Arc::clone(&alive), Arc::clone(&last));
    let make = move || {
        counted.fetch_add(1, Relaxed);
        Counted(Arc::clone(&counted))
    };
    let pool = Pool::new(64, make, move |_| drop(taken.lock().unwrap().take()));
    drop(pool.try_lease().unwrap());
    let lease = pool.try_lease().unwrap();
    *last.lock().unwrap() = Some(pool);
    drop(lease);
    assert_eq!(alive.load(Relaxed), 0);
}

#[test]
fn objects_whose_drop_panics_go_without_taking_anyone_along() {
    struct Nasty;
    impl Drop for Nasty {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }
    let recycler = Recycler::new();
    for debug in [false, true] {
        if debug {
            recycler.enable_debug_mode();
        }
        let pool = recycler.pool("nasty", 3, || Nasty, |_| {});
        let lease = pool.try_lease().unwrap();
        drop((pool.try_lease().unwrap(), pool));
        thread::spawn(move || drop(lease)).join().unwrap();
    }
}

#[test]
fn a_make_that_panics_costs_its_object_and_is_counted() {
    let turn = AtomicUsize::new(0);
    let make = move || assert!(turn.fetch_add(1, Relaxed) % 4 != 1, "an unlucky object");
    let pool = Pool::new(8, make, |()| {});
    assert_eq!((pool.stats().retired, pool.capacity()), (2, 8));
    let all: Vec<_> = std::iter::from_fn(|| pool.try_lease().ok()).collect();
    assert_eq!(all.len(), 6);
    drop(all);
    assert_eq!((pool.stats().leased, pool.stats().peak), (0, 6));

    let none = Pool::new(100, || -> u8 { panic!("never") }, |_| {});
    assert_eq!(none.stats().retired as usize, none.stats().objects);
    assert!(none.try_lease().is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| none.lease_or_heap())).is_err());
}

#[test]
fn a_reset_that_panics_on_the_heap_or_in_debug_mode_is_contained_as_well() {
    let recycler = Recycler::new();
    let reset = |value: &mut u8| assert_ne!(*value, 13, "an unlucky reset");
    let pool = recycler.pool("unlucky", 1, || 0u8, reset);
    let held = pool.try_lease().unwrap();
    let mut heap = pool.lease_or_heap();
    *heap = 13;
    drop((held, heap));
    assert_eq!((pool.stats().outstanding(), pool.stats().retired), (0, 0), "the heap has others");
    recycler.enable_debug_mode();
    *pool.try_lease().unwrap() = 13;
    assert_eq!((pool.stats().outstanding(), pool.stats().retired), (0, 1));
}

#[test]
fn a_heap_object_whose_drop_panics_is_counted_home() {
    struct Nasty(Arc<AtomicBool>);
    impl Drop for Nasty {
        fn drop(&mut self) {
            assert!(!self.0.load(Relaxed), "on purpose");
        }
    }
    let nasty = Arc::new(AtomicBool::new(false));
    let make = {
        let nasty = Arc::clone(&nasty);
        move || Nasty(Arc::clone(&nasty))
    };
    let pool = Pool::new(1, make, |_| {});
    let held = pool.try_lease().unwrap();
    let heap = pool.lease_or_heap();
    nasty.store(true, Relaxed);
    drop(heap);
    nasty.store(false, Relaxed);
    assert_eq!(pool.stats().heap_leased, 0);
    drop(held);
}

#[test]
fn objects_without_size_and_with_much_alignment_are_stored_and_poisoned() {
    #[derive(Debug, PartialEq)]
    #[repr(align(256))]
    struct Aligned(u8);
    let recycler = Recycler::new();
    let aligned = recycler.pool("aligned", 70, || Aligned(4), |_| {});
    let nothing = recycler.pool("nothing", 70, || (), |()| {});
    for debug in [false, true, true, false] {
        if debug {
            recycler.enable_debug_mode();
        } else {
            recycler.disable_debug_mode();
        }
        let all: Vec<_> =
            (0..70).map(|_| (aligned.try_lease().unwrap(), nothing.try_lease().unwrap())).collect();
        for (aligned, _) in &all {
            assert_eq!((std::ptr::from_ref(&**aligned).addr() % 256, &**aligned), (0, &Aligned(4)));
        }
    }
    assert_eq!(recycler.stats().iter().map(|stats| stats.stray_writes).sum::<u64>(), 0);
}
