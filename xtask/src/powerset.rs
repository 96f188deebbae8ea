//! Whether every crate compiles with every set of its features.

use std::process::Stdio;

use crate::{failure::Failure, workspace::Workspace};

pub(crate) fn step(workspace: &Workspace) -> Result<(), Failure> {
    let mut version = workspace.cargo(["hack", "--version"]);
    let status = version.stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !status.is_ok_and(|status| status.success()) {
        return Err(Failure::new("`cargo hack` is missing", "cargo install cargo-hack --locked"));
    }
    workspace.run(
        &mut workspace.cargo("hack check --workspace --feature-powerset --locked".split(' ')),
        "The crate and the features are named above: something is used that only another feature brings.",
    )
}
