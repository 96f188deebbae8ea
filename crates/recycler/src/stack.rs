use crate::sync::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, SeqCst},
    fence_for_loom,
};

const NUMBER_BITS: u32 = 26;
const NUMBER: u64 = (1 << NUMBER_BITS) - 1;

/// A stack of small numbers, each on it at most once, which any threads push and pop without waiting
/// for one another.
///
/// It is Treiber's: `head` names the topmost number, and `below` what lies under each. A number may be
/// popped and pushed again while another thread looks at it; therefore every change of `head` bumps a
/// tag of 38 bits, and a thread that slept between its look and its move fails, unless it slept through
/// exactly a multiple of 2³⁸ changes (an hour and a half at 50 million a second) and finds the number
/// on top that it had seen.
#[repr(align(128))]
pub(crate) struct Stack {
    /// `tag << 26 | number + 1`; a low part of zero is an empty stack.
    head: AtomicU64,
    /// By number, for those on the stack: `how many lie under it << 32 | the next of them + 1`.
    below: Box<[AtomicU64]>,
}

/// What [`Stack::pop`] found.
pub(crate) struct Popped {
    pub(crate) number: u32,
    /// How many were left at that moment.
    pub(crate) left: u32,
}

impl Stack {
    /// An empty stack for the numbers below `numbers`.
    pub(crate) fn new(numbers: u32) -> Self {
        assert!(u64::from(numbers) < NUMBER, "a number must fit beside the tag");
        Self { head: AtomicU64::new(0), below: (0..numbers).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Puts a number on top that is not on the stack.
    pub(crate) fn push(&self, number: u32) {
        let below = &self.below[number as usize];
        // Acquire, with the SeqCst of whoever pushed the topmost number: its own `below` is seen.
        let mut head = self.head.load(Acquire);
        loop {
            let under = (head & NUMBER) as u32;
            let depth = match under.checked_sub(1) {
                Some(top) => (self.below[top as usize].load(Relaxed) >> 32) + 1,
                None => 0,
            };
            below.store(depth << 32 | u64::from(under), Relaxed);
            let new = bumped(head) | u64::from(number + 1);
            // SeqCst, as release for `below` and for what the number stands for, with the Acquire of
            // whoever sees it on top; and with the SeqCst load in `pop`: see `Desk::serve`.
            match self.head.compare_exchange_weak(head, new, SeqCst, Acquire) {
                Ok(_) => return fence_for_loom(),
                Err(now) => head = now,
            }
        }
    }

    /// Takes the topmost number.
    pub(crate) fn pop(&self) -> Option<Popped> {
        fence_for_loom();
        // SeqCst, as acquire with the SeqCst of `push`; and see `Desk::serve`.
        let mut head = self.head.load(SeqCst);
        loop {
            let number = ((head & NUMBER) as u32).checked_sub(1)?;
            // Of another time if the number was popped meanwhile: then the tag has changed as well.
            let below = self.below[number as usize].load(Relaxed);
            let new = bumped(head) | below & NUMBER;
            match self.head.compare_exchange_weak(head, new, SeqCst, Acquire) {
                Ok(_) => return Some(Popped { number, left: (below >> 32) as u32 }),
                Err(now) => head = now,
            }
        }
    }

    /// How many there are, or were a moment ago.
    pub(crate) fn len(&self) -> u32 {
        match ((self.head.load(Acquire) & NUMBER) as u32).checked_sub(1) {
            Some(top) => (self.below[top as usize].load(Relaxed) >> 32) as u32 + 1,
            None => 0,
        }
    }
}

/// The tag of `head` and one more, with an empty low part.
fn bumped(head: u64) -> u64 {
    (head | NUMBER).wrapping_add(1)
}

#[cfg(all(test, not(meltica_loom)))]
mod tests;

#[cfg(all(test, meltica_loom))]
mod models;
