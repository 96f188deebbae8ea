//! FR-027: in debug mode, who holds what can be listed, with stacks.
#![cfg(not(meltica_loom))]

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use meltica_recycler::{DeedKind, Recycler};

#[inline(never)]
fn a_forgetful_function(pool: &meltica_recycler::Pool<u64>) -> meltica_recycler::Lease<u64> {
    pool.lease_or_heap()
}

#[test]
fn fr_027_outstanding_leases_are_listed_with_the_stacks_that_took_them() {
    let recycler = Recycler::new();
    let pool = recycler.pool("event", 1, || 0u64, |_| {});
    let before = pool.try_lease().unwrap();
    let report = recycler.leak_report();
    assert_eq!((report.count(), report.outstanding.len(), report.unrecorded.len()), (1, 0, 1));
    let text = report.to_string();
    assert!(text.contains("debug mode was off"), "{text}");
    assert!(text.contains("pool `event`, slot 0, generation 0: one handle"), "{text}");
    drop(before);

    recycler.enable_debug_mode();
    let held = [a_forgetful_function(&pool), a_forgetful_function(&pool)];
    let report = recycler.leak_report();
    assert_eq!(report.count(), 2);
    let heap: Vec<_> = report.outstanding.iter().map(|outstanding| outstanding.heap).collect();
    assert!(heap.contains(&true) && heap.contains(&false));
    let text = report.to_string();
    assert_eq!(text.matches("a_forgetful_function").count(), 2, "{text}");
    assert!(text.contains("pool `event`: 2 out") && text.contains("pool `event` (heap)"));
    assert!(text.contains("pool `event`, slot 0, generation 1: out for "), "{text}");
    assert!(text.contains("taken by thread `fr_027_"), "{text}");
    drop(held);
    assert!(recycler.outstanding().is_empty());
    assert_eq!(recycler.leak_report().to_string(), "every lease is home");
}

#[test]
fn debug_mode_switches_on_and_off_while_leases_are_out() {
    let recycler = Recycler::new();
    let pool = recycler.pool("event", 2, || 7u64, |_| {});
    let before = pool.try_lease().unwrap();
    recycler.enable_debug_mode();
    let during = pool.try_lease().unwrap();
    drop(before);
    recycler.disable_debug_mode();
    drop(during);
    assert!(recycler.outstanding().is_empty(), "what came home later is not listed");
    for _ in 0..3 {
        let both = [pool.try_lease().unwrap(), pool.try_lease().unwrap()];
        assert_eq!(both.map(|lease| *lease), [7, 7], "poisoned or not, values survive");
    }
    assert_eq!(pool.stats().stray_writes, 0);
}

#[test]
fn fr_010_a_write_to_an_object_that_nobody_holds_is_found_at_its_next_lease() {
    let recycler = Recycler::new();
    let pool = recycler.pool("event", 1, || 7u64, |_| {});
    recycler.enable_debug_mode();
    let mut lease = pool.try_lease().unwrap();
    let stray = std::ptr::from_mut(&mut *lease);
    drop(lease);
    // SAFETY: the pool keeps the object's place, and nobody refers to it: what the debug mode is to
    // notice is that somebody writes all the same, as foreign code could.
    #[expect(unsafe_code, reason = "the mistake that is to be found cannot be made in safe code")]
    let poison = unsafe { stray.replace(1) };
    assert_eq!(poison.to_be(), 0xDEAD_BEEF_DEAD_BEEF, "poisoned on return");
    let lease = pool.try_lease().unwrap();
    assert_eq!((*lease, pool.stats().stray_writes), (7, 1), "found, and the value is unharmed");
    let [found] = &recycler.stray_writes()[..] else { panic!("one was found") };
    assert_eq!((&*found.pool, found.slot, found.generation), ("event", 0, 1));
    // The 1 that was written ends the pattern where it differs, whichever end comes first.
    assert_eq!((found.bytes, found.offset), (8, 0));
    let deeds: Vec<_> = found.history.iter().map(|deed| (deed.kind, deed.generation)).collect();
    assert_eq!(deeds, [(DeedKind::Leased, 0), (DeedKind::Returned, 0)]);
    let text = found.to_string();
    assert!(
        text.starts_with(
            "stray write detected: pool `event`, slot 0, before generation 1: 8 bytes"
        )
    );
    assert!(
        text.matches("fr_010_a_write_to_an_object").count() >= 2,
        "both stacks lead here: {text}"
    );
    drop(lease);
    drop(pool.try_lease().unwrap());
    assert_eq!(pool.stats().stray_writes, 1, "once");
}

#[test]
#[expect(unsafe_code, reason = "a stray write is what is looked for")]
fn each_return_is_poisoned_and_not_only_those_that_are_measured() {
    let recycler = Recycler::new();
    recycler.enable_debug_mode();
    let pool = recycler.pool("event", 1, || 7u64, |_| {});
    for found in 0..70 {
        let mut lease = pool.try_lease().unwrap();
        assert_eq!((*lease, pool.stats().stray_writes), (7, found));
        let stray = std::ptr::from_mut(&mut *lease);
        drop(lease);
        // SAFETY: the pool, and so the slot, lives on, and no other thread is there to lease it.
        unsafe { stray.write(1) };
    }
}

#[test]
fn what_was_shared_or_ticketed_when_debug_mode_was_off_is_named_by_its_slot() {
    let recycler = Recycler::new();
    let pool = recycler.pool("event", 20, || 0u64, |_| {});
    let shared = pool.try_lease().unwrap().share();
    let _more = [shared.clone(), shared];
    let ticket = pool.try_lease().unwrap().into_ticket().unwrap();
    let _held: Vec<_> = (2..20).map(|_| pool.try_lease().unwrap()).collect();
    let _heap = pool.lease_or_heap();
    let report = recycler.leak_report();
    assert_eq!((report.count(), report.unrecorded.len()), (21, 20));
    let text = report.to_string();
    assert!(text.contains("slot 0, generation 0: 2 handles"), "{text}");
    assert!(text.contains("slot 1, generation 0: a ticket"), "{text}");
    assert!(text.contains("and 4 more") && text.contains("pool `event`: 21 out"), "{text}");
    pool.recycle(ticket).unwrap();
}

#[test]
fn debug_mode_is_switched_by_one_thread_while_others_take_and_return() {
    let recycler = Recycler::new();
    let pool = recycler.pool("event", 100, || 7u64, |value| *value = 7);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut held = VecDeque::new();
                while !over.load(Relaxed) {
                    let mut lease = pool.try_lease().expect("20 are out at most");
                    assert_eq!(std::mem::replace(&mut *lease, 8), 7);
                    held.push_back(lease);
                    if held.len() == 10 {
                        held.pop_front();
                    }
                }
            });
        }
        for turn in 0..40 {
            if turn % 2 == 0 {
                recycler.enable_debug_mode();
            } else {
                recycler.disable_debug_mode();
            }
            let _ = recycler.leak_report();
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        over.store(true, Relaxed);
    });
    let stats = pool.stats();
    assert_eq!((stats.leased, stats.stray_writes), (0, 0));
    assert!(stats.leases == stats.returned && recycler.leak_report().is_clean());
    assert!(recycler.outstanding().is_empty());
}
