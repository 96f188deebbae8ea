use std::{collections::VecDeque, sync::Arc};

use proptest::prelude::*;

use super::*;

struct Lane {
    reader: Reader<(u64, Arc<()>)>,
    claim: Claim<(u64, Arc<()>)>,
    place: Place,
    in_ring: bool,
    /// What it should have unread, and what it has claimed.
    unread: VecDeque<u64>,
    claimed: VecDeque<u64>,
}

#[derive(Clone, Debug)]
enum Step {
    /// To these lanes, by bits.
    Put {
        to: u8,
        alone: bool,
        times: usize,
    },
    Publish,
    Claim {
        lane: usize,
        most: usize,
    },
    Read {
        lane: usize,
    },
    Release {
        lane: usize,
    },
    Enter {
        lane: usize,
    },
    TakeOver {
        lane: usize,
    },
    /// At least so many.
    Spill {
        lane: usize,
        least: u64,
    },
    Skip {
        lane: usize,
    },
    Replace {
        lane: usize,
    },
    Reclaim,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let lane = 0..3usize;
    let step = prop_oneof![
        8 => (any::<u8>(), prop::bool::weighted(0.1), prop_oneof![4 => Just(1), 1 => 1..70usize])
            .prop_map(|(to, alone, times)| Step::Put { to, alone, times }),
        6 => Just(Step::Publish),
        6 => (lane.clone(), 1..5usize).prop_map(|(lane, most)| Step::Claim { lane, most }),
        9 => lane.clone().prop_map(|lane| Step::Read { lane }),
        5 => lane.clone().prop_map(|lane| Step::Release { lane }),
        3 => lane.clone().prop_map(|lane| Step::Enter { lane }),
        2 => lane.clone().prop_map(|lane| Step::TakeOver { lane }),
        3 => (lane.clone(), 0..4u64).prop_map(|(lane, least)| Step::Spill { lane, least }),
        1 => lane.clone().prop_map(|lane| Step::Skip { lane }),
        1 => lane.prop_map(|lane| Step::Replace { lane }),
        1 => Just(Step::Reclaim),
    ];
    prop::collection::vec(step, 1..400)
}

/// What is addressed is unread when it is told.
fn tell(
    lanes: &mut [Lane],
    unpublished: &mut Vec<(usize, u64)>,
    is_told: impl Fn(&Lane, u64) -> bool,
) {
    unpublished.retain(|(lane, number)| {
        let lane = &mut lanes[*lane];
        let is_told = is_told(lane, *number);
        lane.unread.extend(is_told.then_some(*number));
        !is_told
    });
}

