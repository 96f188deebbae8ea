use super::*;
use crate::{Pool, TicketError};

fn one(value: u64) -> Pool<u64> {
    Pool::exact(1, move || value, |_| {})
}

fn word<T>(pool: &Pool<T>) -> &AtomicU64 {
    &pool.room().slots().0[0].word
}

#[test]
fn a_slot_that_is_not_free_is_refused_whatever_the_desk_says() {
    let pool = one(7);
    let held = pool.try_lease().unwrap();
    assert!(pool.room().slots().claim(0).is_none(), "leased already");
    drop(held);
    assert_eq!(word(&pool).load(Relaxed), GENERATION, "free, in the next generation");
}

#[test]
#[should_panic(expected = "the desk hands out free slots only")]
fn a_slot_that_is_neither_free_nor_poisoned_is_nothing_to_heal() {
    let pool = one(7);
    let _held = pool.try_lease().unwrap();
    let _ = pool.room().slots().heal(0);
}

#[test]
fn generations_wrap_without_disturbing_the_state_and_a_ticket_of_the_last_round_is_stale() {
    let pool = one(7);
    let last = (1u64 << 40) - 1;
    word(&pool).store(last << STATE_BITS, Relaxed);
    let ticket = pool.try_lease().unwrap().into_ticket().unwrap();
    assert_eq!(ticket.generation, last);
    pool.recycle(ticket).unwrap();
    assert_eq!(word(&pool).load(Relaxed), FREE, "generation zero");
    let next = pool.try_lease().unwrap().into_ticket().unwrap();
    assert_eq!(next.generation, 0);
    assert!(matches!(pool.redeem(ticket), Err(TicketError::UseAfterPut { .. })));
    pool.recycle(next).unwrap();

    // After a whole round it is not told from a new one: what `Ticket` says of its odds.
    word(&pool).store(last << STATE_BITS, Relaxed);
    let twin = pool.try_lease().unwrap().into_ticket().unwrap();
    assert_eq!(twin, ticket);
    pool.recycle(ticket).unwrap();
}

#[test]
fn a_value_that_lies_aside_is_dropped_once() {
    let value = Arc::new(());
    let made = Arc::clone(&value);
    let recycler = crate::Recycler::new();
    let pool = recycler.exact_pool("aside", 2, move || Arc::clone(&made), |_| {});
    recycler.enable_debug_mode();
    drop(pool.try_lease().unwrap());
    assert_eq!(Arc::strong_count(&value), 4, "two objects, the maker's and this one");
    drop(pool);
    assert_eq!(Arc::strong_count(&value), 1);
}

#[test]
fn too_many_handles_are_refused_before_they_reach_the_marks() {
    let pool = one(7);
    let shared = pool.try_lease().unwrap().share();
    word(&pool).store(MAX_HANDLES + 1, Relaxed);
    let another = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| shared.clone()));
    assert!(another.is_err());
    assert_eq!(word(&pool).load(Relaxed), MAX_HANDLES + 1, "the count is as it was");
    word(&pool).store(LEASED, Relaxed);
}

#[test]
fn a_slot_has_its_cache_lines_to_itself() {
    let pool: Pool<[u8; 3]> = Pool::exact(3, || [0; 3], |_| {});
    let all: Vec<_> = (0..3).map(|_| pool.try_lease().unwrap()).collect();
    let mut lines: Vec<_> = all.iter().map(|lease| lease.as_ptr().addr() / 64).collect();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), 3);
}

#[test]
fn what_is_retired_or_poisoned_is_neither_free_nor_out() {
    let recycler = crate::Recycler::new();
    let pool = recycler.exact_pool("marks", 2, || 7u64, |value| assert_ne!(*value, 13));
    drop(pool.try_lease().unwrap());
    *pool.try_lease().unwrap() = 13;
    assert_eq!(word(&pool).load(Relaxed), GENERATION | RETIRED);
    assert!(pool.room().slots().claim(0).is_none() && pool.room().slots().out().is_empty());
    recycler.enable_debug_mode();
    drop(pool.try_lease().unwrap());
    assert!(pool.room().slots().claim(1).is_none() && pool.room().slots().out().is_empty());
    let _held = pool.try_lease().unwrap();
    let out = pool.room().slots().out();
    let out: Vec<_> = out.iter().map(|out| (out.index, out.generation, out.handles)).collect();
    assert_eq!(out, [(1, 1, 1)]);
}
