//! What every package in `crates/` must carry to be published.

use cargo_metadata::Metadata;

use crate::workspace::folder;

/// Files that lie beside each manifest, because a package on crates.io is cut off from the
/// root of the repository.
const FILES: &[&str] = &["README.md", "LICENSE-MIT", "LICENSE-APACHE"];

/// Says which package lacks a field of its manifest or a file beside it.
pub(crate) fn check(metadata: &Metadata) -> Vec<String> {
    let mut problems = Vec::new();
    for package in metadata.workspace_packages() {
        if folder(metadata, package).is_none() {
            continue;
        }
        let fields = [
            ("description", package.description.is_some()),
            ("license", package.license.is_some()),
            ("repository", package.repository.is_some()),
            ("readme", package.readme.is_some()),
        ];
        for (field, present) in fields {
            if !present {
                problems.push(format!(
                    "{}: {} has no `{field}`: add it to `[package]`",
                    package.manifest_path, package.name
                ));
            }
        }
        for file in FILES {
            let path = package.manifest_path.with_file_name(file);
            if !path.exists() {
                problems.push(format!("{path} is missing: {} needs its own copy", package.name));
            }
        }
    }
    problems.extend(several_programs(metadata));
    problems
}

/// `cargo run` at the root must know which program is meant: that of the one default member that has one.
fn several_programs(metadata: &Metadata) -> Option<String> {
    let packages = metadata.workspace_packages().into_iter();
    let defaults = packages.filter(|p| metadata.workspace_default_members.contains(&p.id));
    let programs = defaults.flat_map(|p| &p.targets).filter(|target| target.is_bin());
    let names: Vec<&str> = programs.map(|target| target.name.as_str()).collect();
    (names.len() > 1).then(|| {
        format!(
            "`cargo run` at the root does not know which of {} is meant: leave all but one out of \
             `default-members` in Cargo.toml",
            names.join(", ")
        )
    })
}

#[cfg(test)]
mod tests;
