use meltica::{
    event::{
        Control, Event, ExecReport, Header, InstrumentId, Payload, Text, TopOfBook, TraceId,
        VenueId,
    },
    recycler::Pool,
};

use super::*;

fn checker() -> Checker {
    Checker::new(0, Lot::new(0.0, 1, 1))
}

fn header(number: u64) -> Header {
    Header {
        trace: TraceId(number),
        sequence: number,
        venue: VenueId(1),
        instrument: InstrumentId(1),
        ..Header::default()
    }
}

/// A quote of this number and version, that tells of so many skipped before it.
fn quote(number: u64, version: u64, skipped: u64) -> Delivery {
    let header = Header { routing_version: version, ..header(number) };
    let mut event = Pool::new(1, Event::blank, |_| ()).lease_or_heap();
    *event = Event::new(header, Payload::TopOfBook(TopOfBook::default()));
    let mut delivery = Delivery::new(Message::from(event));
    delivery.skipped.folded = skipped / 2;
    delivery.skipped.dropped = skipped - skipped / 2;
    delivery
}

fn execution(number: u64) -> Delivery {
    let mut report = Pool::new(1, ExecReport::blank, |_| ()).lease_or_heap();
    report.header = Header { kind: EventKind::ExecReport, ..header(number) };
    Delivery::new(Message::from(report))
}

fn acknowledged(command: u64) -> Delivery {
    answer(Control::ack(Header::default(), command, Text::EMPTY))
}

fn applied(command: u64) -> Delivery {
    answer(Control::result(Header::default(), command, Text::EMPTY, Ok(())))
}

fn answer(answer: Control) -> Delivery {
    let mut control = Pool::new(1, Control::blank, |_| ()).lease_or_heap();
    *control = answer;
    Delivery::new(Message::from(control))
}

/// What comes to light of these, where so many reports and answers had been published.
fn seen(deliveries: impl IntoIterator<Item = Delivery>, reports: u64, answers: u64) -> Seen {
    let mut checker = checker();
    deliveries.into_iter().for_each(|delivery| assert!(!checker.note(&delivery)));
    let mut by_stream = [0; STREAMS];
    by_stream[stream(execution(1).header()).unwrap()] = reports;
    checker.at_the_end(&by_stream, answers)
}

#[test]
fn nothing_comes_to_light_where_all_is_well() {
    let well = [
        quote(1, 1, 0),
        execution(1),
        acknowledged(1),
        quote(5, 1, 3),
        applied(1),
        acknowledged(2),
        quote(6, 2, 0),
        execution(2),
        applied(2),
    ];
    let expected = Seen { calls: 9, critical: 6, ..Seen::default() };
    assert_eq!(seen(well, 2, 4), expected);
}

#[test]
fn a_lost_critical_message_is_noticed_by_the_next_or_at_the_end() {
    let lost = |deliveries: Vec<Delivery>| {
        let seen = seen(deliveries, 3, 2);
        assert_eq!(seen.critical + seen.lost, 5);
        (seen.lost, seen.repeated)
    };
    let all = || vec![execution(1), execution(2), execution(3), acknowledged(1), applied(1)];
    assert_eq!(lost(all()), (0, 0));
    for index in 0..5 {
        let mut without = all();
        without.remove(index);
        assert_eq!(lost(without), (1, 0), "without {index}");
    }
}

#[test]
fn a_critical_message_that_comes_again_or_too_late_is_noticed() {
    assert_eq!(seen([execution(1), execution(1), execution(2)], 2, 0).repeated, 1);
    assert_eq!(seen([acknowledged(1), applied(1), applied(1)], 0, 2).repeated, 1);
    let turned = seen([applied(1), acknowledged(1)], 0, 2);
    assert_eq!((turned.lost, turned.repeated), (1, 1));
}

#[test]
fn what_is_skipped_must_be_told_as_it_was() {
    assert_eq!(seen([quote(1, 1, 0), quote(4, 1, 2)], 0, 0).untold, 0);
    assert_eq!(seen([quote(1, 1, 0), quote(4, 1, 1)], 0, 0).untold, 1);
    assert_eq!(seen([quote(1, 1, 0), quote(4, 1, 3)], 0, 0).untold, 1);
    assert_eq!(seen([quote(2, 1, 0)], 0, 0).untold, 1);
}

#[test]
fn market_data_that_go_back_are_noticed() {
    let back = seen([quote(1, 1, 0), quote(2, 1, 0), quote(1, 1, 0)], 0, 0);
    assert_eq!((back.out_of_order, back.untold), (1, 0));
}

#[test]
fn what_is_older_than_the_gate_was_is_noticed_and_what_was_let_in_before_is_not() {
    let gate = Gate::new();
    let mut checker = checker();
    checker.watch(gate.clone());
    gate.raise(2);
    // It may have been let in before the gate moved.
    checker.note(&quote(1, 1, 0));
    assert_eq!(checker.seen.stale, 0);
    checker.note(&quote(2, 1, 0));
    checker.note(&quote(3, 2, 0));
    assert_eq!(checker.seen.stale, 1);
    // Critical messages come whatever their version.
    checker.note(&execution(1));
    assert_eq!(checker.seen.stale, 1);
}

#[test]
fn a_consumer_panics_once_for_each_message_that_falls_on_it_also_for_skipped_ones() {
    let mut checker = Checker::new(0, Lot::new(1.0, 1, 1));
    assert!(checker.note(&quote(1, 1, 0)));
    // Three fall on it at once: this panic, and two more.
    assert!(checker.note(&quote(4, 1, 2)));
    assert!(checker.note(&quote(4, 1, 0)));
    assert!(checker.note(&quote(4, 1, 0)));
    assert!(!checker.note(&quote(4, 1, 0)));
    assert_eq!(checker.seen.thrown.count, 4);
    assert_eq!(checker.seen.thrown_critical.count, 0);
    assert!(checker.note(&execution(1)));
    let mut expected = Traces::default();
    expected.note(1);
    assert_eq!(checker.seen.thrown_critical, expected);
}
