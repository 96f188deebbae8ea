use meltica_event::{Control, ExecReport, Text};

use super::*;

#[test]
fn reports_go_by_their_own_id_and_everything_else_by_its_place() {
    let names = Names::default();
    let venue = names.venue("okx").unwrap();
    let origin = "desk-1".parse().unwrap();
    let envelope = Envelope { origin, incarnation: 5, chain: 7, number: 17 };
    let id = |view: View<'_>| {
        let mut id = String::new();
        message_id(view, &envelope, &names, &mut id).map(|()| id)
    };
    let mut report = ExecReport::blank();
    assert_eq!(id(View::Execution(&report)).unwrap(), "n/desk-1/7/17");
    report.header.venue = venue;
    report.client_order_id = Text::truncated("a/b c");
    report.report_id = Text::truncated("ü\r\n%");
    assert_eq!(id(View::Execution(&report)).unwrap(), "x/okx/a%2fb%20c/%c3%bc%0d%0a%25");
    report.header.venue.0 = 99;
    assert!(id(View::Execution(&report)).is_err());
    assert_eq!(id(View::Control(&Control::blank())).unwrap(), "n/desk-1/7/17");
}
