//! FR-009, FR-010, FR-024: a ticket is good once; spent, it is refused, and in debug mode reported
//! with both stacks. What cannot be written in safe code is shown not to compile in the crate's
//! first page.
#![cfg(not(meltica_loom))]

use std::panic::{AssertUnwindSafe, catch_unwind};

use meltica_recycler::{Pool, Recycler, Ticket, TicketError};

fn message_of(panicked: Result<impl Sized, Box<dyn std::any::Any + Send>>) -> String {
    let Err(payload) = panicked else { panic!("this should have panicked") };
    *payload.downcast::<String>().expect("a formatted panic message")
}

#[test]
fn fr_009_fr_010_a_spent_ticket_is_refused_counted_and_corrupts_nothing() {
    let recycler = Recycler::new();
    let pool = recycler.pool("order", 2, || 0u64, |value| *value = 0);
    let mut lease = pool.try_lease().unwrap();
    *lease = 42;
    let ticket = lease.into_ticket().unwrap();
    assert_eq!(pool.stats().leased, 1, "a ticket is a lease that is out");

    let (number, key) = ticket.into_parts();
    let lease = pool.redeem(Ticket::from_parts(number, key)).unwrap();
    assert_eq!(*lease, 42);
    // While the lease is out, and after it came home.
    let late = pool.redeem(ticket).unwrap_err();
    assert!(matches!(late, TicketError::UseAfterPut { slot: 0, generation: 0, .. }));
    assert!(late.to_string().starts_with("use-after-put violation: pool `order`"));
    drop(lease);
    let twice = pool.recycle(ticket).unwrap_err();
    assert!(matches!(twice, TicketError::DoublePut { .. }));
    assert!(twice.to_string().starts_with("double-put detected: pool `order`"));

    let stats = pool.stats();
    assert_eq!((stats.double_puts, stats.uses_after_put), (1, 1));
    let both = [pool.try_lease().unwrap(), pool.try_lease().unwrap()];
    assert!(pool.try_lease().is_err(), "no object is in the pool twice");
    drop(both);
}

#[test]
fn a_ticket_can_be_sent_home_unused() {
    let pool = Pool::new(1, || 0u64, |_| {});
    let ticket = pool.try_lease().unwrap().into_ticket().unwrap();
    assert!(pool.try_lease().is_err());
    pool.recycle(ticket).unwrap();
    assert!(pool.try_lease().is_ok());
}

#[test]
fn a_stale_ticket_does_not_reach_the_objects_next_user() {
    let pool = Pool::new(1, || 0u64, |_| {});
    let stale = pool.try_lease().unwrap().into_ticket().unwrap();
    pool.recycle(stale).unwrap();
    let fresh = pool.try_lease().unwrap().into_ticket().unwrap();
    assert!(pool.redeem(stale).is_err());
    assert!(pool.redeem(fresh).is_ok());
}

#[test]
fn a_ticket_of_another_pool_is_foreign() {
    let (mine, other) = (Pool::new(1, || 0u64, |_| {}), Pool::new(1, || 0u64, |_| {}));
    let ticket = other.try_lease().unwrap().into_ticket().unwrap();
    assert!(matches!(mine.redeem(ticket), Err(TicketError::Foreign { .. })));
    let (number, _) = mine.try_lease().unwrap().into_ticket().unwrap().into_parts();
    let made_up = Ticket::from_parts(number, 0xFF_FFFF);
    let error = mine.recycle(made_up).unwrap_err();
    assert!(error.to_string().ends_with("did not make this ticket"));
}

#[test]
fn a_heap_object_stays_a_lease() {
    let pool = Pool::new(1, || 0u64, |_| {});
    let _held = pool.try_lease().unwrap();
    let lease = pool.lease_or_heap().into_ticket().unwrap_err();
    assert!(lease.is_heap());
}

#[test]
fn fr_024_in_debug_mode_a_double_put_panics_with_both_stacks() {
    let recycler = Recycler::new();
    let pool = recycler.pool("order", 1, || 0u64, |_| {});
    recycler.enable_debug_mode();
    assert!(recycler.is_debug_mode());
    let ticket = pool.try_lease().unwrap().into_ticket().unwrap();
    pool.recycle(ticket).unwrap();
    let message = message_of(catch_unwind(AssertUnwindSafe(|| pool.recycle(ticket))));
    assert!(message.starts_with("double-put detected: pool `order`, slot 0, generation 0"));
    let stacks = message.matches("fr_024_in_debug_mode_a_double_put").count();
    assert!(stacks >= 2, "both stacks lead here:\n{message}");
    assert_eq!(pool.stats().double_puts, 1);

    let ticket = pool.try_lease().unwrap().into_ticket().unwrap();
    let lease = pool.redeem(ticket).unwrap();
    let message = message_of(catch_unwind(AssertUnwindSafe(|| pool.redeem(ticket))));
    assert!(message.starts_with("use-after-put violation: pool `order`"));
    assert!(message.contains("it was redeemed"));
    assert!(message.matches("fr_024_in_debug_mode_a_double_put").count() >= 2, "{message}");
    drop(lease);
    assert_eq!(pool.stats().leased, 0, "a refusal costs nobody an object");
}
