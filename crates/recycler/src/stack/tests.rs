use std::sync::atomic::{AtomicBool, Ordering::AcqRel};

use super::*;

fn pop(stack: &Stack) -> Option<(u32, u32)> {
    stack.pop().map(|Popped { number, left }| (number, left))
}

#[test]
fn the_last_one_pushed_is_the_first_one_popped_and_says_how_many_are_left() {
    let stack = Stack::new(3);
    assert_eq!(pop(&stack), None);
    [2, 0, 1].into_iter().for_each(|number| stack.push(number));
    assert_eq!(stack.len(), 3);
    assert_eq!([pop(&stack), pop(&stack)], [Some((1, 2)), Some((0, 1))]);
    assert_eq!(stack.len(), 1);
    stack.push(1);
    assert_eq!([pop(&stack), pop(&stack), pop(&stack)], [Some((1, 1)), Some((2, 0)), None]);
}

#[test]
fn every_change_has_a_tag_of_its_own_and_tags_wrap_without_disturbing_the_number() {
    let stack = Stack::new(2);
    stack.head.store(!NUMBER, Relaxed);
    stack.push(1);
    assert_eq!(stack.head.load(Relaxed), 2, "a tag of zero, and number one");
    assert_eq!(pop(&stack), Some((1, 0)));
    assert_eq!(stack.head.load(Relaxed), 1 << NUMBER_BITS);
}

#[test]
fn under_load_a_number_is_in_one_hand_at_a_time_and_none_is_lost() {
    const NUMBERS: u32 = 4;
    let stack = Stack::new(NUMBERS);
    (0..NUMBERS).for_each(|number| stack.push(number));
    let held = [const { AtomicBool::new(false) }; NUMBERS as usize];
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    let Some((number, _)) = pop(&stack) else { continue };
                    assert!(!held[number as usize].swap(true, AcqRel), "in two hands");
                    assert!(held[number as usize].swap(false, AcqRel));
                    stack.push(number);
                }
            });
        }
    });
    let mut left: Vec<u32> = std::iter::from_fn(|| pop(&stack)).map(|(number, _)| number).collect();
    left.sort_unstable();
    assert_eq!(left, [0, 1, 2, 3]);
}

#[test]
#[should_panic(expected = "a number must fit beside the tag")]
fn numbers_that_would_run_into_the_tag_are_refused() {
    Stack::new(NUMBER as u32);
}
