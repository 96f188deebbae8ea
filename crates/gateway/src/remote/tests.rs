use super::*;

#[test]
fn a_machines_name_is_taken_whole_or_not_at_all() {
    let name = |host| named_after(host, "--origin").map(|name| name.to_string());
    assert_eq!(name("Desk-1\n").ok().as_deref(), Some("desk-1"));
    for host in ["prod-trading-risk-01", "desk.example", ""] {
        let error = name(host).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(host) && error.ends_with("choose one by --origin"), "{error}");
    }
}