/// What lanes see of a ring is what queues of their own would give them, and nothing is lost or kept.
fn behaves(capacity: usize, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let alive = Arc::new(());
    let mut writer = Ring::with_writer(capacity);
    let lane = |writer: &mut Writer<_>| {
        let reader = writer.ring().seat();
        let place = writer.meet(&reader);
        let claim = Claim::new(&reader);
        let (unread, claimed) = (VecDeque::new(), VecDeque::new());
        Lane { reader, claim, place, in_ring: false, unread, claimed }
    };
    let mut lanes = vec![lane(&mut writer)];
    // The others are of another bank.
    let between: Vec<_> = (0..15).map(|_| writer.ring().seat()).collect();
    lanes.extend((0..2).map(|_| lane(&mut writer)));
    let mut unpublished = vec![];
    let mut number = 0;
    for step in steps {
        match step {
            Step::Put { to, alone, times } => {
                for _ in 0..times {
                    if !writer.has_room() {
                        writer.look(drop);
                    }
                    if !writer.has_room() {
                        break;
                    }
                    let is_for = |lane: &usize| to & (1 << lane) != 0 && lanes[*lane].in_ring;
                    let to: Vec<usize> = (0..3).filter(is_for).collect();
                    let mut address = Address::default();
                    writer.write_address(&mut address, to.iter().map(|lane| lanes[*lane].place));
                    drop(writer.put(alone, &address, || (number, Arc::clone(&alive))));
                    unpublished.extend(to.into_iter().map(|lane| (lane, number)));
                    number += 1;
                    // Where there was nothing for a bank for long, what is addressed is told before it is published.
                    let is_told = |lane: &Lane, number| number < lane.reader.post().upto();
                    tell(&mut lanes, &mut unpublished, is_told);
                }
            }
            Step::Publish => {
                writer.publish();
                tell(&mut lanes, &mut unpublished, |_, _| true);
            }
            Step::Claim { lane, most } => {
                let lane = &mut lanes[lane];
                if lane.reader.is_claimed() {
                    continue;
                }
                prop_assert_eq!(lane.reader.len(), lane.unread.len());
                prop_assert_eq!(lane.reader.post().has_unread(), !lane.unread.is_empty());
                let any = lane.reader.claim(most, &mut lane.claim);
                prop_assert_eq!(any, !lane.unread.is_empty());
                prop_assert!(lane.claim.len() <= most);
                let taken = lane.unread.drain(..lane.claim.len());
                lane.claimed.extend(taken);
            }
            Step::Read { lane } => {
                let lane = &mut lanes[lane];
                prop_assert_eq!(lane.claim.len(), lane.claimed.len());
                let Some(expected) = lane.claimed.pop_front() else { continue };
                prop_assert_eq!(lane.claim.read(|message| message.0), expected);
                if expected % 2 == 0 {
                    let taken = lane.claim.take().map(|message| message.0);
                    prop_assert!(taken.is_none_or(|taken| taken == expected));
                }
                lane.claim.advance();
            }
            Step::Release { lane } => {
                let lane = &mut lanes[lane];
                if lane.reader.is_claimed() && lane.claim.is_empty() {
                    lane.reader.release(&mut lane.claim);
                }
            }
            Step::Enter { lane } => {
                let lane = &mut lanes[lane];
                if !lane.in_ring {
                    writer.enter(lane.place, &mut lane.reader);
                    lane.in_ring = true;
                }
            }
            Step::TakeOver { lane } | Step::Replace { lane } | Step::Spill { lane, .. } => {
                let in_ring = lanes[lane].in_ring;
                if in_ring {
                    // What was addressed to it is told, and with that what was to others of its bank.
                    let bank = Arc::clone(lanes[lane].reader.post().bank());
                    let is_told = |lane: &Lane, _| Arc::ptr_eq(lane.reader.post().bank(), &bank);
                    tell(&mut lanes, &mut unpublished, is_told);
                }
                let lane = &mut lanes[lane];
                let mut seen = vec![];
                let taken = |taken: Taken<'_, _>| {
                    seen.push(match taken {
                        Taken::Own((number, _)) => number,
                        Taken::Shared((number, _)) => *number,
                    });
                };
                if let Step::Spill { least, .. } = step {
                    let least = lane.unread.front().map_or(0, |first| first + least);
                    writer.spill(lane.place, &mut lane.reader, least, taken);
                    let spilled: Vec<_> = lane.unread.drain(..seen.len()).collect();
                    prop_assert_eq!(&seen, &spilled);
                    prop_assert!(
                        lane.unread.front().is_none_or(|first| !in_ring || *first >= least)
                    );
                    continue;
                }
                if matches!(step, Step::TakeOver { .. }) || lane.reader.is_claimed() {
                    writer.take_over(lane.place, &mut lane.reader, taken);
                } else {
                    writer.forget(lane.place, &mut lane.reader, taken);
                    lane.reader = writer.ring().seat();
                    lane.claim = Claim::new(&lane.reader);
                    lane.place = writer.meet(&lane.reader);
                }
                prop_assert_eq!(seen, Vec::from(std::mem::take(&mut lane.unread)));
                lane.in_ring = false;
            }
            Step::Skip { lane } => {
                let lane = &mut lanes[lane];
                let mut seen = vec![];
                lane.reader.skip(|message| seen.push(message.0));
                prop_assert_eq!(seen, Vec::from(std::mem::take(&mut lane.unread)));
            }
            Step::Reclaim => {
                writer.look(drop);
                writer.reclaim(drop);
                let kept = lanes.iter().map(|lane| lane.unread.len() + lane.claimed.len());
                if kept.sum::<usize>() == 0 && unpublished.is_empty() {
                    let out = lanes.iter().any(|lane| lane.reader.is_claimed());
                    prop_assert!(out || Arc::strong_count(&alive) == 1, "something is kept");
                }
            }
        }
    }
    drop((writer, lanes, between));
    prop_assert_eq!(Arc::strong_count(&alive), 1);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn a_ring_is_as_good_as_queues(shift in 0..8u32, steps in steps()) {
        behaves(1 << shift, steps)?;
    }
}
