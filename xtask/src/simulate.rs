//! The simulation, from more seeds than CI has time for, or one of them again.

use crate::{failure::Failure, workspace::Workspace};

/// How many seeds `cargo xtask simulate` runs.
const SEEDS: &str = "100000";

/// On the ring and on queues, with consumers on workers, and with some that are run inline.
pub(crate) fn step(workspace: &Workspace) -> Result<(), Failure> {
    let modes: [&[&str]; 4] = [&[], &["--queues"], &["--inline"], &["--inline", "--queues"]];
    for mode in modes {
        let all = ["--seeds", SEEDS].iter().chain(mode);
        with(workspace, &all.map(|argument| (*argument).to_owned()).collect::<Vec<_>>())?;
    }
    Ok(())
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
