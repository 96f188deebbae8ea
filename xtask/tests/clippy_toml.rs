//! Everything that `clippy.toml` bans is reported by clippy where it is used.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A use of each banned item.
const PLANTED: &[(&str, &str)] = &[
    ("std::mem::forget", "pub fn a(text: String) { core::mem::forget(text); }"),
    ("std::boxed::Box::leak", "pub fn b(text: Box<u8>) -> &'static u8 { Box::leak(text) }"),
    ("std::vec::Vec::leak", "pub fn c(text: Vec<u8>) -> &'static [u8] { text.leak() }"),
    ("std::string::String::leak", "pub fn d(text: String) -> &'static str { text.leak() }"),
    ("std::sync::mpsc::channel", "pub fn e() { let _ = std::sync::mpsc::channel::<u8>(); }"),
    (
        "std::sync::mpsc::sync_channel",
        "pub fn f() { use std::sync::mpsc::sync_channel as it; let _ = it::<u8>(1); }",
    ),
    ("std::sync::mpsc::Sender", "pub struct G(pub std::sync::mpsc::Sender<u8>);"),
    ("std::sync::mpsc::SyncSender", "pub struct H(pub std::sync::mpsc::SyncSender<u8>);"),
    ("std::sync::mpsc::Receiver", "pub struct I(pub std::sync::mpsc::Receiver<u8>);"),
    ("std::collections::LinkedList", "pub type J = std::collections::LinkedList<u8>;"),
    (
        "crossbeam_channel::unbounded",
        "pub fn k() { let _ = crossbeam_channel::unbounded::<u8>(); }",
    ),
];

/// Banned before anyone could use it: no crate of ours depends on it yet.
const NOT_PLANTED: &[&str] = &["tokio::sync::mpsc::unbounded_channel"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is in a workspace").to_owned()
}

/// The rows of `clippy.toml`, found by their text: one row is one line.
fn rows() -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join("clippy.toml")).expect("it is at the root");
    let rows = text.lines().filter_map(|line| {
        let path = line.trim().strip_prefix("{ path = \"")?;
        Some((path.split('"').next()?.to_owned(), line.to_owned()))
    });
    let rows: Vec<_> = rows.collect();
    assert_eq!(rows.len(), text.matches("path =").count(), "a row of clippy.toml is not one line");
    rows
}

#[test]
fn every_banned_item_is_reported() {
    let rows = rows();
    for (path, _) in &rows {
        let planted = PLANTED.iter().any(|(planted, _)| planted == path);
        assert!(
            planted || NOT_PLANTED.contains(&path.as_str()),
            "{path} is banned in clippy.toml, but no planted use shows that the ban bites: add one"
        );
    }

    // Always the same place, so that what it depends on is built once. The lock file is the
    // workspace's, so that Cargo has nothing to look up.
    let folder = root().join("target/xtask-bans");
    fs::create_dir_all(folder.join("src")).expect("target can be written");
    fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).expect("it is at the root");
    let manifest = "[package]\nname = \"bans\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
                    [dependencies]\ncrossbeam-channel = \"0.5\"\n\n[workspace]\n";
    fs::write(folder.join("Cargo.toml"), manifest).expect("target can be written");
    let uses: Vec<&str> = PLANTED.iter().map(|(_, source)| *source).collect();
    fs::write(folder.join("src/lib.rs"), uses.join("\n")).expect("target can be written");

    let output = Command::new(env!("CARGO"))
        .args(["clippy", "--quiet"])
        .current_dir(&folder)
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .env("CLIPPY_CONF_DIR", root())
        .output()
        .expect("cargo runs");
    let report = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the planted uses do not compile:\n{report}");
    assert!(!report.contains("clippy.toml"), "clippy.toml itself is at fault:\n{report}");
    for (path, _) in PLANTED {
        let found = ["method", "type"]
            .iter()
            .any(|kind| report.contains(&format!("use of a disallowed {kind} `{path}`")));
        assert!(found, "clippy does not report `{path}`:\n{report}");
    }
}

#[test]
fn every_row_names_its_replacement() {
    for (path, row) in rows() {
        assert!(row.contains("reason = \""), "{path} gives no reason");
        assert!(row.contains("use "), "{path} does not say what to use instead");
    }
}
