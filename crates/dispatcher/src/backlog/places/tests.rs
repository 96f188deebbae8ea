use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;
use crate::{Class, Skipped, watch::Watch};

enum Numbers {}

impl Protocol for Numbers {
    type Message = u64;
    type Key = u64;
    type Fault = ();

    fn key(number: &u64) -> u64 {
        *number
    }

    fn class(_: &u64) -> Class {
        Class::Sequential
    }

    fn duplicate(number: &u64, _: Class) -> Option<u64> {
        Some(*number)
    }
}

fn entry(message: u64) -> Entry<Numbers> {
    let (skipped, watch) = (Skipped::default(), Watch::NOBODYS);
    Entry { message, class: Class::Sequential, stream: 0, skipped, watch, newest: message }
}

#[derive(Clone, Debug)]
enum Step {
    Push,
    PopFront,
    /// Takes the entry so far along, if there is one.
    Take(usize),
    CloseUp,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Push),
        2 => Just(Step::PopFront),
        3 => (0..40_usize).prop_map(Step::Take),
        1 => Just(Step::CloseUp),
    ]
}

proptest! {
    #[test]
    fn it_is_a_queue_of_which_the_middle_can_be_taken(
        made in 0..3_usize,
        steps in proptest::collection::vec(step(), 1..800),
    ) {
        let mut places = Places::<Numbers>::new(made);
        // Beside it, what waits and at which position.
        let mut model: VecDeque<(u64, u64)> = VecDeque::new();
        for (number, step) in (0..).zip(steps) {
            match step {
                Step::Push => model.push_back((places.push(|| entry(number)), number)),
                Step::PopFront => {
                    places.trim();
                    let front = places.front().map(|entry| entry.message);
                    prop_assert_eq!(front, model.front().map(|(_, number)| *number));
                    let position = places.front_position();
                    if let Some((known, number)) = model.pop_front() {
                        prop_assert_eq!(known, position);
                        prop_assert_eq!(places.pop().map(|e| e.message), Some(number));
                    } else {
                        prop_assert!(places.pop().is_none());
                    }
                }
                Step::Take(along) => {
                    if let Some((position, number)) = model.remove(along) {
                        prop_assert_eq!(places.take(position).map(|e| e.message), Some(number));
                        places.trim();
                    }
                }
                Step::CloseUp => {
                    if places.is_loose() || number % 2 == 0 {
                        let mut now = VecDeque::new();
                        places.close_up(|position, entry| now.push_back((position, entry.message)));
                        let numbers = |of: &VecDeque<(u64, u64)>| -> Vec<u64> {
                            of.iter().map(|(_, number)| *number).collect()
                        };
                        prop_assert_eq!(numbers(&now), numbers(&model));
                        model = now;
                    }
                }
            }
            prop_assert_eq!(places.len(), model.len());
            for (position, number) in &model {
                prop_assert_eq!(places.get(*position).map(|entry| entry.message), Some(*number));
            }
        }
    }
}

#[test]
fn as_many_as_it_was_made_for_never_take_more_places() {
    const MADE: usize = 256;
    let mut places = Places::<Numbers>::new(MADE);
    let before = places.places.len();
    let mut waiting: VecDeque<u64> = VecDeque::new();
    let mut random = 7_u64;
    for number in 0..200_000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        if waiting.len() == MADE {
            // The first one stays for long, so that empty places pile up behind it.
            let along =
                if number % 1_000 == 0 { 0 } else { 1 + (random >> 33) as usize % (MADE - 1) };
            let position = waiting.remove(along).unwrap();
            assert!(places.take(position).is_some());
            places.trim();
        }
        if places.is_cramped() {
            waiting.clear();
            places.close_up(|position, _| waiting.push_back(position));
        }
        waiting.push_back(places.push(|| entry(number)));
    }
    assert_eq!((places.len(), places.places.len()), (MADE, before));
}
