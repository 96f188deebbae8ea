use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    time::Instant,
};

use crate::{
    Exhausted, Lease, Recycler, Stats, Ticket, TicketError, TimedOut, clock,
    desk::{AnyDesk, Desk, Held, Home, Room, give_back},
    slots::{Exclusive, Slots},
    sync::lock,
};

/// The most objects one pool can have.
const MAX_CAPACITY: usize = 1 << 24;

/// A fixed set of objects, all made at the start. Cloning a `Pool` gives another handle to the same
/// one; the objects live until the last handle and the last lease are gone.
///
/// N objects mean that N leases are available, from any mix of threads.
pub struct Pool<T> {
    room: Arc<Room<T>>,
}

static_assertions::assert_impl_all!(Pool<u64>: Send, Sync, Clone);

impl<T> Pool<T> {
    /// A pool of its own, named after its type. `make` makes each object (and later those that come
    /// from the heap); `reset` is run on each that comes home, and must leave it as if new, without
    /// giving up its buffers. Several pools that belong together are made by a [`Recycler`].
    ///
    /// A `reset` that panics costs the pool its object, which is counted as retired.
    ///
    /// # Panics
    ///
    /// If `capacity` is zero or above 2²⁴, or if `make` panics.
    pub fn new(
        capacity: usize,
        make: impl Fn() -> T + Send + Sync + 'static,
        reset: impl Fn(&mut T) + Send + Sync + 'static,
    ) -> Self
    where
        T: Send + 'static,
    {
        Recycler::new().pool(std::any::type_name::<T>(), capacity, make, reset)
    }

    /// The pool, and the desk for whoever keeps watch over several.
    pub(crate) fn open(
        name: &str,
        capacity: usize,
        make: impl Fn() -> T + Send + Sync + 'static,
        reset: impl Fn(&mut T) + Send + Sync + 'static,
        debug: Arc<AtomicBool>,
    ) -> (Self, Arc<dyn AnyDesk>)
    where
        T: Send + 'static,
    {
        assert!(capacity > 0, "pool `{name}`: a capacity of zero leaves nothing to lease");
        assert!(capacity <= MAX_CAPACITY, "pool `{name}`: a capacity above {MAX_CAPACITY}");
        // Distinguishes the tickets of all pools of a process; nothing else depends on it.
        static NEXT_ID: AtomicU32 = AtomicU32::new(0);
        let id = NEXT_ID.fetch_add(1, Relaxed);
        let make = Box::new(make);
        let desk = Arc::new(Desk::new(name.into(), id, capacity, make, Box::new(reset), debug));
        let home = Home { desk: Arc::clone(&desk), pooled: None };
        let values = (0..capacity).map(|_| (desk.make)());
        (Self { room: Arc::new(Slots::new(values, home)) }, desk)
    }

    /// The pool that a handle belongs to.
    pub(crate) fn of(room: &Arc<Room<T>>) -> Self {
        Self { room: Arc::clone(room.home.pooled.as_ref().unwrap_or(room)) }
    }

    fn desk(&self) -> &Arc<Desk<T>> {
        &self.room.home.desk
    }

    /// The pool's name.
    pub fn name(&self) -> &Arc<str> {
        &self.desk().name
    }

    /// How many objects it has.
    pub fn capacity(&self) -> usize {
        self.room.len()
    }

    /// What the pool has done so far, and how many objects are out.
    pub fn stats(&self) -> Stats {
        self.desk().stats()
    }

    /// An object, if one is home. Takes a lock for a moment; allocates nothing.
    ///
    /// # Errors
    ///
    /// [`Exhausted`] if all are out; counted.
    pub fn try_lease(&self) -> Result<Lease<T>, Exhausted> {
        let desk = self.desk();
        let taken = desk.take(&mut lock(&desk.free));
        match taken {
            Some(slot) => Ok(Lease::new(desk.claim(&self.room, slot))),
            None => {
                desk.counts.exhausted.add(1);
                Err(Exhausted { pool: Arc::clone(&desk.name), capacity: desk.capacity })
            }
        }
    }

