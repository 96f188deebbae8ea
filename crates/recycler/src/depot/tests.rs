use proptest::prelude::*;

use super::*;

#[test]
fn magazines_hold_up_to_a_quarter_beside_the_capacity_and_small_pools_have_none() {
    for capacity in 1..64 {
        assert_eq!(Geometry::with_magazines(capacity), Geometry::exact(capacity));
    }
    for capacity in [64, 100, 255, 256, 1_000, 4_096, 100_000, 1 << 24] {
        let geometry = Geometry::with_magazines(capacity);
        assert!(geometry.magazines >= 1 && geometry.batch >= 4, "{geometry:?}");
        assert!(geometry.magazine() as usize <= MAGAZINE, "{geometry:?}");
        let more = geometry.slots() - capacity;
        assert_eq!(more, geometry.magazines * geometry.magazine());
        assert!(more <= capacity / 4, "{geometry:?}");
    }
    let usual = Geometry::with_magazines(4_096);
    assert_eq!((usual.magazine(), usual.magazines), (64, 16));
    assert_eq!(Geometry::exact(7).slots(), 7);
}

#[test]
fn slots_are_given_out_from_the_first_on_and_each_once() {
    for geometry in [Geometry::exact(100), Geometry::with_magazines(100)] {
        let slots = geometry.slots();
        let depot = Depot::new(geometry, slots);
        // Those of whole batches in order, then those left over.
        let all: Vec<u32> = std::iter::from_fn(|| depot.take_one()).collect();
        assert_eq!(all[0], 0);
        let mut sorted = all;
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..slots));
        assert_eq!(depot.take_some(&mut [0; MAGAZINE]), 0);
    }
}

#[test]
fn the_peak_is_how_many_were_ever_elsewhere() {
    let exact = Depot::new(Geometry::exact(8), 8);
    let taken: Vec<_> = (0..3).filter_map(|_| exact.take_one()).collect();
    taken.into_iter().for_each(|slot| exact.put_one(slot));
    assert_eq!((exact.take_one(), exact.peak()), (Some(2), 3));

    let geometry = Geometry { capacity: 8, batch: 4, magazines: 0 };
    let batches = Depot::new(geometry, 8);
    assert_eq!((batches.take_some(&mut [0; MAGAZINE]), batches.peak()), (4, 4));
    batches.take_one();
    assert_eq!(batches.peak(), 8, "a batch is taken apart");
}

#[derive(Clone, Debug)]
enum Step {
    TakeOne,
    TakeSome,
    PutOne,
    PutBatch,
}

proptest! {
    #[test]
    fn whatever_is_taken_and_put_each_slot_is_in_one_place(
        batch in 0..5u32,
        slots in 1..40u32,
        steps in prop::collection::vec(
            prop_oneof![
                Just(Step::TakeOne), Just(Step::TakeSome), Just(Step::PutOne), Just(Step::PutBatch)
            ],
            0..200,
        ),
    ) {
        let depot = Depot::new(Geometry { capacity: slots, batch, magazines: 0 }, slots);
        let mut held: Vec<u32> = vec![];
        for step in steps {
            let before = held.len();
            match step {
                Step::TakeOne => held.extend(depot.take_one()),
                Step::TakeSome if batch > 0 => {
                    let mut some = [0; MAGAZINE];
                    let taken = depot.take_some(&mut some);
                    held.extend(&some[..taken]);
                }
                Step::PutOne => held.pop().into_iter().for_each(|slot| depot.put_one(slot)),
                Step::PutBatch if batch > 0 && held.len() >= batch as usize => {
                    depot.put_batch(&held.split_off(held.len() - batch as usize));
                }
                Step::TakeSome | Step::PutBatch => {}
            }
            if matches!(step, Step::TakeOne) {
                prop_assert_eq!(held.len() > before, before < slots as usize, "empty only if it is");
            }
            let mut distinct = held.clone();
            distinct.sort_unstable();
            distinct.dedup();
            prop_assert_eq!(distinct.len(), held.len());
            prop_assert!(depot.peak() as usize >= held.len());
        }
        held.extend(std::iter::from_fn(|| depot.take_one()));
        held.sort_unstable();
        prop_assert!(held.into_iter().eq(0..slots));
    }
}
