//! FR-027: in debug mode, who holds what can be listed, with stacks.
#![cfg(not(meltica_loom))]

use meltica_recycler::Recycler;

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
    assert_eq!((report.count(), report.outstanding.len()), (1, 0));
    assert!(report.to_string().contains("debug mode was off"));
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
}
