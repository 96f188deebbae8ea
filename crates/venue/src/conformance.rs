//! The suite that every adapter is held to (feature `conformance`, for tests).
//!
//! An adapter's tests implement [`Subject`] and write `meltica_venue::conformance!(ItsSubject);`,
//! which makes one test of each promise. What is asked of an adapter is asked of all in the same
//! words; what only one venue has is tested beside it.

mod consumer;
mod conversation;
mod faults;
mod fields;
mod promises;
mod wire;

use meltica_event::{Instrument, InstrumentId};

use crate::{LocalVenue, Session, VenuePools};

pub use self::{
    consumer::Consumer, conversation::conversation, faults::faults, promises::*, wire::Wire,
};

/// An adapter, as the suite sees it.
pub trait Subject {
    /// Frames of one connection from its first, one a line, written by hand as the venue documents
    /// them, all about [`INSTRUMENTS`]. A line that begins with `GET ` is the body that answers a
    /// fetch of the first instrument's snapshot.
    const FRAMES: &'static str;

    /// Whether a digit that was changed on the way is noticed, because books carry a checksum.
    const NOTICES_DIGITS: bool = false;

    /// The adapter, without instruments.
    fn session(pools: VenuePools) -> Box<dyn Session>;

    /// The venue's own side, trading [`INSTRUMENTS`].
    fn local(seed: u64) -> Box<dyn LocalVenue>;
}

/// What the suite trades: `BTC-USD` and `ETH-USD`.
pub const INSTRUMENTS: [(&str, InstrumentId); 2] =
    [("BTC-USD", InstrumentId(1)), ("ETH-USD", InstrumentId(2))];

/// [`INSTRUMENTS`], parsed.
pub fn instruments() -> [(Instrument, InstrumentId); 2] {
    INSTRUMENTS.map(|(name, id)| (name.parse().expect("a legal name"), id))
}

/// An adapter with [`INSTRUMENTS`], and its pools.
pub fn session<S: Subject>() -> (Box<dyn Session>, VenuePools) {
    let pools = VenuePools::new(4_096);
    let mut session = S::session(pools.clone());
    for (instrument, id) in instruments() {
        session.add(instrument, id).expect("spot is traded everywhere");
    }
    (session, pools)
}

/// Makes one test of each promise, for this [`Subject`](crate::conformance::Subject).
#[macro_export]
macro_rules! conformance {
    ($subject:ty) => {
        $crate::conformance!($subject:
            lm_07_what_is_handed_on_adds_up_to_the_adapters_own_book
            an_error_leaves_no_trace
            fields_that_are_not_known_are_ignored
            the_order_of_fields_does_not_matter
            no_damage_makes_it_panic
            a_missed_frame_is_noticed_and_the_book_resyncs_alone
            a_new_connection_begins_with_snapshots
            wishes_are_those_of_a_new_connection
            a_silent_book_is_asked_for_again
            every_execution_arrives_once
        );

        #[test]
        fn lm_07_a_thousand_faults_hand_on_no_book_that_never_was() {
            for seed in 1..=3 {
                $crate::conformance::faults::<$subject>(seed, 1_000);
            }
        }
    };
    ($subject:ty: $($promise:ident)+) => {
        $(
            #[test]
            fn $promise() {
                $crate::conformance::$promise::<$subject>();
            }
        )+
    };
}
