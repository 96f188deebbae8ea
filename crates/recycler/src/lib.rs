//! A fixed set of objects that are leased, used and returned by dropping them.
//!
//! All storage is made once, in [`Pool::new`]. A [`Lease`] is exclusive, like a `Box`, and as large as one;
//! [`Lease::share`] turns it into a [`Shared`], which clones like an `Arc` and only reads.
//! Dropping the last handle resets the object and frees its slot, wherever that happens: on a
//! return, an early exit, a full queue or a panic. What to do when the pool is empty is chosen per
//! call: fail ([`Pool::try_lease`]), wait in turn ([`Pool::lease_until`]), or take from the heap
//! ([`Pool::lease_or_heap`]); each outcome is counted.
//!
//! Each thread keeps some free objects at hand, so that taking and returning cost some nanoseconds and no
//! other thread's attention; a few more objects are made for that, and a capacity of N always means that
//! N can be out ([`Pool`]). Several times quicker than other pools, and about as quick as a good allocator,
//! which is quicker for small objects that stay on one thread: what a pool gives beyond speed are bounds,
//! accounting, buffers that are kept, and flat tails. Not for objects that are cheap to make and never
//! counted. Figures, beside others: `docs/performance.md` in the repository.
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
//! Nor do writing through a share and a second lease out of one:
//!
//! ```compile_fail,E0594
//! # let pool = meltica_recycler::Pool::new(1, || 7u64, |_| {});
//! let shared = pool.try_lease().unwrap().share();
//! *shared = 8; // error: cannot assign to data in dereference
//! ```
//!
//! ```compile_fail,E0308
//! # let pool = meltica_recycler::Pool::new(1, || 7u64, |_| {});
//! let lease = pool.try_lease().unwrap();
//! let second: meltica_recycler::Lease<u64> = lease.clone(); // error: it is the number that clones
//! ```
//!
//! ```
//! # let pool = meltica_recycler::Pool::new(2, || 7u64, |_| {});
//! let mut lease = pool.try_lease().unwrap();
//! *lease = 8;
//! let second = lease.duplicate(); // an object of its own
//! assert_eq!([*lease.share(), *second], [8, 8]);
//! ```
//!
//! Where a value cannot travel (an index through FFI or shared memory), a lease becomes a
//! [`Ticket`], which is redeemed once; doing so twice is an error always, and a panic with both
//! stacks in debug mode. A [`Recycler`] owns several pools, and has the statistics, the debug mode
//! and the list of what is still out.

mod clock;
mod contain;
mod depot;
mod desk;
mod error;
mod lease;
mod ledger;
mod magazine;
mod pool;
mod recycler;
mod room;
mod shared;
#[expect(unsafe_code, reason = "slot storage; the states and moves are at the top of the file")]
mod slots;
mod stack;
mod stats;
mod sync;
mod tally;
mod ticket;

pub use meltica_stats::Snapshot;

pub use self::{
    error::{Exhausted, TicketError, TimedOut},
    lease::Lease,
    ledger::{Deed, DeedKind, LeakReport, Outstanding, StrayWrite, Unrecorded},
    pool::Pool,
    recycler::Recycler,
    shared::Shared,
    stats::Stats,
    ticket::Ticket,
};
