//! Runs the examples of our crates, as someone who tries them out would.

use std::{
    collections::BTreeMap,
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
    let ours: Vec<&Package> = metadata
        .workspace_packages()
        .into_iter()
        .filter(|package| folder(&metadata, package).is_some())
        .collect();
    let mut problems = same_names(&ours);
    // All at once, as tests and docs are built: crate by crate what they share would be built anew for each.
    for (package, name, program) in build(workspace, &ours)? {
        println!("$ cargo run -p {package} --example {name}");
        let mut command = Command::new(program);
        command.current_dir(&workspace.root).stdin(Stdio::null());
        if workspace.quiet {
            command.stdout(Stdio::null()).stderr(Stdio::null());
        }
        if let Err(how) = run_within(LIMIT, &mut command) {
            problems.push(format!("example {name} of {package} {how}"));
        }
    }
    Failure::unless_empty(
        problems,
        "Run it as shown above. An example ends by itself, with success, and needs neither \
         arguments nor the network.",
    )
}

/// Of two examples of one name, one program takes the place of the other.
fn same_names(packages: &[&Package]) -> Vec<String> {
    let examples = packages.iter().flat_map(|package| {
        let examples = package.targets.iter().filter(|target| target.is_example());
        examples.map(|example| (example.name.as_str(), package.name.as_str()))
    });
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    let mut problems = vec![];
    for (name, package) in examples {
        if let Some(other) = owners.insert(name, package) {
            problems.push(format!(
                "example {name} is there twice, in {other} and in {package}: rename one"
            ));
        }
    }
    problems
}

/// Builds the examples and says whose each is, and where it is.
fn build(
    workspace: &Workspace,
    packages: &[&Package],
) -> Result<Vec<(String, String, PathBuf)>, Failure> {
    let mut command = workspace.cargo(["build", "--workspace", "--examples", "--all-features"]);
    command.args(["--locked", "--message-format=json-render-diagnostics"]);
    command.stderr(if workspace.quiet { Stdio::null() } else { Stdio::inherit() });
    let failed = |how: String| {
        Failure::new(
            format!("the examples do not build ({how})"),
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
            let owner = packages.iter().find(|package| package.id == artifact.package_id);
            if let (true, Some(owner), Some(program)) = (is_example, owner, artifact.executable) {
                let (package, name) = (owner.name.to_string(), artifact.target.name);
                programs.push((package, name, program.into_std_path_buf()));
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
