//! Flags in a file and in the environment.

use std::{
    fs,
    process::{Command, Output},
};

fn meltica(args: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_meltica"))
        .args(args)
        .envs(variables.iter().copied())
        .output()
        .expect("it can be started")
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn a_file_is_checked_and_used_and_the_environment_and_the_command_line_go_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("meltica.toml");
    let path = file.to_str().unwrap();
    fs::write(&file, "rate = 2_00\nlisten = \"none\"\njson = true\nfor = \"1s\"\n").unwrap();
    let checked = meltica(&["check-config", path], &[]);
    assert!(checked.status.success() && said(&checked).contains("nothing is wrong"));
    let events = |output: &Output| {
        assert!(output.status.success(), "{}", said(output));
        let summary: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        summary["events"].as_u64().unwrap()
    };
    let slow = events(&meltica(&["run", "--config", path], &[]));
    let fast = events(&meltica(&["run", "--config", path], &[("MELTICA_RATE", "20000")]));
    assert!(fast > 3 * slow, "{slow} and {fast} events");
    let slow = events(&meltica(&["--config", path, "--rate", "200"], &[("MELTICA_RATE", "20000")]));
    assert!(fast > 3 * slow, "{slow} and {fast} events");
    let named = meltica(&["run", "--for", "500ms"], &[("MELTICA_CONFIG", path)]);
    assert!(events(&named) > 0);
}

#[test]
fn everything_that_is_wrong_in_a_file_is_said_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("meltica.toml");
    fs::write(&file, "rates = 5\n\nfor = \"soon\"\n").unwrap();
    let path = file.to_str().unwrap();
    for args in [&["check-config", path][..], &["run", "--config", path]] {
        let output = meltica(args, &[]);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2));
        assert!(said.contains(&format!("{path}:1:1: unknown key `rates`")), "{said}");
        assert!(said.contains(&format!("{path}:3:7: invalid value 'soon'")), "{said}");
    }
    let missing = meltica(&["check-config", "/no/such/file"], &[]);
    assert!(said(&missing).contains("/no/such/file: "));
    let variable = meltica(&["run", "--listen", "none"], &[("MELTICA_RATE", "many")]);
    assert!(said(&variable).contains("invalid value 'many' for '--rate"), "{}", said(&variable));
}

#[test]
fn shells_can_complete_and_the_help_has_the_exit_codes() {
    for shell in ["bash", "zsh", "fish"] {
        let output = meltica(&["completions", shell], &[]);
        assert!(output.status.success());
        let text = said(&output);
        assert!(text.contains("check-config") && text.contains("nats-ca"), "{shell}");
    }
    let help = said(&meltica(&["--help"], &[]));
    assert!(help.contains("Exit codes: 0 all is well; 1 something is not"), "{help}");
    assert_eq!(meltica(&["run", "--no-such-flag"], &[]).status.code(), Some(2));
}
