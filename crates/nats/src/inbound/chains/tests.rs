use proptest::prelude::*;

use super::*;

const START: Duration = Duration::from_secs(3);
const GAP: Duration = Duration::from_secs(60);
const WINDOW: usize = 64;

fn id(chain: u64) -> ChainId {
    ChainId { origin: "desk".parse().unwrap(), chain }
}

fn at(number: u64) -> Place {
    Place { id: id(7), number }
}

fn up_to(number: u64) -> News {
    News { done: Some(number), gaps: false }
}

fn popped(chains: &mut Chains<u64>, now: Instant) -> Vec<u64> {
    std::iter::from_fn(|| chains.pop(id(7), now))
        .map(|(place, message)| {
            assert_eq!(place.number, message);
            message
        })
        .collect()
}

#[test]
fn what_comes_early_waits_and_what_comes_again_is_known() {
    let now = Instant::now();
    let mut chains = Chains::new(START, GAP, WINDOW);
    assert_eq!(chains.came(at(1), 1, now), Came::Ready);
    assert_eq!(chains.came(at(3), 3, now), Came::Wait);
    assert_eq!(popped(&mut chains, now), [1]);
    assert_eq!(chains.came(at(3), 3, now), Came::Wait, "it is held");
    assert_eq!(chains.came(at(2), 2, now), Came::Ready);
    assert_eq!(popped(&mut chains, now), [2, 3]);
    assert_eq!(chains.came(at(2), 2, now), Came::Wait, "it is with the pipeline");
    assert_eq!(chains.settle(at(2)), (vec![], News::default()), "the first is not settled yet");
    assert_eq!(chains.came(at(2), 2, now), Came::Wait);
    assert_eq!(chains.settle(at(1)), (vec![at(1), at(2)], up_to(2)));
    assert_eq!(chains.came(at(2), 2, now), Came::Settled(2));
    assert_eq!(chains.held(), 0);
}

#[test]
fn a_chain_that_is_first_heard_of_in_the_middle_waits_a_little_for_its_earlier_messages() {
    let now = Instant::now();
    let mut chains = Chains::new(START, GAP, WINDOW);
    assert_eq!(chains.came(at(8), 8, now), Came::Wait);
    assert_eq!(chains.came(at(7), 7, now), Came::Wait);
    assert!(chains.give_up(now + START / 2).is_empty());
    assert_eq!(chains.give_up(now + START), [(id(7), 0)]);
    assert_eq!(popped(&mut chains, now), [7, 8]);
    assert_eq!(chains.came(at(6), 6, now), Came::Ready, "late, and not lost");
    assert_eq!(popped(&mut chains, now), [6]);
    assert_eq!(chains.came(at(6), 6, now), Came::Wait);
    assert_eq!(chains.settle(at(6)), (vec![at(6)], News::default()));
    assert_eq!(chains.came(at(6), 6, now), Came::Settled(6));
    assert_eq!(chains.settle(at(7)), (vec![at(7)], up_to(7)));
}

#[test]
fn a_gap_is_given_up_in_the_end_and_told() {
    let now = Instant::now();
    let mut chains = Chains::new(START, GAP, WINDOW);
    chains.known(id(7), 4);
    assert_eq!(chains.came(at(4), 4, now), Came::Settled(4), "from before this process");
    assert_eq!(chains.came(at(9), 9, now), Came::Wait);
    assert!(chains.give_up(now + GAP / 2).is_empty());
    assert_eq!(chains.give_up(now + GAP), [(id(7), 4)]);
    assert_eq!(popped(&mut chains, now), [9]);
    assert_eq!(chains.settle(at(9)), (vec![at(9)], up_to(9)));
    assert_eq!(chains.came(at(6), 6, now), Came::Ready, "it comes all the same, and is not lost");
    assert_eq!(popped(&mut chains, now), [6]);
    assert_eq!(chains.came(at(6), 6, now), Came::Wait);
    assert_eq!(chains.settle(at(6)), (vec![at(6)], News { done: None, gaps: true }));
    assert_eq!(chains.came(at(6), 6, now), Came::Settled(6));
    assert_eq!(chains.came(at(10), 10, now), Came::Ready);
    assert_eq!(popped(&mut chains, now), [10]);
    assert_eq!(chains.settle(at(10)), (vec![at(10)], up_to(10)));
    assert_eq!(chains.gaps(id(7)).cloned().collect::<Vec<_>>(), [5..6, 7..9]);
}

