//! Whether every crate compiles with every set of its features.

use crate::{failure::Failure, tools, workspace::Workspace};

pub(crate) fn step(workspace: &Workspace) -> Result<(), Failure> {
    tools::needs(workspace, "hack", "cargo install cargo-hack --locked")?;
    workspace.run(
        &mut workspace.cargo("hack check --workspace --feature-powerset --locked".split(' ')),
        "The crate and the features are named above: something is used that only another feature brings.",
    )
}
