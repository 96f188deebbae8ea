//! A fixed set of objects that are leased, used and returned by dropping them.
//!
//! All storage is made once, in [`Pool::new`]. A [`Lease`] is exclusive, like a `Box`;
//! [`Lease::share`] turns it into a [`Shared`], which clones like an `Arc` and only reads.
//! Dropping the last handle resets the object and frees its slot, wherever that happens: on a
//! return, an early exit, a full queue or a panic. What to do when the pool is empty is chosen per
//! call: fail ([`Pool::try_lease`]), wait ([`Pool::lease_until`]), or take from the heap
//! ([`Pool::lease_or_heap`]); each outcome is counted.
//!
//! Not for objects that are cheap to make and never counted: a modern allocator is about as fast.
//! A pool gives bounds, accounting and flat tails.
//!
//! ```
//! use meltica_recycler::Pool;
//!
//! let pool = Pool::new(64, || Vec::with_capacity(512), Vec::clear);
//! let mut frame = pool.try_lease()?;
//! frame.extend_from_slice(b"trade");
//! drop(frame); // cleared, capacity kept, free for the next caller
//! assert_eq!(pool.stats().leased, 0);
//! # Ok::<(), meltica_recycler::Exhausted>(())
//! ```
//!
//! Returning twice, or using what was returned, does not compile:
//!
//! ```compile_fail,E0382
//! # let pool = meltica_recycler::Pool::new(1, || 7u64, |_| {});
//! let lease = pool.try_lease().unwrap();
//! drop(lease);
//! drop(lease); // error: use of moved value
//! ```
//!
//! ```compile_fail,E0382
//! # let pool = meltica_recycler::Pool::new(1, || 7u64, |_| {});
//! let lease = pool.try_lease().unwrap();
//! drop(lease);
//! println!("{}", *lease); // error: borrow of moved value
//! ```
//!
//! ```
//! # let pool = meltica_recycler::Pool::new(1, || 7u64, |_| {});
//! let lease = pool.try_lease().unwrap();
//! println!("{}", *lease);
//! drop(lease); // once, after the last use: compiles
//! ```
//!
//! Where a value cannot travel (an index through FFI or shared memory), a lease becomes a
//! [`Ticket`], which is redeemed once; doing so twice is an error always, and a panic with both
//! stacks in debug mode. A [`Recycler`] owns several pools, and has the statistics, the debug mode
//! and the list of what is still out.

mod clock;
mod desk;
mod error;
mod lease;
mod ledger;
mod pool;
mod recycler;
mod shared;
#[expect(unsafe_code, reason = "slot storage; the states and moves are at the top of the file")]
mod slots;
mod stats;
mod sync;
mod ticket;

pub use meltica_stats::Snapshot;

pub use self::{
    error::{Exhausted, TicketError, TimedOut},
    lease::Lease,
    ledger::{LeakReport, Outstanding},
    pool::Pool,
    recycler::Recycler,
    shared::Shared,
    stats::Stats,
    ticket::Ticket,
};
