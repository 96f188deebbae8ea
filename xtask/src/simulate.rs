//! The simulation, from more seeds than CI has time for, or one of them again.

use crate::{failure::Failure, workspace::Workspace};

/// How many seeds `cargo xtask simulate` runs.
const SEEDS: &str = "100000";

pub(crate) fn step(workspace: &Workspace) -> Result<(), Failure> {
    with(workspace, &["--seeds".to_owned(), SEEDS.to_owned()])
}

/// Runs the program `simulate` with these arguments; without any, all the seeds.
pub(crate) fn with(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let mut command = workspace
        .cargo("run --release --quiet --locked -p meltica-simulation --bin simulate --".split(' '));
    command.args(arguments);
    workspace.run(
        &mut command,
        "The pipeline and the plain model of it differ, where and how is said above; the last line \
         runs just that again. Which of the two is right is the question to begin with.",
    )
}
