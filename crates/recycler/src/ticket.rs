/// A key to one leased object, for where the lease itself cannot travel: an index through FFI,
/// shared memory or somebody else's queue. Made by [`Lease::into_ticket`](crate::Lease), redeemed
/// once by [`Pool::redeem`](crate::Pool::redeem) or sent home by
/// [`Pool::recycle`](crate::Pool::recycle).
///
/// It is plain data and copies freely; the pool sees to it that only the first use counts. The key
/// has 40 bits of generation: a stale ticket is mistaken for a new one only if its object was
/// leased exactly a multiple of 2⁴⁰ times in between and is ticketed at that moment; at a thousand
/// leases of the same object a second, that takes 35 years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket {
    pub(crate) pool: u32,
    /// Below 2²⁴.
    pub(crate) slot: u32,
    /// Below 2⁴⁰.
    pub(crate) generation: u64,
}

impl Ticket {
    /// The ticket as two numbers: the pool's, and the key within it.
    pub const fn into_parts(self) -> (u32, u64) {
        (self.pool, self.generation << 24 | self.slot as u64)
    }

    /// The ticket that [`into_parts`](Self::into_parts) took apart. Any numbers are safe: those of
    /// no ticket are refused by the pool.
    pub const fn from_parts(pool: u32, key: u64) -> Self {
        Self { pool, slot: (key & 0xFF_FFFF) as u32, generation: key >> 24 }
    }
}
