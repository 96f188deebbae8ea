use std::sync::Arc;

/// Every object of the pool is out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("pool `{pool}` is exhausted: all {capacity} objects are leased")]
pub struct Exhausted {
    /// The pool's name.
    pub pool: Arc<str>,
    /// How many objects it has.
    pub capacity: usize,
}

/// No object came home before the deadline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("pool `{pool}`: none of its {capacity} objects came home before the deadline")]
pub struct TimedOut {
    /// The pool's name.
    pub pool: Arc<str>,
    /// How many objects it has.
    pub capacity: usize,
}

/// Why a ticket was refused. The pool is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TicketError {
    /// The ticket was to be recycled, but it was redeemed or recycled before.
    #[error("double-put detected: pool `{pool}`, slot {slot}, generation {generation}")]
    DoublePut {
        /// The pool's name.
        pool: Arc<str>,
        /// Which object.
        slot: u32,
        /// Which of its leases the ticket was for.
        generation: u64,
    },
    /// The ticket was to be redeemed, but it was redeemed or recycled before.
    #[error("use-after-put violation: pool `{pool}`, slot {slot}, generation {generation}")]
    UseAfterPut {
        /// The pool's name.
        pool: Arc<str>,
        /// Which object.
        slot: u32,
        /// Which of its leases the ticket was for.
        generation: u64,
    },
    /// The ticket was made by another pool, or by none.
    #[error("pool `{pool}` did not make this ticket")]
    Foreign {
        /// The name of the pool that was asked.
        pool: Arc<str>,
    },
}
