use std::{
    fmt,
    marker::PhantomData,
    ops::{Deref, DerefMut},
};

use crate::{
    Exhausted, Pool, Shared, Ticket,
    desk::{Held, give_back},
};

/// Exclusive use of one object of a [`Pool`], like a `Box`. Dropping it resets the object and sends
/// it home, from any thread.
///
/// To keep a lease out of the pool for ever takes `mem::forget` or a reference cycle; the pool
/// counts it as leased.
pub struct Lease<T> {
    /// `None` only between the end of `drop` and of the lease itself.
    held: Option<Held<T>>,
    /// Sync as a `&T` demands it: the slots themselves only ask for Send.
    value: PhantomData<T>,
}

static_assertions::assert_impl_all!(Lease<u64>: Send, Sync);
static_assertions::assert_impl_all!(Lease<std::cell::Cell<u64>>: Send);
static_assertions::assert_not_impl_any!(Lease<std::cell::Cell<u64>>: Sync);
static_assertions::assert_not_impl_any!(Lease<std::rc::Rc<u64>>: Send);
static_assertions::assert_not_impl_any!(Lease<u64>: Clone);

impl<T> Lease<T> {
    pub(crate) fn new(held: Held<T>) -> Self {
        Self { held: Some(held), value: PhantomData }
    }

    fn held(&self) -> &Held<T> {
        self.held.as_ref().expect("a lease holds its object until it is dropped")
    }

    fn into_held(mut self) -> Held<T> {
        self.held.take().expect("a lease holds its object until it is dropped")
    }

    /// The pool it came from.
    pub fn pool(&self) -> Pool<T> {
        Pool::of(self.held().slots())
    }

    /// Whether the object came from the heap because the pool was empty.
    pub fn is_heap(&self) -> bool {
        self.held().slots().home.pooled.is_some()
    }

    /// Gives up writing, in exchange for handles that clone. No allocation.
    pub fn share(self) -> Shared<T> {
        Shared::new(self.into_held().share())
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
        let held = self.into_held();
        let pool = held.slots().home.desk.id;
        let (slot, generation) = held.ticket();
        Ok(Ticket { pool, slot, generation })
    }
}

impl<T: Clone> Lease<T> {
    /// An equal object of the same pool, from the heap if the pool is empty. Copies by
    /// `clone_from`, so a pooled object's own buffers are reused.
    pub fn duplicate(&self) -> Self {
        let mut copy = self.pool().lease_or_heap();
        (*copy).clone_from(&**self);
        copy
    }

    /// An equal object of the same pool.
    ///
    /// # Errors
    ///
    /// [`Exhausted`] if the pool is empty.
    pub fn try_duplicate(&self) -> Result<Self, Exhausted> {
        let mut copy = self.pool().try_lease()?;
        (*copy).clone_from(&**self);
        Ok(copy)
    }
}

impl<T> Drop for Lease<T> {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            give_back(held);
        }
    }
}

impl<T> Deref for Lease<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.held().get()
    }
}

impl<T> DerefMut for Lease<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.held.as_mut().expect("a lease holds its object until it is dropped").get_mut()
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
