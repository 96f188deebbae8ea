//! Threads that have nothing to do, and wait until they are used again.
//!
//! A thread leaves behind what it was given: its stack until it is joined, its part of the allocator's memory for good.
//! So one that has served a slow lane does not end with that, but waits here for the next. One more is only started when
//! none waits; so there are never more than were needed at one time. When there are fewer lanes, some end.
//!
//! An order is for whoever of those that wait gets hold of it. There are as many orders as were given to threads that
//! wait, so none is left, and nobody waits who has one.

use crate::sync::{Condvar, Mutex, lock, wait};

/// Threads that wait, for work of this kind.
pub(crate) struct Spares<T> {
    pool: Mutex<Pool<T>>,
    told: Condvar,
}

struct Pool<T> {
    /// How many threads there are, at work or not.
    threads: usize,
    /// How many there may be.
    most: usize,
    /// How many wait that have no order.
    waiting: usize,
    /// For those that wait and have one: work, or that they are to end.
    orders: Vec<Option<T>>,
    is_over: bool,
}

impl<T> Spares<T> {
    pub(crate) fn new() -> Self {
        let pool = Pool { threads: 0, most: 0, waiting: 0, orders: vec![], is_over: false };
        Self { pool: Mutex::new(pool), told: Condvar::new() }
    }

    /// Has one of those that wait do this. Gives it back if none does: then it is for a new thread, which is counted from
    /// here on.
    pub(crate) fn hire(&self, work: T) -> Option<T> {
        let mut pool = lock(&self.pool);
        if pool.waiting == 0 {
            pool.threads += 1;
            return Some(work);
        }
        pool.waiting -= 1;
        pool.orders.push(Some(work));
        drop(pool);
        self.told.notify_one();
        None
    }

    /// There was no new thread after all.
    pub(crate) fn miss(&self) {
        lock(&self.pool).threads -= 1;
    }

    /// For a thread that is done with its work: waits for more. `None` if it is to end.
    pub(crate) fn rest(&self) -> Option<T> {
        let mut pool = lock(&self.pool);
        if pool.is_over || pool.threads > pool.most {
            pool.threads -= 1;
            return None;
        }
        pool.waiting += 1;
        loop {
            match pool.orders.pop() {
                Some(order) => return order,
                None => pool = wait(&self.told, pool),
            }
        }
    }

    /// There may be so many threads from now on: of those that wait, what is beyond that ends.
    pub(crate) fn limit(&self, most: usize) {
        let mut pool = lock(&self.pool);
        pool.most = most;
        let beyond = pool.threads.saturating_sub(most);
        pool.dismiss(beyond);
        drop(pool);
        self.told.notify_all();
    }

    /// Those that wait end, and who is done later as well.
    pub(crate) fn end(&self) {
        let mut pool = lock(&self.pool);
        pool.is_over = true;
        pool.dismiss(usize::MAX);
        drop(pool);
        self.told.notify_all();
    }
}

impl<T> Pool<T> {
    /// Up to so many of those that wait are to end.
    fn dismiss(&mut self, most: usize) {
        let dismissed = self.waiting.min(most);
        self.waiting -= dismissed;
        self.threads -= dismissed;
        self.orders.extend((0..dismissed).map(|_| None));
    }
}