#[test]
fn what_was_given_up_before_this_process_is_not_taken_for_settled() {
    let now = Instant::now();
    let mut chains = Chains::new(START, GAP, WINDOW);
    chains.known(id(7), 9);
    chains.missed(id(7), 5..7);
    assert_eq!(chains.came(at(4), 4, now), Came::Settled(4));
    assert_eq!(chains.came(at(5), 5, now), Came::Ready);
    assert_eq!(popped(&mut chains, now), [5]);
    assert_eq!(chains.settle(at(5)), (vec![at(5)], News { done: None, gaps: true }));
    assert_eq!(chains.came(at(5), 5, now), Came::Settled(5), "its acknowledgement was lost");
    assert!(chains.gaps(id(7)).eq([&(6..7)]));
    assert_eq!(chains.came(at(10), 10, now), Came::Ready, "nothing waits for it");
}

#[test]
fn where_as_many_wait_as_may_be_here_nothing_else_can_come_and_is_not_waited_for() {
    let now = Instant::now();
    let mut chains = Chains::new(START, GAP, 3);
    chains.known(id(7), 4);
    for number in [6, 7] {
        assert_eq!(chains.came(at(number), number, now), Came::Wait);
    }
    assert!(chains.give_up(now + START).is_empty(), "there is room for the missing one");
    assert_eq!(chains.came(at(8), 8, now), Came::Wait);
    assert!(chains.give_up(now + START / 2).is_empty(), "it may be sent again");
    assert_eq!(chains.give_up(now + START), [(id(7), 1)]);
    assert_eq!(popped(&mut chains, now), [6, 7, 8]);
}

proptest! {
    /// Whatever comes in whatever order and however often: each once, in order, and acknowledged only when all before it
    /// are settled.
    #[test]
    fn each_once_and_in_order(
        (count, arrivals) in (1..30_u64).prop_flat_map(|count| {
            (Just(count), prop::collection::vec((1..=count, any::<bool>()), 0..200))
        }),
    ) {
        let now = Instant::now();
        let mut chains = Chains::new(START, GAP, WINDOW);
        let (mut handed, mut open, mut acknowledged): (Vec<u64>, Vec<u64>, Vec<u64>) =
            Default::default();
        // Whatever else comes, all come in the end.
        let all = (1..=count).map(|number| (number, true));
        for (number, settle_last) in arrivals.into_iter().chain(all) {
            match chains.came(at(number), number, now) {
                Came::Ready => {
                    let new = popped(&mut chains, now);
                    prop_assert!(!new.is_empty());
                    handed.extend(&new);
                    open.extend(new);
                }
                Came::Settled(_) => prop_assert!(acknowledged.contains(&number)),
                Came::Wait => {}
            }
            if !open.is_empty() {
                let index = if settle_last { open.len() - 1 } else { 0 };
                let (places, _) = chains.settle(at(open.remove(index)));
                acknowledged.extend(places.into_iter().map(|place| place.number));
            }
        }
        for number in open {
            let (places, _) = chains.settle(at(number));
            acknowledged.extend(places.into_iter().map(|place| place.number));
        }
        let expected: Vec<_> = (1..=count).collect();
        prop_assert_eq!(&handed, &expected);
        prop_assert_eq!(&acknowledged, &expected);
        prop_assert_eq!(chains.held(), 0);
    }
}

#[test]
fn a_number_may_be_anything() {
    let now = Instant::now();
    let mut chains = Chains::new(START, GAP, WINDOW);
    chains.known(id(7), 4);
    let last = u64::MAX - 1;
    assert_eq!(chains.came(at(last), last, now), Came::Wait);
    assert_eq!(chains.give_up(now + GAP), [(id(7), last - 5)]);
    assert_eq!(popped(&mut chains, now), [last]);
    assert_eq!(chains.settle(at(last)), (vec![at(last)], up_to(last)));
}
