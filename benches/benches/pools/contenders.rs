//! The pool, and what one would use in its place.

use std::alloc::System;

use crossbeam_queue::{ArrayQueue, SegQueue};
use meltica_recycler::{Lease, Pool};
use mimalloc::MiMalloc;

use crate::raw::Raw;

/// An object of `8 * WORDS` bytes, whose first word is written on every use and cleared on every return.
pub(crate) struct Payload<const WORDS: usize>(pub(crate) [u64; WORDS]);

impl<const WORDS: usize> Default for Payload<WORDS> {
    fn default() -> Self {
        Self([0; WORDS])
    }
}

fn reset<const WORDS: usize>(payload: &mut Payload<WORDS>) {
    payload.0[0] = 0;
}

/// Enough for every workload here, and no more than some of the contenders like.
pub(crate) const CAPACITY: usize = 4_096;

/// Something that objects are taken from and given back to, warm from the start.
pub(crate) trait Contender<const WORDS: usize>: Sync {
    /// An object that is out. Dropping it need not return it: [`put`](Self::put) does.
    type Held<'a>: Send
    where
        Self: 'a;
    const NAME: &'static str;
    fn new() -> Self;
    /// Takes an object and writes its first word.
    fn get(&self, word: u64) -> Self::Held<'_>;
    fn put<'a>(&'a self, held: Self::Held<'a>);
}

/// The pool, with magazines or without.
pub(crate) struct Recycler<const WORDS: usize, const EXACT: bool>(Pool<Payload<WORDS>>);

impl<const WORDS: usize, const EXACT: bool> Contender<WORDS> for Recycler<WORDS, EXACT> {
    type Held<'a> = Lease<Payload<WORDS>>;
    const NAME: &'static str = if EXACT { "meltica-recycler, exact" } else { "meltica-recycler" };

    fn new() -> Self {
        let pool = if EXACT { Pool::exact } else { Pool::new };
        Self(pool(CAPACITY, Payload::default, reset))
    }

    #[inline]
    fn get(&self, word: u64) -> Self::Held<'_> {
        let mut lease = self.0.try_lease().expect("large enough");
        lease.0[0] = word;
        lease
    }

    #[inline]
    fn put<'a>(&'a self, held: Self::Held<'a>) {
        drop(held);
    }
}

/// A box of the system's allocator.
pub(crate) struct SystemBox;

impl<const WORDS: usize> Contender<WORDS> for SystemBox {
    type Held<'a> = Raw<WORDS>;
    const NAME: &'static str = "box, system allocator";

    fn new() -> Self {
        Self
    }

    #[inline]
    fn get(&self, word: u64) -> Raw<WORDS> {
        Raw::new(&System, word)
    }

    #[inline]
    fn put(&self, held: Raw<WORDS>) {
        held.free(&System);
    }
}

/// A box of mimalloc's.
pub(crate) struct MimallocBox;

impl<const WORDS: usize> Contender<WORDS> for MimallocBox {
    type Held<'a> = Raw<WORDS>;
    const NAME: &'static str = "box, mimalloc";

    fn new() -> Self {
        Self
    }

    #[inline]
    fn get(&self, word: u64) -> Raw<WORDS> {
        Raw::new(&MiMalloc, word)
    }

    #[inline]
    fn put(&self, held: Raw<WORDS>) {
        held.free(&MiMalloc);
    }
}

/// A queue of boxes by hand, of a fixed size.
pub(crate) struct ArrayList<const WORDS: usize>(ArrayQueue<Box<Payload<WORDS>>>);

impl<const WORDS: usize> Contender<WORDS> for ArrayList<WORDS> {
    type Held<'a> = Box<Payload<WORDS>>;
    const NAME: &'static str = "crossbeam ArrayQueue of boxes";

    fn new() -> Self {
        let queue = ArrayQueue::new(CAPACITY);
        (0..CAPACITY).for_each(|_| assert!(queue.push(Box::default()).is_ok()));
        Self(queue)
    }

    #[inline]
    fn get(&self, word: u64) -> Self::Held<'_> {
        let mut held = self.0.pop().expect("large enough");
        held.0[0] = word;
        held
    }

    #[inline]
    fn put<'a>(&'a self, mut held: Self::Held<'a>) {
        reset(&mut held);
        assert!(self.0.push(held).is_ok());
    }
}

/// A queue of boxes by hand, without a bound.
pub(crate) struct SegList<const WORDS: usize>(SegQueue<Box<Payload<WORDS>>>);

impl<const WORDS: usize> Contender<WORDS> for SegList<WORDS> {
    type Held<'a> = Box<Payload<WORDS>>;
    const NAME: &'static str = "crossbeam SegQueue of boxes";

    fn new() -> Self {
        let queue = SegQueue::new();
        (0..CAPACITY).for_each(|_| queue.push(Box::default()));
        Self(queue)
    }

    #[inline]
    fn get(&self, word: u64) -> Self::Held<'_> {
        let mut held = self.0.pop().expect("large enough");
        held.0[0] = word;
        held
    }

    #[inline]
    fn put<'a>(&'a self, mut held: Self::Held<'a>) {
        reset(&mut held);
        self.0.push(held);
    }
}

