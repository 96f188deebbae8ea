//! The script, as briefly as it still means something; `cargo xtask faults` runs a hundred cycles.

use std::process::{Command, Stdio};

use serde_json::Value;

#[test]
fn nothing_critical_is_lost_or_repeated_whatever_ends_without_warning() {
    let output = Command::new(env!("CARGO_BIN_EXE_meltica-faults"))
        // Few enough for a disk that others write to: the server waits for it with each.
        .args([
            "--cycles",
            "10",
            "--seed",
            "1",
            "--json",
            "--subscriptions",
            "1000",
            "--orders",
            "100",
        ])
        .stdin(Stdio::null())
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    let count = |name: &str| report[name].as_u64().unwrap_or_else(|| panic!("{name} in {report}"));
    for wrong in ["lost", "repeated", "out_of_order", "strange"] {
        assert_eq!(count(wrong), 0, "{wrong}: {report}");
    }
    assert_eq!(report["problems"], Value::Array(vec![]));
    assert!(count("sent") > 1_000 && count("came") == count("sent"), "{report}");
    assert!(count("connections") >= 30, "{report}");
    for fault in ["publisher_killed", "receiver_killed", "server_killed", "connections_cut"] {
        assert_eq!(report["faults"][fault]["count"], 10, "{report}");
    }
}

#[test]
fn a_script_that_cannot_be_says_so() {
    let output = Command::new(env!("CARGO_BIN_EXE_meltica-faults"))
        .args(["--cycles", "0"])
        .output()
        .expect("it starts");
    assert_eq!(output.status.code(), Some(2));
}
