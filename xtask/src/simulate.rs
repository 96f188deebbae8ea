//! The simulation, from more seeds than CI has time for, or one of them again.

use crate::{failure::Failure, workspace::Workspace};

/// How many seeds `cargo xtask simulate` runs.
const SEEDS: &str = "100000";

pub(crate) fn step(workspace: &Workspace) -> Result<(), Failure> {
    with(workspace, &[])
}

/// Runs the example `simulate` with these arguments; without any, all the seeds.
pub(crate) fn with(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let mut command = workspace.cargo(
        "run --release --quiet --locked -p meltica-simulation --example simulate --".split(' '),
    );
    let all = ["--seeds".to_owned(), SEEDS.to_owned()];
    command.args(if arguments.is_empty() { &all } else { arguments });
    workspace.run(
        &mut command,
        "What is wrong is said above. Where the pipeline and the plain model of it differ, the last line \
         runs just that again, and which of the two is right is the question to begin with.",
    )
}
