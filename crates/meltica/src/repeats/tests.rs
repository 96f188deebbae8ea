use meltica_event::{Control, Header, Text};
use meltica_recycler::Recycler;

use super::*;

#[test]
fn what_is_remembered_takes_the_same_room_however_long_it_goes_on() {
    let controls = Recycler::new().pool("control", 1, Control::blank, |_| ());
    for capacity in [1, 3, 100, 1_000] {
        let mut repeats = Repeats::new(capacity, true);
        // What was removed counts as room taken until the set is tidied up, in place.
        let room = (repeats.known.capacity(), repeats.order.capacity());
        for command in 1..=200_000 {
            let mut control = controls.lease_or_heap();
            *control = Control::ack(Header::default(), command, Text::EMPTY);
            assert!(!repeats.is_repeat(&control.into()));
        }
        assert!(repeats.known.capacity() <= room.0, "capacity {capacity}");
        assert_eq!(repeats.order.capacity(), room.1);
        assert_eq!(repeats.known.len(), capacity);
    }
}
