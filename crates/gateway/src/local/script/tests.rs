use super::*;

fn pass(script: &mut Script, count: usize) -> Vec<Act> {
    let mut out = vec![];
    (0..count).for_each(|number| script.pass(&format!("{{\"frame\":{number}}}"), &mut out));
    out
}

fn frame(number: usize) -> Act {
    Act::Send(format!("{{\"frame\":{number}}}"))
}

#[test]
fn each_planned_fault_does_what_it_says_to_its_frame() {
    for (fault, expected) in [
        (Fault::Lost, vec![frame(0), frame(2), frame(3)]),
        (Fault::Repeated, vec![frame(0), frame(1), frame(1), frame(2), frame(3)]),
        (Fault::Swapped, vec![frame(0), frame(2), frame(1), frame(3)]),
        (Fault::Closed, vec![frame(0), Act::Close, frame(2), frame(3)]),
        (Fault::Dropped, vec![frame(0), Act::Drop, frame(2), frame(3)]),
        (Fault::Silent, vec![frame(0), Act::Silence, frame(2), frame(3)]),
    ] {
        let mut script = Script::planned([(1, fault)]);
        assert_eq!(pass(&mut script, 4), expected, "{fault:?}");
        assert_eq!(script.happened(), 1);
    }
    for fault in [Fault::Cut, Fault::Corrupted] {
        let acts = pass(&mut Script::planned([(1, fault)]), 3);
        let Act::Send(text) = &acts[1] else { panic!("{acts:?}") };
        assert!(serde_json::from_str::<serde_json::Value>(text).is_err(), "{fault:?}: {text}");
        assert_eq!((acts.len(), &acts[2]), (3, &frame(2)));
    }
}

#[test]
fn a_delayed_frame_comes_later_or_when_it_is_released() {
    let mut script = Script::planned([(0, Fault::Delayed)]);
    let acts = pass(&mut script, 30);
    let place = acts.iter().position(|act| *act == frame(0)).expect("it comes");
    assert!((1..20).contains(&place), "{place}");
    let mut script = Script::planned([(0, Fault::Delayed)]);
    assert_eq!(pass(&mut script, 1), []);
    let mut out = vec![];
    script.release(&mut out);
    assert_eq!(out, [frame(0)]);
}

#[test]
fn equal_seeds_have_equal_faults_of_every_kind_and_none_when_calm() {
    let mut one = Script::seeded(7, 4, true);
    let acts = pass(&mut one, 4_000);
    assert_eq!(acts, pass(&mut Script::seeded(7, 4, true), 4_000));
    assert!((800..1_200).contains(&one.happened()), "{}", one.happened());
    assert!(acts.contains(&Act::Close) && acts.contains(&Act::Drop));
    assert!(!acts.contains(&Act::Silence));
    assert!((0..40).any(|_| one.spoils_answer()));
    one.calm();
    let before = one.happened();
    one.closed();
    assert_eq!(pass(&mut one, 100), (0..100).map(frame).collect::<Vec<_>>());
    assert!((0..40).all(|_| !one.spoils_answer()) && one.happened() == before);
}

#[test]
fn a_digit_is_changed_only_where_a_checksum_covers_it() {
    let text = r#"{"data":[{"bids":[{"price":1.5,"qty":2.25}],"asks":[],"checksum":7,"n":3}]}"#;
    let mut changed = 0;
    for seed in 0..200 {
        let mut script =
            Script { notices_digits: true, ..Script::planned([(0, Fault::Corrupted)]) };
        script.rng = Rng::with_seed(seed);
        let mut out = vec![];
        script.pass(text, &mut out);
        let [Act::Send(text)] = &out[..] else { panic!("{out:?}") };
        if let Ok(value) = serde_json::from_str::<serde_json::Value>(text) {
            let book = &value["data"][0];
            assert_eq!(book["n"], 3, "{text}");
            changed += 1;
        }
    }
    assert!((20..200).contains(&changed), "{changed}");
}
