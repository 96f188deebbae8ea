//! Why a ground crate builds with what it builds with: whoever depends on one alone compiles all of that.

use cargo_metadata::{DependencyKind, Metadata};

use crate::{failure::Failure, workspace::Workspace};

/// Each direct dependency of the crates that are useful alone, and what speaks for it.
const REASONS: &[(&str, &[(&str, &str)])] = &[
    ("meltica-stats", &[]),
    (
        "meltica-event",
        &[
            (
                "static_assertions",
                "sizes and auto traits are promises; it is macros, and compiles to nothing",
            ),
            (
                "thiserror",
                "what is wrong with a decimal or a name is said in words; a macro of build time",
            ),
        ],
    ),
    (
        "meltica-recycler",
        &[
            ("meltica-stats", "each pool counts what it does, without a locked instruction"),
            (
                "sharded-slab",
                "debug mode's records of who holds what are taken and given back by any thread",
            ),
            ("static_assertions", "a lease is one pointer, and may be sent: held at compile time"),
            ("thiserror", "an empty pool is an error with a pool's name in it"),
            (
                "tracing",
                "writes to what nobody holds, and resets that panic, are told where a program's log is",
            ),
        ],
    ),
    (
        "meltica-orchestrator",
        &[
            ("meltica-stats", "what became of partials and windows is counted"),
            (
                "rustc-hash",
                "a window is found by its key for each partial, and keys come from the program itself: no need for a hash that resists",
            ),
            ("thiserror", "why a partial was refused is said, with the partial"),
        ],
    ),
    (
        "meltica-dispatcher",
        &[
            (
                "arc-swap",
                "the snapshot of the routes is read for each message while others change them",
            ),
            ("crossbeam-channel", "workers are handed lanes, and end when their sender does"),
            (
                "crossbeam-utils",
                "what one core writes and another reads has a cache line of its own",
            ),
            ("meltica-stats", "what each lane had, folded and dropped is counted by one writer"),
            ("rustc-hash", "a stream is found by its key for each message"),
            ("thiserror", "why a message was refused is said, with the message"),
            ("tracing", "failures that no sink hears of are told where a program's log is"),
        ],
    ),
    ("meltica-consumer", &[("meltica-stats", "what became of a consumer's messages is counted")]),
];

pub(crate) fn step(workspace: &Workspace) -> Result<(), Failure> {
    Failure::unless_empty(
        check(&workspace.metadata()?),
        "Do without the dependency, or give its reason in xtask/src/reasons.rs, as you would to somebody who wants that \
         crate alone.",
    )
}

/// Prints what each of them builds with, whole, and the reasons.
pub(crate) fn print(workspace: &Workspace) {
    for (name, reasons) in REASONS {
        let mut tree = workspace.cargo(["tree", "--locked", "-e", "normal", "-p", name]);
        let _ = workspace.run(&mut tree, "");
        for (dependency, why) in *reasons {
            println!("  {dependency}: {why}");
        }
    }
}

/// Says where dependencies and reasons differ.
fn check(metadata: &Metadata) -> Vec<String> {
    let packages = metadata.workspace_packages();
    let mut problems = vec![];
    for (name, reasons) in REASONS {
        let Some(package) = packages.iter().find(|package| package.name.as_str() == *name) else {
            problems.push(format!("there is no package {name}, and it has reasons"));
            continue;
        };
        // Loom is only there for models: no user compiles it.
        let built = package.dependencies.iter().filter(|dependency| {
            dependency.kind != DependencyKind::Development && dependency.target.is_none()
        });
        let built: Vec<&str> = built.map(|dependency| dependency.name.as_str()).collect();
        for dependency in &built {
            if !reasons.iter().any(|(reasoned, _)| reasoned == dependency) {
                let manifest = &package.manifest_path;
                problems.push(format!(
                    "{manifest}: {name} builds with {dependency}, and no reason is given"
                ));
            }
        }
        for (reasoned, _) in reasons.iter().filter(|(reasoned, _)| !built.contains(reasoned)) {
            problems
                .push(format!("{name} has a reason for {reasoned}, and does not build with it"));
        }
    }
    problems
}

#[cfg(test)]
mod tests;
