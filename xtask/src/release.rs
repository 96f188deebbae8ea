//! A release: every published package looked at, packed, built from what was packed, and uploaded unless it is a dry run.

use std::{
    fs,
    process::{Command, Stdio},
};

use cargo_metadata::Package;

use crate::{failure::Failure, powerset, reasons, tools, workspace::Workspace};

/// `cargo xtask release`, with `--dry-run` or without.
pub(crate) fn with(workspace: &Workspace, arguments: &[String]) -> Result<(), Failure> {
    let is_dry = match arguments {
        [] => false,
        [flag] if flag == "--dry-run" => true,
        _ => {
            return Err(Failure::new(
                "usage: cargo xtask release [--dry-run]",
                "Without --dry-run the packages are uploaded to crates.io, which cannot be undone.",
            ));
        }
    };
    clean(workspace)?;
    let metadata = workspace.metadata()?;
    let packages = metadata.workspace_packages();
    let published: Vec<&Package> = packages.into_iter().filter(|p| is_published(p)).collect();
    changelogs(&published, is_dry)?;
    reasons::print(workspace);
    deny(workspace)?;
    powerset::step(workspace)?;
    semver(workspace, &published)?;
    // Packages that depend on one another are packed together, and each is built from the packed others.
    let mut publish = workspace.cargo(["publish", "--workspace", "--locked"]);
    if is_dry {
        publish.arg("--dry-run");
    }
    workspace.run(
        &mut publish,
        "What a package lacks when it is cut off from the repository is named above: a file outside of it, or a \
         dependency without a version.",
    )
}

fn is_published(package: &Package) -> bool {
    package.publish.as_ref().is_none_or(|registries| !registries.is_empty())
}

/// What is packed is what is committed.
fn clean(workspace: &Workspace) -> Result<(), Failure> {
    let mut status = Command::new("git");
    status.args(["status", "--porcelain"]).current_dir(&workspace.root).stdin(Stdio::null());
    let output = status
        .output()
        .map_err(|error| Failure::new(format!("git does not start: {error}"), "Install it."))?;
    let changes = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() && changes.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        format!("the tree is not what is committed:\n{changes}"),
        "Commit it, or put it away: a release is made from a commit that others can see.",
    ))
}

/// Licences, banned packages, sources. The advisory database is asked by the workflow that does so daily.
fn deny(workspace: &Workspace) -> Result<(), Failure> {
    tools::needs(workspace, "deny", "cargo install cargo-deny --locked")?;
    workspace.run(
        &mut workspace.cargo("deny --all-features check bans licenses sources".split(' ')),
        "deny.toml says what dependencies must be like: take another one, or, if the rule is wrong, change it there with a \
         reason.",
    )
}

/// Whether a package breaks what its last release promised, where there was one: its tag is `NAME-vVERSION`.
fn semver(workspace: &Workspace, packages: &[&Package]) -> Result<(), Failure> {
    for package in packages.iter().filter(|package| package.targets.iter().any(|t| t.is_lib())) {
        let name = package.name.as_str();
        let Some(tag) = last_release(workspace, name)? else {
            println!("{name}: there is no earlier release, so nothing can be broken");
            continue;
        };
        tools::needs(workspace, "semver-checks", "cargo install cargo-semver-checks --locked")?;
        let mut check =
            workspace.cargo(["semver-checks", "--package", name, "--baseline-rev", &tag]);
        workspace.run(
            &mut check,
            "The item named above is gone or other than it was: put it back, or raise the version as semver asks.",
        )?;
    }
    Ok(())
}

/// The tag of a package's last release; `None` if it was never released.
fn last_release(workspace: &Workspace, name: &str) -> Result<Option<String>, Failure> {
    // A digit after the `v`, or `meltica-v*` would be `meltica-venue-v0.1.0`, too.
    let pattern = format!("{name}-v[0-9]*");
    let mut list = Command::new("git");
    list.args(["tag", "--list", &pattern, "--sort=-version:refname"]).current_dir(&workspace.root);
    let output = list
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Failure::new(format!("git does not start: {error}"), "Install it."))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::new(
            format!("`git tag` fails: {}", said.trim()),
            "What was released before is known by its tags: release from a clone that has them.",
        ));
    }
    let tags = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(tags.lines().next().map(str::to_owned))
}

/// Each package tells what is new in it: under its version, or, for a dry run, under `Unreleased`.
fn changelogs(packages: &[&Package], is_dry: bool) -> Result<(), Failure> {
    let mut problems = vec![];
    for package in packages {
        let path = package.manifest_path.with_file_name("CHANGELOG.md");
        let text = fs::read_to_string(&path).unwrap_or_default();
        problems.extend(
            problem(&text, &package.version.to_string(), is_dry)
                .map(|problem| format!("{path}: {problem}")),
        );
    }
    Failure::unless_empty(
        problems,
        "Give the package's changelog a section `## VERSION`, with what is new for its users; until the release it is \
         called `## Unreleased`.",
    )
}

fn problem(changelog: &str, version: &str, is_dry: bool) -> Option<String> {
    let section = |title: &str| {
        let rest = changelog.split(&format!("\n## {title}")).nth(1)?;
        let text = rest.split("\n## ").next().unwrap_or_default();
        text.lines().any(|line| line.starts_with("- ")).then_some(())
    };
    let is_told = section(version).or_else(|| section("Unreleased").filter(|()| is_dry));
    is_told.is_none().then(|| format!("nothing is said of version {version}"))
}

#[cfg(test)]
mod tests {
    use super::problem;

    #[test]
    fn a_version_of_which_nothing_is_said_is_a_problem() {
        let told = "# Changelog\n\n## 0.1.0\n\n- The first.\n";
        let unreleased = "# Changelog\n\n## Unreleased\n\n- The first.\n";
        let empty = "# Changelog\n\n## Unreleased\n\n## 0.0.9\n\n- Older.\n";
        assert_eq!(problem(told, "0.1.0", false), None);
        assert!(problem(unreleased, "0.1.0", false).is_some());
        assert_eq!(problem(unreleased, "0.1.0", true), None);
        assert!(problem(empty, "0.1.0", true).is_some());
        assert!(problem("", "0.1.0", true).is_some());
    }
}
