//! Trees of files that tests make up.

use std::{fs, path::Path};

use cargo_metadata::Metadata;
use tempfile::TempDir;

use crate::workspace::Workspace;

/// A folder that is gone when it is dropped.
pub(crate) struct Tree(TempDir);

impl Tree {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().expect("a temporary folder can be made"))
    }

    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("it can be made");
        fs::write(path, text).expect("a file can be written");
    }

    pub(crate) fn remove(&self, path: &str) {
        fs::remove_file(self.root().join(path)).expect("the file was written before");
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root().join(path)).expect("the file was written before")
    }

    pub(crate) fn workspace(&self) -> Workspace {
        let root = self.root().canonicalize().expect("the folder exists");
        Workspace { root, quiet: true }
    }

    pub(crate) fn metadata(&self) -> Metadata {
        self.workspace().metadata().expect("the manifests are right")
    }

    /// Our packages as they should be: every folder of `crates/`, `benches` and `xtask`, with
    /// just the arrows that some tests start from.
    pub(crate) fn of_our_packages() -> Self {
        let tree = Self::new();
        tree.write(
            "Cargo.toml",
            "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\", \"xtask\", \"benches\"]\n",
        );
        for (folder, name, dependencies) in PACKAGES {
            let mut manifest = format!(
                "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
                 description = \"d\"\nlicense = \"MIT\"\nrepository = \"https://example.com\"\n\
                 \n[dependencies]\n"
            );
            for dependency in *dependencies {
                manifest.push_str(&line_for(folder, dependency));
            }
            tree.write(&format!("{folder}/Cargo.toml"), &manifest);
            tree.write(&format!("{folder}/src/lib.rs"), "#![forbid(unsafe_code)]\n");
            for file in ["README.md", "LICENSE-MIT", "LICENSE-APACHE"] {
                tree.write(&format!("{folder}/{file}"), "text\n");
            }
        }
        tree
    }

    /// Adds a line for another of our packages to the end of a manifest.
    pub(crate) fn add_dependency(&self, folder: &str, section: &str, on: &str) {
        self.add_to_manifest(folder, &format!("\n[{section}]\n{}", line_for(folder, on)));
    }

    pub(crate) fn add_to_manifest(&self, folder: &str, text: &str) {
        let path = format!("{folder}/Cargo.toml");
        let manifest = self.read(&path);
        let manifest = match text.strip_prefix("\n[dependencies]\n") {
            // A section may not be opened twice.
            Some(line) if manifest.contains("[dependencies]") => format!("{manifest}{line}"),
            _ => format!("{manifest}{text}"),
        };
        self.write(&path, &manifest);
    }
}

const PACKAGES: &[(&str, &str, &[&str])] = &[
    ("crates/stats", "meltica-stats", &[]),
    ("crates/event", "meltica-event", &[]),
    ("crates/recycler", "meltica-recycler", &["meltica-stats"]),
    ("crates/orchestrator", "meltica-orchestrator", &["meltica-stats"]),
    ("crates/dispatcher", "meltica-dispatcher", &["meltica-stats"]),
    ("crates/consumer", "meltica-consumer", &["meltica-stats"]),
    ("crates/telemetry", "meltica-telemetry", &["meltica-stats", "meltica-dispatcher"]),
    ("crates/venue", "meltica-venue", &["meltica-event", "meltica-recycler"]),
    ("crates/meltica", "meltica", &["meltica-recycler", "meltica-event"]),
    ("crates/venue-binance", "meltica-venue-binance", &["meltica-venue"]),
    ("crates/venue-coinbase", "meltica-venue-coinbase", &["meltica-venue"]),
    ("crates/venue-kraken", "meltica-venue-kraken", &["meltica-venue"]),
    ("crates/venue-okx", "meltica-venue-okx", &["meltica-venue"]),
    ("crates/nats", "meltica-nats", &["meltica-venue"]),
    ("crates/gateway", "meltica-gateway", &["meltica", "meltica-venue-binance"]),
    ("crates/simulation", "meltica-simulation", &["meltica"]),
    ("crates/faults", "meltica-faults", &["meltica", "meltica-nats"]),
    ("benches", "meltica-benches", &["meltica", "meltica-recycler", "meltica-dispatcher"]),
    ("xtask", "xtask", &[]),
];

fn line_for(folder: &str, dependency: &str) -> String {
    let up = "../".repeat(folder.split('/').count());
    let (path, ..) =
        PACKAGES.iter().find(|(_, name, _)| *name == dependency).expect("it is one of ours");
    format!("{dependency} = {{ path = \"{up}{path}\" }}\n")
}
