use std::{fmt, sync::Arc, time::Instant};

use crate::{
    DeedKind, Exhausted, Lease, Recycler, Stats, Ticket, TicketError, TimedOut, depot::Geometry,
    room::Room, slots::Exclusive,
};

/// The most objects that a pool can be asked for: with those for magazines, a ticket has 24 bits for them.
const MAX_CAPACITY: usize = (1 << 24) - 4_096;

/// A fixed set of objects, all made at the start. Cloning a `Pool` gives another handle to the same
/// one; the objects live until the last handle and the last lease are gone.
///
/// A capacity of N means that N leases are available, from any mix of threads, however these come and
/// go: whenever fewer than N are out, [`try_lease`](Self::try_lease) succeeds. So that taking and
/// returning are mostly a thread's own business, each thread keeps a few free objects at hand; from a
/// capacity of 64 on, up to a quarter more objects are made to make up for those ([`Stats::objects`]),
/// and more than N may be out at a time. Where that is unwelcome, ask for an [`exact`](Self::exact) pool.
pub struct Pool<T> {
    room: Arc<Room<T>>,
}

static_assertions::assert_impl_all!(Pool<std::cell::Cell<u64>>: Send, Sync, Clone);

impl<T> Pool<T> {
    /// A pool of its own, named after its type. `make` makes each object (and later those that come
    /// from the heap); `reset` is run on each that comes home, and must leave it as if new, without
    /// giving up its buffers. Several pools that belong together are made by a [`Recycler`].
    ///
    /// A `make` or a `reset` that panics costs the pool that object, which is counted as retired. Where it
    /// is made from the heap, the panic is the caller's.
    ///
    /// # Panics
    ///
    /// If `capacity` is zero or above 2²⁴ − 4,096.
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

    /// As [`new`](Self::new), with not an object more than `capacity`. No thread keeps free objects at
    /// hand, so taking and returning cost two atomic exchanges more.
    ///
    /// # Panics
    ///
    /// If `capacity` is zero or above 2²⁴ − 4,096.
    pub fn exact(
        capacity: usize,
        make: impl Fn() -> T + Send + Sync + 'static,
        reset: impl Fn(&mut T) + Send + Sync + 'static,
    ) -> Self
    where
        T: Send + 'static,
    {
        Recycler::new().exact_pool(std::any::type_name::<T>(), capacity, make, reset)
    }

    pub(crate) fn open(
        name: &str,
        capacity: usize,
        geometry: fn(u32) -> Geometry,
        make: impl Fn() -> T + Send + Sync + 'static,
        reset: impl Fn(&mut T) + Send + Sync + 'static,
    ) -> Self
    where
        T: Send + 'static,
    {
        assert!(capacity > 0, "pool `{name}`: a capacity of zero leaves nothing to lease");
        assert!(capacity <= MAX_CAPACITY, "pool `{name}`: a capacity above {MAX_CAPACITY}");
        Self::of(&Room::new(name, geometry(capacity as u32), make, reset))
    }

    /// The pool that a handle belongs to.
    pub(crate) fn of(room: &Room<T>) -> Self {
        Self { room: room.open() }
    }

    pub(crate) fn room(&self) -> &Arc<Room<T>> {
        &self.room
    }

    /// The pool's name.
    pub fn name(&self) -> &Arc<str> {
        &self.room.desk.name
    }

    /// How many objects can be out whatever threads keep at hand; see [`Pool`].
    pub fn capacity(&self) -> usize {
        self.room.desk.capacity()
    }

    /// What the pool has done so far, and how many objects are out. Takes a lock for a moment, which
    /// threads want that use the pool for the first time or end.
    pub fn stats(&self) -> Stats {
        self.room.desk.stats()
    }

    /// An object, if one is home. Mostly a few nanoseconds and nothing shared with other threads; every
    /// so often some objects are fetched from where all threads put theirs, by an atomic exchange.
    /// Allocates nothing, but when a thread uses the pool for the first time.
    ///
    /// # Errors
    ///
    /// [`Exhausted`] if all are out; counted.
    #[inline]
    pub fn try_lease(&self) -> Result<Lease<T>, Exhausted> {
        match self.room.take() {
            Some(held) => Ok(Lease::new(held)),
            None => Err(self.room.desk.exhausted()),
        }
    }

    /// An object, as soon as fewer than the capacity are out: blocks the thread until then or until
    /// `deadline`. Among those who wait, who came first is served first; what comes home meanwhile goes to
    /// them, and so does what a thread has at hand that asks for an object itself. A deadline that has
    /// passed makes this a [`try_lease`](Self::try_lease).
    ///
    /// # Errors
    ///
    /// [`TimedOut`] if none came home in time; counted.
    #[inline]
    pub fn lease_until(&self, deadline: Instant) -> Result<Lease<T>, TimedOut> {
        // Whoever comes while others wait goes to the end of the queue.
        let at_once = if self.room.desk.is_awaited() { None } else { self.room.take() };
        match at_once.or_else(|| self.room.wait_until(deadline)) {
            Some(held) => Ok(Lease::new(held)),
            None => Err(self.room.desk.timed_out()),
        }
    }

    /// An object in any case: made on the heap, and given back to it, if none is home. Never fails;
    /// counted when it had to allocate.
    #[inline]
    pub fn lease_or_heap(&self) -> Lease<T> {
        Lease::new(self.room.take_or_make())
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
        if let Some(held) = self.claim(ticket)? {
            return Ok(Lease::new(held));
        }
        self.room.desk.counts.uses_after_put.add(1);
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
        if let Some(held) = self.claim(ticket)? {
            drop(held);
            return Ok(());
        }
        self.room.desk.counts.double_puts.add(1);
        let Ticket { slot, generation, .. } = ticket;
        let pool = Arc::clone(self.name());
        Err(self.refuse(ticket, TicketError::DoublePut { pool, slot, generation }))
    }

    /// `None` if the ticket is spent.
    fn claim(&self, ticket: Ticket) -> Result<Option<Exclusive<T>>, TicketError> {
        let Ticket { pool, slot, generation } = ticket;
        let slots = self.room.slots();
        if pool != self.number() || slot as usize >= slots.len() {
            return Err(TicketError::Foreign { pool: Arc::clone(self.name()) });
        }
        let held = slots.redeem(slot, generation);
        if held.is_some() {
            let desk = &self.room.desk;
            desk.ticket_spent();
            if desk.is_debug() {
                desk.ledger.did(DeedKind::Redeemed, slot, generation);
            }
        }
        Ok(held)
    }

    /// What tickets call the pool.
    pub(crate) fn number(&self) -> u32 {
        self.room.desk.number
    }

    fn refuse(&self, ticket: Ticket, error: TicketError) -> TicketError {
        let desk = &self.room.desk;
        if !desk.is_debug() {
            return error;
        }
        let here = std::backtrace::Backtrace::force_capture();
        let spent: String = desk
            .ledger
            .deeds(ticket.slot)
            .iter()
            .filter(|deed| deed.generation == ticket.generation && deed.kind != DeedKind::Leased)
            .map(|deed| format!("it was {deed}\n"))
            .collect();
        let spent = if spent.is_empty() { "its end is not remembered\n".into() } else { spent };
        panic!("{error}\n{spent}and used again at:\n{here}")
    }
}

impl<T> Clone for Pool<T> {
    fn clone(&self) -> Self {
        Self::of(&self.room)
    }
}

impl<T> Drop for Pool<T> {
    fn drop(&mut self) {
        self.room.leave();
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
