use meltica_event::Event;

#[test]
fn magic_version() {
    let _ = Event::blank();
}