impl<const WORDS: usize> sharded_slab::Clear for Payload<WORDS> {
    fn clear(&mut self) {
        reset(self);
    }
}

/// A pool of sharded-slab's by its guards. They are not Send, so what travels is the key.
pub(crate) struct SlabGuard<const WORDS: usize>(sharded_slab::Pool<Payload<WORDS>>);

impl<const WORDS: usize> Contender<WORDS> for SlabGuard<WORDS> {
    type Held<'a> = usize;
    const NAME: &'static str = "sharded-slab, by guard";

    fn new() -> Self {
        Self(sharded_slab::Pool::new())
    }

    #[inline]
    fn get(&self, word: u64) -> usize {
        let mut guard = self.0.create().expect("large enough");
        guard.0[0] = word;
        guard.key()
    }

    #[inline]
    fn put(&self, held: usize) {
        assert!(self.0.clear(held));
    }
}

/// A pool of sharded-slab's by its keys.
pub(crate) struct SlabKey<const WORDS: usize>(sharded_slab::Pool<Payload<WORDS>>);

impl<const WORDS: usize> Contender<WORDS> for SlabKey<WORDS> {
    type Held<'a> = usize;
    const NAME: &'static str = "sharded-slab, by key";

    fn new() -> Self {
        Self(sharded_slab::Pool::new())
    }

    #[inline]
    fn get(&self, word: u64) -> usize {
        self.0.create_with(|payload| payload.0[0] = word).expect("large enough")
    }

    #[inline]
    fn put(&self, held: usize) {
        assert!(self.0.clear(held));
    }
}

/// What opool is told of the objects.
pub(crate) struct Objects;

impl<const WORDS: usize> opool::PoolAllocator<Payload<WORDS>> for Objects {
    fn allocate(&self) -> Payload<WORDS> {
        Payload::default()
    }

    fn reset(&self, payload: &mut Payload<WORDS>) {
        reset(payload);
    }
}

/// A pool of opool's.
pub(crate) struct Opool<const WORDS: usize>(opool::Pool<Objects, Payload<WORDS>>);

impl<const WORDS: usize> Contender<WORDS> for Opool<WORDS> {
    type Held<'a> = opool::RefGuard<'a, Objects, Payload<WORDS>>;
    const NAME: &'static str = "opool";

    fn new() -> Self {
        Self(opool::Pool::new_prefilled(CAPACITY, Objects))
    }

    #[inline]
    fn get(&self, word: u64) -> Self::Held<'_> {
        let mut held = self.0.get();
        held.0[0] = word;
        held
    }

    #[inline]
    fn put<'a>(&'a self, held: Self::Held<'a>) {
        drop(held);
    }
}

/// A pool of object-pool's. It has no reset: what is put is cleared by hand.
pub(crate) struct ObjectPool<const WORDS: usize>(object_pool::Pool<Payload<WORDS>>);

impl<const WORDS: usize> Contender<WORDS> for ObjectPool<WORDS> {
    type Held<'a> = object_pool::Reusable<'a, Payload<WORDS>>;
    const NAME: &'static str = "object-pool";

    fn new() -> Self {
        Self(object_pool::Pool::new(CAPACITY, Payload::default))
    }

    #[inline]
    fn get(&self, word: u64) -> Self::Held<'_> {
        let mut held = self.0.try_pull().expect("large enough");
        held.0[0] = word;
        held
    }

    #[inline]
    fn put<'a>(&'a self, mut held: Self::Held<'a>) {
        reset(&mut held);
    }
}

macro_rules! lockfree {
    ($(#[$doc:meta])* $name:ident, $pool:ident, $reusable:ident, $title:literal) => {
        $(#[$doc])*
        pub(crate) struct $name<const WORDS: usize>(lockfree_object_pool::$pool<Payload<WORDS>>);

        impl<const WORDS: usize> Contender<WORDS> for $name<WORDS> {
            type Held<'a> = lockfree_object_pool::$reusable<'a, Payload<WORDS>>;
            const NAME: &'static str = $title;

            fn new() -> Self {
                Self(lockfree_object_pool::$pool::new(Payload::default, reset))
            }

            #[inline]
            fn get(&self, word: u64) -> Self::Held<'_> {
                let mut held = self.0.pull();
                held.0[0] = word;
                held
            }

            #[inline]
            fn put<'a>(&'a self, held: Self::Held<'a>) {
                drop(held);
            }
        }
    };
}

lockfree!(
    /// The first pool of lockfree-object-pool's.
    Linear, LinearObjectPool, LinearReusable, "lockfree-object-pool, linear"
);
lockfree!(
    /// The second.
    SpinLock, SpinLockObjectPool, SpinLockReusable, "lockfree-object-pool, spin lock"
);
lockfree!(
    /// The third.
    Mutexed, MutexObjectPool, MutexReusable, "lockfree-object-pool, mutex"
);
