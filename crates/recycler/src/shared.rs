use std::{fmt, marker::PhantomData, ops::Deref, sync::Arc};

use crate::{Lease, Pool, slots::Counted};

/// One of several handles to an object of a [`Pool`], like an `Arc`, and as large as one: clones and
/// reads. The last one to be dropped resets the object and sends it home.
///
/// A clone is one atomic addition, and allocates nothing.
pub struct Shared<T> {
    held: Counted<T>,
    /// Send and Sync as an `Arc<T>`: the value is read from several threads.
    value: PhantomData<Arc<T>>,
}

static_assertions::assert_impl_all!(Shared<u64>: Send, Sync, Clone);
static_assertions::assert_not_impl_any!(Shared<std::cell::Cell<u64>>: Send, Sync);
static_assertions::assert_eq_size!(Shared<[u64; 16]>, Option<Shared<[u64; 16]>>, usize);

impl<T> Shared<T> {
    pub(crate) fn new(held: Counted<T>) -> Self {
        Self { held, value: PhantomData }
    }

    /// The pool it came from.
    pub fn pool(&self) -> Pool<T> {
        Pool::of(self.held.room())
    }

    /// The object for writing, if this is the only handle to it.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.held.get_mut()
    }

    /// The object to oneself again.
    ///
    /// # Errors
    ///
    /// Hands the share back if there are other handles.
    pub fn try_into_lease(self) -> Result<Lease<T>, Self> {
        self.held.try_exclusive().map(Lease::new).map_err(Self::new)
    }
}

impl<T: Clone> Shared<T> {
    /// An equal object of the same pool to oneself, from the heap if the pool is empty. Copies by
    /// `clone_from`, so a pooled object's own buffers are reused.
    pub fn duplicate(&self) -> Lease<T> {
        let mut copy = Lease::new(self.held.room().take_or_make());
        (*copy).clone_from(&**self);
        copy
    }

    /// The object for writing: itself if this is the only handle, else a
    /// [`duplicate`](Self::duplicate) that takes its place.
    pub fn make_mut(&mut self) -> &mut T {
        if self.get_mut().is_none() {
            *self = self.duplicate().share();
        }
        self.get_mut().expect("a new duplicate has no other handle, and a sole handle stays sole")
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self::new(self.held.another())
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.held.get()
    }
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shared").field(&**self).finish()
    }
}

impl<T: PartialEq> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}
