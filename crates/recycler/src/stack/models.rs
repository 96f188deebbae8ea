//! No interleaving gives a number to two threads, or loses one.

use loom::{sync::Arc, thread};

use super::*;
use crate::sync::UnsafeCell;

/// A stack with every number on it, and what each stands for: written by whoever has it.
fn full(numbers: u32) -> Arc<(Stack, Vec<UnsafeCell<u32>>)> {
    let stack = Stack::new(numbers);
    (0..numbers).for_each(|number| stack.push(number));
    Arc::new((stack, (0..numbers).map(|_| UnsafeCell::new(0)).collect()))
}

/// Takes a number and writes what it stands for, which loom sees if somebody else does so meanwhile, or has
/// done so without this being told.
#[expect(unsafe_code, reason = "what a number stands for is nobody else's, which is what is shown")]
fn take(stack: &(Stack, Vec<UnsafeCell<u32>>)) -> Option<u32> {
    let number = stack.0.pop()?.number;
    stack.1[number as usize].with_mut(|value| {
        // SAFETY: loom reports who else reaches it.
        unsafe { *value += 1 }
    });
    Some(number)
}

#[test]
fn a_number_is_popped_by_one_of_two_threads() {
    loom::model(|| {
        let stack = full(2);
        let other = Arc::clone(&stack);
        let thread = thread::spawn(move || take(&other));
        let mine = take(&stack);
        let theirs = thread.join().expect("nothing panics");
        assert!(mine.is_some() && theirs.is_some() && mine != theirs);
        assert!(stack.0.pop().is_none());
    });
}

#[test]
fn a_number_that_comes_back_while_another_thread_looks_is_seen_as_it_is_now() {
    loom::model(|| {
        let stack = full(2);
        let other = Arc::clone(&stack);
        // Takes both and puts the upper one back: what lies under it has changed.
        let thread = thread::spawn(move || {
            let first = take(&other);
            let second = take(&other);
            first.into_iter().for_each(|number| other.0.push(number));
            second.is_some()
        });
        let mine = take(&stack);
        let kept = usize::from(thread.join().expect("nothing panics"));
        let left = std::iter::from_fn(|| stack.0.pop()).count();
        assert_eq!(usize::from(mine.is_some()) + kept + left, 2);
    });
}

#[test]
fn what_was_done_before_a_push_is_seen_after_a_pop() {
    loom::model(|| {
        let stack = full(1);
        let other = Arc::clone(&stack);
        let use_once = |stack: &(Stack, _)| {
            if let Some(number) = take(stack) {
                stack.0.push(number);
            }
        };
        let thread = thread::spawn(move || use_once(&other));
        use_once(&stack);
        thread.join().expect("nothing panics");
        assert_eq!(take(&stack), Some(0));
    });
}
