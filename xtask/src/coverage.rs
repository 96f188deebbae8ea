//! How much of each crate its tests reach.

use std::{collections::BTreeMap, fs};

use serde_json::Value;

use crate::{
    ci::FAILED_TESTS,
    failure::Failure,
    tools::{LlvmTools, llvm_tools},
    workspace::{Workspace, folder},
};

/// The least share of a published crate's lines that tests must reach.
const PERCENT: u64 = 90;

/// Test code, which reaches itself and would only flatter the result.
const NOT_COUNTED: &str = r"(^|/)tests?(/|\.rs$)|/examples/|/benches/|xtask/";

/// Where the numbers are left, below the root of the workspace.
const REPORT: &str = "target/coverage.json";

pub(crate) fn step(workspace: &Workspace) -> Result<(), Failure> {
    let tools = llvm_tools()
        .map_err(|missing| Failure::new(missing, "Install it, then run this again."))?;
    let _ = fs::create_dir(workspace.root.join("target"));
    let mut command = workspace.cargo([
        "llvm-cov",
        "--workspace",
        // Neither is a crate that anyone uses; `self-test` and `benches` see to them.
        "--exclude",
        "xtask",
        "--exclude",
        "meltica-benches",
        "--locked",
        "--all-features",
        "--json",
        "--summary-only",
        "--output-path",
        REPORT,
        "--ignore-filename-regex",
        NOT_COUNTED,
    ]);
    if let LlvmTools::At { cov, profdata } = tools {
        command.env("LLVM_COV", cov).env("LLVM_PROFDATA", profdata);
    }
    workspace.run(&mut command, FAILED_TESTS)?;

    let report = fs::read_to_string(workspace.root.join(REPORT)).map_err(|error| {
        Failure::new(format!("{REPORT} was not written: {error}"), "Run `cargo xtask tools`.")
    })?;
    let metadata = workspace.metadata()?;
    let packages = metadata.workspace_packages();
    let published = packages.iter().filter(|package| package.publish != Some(Vec::new()));
    let folders: Vec<&str> = published.filter_map(|package| folder(&metadata, package)).collect();
    let coverage = Coverage::read(&report, &folders)?;
    print!("{}", coverage.table());
    coverage.check()
}

/// Lines of each published crate by its folder, file by file.
#[derive(Debug)]
struct Coverage {
    crates: BTreeMap<String, Vec<File>>,
}

#[derive(Debug)]
struct File {
    /// From the root of the workspace.
    name: String,
    lines: Lines,
}

#[derive(Clone, Copy, Debug, Default)]
struct Lines {
    all: u64,
    covered: u64,
}

impl Coverage {
    /// Takes what concerns the crates in `folders` from the JSON of `llvm-cov export`.
    fn read(report: &str, folders: &[&str]) -> Result<Self, Failure> {
        let unreadable = |what: &str| {
            Failure::new(
                format!("{REPORT} is not what `llvm-cov export` writes: {what}"),
                "A new version of cargo-llvm-cov may write another format: adapt \
                 xtask/src/coverage.rs to it.",
            )
        };
        let report: Value =
            serde_json::from_str(report).map_err(|error| unreadable(&error.to_string()))?;
        let files =
            report["data"][0]["files"].as_array().ok_or_else(|| unreadable("no list of files"))?;

        let mut crates: BTreeMap<String, Vec<File>> =
            folders.iter().map(|folder| (folder.to_string(), Vec::new())).collect();
        for file in files {
            let path = file["filename"].as_str().ok_or_else(|| unreadable("a nameless file"))?;
            let path = path.replace('\\', "/");
            // The last one: the workspace itself may lie in a folder of that name.
            let Some(start) = path.rfind("/crates/") else { continue };
            let name = &path[start + 1..];
            let folder = name.split('/').nth(1).unwrap_or_default();
            let Some(crate_files) = crates.get_mut(folder) else { continue };
            let count = |key: &str| {
                let value = file["summary"]["lines"][key].as_u64();
                value.ok_or_else(|| unreadable("a file without its lines"))
            };
            let lines = Lines { all: count("count")?, covered: count("covered")? };
            crate_files.push(File { name: name.into(), lines });
        }
        Ok(Self { crates })
    }

    fn table(&self) -> String {
        let mut text = format!("\n{:<16} {:>7} {:>8} {:>8}\n", "crate", "lines", "covered", "%");
        for (folder, files) in &self.crates {
            let lines = Lines::sum(files);
            text.push_str(&format!(
                "{folder:<16} {:>7} {:>8} {:>8}\n",
                lines.all,
                lines.covered,
                lines.percent()
            ));
        }
        text
    }

    fn check(&self) -> Result<(), Failure> {
        let mut problems = Vec::new();
        for (folder, files) in &self.crates {
            let lines = Lines::sum(files);
            if lines.all == 0 {
                problems.push(format!(
                    "crates/{folder}: no line was measured, so it has no code or was left out"
                ));
            } else if lines.covered * 100 < lines.all * PERCENT {
                problems.push(format!(
                    "crates/{folder}: tests reach {} % of its lines, least in {}",
                    lines.percent(),
                    least(files)
                ));
            }
        }
        Failure::unless_empty(
            problems,
            &format!(
                "Test what is not reached yet, until it is {PERCENT} % of each crate: \
                 `cargo llvm-cov --open -p PACKAGE` shows the lines."
            ),
        )
    }
}

impl Lines {
    fn sum(files: &[File]) -> Self {
        files.iter().fold(Self::default(), |sum, file| Self {
            all: sum.all + file.lines.all,
            covered: sum.covered + file.lines.covered,
        })
    }

    /// With one digit after the point, rounded down: 89.99 % is not 90.0 %.
    fn percent(self) -> String {
        if self.all == 0 {
            return String::from("-");
        }
        let tenths = self.covered * 1000 / self.all;
        format!("{}.{}", tenths / 10, tenths % 10)
    }
}

/// The five files with the lowest coverage, lowest first.
fn least(files: &[File]) -> String {
    let mut files: Vec<&File> = files.iter().filter(|file| file.lines.all > 0).collect();
    files.sort_by_key(|file| file.lines.covered * 1_000_000 / file.lines.all);
    let shown = files.iter().take(5);
    let shown = shown.map(|file| format!("{} ({} %)", file.name, file.lines.percent()));
    shown.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
