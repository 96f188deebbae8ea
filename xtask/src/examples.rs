//! Runs the examples of our crates, as someone who tries them out would.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use cargo_metadata::{Message, Package, TargetKind};

use crate::{
    failure::Failure,
    workspace::{Workspace, folder},
};

/// An example is read in a minute, so it should not run for longer.
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn step(workspace: &Workspace) -> Result<(), Failure> {
    let metadata = workspace.metadata()?;
    let mut problems = Vec::new();
    for package in metadata.workspace_packages() {
        let has_examples = package.targets.iter().any(|target| target.is_example());
        if folder(&metadata, package).is_none() || !has_examples {
            continue;
        }
        // Built and run crate by crate: examples of two crates may have the same name, and
        // then the one program takes the place of the other.
        for (name, program) in build(workspace, package)? {
            println!("$ cargo run -p {} --example {name}", package.name);
            let mut command = Command::new(program);
            command.current_dir(&workspace.root).stdin(Stdio::null());
            if workspace.quiet {
                command.stdout(Stdio::null()).stderr(Stdio::null());
            }
            if let Err(how) = run_within(LIMIT, &mut command) {
                problems.push(format!("example {name} of {} {how}", package.name));
            }
        }
    }
    Failure::unless_empty(
        problems,
        "Run it as shown above. An example ends by itself, with success, and needs neither \
         arguments nor the network.",
    )
}

/// Builds a package's examples and says where they are.
fn build(workspace: &Workspace, package: &Package) -> Result<Vec<(String, PathBuf)>, Failure> {
    let mut command = workspace.cargo(["build", "--package", package.name.as_str()]);
    command.args(["--examples", "--all-features", "--locked"]);
    command.arg("--message-format=json-render-diagnostics");
    command.stderr(if workspace.quiet { Stdio::null() } else { Stdio::inherit() });
    let failed = |how: String| {
        Failure::new(
            format!("the examples of {} do not build ({how})", package.name),
            "Adapt them to the changed interface where the error above points.",
        )
    };
    let output = command.output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(output.status.to_string()));
    }
    let mut programs = Vec::new();
    for message in Message::parse_stream(output.stdout.as_slice()) {
        let message = message.map_err(|error| failed(error.to_string()))?;
        if let Message::CompilerArtifact(artifact) = message {
            let is_example = artifact.target.kind.contains(&TargetKind::Example);
            if let (true, Some(program)) = (is_example, artifact.executable) {
                programs.push((artifact.target.name, program.into_std_path_buf()));
            }
        }
    }
    Ok(programs)
}

/// Runs a program to its end, or stops it when that is too far away.
fn run_within(limit: Duration, command: &mut Command) -> Result<(), String> {
    let start = Instant::now();
    let mut child = command.spawn().map_err(|error| format!("did not start: {error}"))?;
    loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(format!("failed ({status})")),
            None if start.elapsed() >= limit => {
                // It may have ended by itself since; either way it is gone afterwards.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("was still running after {} s", limit.as_secs_f32()));
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

#[cfg(test)]
mod tests;
