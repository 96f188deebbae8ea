//! The command line refuses what it does not know.

use std::process::{Command, Output};

fn xtask(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask")).args(arguments).output().expect("it was built")
}

#[test]
fn an_unknown_command_is_answered_with_the_usage_and_code_2() {
    for arguments in [&["no-such-step"][..], &[], &["ci", "more"]] {
        let output = xtask(arguments);
        assert_eq!(output.status.code(), Some(2));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        for word in ["usage: cargo xtask", "ci", "arrows", "coverage", "deep"] {
            assert!(text.contains(word), "{text}");
        }
    }
}

#[test]
fn help_is_no_mistake() {
    assert_eq!(xtask(&["help"]).status.code(), Some(0));
}

#[test]
fn a_release_that_is_not_understood_uploads_nothing() {
    let output = xtask(&["release", "--wet-run"]);
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("usage: cargo xtask release [--dry-run]"), "{text}");
}
