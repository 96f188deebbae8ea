use super::*;

fn one(value: u64) -> Arc<Slots<u64, ()>> {
    Arc::new(Slots::new(std::iter::once(value), ()))
}

#[test]
fn a_slot_is_claimed_by_one_at_a_time() {
    let slots = one(7);
    let (held, found) = Exclusive::claim(&slots, 0).unwrap();
    assert_eq!((*held.get(), found), (7, Found::Sound));
    assert!(Exclusive::claim(&slots, 0).is_none(), "claimed twice");
    assert!(Exclusive::claim(&slots, 1).is_none(), "there is no such slot");
    assert_eq!(held.release(), 0);
    assert_eq!(Exclusive::claim(&slots, 0).unwrap().0.generation(), 1);
}

#[test]
fn generations_wrap_without_disturbing_the_state() {
    let slots = one(7);
    let last = (1u64 << 40) - 1;
    slots.slots[0].word.store(last << STATE_BITS, Release);
    let (held, _) = Exclusive::claim(&slots, 0).unwrap();
    let (index, generation) = held.ticket();
    assert_eq!(generation, last);
    let held = Exclusive::redeem(&slots, index, generation).unwrap();
    held.release();
    let (held, _) = Exclusive::claim(&slots, 0).unwrap();
    assert_eq!(held.generation(), 0);
    assert!(Exclusive::redeem(&slots, index, generation).is_none(), "a ticket of the last round");
}

#[test]
fn a_stray_write_to_a_free_slot_is_found_at_the_next_claim_and_the_value_is_unharmed() {
    let slots = one(7);
    let (mut held, _) = Exclusive::claim(&slots, 0).unwrap();
    let stray: *mut u64 = held.get_mut();
    held.release_poisoned();
    // SAFETY: the place is alive and nobody refers to it; that is what makes the write stray.
    let poisoned = unsafe { stray.read() };
    assert_eq!(poisoned.to_be(), 0xDEAD_BEEF_DEAD_BEEF);
    // SAFETY: as above.
    unsafe { stray.write(1) };
    let (held, found) = Exclusive::claim(&slots, 0).unwrap();
    assert_eq!((*held.get(), found), (7, Found::StrayWrite));
    held.release_poisoned();
    let (held, found) = Exclusive::claim(&slots, 0).unwrap();
    assert_eq!((*held.get(), found), (7, Found::Sound));
}

#[test]
fn a_value_that_lies_aside_is_dropped_once() {
    let value = Arc::new(());
    let slots = Arc::new(Slots::new([Arc::clone(&value), Arc::clone(&value)].into_iter(), ()));
    let (held, _) = Exclusive::claim(&slots, 1).unwrap();
    held.release_poisoned();
    drop(slots);
    assert_eq!(Arc::strong_count(&value), 1);
}

#[test]
fn types_without_size_and_with_much_alignment_are_stored_and_poisoned() {
    #[derive(Debug, PartialEq)]
    #[repr(align(256))]
    struct Aligned(u8);
    let slots = Arc::new(Slots::new([Aligned(3), Aligned(4)].into_iter(), ()));
    let (held, _) = Exclusive::claim(&slots, 1).unwrap();
    assert_eq!(std::ptr::from_ref(held.get()).addr() % 256, 0);
    held.release_poisoned();
    assert_eq!(*Exclusive::claim(&slots, 1).unwrap().0.get(), Aligned(4));

    let nothing = Arc::new(Slots::new([()].into_iter(), ()));
    Exclusive::claim(&nothing, 0).unwrap().0.release_poisoned();
    assert_eq!(Exclusive::claim(&nothing, 0).unwrap().1, Found::Sound);
}

#[test]
fn too_many_handles_are_refused_before_they_reach_the_marks() {
    let slots = one(7);
    let shared = Exclusive::claim(&slots, 0).unwrap().0.share();
    slots.slots[0].word.store(MAX_HANDLES + 1, Relaxed);
    let another = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| shared.another()));
    assert!(another.is_err());
    assert_eq!(slots.slots[0].word.load(Relaxed), MAX_HANDLES + 1, "the count is as it was");
}
