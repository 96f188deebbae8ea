//! No interleaving of batches and single slots loses a slot, gives one twice, or finds the depot empty that
//! is not.

use loom::{sync::Arc, thread};

use super::*;

fn depot(slots: u32) -> Arc<Depot> {
    Arc::new(Depot::new(Geometry { capacity: slots, batch: 1, magazines: 0 }, slots))
}

fn all(depot: &Depot) -> Vec<u32> {
    let mut slots: Vec<u32> = std::iter::from_fn(|| depot.take_one()).collect();
    slots.sort_unstable();
    slots
}

#[test]
fn batches_taken_and_put_by_two_threads_are_all_there_in_the_end() {
    loom::model(|| {
        let depot = depot(2);
        let other = Arc::clone(&depot);
        let turn = |depot: &Depot| {
            let mut slots = [0; MAGAZINE];
            let taken = depot.take_some(&mut slots);
            assert_eq!(taken, 1, "one is free for each");
            depot.put_batch(&slots[..taken]);
        };
        let thread = thread::spawn(move || turn(&other));
        turn(&depot);
        thread.join().expect("nothing panics");
        assert_eq!(all(&depot), [0, 1]);
    });
}

#[test]
fn a_thread_with_a_magazine_and_one_without_each_find_the_one_that_is_free() {
    loom::model(|| {
        let depot = depot(2);
        let other = Arc::clone(&depot);
        let thread = thread::spawn(move || {
            let slot = other.take_one().expect("one is free for each");
            other.put_one(slot);
        });
        let mut slots = [0; MAGAZINE];
        assert_eq!(depot.take_some(&mut slots), 1, "one is free for each");
        depot.put_batch(&slots[..1]);
        thread.join().expect("nothing panics");
        assert_eq!(all(&depot), [0, 1]);
    });
}
