use super::*;
use crate::Pool;

fn pool() -> Pool<u64> {
    Pool::new(256, || 0, |value| *value = 0)
}

/// How many magazines this thread has.
fn magazines() -> usize {
    let in_places = AT_HAND.with(|places| places.iter().filter(|p| p.key.get() != NOBODYS).count());
    in_places + RACK.with(|rack| rack.rest.borrow().len())
}

#[test]
fn more_pools_than_places_keep_a_magazine_each_and_give_it_up_when_they_are_gone() {
    let pools: Vec<_> = (0..2 * PLACES + 3).map(|_| pool()).collect();
    for _ in 0..3 {
        for pool in &pools {
            drop((pool.try_lease().unwrap(), pool.try_lease().unwrap()));
        }
    }
    assert_eq!(magazines(), pools.len());
    assert!(pools.iter().all(|pool| pool.stats().leased == 0 && pool.stats().leases == 6));
    drop(pools);
    let last = pool();
    drop(last.try_lease().unwrap());
    assert_eq!(magazines(), 1, "the first lease of a new pool clears out");
}

#[test]
fn a_full_magazine_gives_its_lower_half_away_and_keeps_what_was_used_last() {
    let pool = pool();
    let limit = pool.room().desk.depot.geometry().magazine() as usize;
    let held: Vec<_> = (0..limit + 1).map(|_| pool.try_lease().unwrap()).collect();
    let last: Vec<_> =
        held[limit / 2..].iter().map(|lease| std::ptr::from_ref(&**lease).addr()).collect();
    drop(held);
    let again: Vec<_> = last.iter().map(|_| pool.try_lease().unwrap()).collect();
    let again: Vec<_> = again.iter().map(|lease| std::ptr::from_ref(&**lease).addr()).collect();
    assert!(again.iter().eq(last.iter().rev()), "the last one first");
}

#[test]
fn a_place_whose_magazine_is_in_use_is_left_alone() {
    let pool = pool();
    drop(pool.try_lease().unwrap());
    let desk = &pool.room().desk;
    AT_HAND.with(|places| {
        let (place, magazine) = Place::of(places, desk.own_key).lift(desk.own_key).unwrap();
        assert!(with(desk, |_| ()).is_none());
        assert!(pop(desk.own_key).is_none() && !put(desk.own_key, 0));
        // An allocator that leases from a pool does without the magazine meanwhile.
        drop(pool.try_lease().unwrap());
        place.magazine.set(Some(magazine));
    });
    assert_eq!((pool.stats().leases, pool.stats().leased), (2, 0));
}

#[test]
fn a_thread_without_a_magazine_gets_one_when_another_gives_its_own_up() {
    let pool = Pool::new(64, || 0u64, |_| {});
    let limit = |pool: &Pool<u64>| with(&pool.room().desk, |magazine| magazine.limit).unwrap();
    let (sender, receiver) = crossbeam_channel::bounded(2);
    let holders = [(); 2].map(|()| {
        let (pool, sender) = (pool.clone(), sender.clone());
        let (end, ended) = crossbeam_channel::bounded::<()>(1);
        let holder = std::thread::spawn(move || {
            drop(pool.try_lease().unwrap());
            sender.send(limit(&pool)).unwrap();
            let _ = ended.recv();
        });
        (end, holder)
    });
    assert_eq!([receiver.recv(), receiver.recv()], [Ok(8), Ok(8)]);
    drop(pool.try_lease().unwrap());
    assert_eq!(limit(&pool), 0, "there are two");
    for (end, holder) in holders {
        drop(end);
        holder.join().unwrap();
    }
    drop(pool.try_lease().unwrap());
    assert_eq!(limit(&pool), 8);
}
