use std::{
    alloc::{GlobalAlloc, Layout},
    ptr::NonNull,
};

use crate::{contenders::Payload, counting};

/// Memory of an allocator, of which nothing is filled but what is used.
pub(crate) struct Raw<const WORDS: usize>(NonNull<Payload<WORDS>>);

// SAFETY: it is the one pointer to its memory.
unsafe impl<const WORDS: usize> Send for Raw<WORDS> {}

impl<const WORDS: usize> Raw<WORDS> {
    /// Takes memory and writes its first word.
    #[inline]
    pub(crate) fn new(allocator: &impl GlobalAlloc, word: u64) -> Self {
        counting::tell();
        // SAFETY: the layout is not of zero size.
        let memory = unsafe { allocator.alloc(Layout::new::<Payload<WORDS>>()) };
        let memory = NonNull::new(memory.cast::<Payload<WORDS>>()).expect("there is memory");
        // SAFETY: aligned and large enough for a word.
        unsafe { memory.cast::<u64>().write(word) };
        Self(memory)
    }

    /// Gives it back.
    #[inline]
    pub(crate) fn free(self, allocator: &impl GlobalAlloc) {
        // SAFETY: `new` took it from this allocator, with this layout, and nobody else has it.
        unsafe { allocator.dealloc(self.0.as_ptr().cast(), Layout::new::<Payload<WORDS>>()) };
    }
}
