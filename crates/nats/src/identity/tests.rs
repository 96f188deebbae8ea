use meltica_event::{Control, ExecReport, Text};

use super::*;

#[test]
fn reports_go_by_their_own_id_and_everything_by_its_place() {
    let names = Names::default();
    let venue = names.venue("okx").unwrap();
    let of = |report: &ExecReport| {
        let mut id = String::new();
        event(View::Execution(report), &names, &mut id).then_some(id)
    };
    let mut report = ExecReport::blank();
    assert_eq!(of(&report), None, "without an id it is always news");
    report.header.venue = venue;
    report.client_order_id = Text::truncated("a/b");
    report.report_id = Text::truncated("c");
    let one = of(&report).unwrap();
    assert_eq!(one, "okx/3/a/b/c");
    report.client_order_id = Text::truncated("a");
    report.report_id = Text::truncated("b/c");
    assert_ne!(of(&report).unwrap(), one);
    assert!(!event(View::Control(&Control::blank()), &names, &mut String::new()));
    let envelope =
        Envelope { origin: "desk-1".parse().unwrap(), incarnation: 5, chain: 7, number: 17 };
    let mut id = String::new();
    place(&envelope, &mut id);
    assert_eq!(id, "desk-1/7/17");
}
