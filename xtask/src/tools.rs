//! What must be installed, and how to get it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{failure::Failure, workspace::Workspace};

/// Subcommands of Cargo that do not come with it.
const SUBCOMMANDS: &[(&str, &str)] = &[
    ("fmt", "rustup component add rustfmt"),
    ("clippy", "rustup component add clippy"),
    ("llvm-cov", "cargo install cargo-llvm-cov --locked"),
];

/// Names all that is missing at once, before anything slow runs.
pub(crate) fn step(workspace: &Workspace) -> Result<(), Failure> {
    let mut missing = Vec::new();
    for (name, how) in SUBCOMMANDS {
        if !answers(&mut workspace.cargo([*name, "--version"])) {
            missing.push(format!("`cargo {name}` is missing: {how}"));
        }
    }
    missing.extend(llvm_tools().err());
    Failure::unless_empty(missing, "Install what is named above, or run `.ci/run`, which does.")
}

/// Whether a program answers when it is asked, as for its version.
pub(crate) fn answers(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Fails unless there is this subcommand of Cargo.
pub(crate) fn needs(workspace: &Workspace, subcommand: &str, how: &str) -> Result<(), Failure> {
    match answers(&mut workspace.cargo([subcommand, "--version"])) {
        true => Ok(()),
        false => Err(Failure::new(format!("`cargo {subcommand}` is missing"), how)),
    }
}

/// Where llvm-cov and llvm-profdata are.
#[derive(Debug, PartialEq)]
pub(crate) enum LlvmTools {
    /// cargo-llvm-cov finds them by itself: in the environment, or beside rustc.
    Found,
    /// It must be told.
    At { cov: PathBuf, profdata: PathBuf },
}

/// Looks for the LLVM tools that read the profiles of this rustc.
pub(crate) fn llvm_tools() -> Result<LlvmTools, String> {
    let set = |name| std::env::var_os(name).is_some();
    if set("LLVM_COV") && set("LLVM_PROFDATA") {
        return Ok(LlvmTools::Found);
    }
    let sysroot = PathBuf::from(rustc(&["--print", "sysroot"])?.trim());
    let major = llvm_major(&rustc(&["-vV"])?).ok_or("`rustc -vV` does not name its LLVM")?;
    choose(&sysroot, Path::new("/usr/bin"), major)
}

/// The component of rustup if it is there, or else the newest tools of the system. They read
/// profiles of their own LLVM and older ones.
fn choose(sysroot: &Path, system: &Path, major: u32) -> Result<LlvmTools, String> {
    let targets = fs::read_dir(sysroot.join("lib/rustlib")).into_iter().flatten().flatten();
    if targets.into_iter().any(|target| target.path().join("bin/llvm-cov").exists()) {
        return Ok(LlvmTools::Found);
    }
    let tools = fs::read_dir(system).into_iter().flatten().flatten();
    let versions = tools.filter_map(|tool| {
        tool.file_name().to_str()?.strip_prefix("llvm-cov-")?.parse::<u32>().ok()
    });
    let profdata = |version: u32| system.join(format!("llvm-profdata-{version}"));
    let newest = versions.filter(|v| *v >= major && profdata(*v).exists()).max();
    let version = newest.ok_or_else(|| {
        format!(
            "llvm-cov {major} or newer is missing: rustup component add llvm-tools, or apt-get \
             install llvm-{major}"
        )
    })?;
    let cov = system.join(format!("llvm-cov-{version}"));
    Ok(LlvmTools::At { cov, profdata: profdata(version) })
}

/// 22 of `LLVM version: 22.1.2`.
fn llvm_major(version: &str) -> Option<u32> {
    let line = version.lines().find_map(|line| line.strip_prefix("LLVM version: "))?;
    line.split('.').next()?.trim().parse().ok()
}

/// What rustc answers.
pub(crate) fn rustc(arguments: &[&str]) -> Result<String, String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).args(arguments).output();
    let output = output.map_err(|error| format!("rustc does not start: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests;
