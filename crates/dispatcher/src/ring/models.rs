//! No interleaving of the writer with lanes lets anybody read what is being written, or loses, repeats or keeps a
//! message. loom sees the cells, so a missing Release or Acquire is a failure here.
//!
//! `RUSTFLAGS="--cfg meltica_loom" LOOM_MAX_PREEMPTIONS=3 CARGO_TARGET_DIR=target/loom
//!  cargo test -p meltica-dispatcher --release --lib`

use loom::{
    sync::{Arc, Mutex},
    thread,
};

use super::*;

type Lock = Arc<Mutex<Reader<Number>>>;

/// Larger than its alignment asks for, and dropped under loom's eyes.
struct Number(u64);

/// Reads what it can in so many visits, as a worker does; answers what it saw.
fn serve(lane: &Lock, claim: &mut Claim<Number>, visits: usize, most: usize) -> Vec<u64> {
    let mut seen = vec![];
    for _ in 0..visits {
        let any = lane.lock().unwrap().claim(most, claim);
        if any {
            while !claim.is_empty() {
                seen.push(claim.read(|message| message.0));
                claim.advance();
            }
            lane.lock().unwrap().release(claim);
        }
        thread::yield_now();
    }
    seen
}

/// A worker that [serves](serve), and gives the claim back.
fn start(
    lane: &Lock,
    mut claim: Claim<Number>,
    visits: usize,
    most: usize,
) -> thread::JoinHandle<(Vec<u64>, Claim<Number>)> {
    let lane = Arc::clone(lane);
    thread::spawn(move || {
        let seen = serve(&lane, &mut claim, visits, most);
        (seen, claim)
    })
}

/// A lane in the ring, with its claim.
fn lane(writer: &mut Writer<Number>) -> (Lock, Claim<Number>, Place) {
    let mut reader = writer.ring().seat();
    let place = writer.meet(&reader);
    writer.enter(place, &mut reader);
    let claim = Claim::new(&reader);
    (Arc::new(Mutex::new(reader)), claim, place)
}

/// Puts so many, for these lanes, as there is room; answers how many there was room for.
fn put(writer: &mut Writer<Number>, numbers: std::ops::Range<u64>, places: &[Place]) -> u64 {
    let mut put = 0;
    for number in numbers {
        if !writer.has_room() {
            writer.look(drop);
        }
        if !writer.has_room() {
            break;
        }
        let mut address = Address::default();
        writer.write_address(&mut address, places.iter().copied());
        drop(writer.put(false, &address, || Number(number)));
        writer.publish();
        put += 1;
    }
    put
}

fn rest(lane: &Lock, claim: &mut Claim<Number>) -> Vec<u64> {
    serve(lane, claim, 4, MOST_CLAIMED)
}

#[test]
fn a_lane_reads_what_is_put_and_nothing_that_is_being_overwritten() {
    loom::model(|| {
        let mut writer = Ring::with_writer(2);
        let (reader, claim, place) = lane(&mut writer);
        let worker = start(&reader, claim, 2, 1);
        let put = put(&mut writer, 0..4, &[place]);
        let (mut seen, mut claim) = worker.join().unwrap();
        seen.extend(rest(&reader, &mut claim));
        assert_eq!(seen, (0..put).collect::<Vec<_>>());
    });
}

#[test]
fn two_lanes_read_the_same_message_at_the_same_time() {
    loom::model(|| {
        let mut writer = Ring::with_writer(1);
        let (one, one_claim, one_place) = lane(&mut writer);
        let (other, other_claim, other_place) = lane(&mut writer);
        let worker = start(&one, one_claim, 1, 2);
        let second = start(&other, other_claim, 1, 2);
        let put = put(&mut writer, 0..2, &[one_place, other_place]);
        for (worker, lane) in [(worker, one), (second, other)] {
            let (mut seen, mut claim) = worker.join().unwrap();
            seen.extend(rest(&lane, &mut claim));
            assert_eq!(seen, (0..put).collect::<Vec<_>>());
        }
    });
}

/// The writer takes a lane over while that claims, reads and releases; another lane stays.
fn takes_over(stays: bool) {
    loom::model(move || {
        let mut writer = Ring::with_writer(2);
        let (reader, claim, place) = lane(&mut writer);
        let other = stays.then(|| lane(&mut writer));
        let places: Vec<_> =
            [place].into_iter().chain(other.as_ref().map(|(_, _, place)| *place)).collect();
        put(&mut writer, 0..2, &places);
        let worker = start(&reader, claim, 1, 1);
        let mut taken = vec![];
        writer.take_over(place, &mut reader.lock().unwrap(), |message| {
            taken.push(match message {
                Taken::Own(Number(number)) | Taken::Shared(&Number(number)) => number,
            });
        });
        let put = if let Some((lane, mut claim, place)) = other {
            let mut seen = rest(&lane, &mut claim);
            let put = put(&mut writer, 2..4, &[place]);
            seen.extend(rest(&lane, &mut claim));
            assert_eq!(seen, (0..2 + put).collect::<Vec<_>>());
            put
        } else {
            // What is pinned does not keep the writer from going on.
            put(&mut writer, 2..4, &[])
        };
        assert_eq!(put, 2, "a lane that left does not hold the writer up");
        let (mut seen, _claim) = worker.join().unwrap();
        seen.extend(taken);
        assert_eq!(seen, [0, 1]);
        writer.look(drop);
    });
}

