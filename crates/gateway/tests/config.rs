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
    for args in [&["run", "--for", "500ms"][..], &[]] {
        assert!(events(&meltica(args, &[("MELTICA_CONFIG", path)])) > 0);
    }
    let version = meltica(&["--version"], &[("MELTICA_CONFIG", "/no/such/file")]);
    assert!(version.status.success(), "{}", said(&version));
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
    // A variable is half of what a flag needs, and nothing to another command.
    let venue = [("MELTICA_VENUE", "kraken"), ("MELTICA_RATE", "many")];
    assert!(meltica(&["completions", "bash"], &venue).status.success());
    let flags = ["run", "--symbol", "BTC-USD", "--url", "x", "--listen", "none"];
    let reached = said(&meltica(&flags, &venue[..1]));
    assert!(reached.contains("begins with none of wss://"), "{reached}");
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

#[test]
fn what_is_wrong_can_be_read_by_programs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("meltica.toml");
    let path = file.to_str().unwrap();
    let checked = |text: &str| -> (Option<i32>, serde_json::Value) {
        fs::write(&file, text).unwrap();
        let output = meltica(&["check-config", path, "--json"], &[]);
        (output.status.code(), serde_json::from_slice(&output.stdout).expect("JSON"))
    };
    let (code, found) = checked("rate = 5\n\nratte = 6\n");
    assert_eq!((code, found["mistakes"].as_array().map(Vec::len)), (Some(2), Some(1)));
    let mistake = &found["mistakes"][0];
    assert_eq!((&mistake["line"], &mistake["column"]), (&3.into(), &1.into()));
    assert!(mistake["what"].as_str().unwrap().contains("unknown key `ratte`"), "{found}");
    let (code, found) = checked("rate = 5\n");
    assert_eq!((code, found["mistakes"].as_array().map(Vec::len)), (Some(0), Some(0)));
    fs::remove_file(&file).unwrap();
    let gone = meltica(&["check-config", path, "--json"], &[]);
    assert_eq!(gone.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&gone.stdout).contains("No such file"), "{gone:?}");
}

#[test]
fn programs_read_where_local_venues_are() {
    let flags = ["serve", "--venue", "kraken", "--venue", "okx", "--symbol", "BTC-USD"];
    let output = meltica(&[&flags[..], &["--for", "100ms", "--json"]].concat(), &[]);
    assert!(output.status.success(), "{}", said(&output));
    let served: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let venues = served["venues"].as_array().expect("a list");
    assert_eq!((venues.len(), &venues[0]["venue"]), (2, &"kraken".into()));
    assert!(venues[1]["url"].as_str().unwrap().starts_with("ws://127.0.0.1:"), "{served}");
}
