use std::{
    fmt,
    ops::{Deref, DerefMut},
};

use crate::{Exhausted, Pool, Shared, Ticket, slots::Exclusive};

/// Exclusive use of one object of a [`Pool`], like a `Box`, and as large as one. Dropping it resets the
/// object and sends it home, from any thread.
///
/// To keep a lease out of the pool for ever takes `mem::forget` or a reference cycle; the pool
/// counts it as leased.
pub struct Lease<T>(Exclusive<T>);

static_assertions::assert_impl_all!(Lease<u64>: Send, Sync);
static_assertions::assert_impl_all!(Lease<std::cell::Cell<u64>>: Send);
static_assertions::assert_not_impl_any!(Lease<std::cell::Cell<u64>>: Sync);
static_assertions::assert_not_impl_any!(Lease<std::rc::Rc<u64>>: Send, Sync);
static_assertions::assert_not_impl_any!(Lease<u64>: Clone);
static_assertions::assert_eq_size!(Lease<[u64; 16]>, Option<Lease<[u64; 16]>>, usize);

impl<T> Lease<T> {
    #[inline]
    pub(crate) fn new(held: Exclusive<T>) -> Self {
        Self(held)
    }

    /// The pool it came from.
    pub fn pool(&self) -> Pool<T> {
        Pool::of(self.0.room())
    }

    /// Whether the object came from the heap because the pool was empty.
    pub fn is_heap(&self) -> bool {
        self.0.is_heap()
    }

    /// Gives up writing, in exchange for handles that clone. No allocation.
    pub fn share(self) -> Shared<T> {
        Shared::new(self.0.share())
    }

    /// Turns the lease into a key that can travel where a value cannot. The object stays out until
    /// the ticket is redeemed or recycled; a lost ticket is a leak, which the pool counts.
    ///
    /// # Errors
    ///
    /// Hands the lease back if the object came from the heap: no key could find it.
    pub fn into_ticket(self) -> Result<Ticket, Self> {
        if self.is_heap() {
            return Err(self);
        }
        let pool = self.0.room().desk.number;
        let (slot, generation) = self.0.ticket();
        Ok(Ticket { pool, slot, generation })
    }
}

impl<T: Clone> Lease<T> {
    /// An equal object of the same pool, from the heap if the pool is empty. Copies by
    /// `clone_from`, so a pooled object's own buffers are reused.
    pub fn duplicate(&self) -> Self {
        let mut copy = Self(self.0.room().take_or_make());
        (*copy).clone_from(&**self);
        copy
    }

    /// An equal object of the same pool.
    ///
    /// # Errors
    ///
    /// [`Exhausted`] if the pool is empty.
    pub fn try_duplicate(&self) -> Result<Self, Exhausted> {
        let room = self.0.room();
        let mut copy = Self(room.take().ok_or_else(|| room.desk.exhausted())?);
        (*copy).clone_from(&**self);
        Ok(copy)
    }
}

impl<T> Deref for Lease<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.0.get()
    }
}

impl<T> DerefMut for Lease<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_mut()
    }
}

impl<T: fmt::Debug> fmt::Debug for Lease<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lease").field(&**self).finish()
    }
}

impl<T: PartialEq> PartialEq for Lease<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}