#[test]
fn a_lane_is_taken_over_while_it_reads() {
    takes_over(false);
}

#[test]
fn a_lane_is_taken_over_while_another_stays() {
    takes_over(true);
}

#[test]
fn a_message_for_one_lane_is_taken_out_while_that_is_taken_over() {
    loom::model(|| {
        let mut writer = Ring::with_writer(2);
        let (reader, mut claim, place) = lane(&mut writer);
        put(&mut writer, 0..2, &[place]);
        let worker = {
            let reader = Arc::clone(&reader);
            thread::spawn(move || {
                let mut seen = vec![];
                if reader.lock().unwrap().claim(1, &mut claim) {
                    seen.extend(claim.take().map(|message| message.0));
                    claim.advance();
                    reader.lock().unwrap().release(&mut claim);
                }
                seen
            })
        };
        let mut taken = vec![];
        writer.take_over(place, &mut reader.lock().unwrap(), |message| match message {
            Taken::Own(Number(number)) => taken.push(number),
            Taken::Shared(_) => panic!("there is nobody else"),
        });
        put(&mut writer, 2..4, &[]);
        let mut seen = worker.join().unwrap();
        seen.extend(taken);
        assert_eq!(seen, [0, 1]);
    });
}

#[test]
fn a_lane_closes_from_another_thread_while_messages_are_put() {
    loom::model(|| {
        let mut writer = Ring::with_writer(2);
        let (reader, _claim, place) = lane(&mut writer);
        put(&mut writer, 0..1, &[place]);
        let closer = {
            let reader = Arc::clone(&reader);
            thread::spawn(move || {
                let mut seen = vec![];
                reader.lock().unwrap().skip(|message| seen.push(message.0));
                seen
            })
        };
        let put = put(&mut writer, 1..3, &[place]);
        let mut seen = closer.join().unwrap();
        writer.forget(place, &mut reader.lock().unwrap(), |message| match message {
            Taken::Own(Number(number)) => seen.push(number),
            Taken::Shared(_) => panic!("there is nobody else"),
        });
        assert_eq!(seen, (0..1 + put).collect::<Vec<_>>());
    });
}

#[test]
fn a_lane_comes_back_to_the_ring_with_its_claim_out() {
    loom::model(|| {
        let mut writer = Ring::with_writer(2);
        let (reader, claim, place) = lane(&mut writer);
        put(&mut writer, 0..1, &[place]);
        let worker = start(&reader, claim, 2, 2);
        let mut left = vec![];
        writer.take_over(place, &mut reader.lock().unwrap(), |message| {
            left.extend(match message {
                Taken::Own(Number(number)) => Some(number),
                Taken::Shared(_) => None,
            });
        });
        writer.enter(place, &mut reader.lock().unwrap());
        let put = put(&mut writer, 1..4, &[place]);
        assert!(put >= 2, "what is claimed does not hold the writer up");
        let (mut seen, mut claim) = worker.join().unwrap();
        seen.extend(rest(&reader, &mut claim));
        seen.extend(left);
        seen.sort_unstable();
        assert_eq!(seen, (0..=put).collect::<Vec<_>>());
        writer.look(drop);
    });
}

#[test]
fn a_lane_is_spilled_while_it_reads_and_goes_on_in_the_ring() {
    loom::model(|| {
        let mut writer = Ring::with_writer(2);
        let (reader, claim, place) = lane(&mut writer);
        put(&mut writer, 0..2, &[place]);
        let worker = start(&reader, claim, 2, 1);
        let mut seen = vec![];
        for first in [2, 4] {
            writer.spill(place, &mut reader.lock().unwrap(), 0, |message| match message {
                Taken::Own(Number(number)) => seen.push(number),
                Taken::Shared(_) => panic!("there is nobody else"),
            });
            // Whatever it has claimed.
            assert_eq!(put(&mut writer, first..first + 2, &[place]), 2);
        }
        let (read, mut claim) = worker.join().unwrap();
        seen.extend(read);
        seen.extend(rest(&reader, &mut claim));
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2, 3, 4, 5]);
        writer.look(drop);
    });
}

#[test]
fn a_lane_that_had_nothing_for_long_reads_no_other_lap() {
    loom::model(|| {
        let mut writer = Ring::with_writer(1);
        let (reader, claim, place) = lane(&mut writer);
        let (other, mut other_claim, other_place) = lane(&mut writer);
        // Told to the bank, so that this one looks for messages before it, of which it has none.
        put(&mut writer, 0..1, &[other_place]);
        assert_eq!(rest(&other, &mut other_claim), [0]);
        put(&mut writer, 1..32, &[]);
        let worker = start(&reader, claim, 1, 1);
        // Its word takes the place of that of the first.
        put(&mut writer, 32..33, &[place]);
        let (mut seen, mut claim) = worker.join().unwrap();
        seen.extend(rest(&reader, &mut claim));
        assert_eq!(seen, [32]);
    });
}
