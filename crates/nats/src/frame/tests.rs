use meltica_event::Event;

use super::*;

#[test]
fn magic_version() {
    let _ = Event::blank();
}