    /// An object, as soon as one is home: blocks the thread until then or until `deadline`. A
    /// deadline that has passed makes this a [`try_lease`](Self::try_lease).
    ///
    /// # Errors
    ///
    /// [`TimedOut`] if none came home in time; counted.
    pub fn lease_until(&self, deadline: Instant) -> Result<Lease<T>, TimedOut> {
        let desk = self.desk();
        let mut free = lock(&desk.free);
        let slot = loop {
            if let Some(slot) = desk.take(&mut free) {
                break slot;
            }
            let left = deadline.saturating_duration_since(clock::now());
            if left.is_zero() {
                drop(free);
                desk.counts.timed_out.add(1);
                return Err(TimedOut { pool: Arc::clone(&desk.name), capacity: desk.capacity });
            }
            free.waiting += 1;
            let waited = desk.came_home.wait_timeout(free, left);
            free = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
            free.waiting -= 1;
        };
        drop(free);
        Ok(Lease::new(desk.claim(&self.room, slot)))
    }

    /// An object in any case: made on the heap, and given back to it, if none is home. Never fails;
    /// counted when it had to allocate.
    pub fn lease_or_heap(&self) -> Lease<T> {
        let desk = self.desk();
        let taken = desk.take(&mut lock(&desk.free));
        Lease::new(match taken {
            Some(slot) => desk.claim(&self.room, slot),
            None => desk.from_heap(&self.room),
        })
    }

    /// The lease that became this ticket: the only use of it, and once.
    ///
    /// # Errors
    ///
    /// [`TicketError::UseAfterPut`] if it was redeemed or recycled before; counted.
    /// [`TicketError::Foreign`] if it is another pool's.
    ///
    /// # Panics
    ///
    /// In debug mode, in place of `UseAfterPut`, with both stacks.
    pub fn redeem(&self, ticket: Ticket) -> Result<Lease<T>, TicketError> {
        if let Some(held) = self.claim_ticket(ticket)? {
            return Ok(Lease::new(held));
        }
        self.desk().counts.uses_after_put.add(1);
        let Ticket { slot, generation, .. } = ticket;
        let pool = Arc::clone(self.name());
        Err(self.refuse(ticket, TicketError::UseAfterPut { pool, slot, generation }))
    }

    /// Sends home the object of a ticket, without using it again.
    ///
    /// # Errors
    ///
    /// [`TicketError::DoublePut`] if it was redeemed or recycled before; counted.
    /// [`TicketError::Foreign`] if it is another pool's.
    ///
    /// # Panics
    ///
    /// In debug mode, in place of `DoublePut`, with both stacks.
    pub fn recycle(&self, ticket: Ticket) -> Result<(), TicketError> {
        if let Some(held) = self.claim_ticket(ticket)? {
            give_back(held);
            return Ok(());
        }
        self.desk().counts.double_puts.add(1);
        let Ticket { slot, generation, .. } = ticket;
        let pool = Arc::clone(self.name());
        Err(self.refuse(ticket, TicketError::DoublePut { pool, slot, generation }))
    }

    /// `None` if the ticket is spent.
    fn claim_ticket(&self, ticket: Ticket) -> Result<Option<Held<T>>, TicketError> {
        if ticket.pool != self.desk().id || ticket.slot as usize >= self.room.len() {
            return Err(TicketError::Foreign { pool: Arc::clone(self.name()) });
        }
        Ok(Exclusive::redeem(&self.room, ticket.slot, ticket.generation))
    }

    fn refuse(&self, ticket: Ticket, error: TicketError) -> TicketError {
        let desk = self.desk();
        if !desk.is_debug() {
            return error;
        }
        let here = std::backtrace::Backtrace::force_capture();
        match desk.ledger.end_of(ticket.slot, ticket.generation) {
            Some(put) => panic!("{error}\nit was put at:\n{put}\nand used again at:\n{here}"),
            None => panic!("{error}\nit was redeemed before, and used again at:\n{here}"),
        }
    }
}

impl<T> Clone for Pool<T> {
    fn clone(&self) -> Self {
        Self { room: Arc::clone(&self.room) }
    }
}

impl<T> fmt::Debug for Pool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("name", self.name())
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}
