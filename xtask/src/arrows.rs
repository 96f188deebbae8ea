//! Which of our packages may depend on which.

use std::collections::BTreeSet;

use cargo_metadata::{Dependency, DependencyKind, Metadata};

/// Every package of the workspace: its floor, its name, and the packages of ours that it
/// depends on. What is not listed does not exist.
///
/// Data flow is not dependency: crates of one floor do not know one another, so that a user
/// of one does not compile the others. Tests may look at any package that is not on a higher
/// floor, because no user compiles them.
const ARROWS: &[(u8, &str, &[&str])] = &[
    (0, "meltica-stats", &[]),
    (1, "meltica-event", &[]),
    (1, "meltica-recycler", &["meltica-stats"]),
    (1, "meltica-orchestrator", &["meltica-stats"]),
    (1, "meltica-dispatcher", &["meltica-stats"]),
    (1, "meltica-consumer", &["meltica-stats"]),
    (
        2,
        "meltica-telemetry",
        &[
            "meltica-recycler",
            "meltica-orchestrator",
            "meltica-dispatcher",
            "meltica-consumer",
            "meltica-stats",
        ],
    ),
    (2, "meltica-venue", &["meltica-event", "meltica-recycler"]),
    (
        3,
        "meltica",
        &[
            "meltica-recycler",
            "meltica-orchestrator",
            "meltica-dispatcher",
            "meltica-consumer",
            "meltica-event",
            "meltica-telemetry",
            "meltica-stats",
        ],
    ),
    (3, "meltica-nats", &["meltica-venue", "meltica-event"]),
    (3, "meltica-venue-binance", &["meltica-venue", "meltica-event"]),
    (3, "meltica-venue-coinbase", &["meltica-venue", "meltica-event"]),
    (3, "meltica-venue-kraken", &["meltica-venue", "meltica-event"]),
    (3, "meltica-venue-okx", &["meltica-venue", "meltica-event"]),
    (
        4,
        "meltica-gateway",
        &[
            "meltica",
            "meltica-nats",
            "meltica-telemetry",
            "meltica-venue",
            "meltica-venue-binance",
            "meltica-venue-coinbase",
            "meltica-venue-kraken",
            "meltica-venue-okx",
        ],
    ),
    (4, "meltica-simulation", &["meltica"]),
    (4, "meltica-faults", &["meltica", "meltica-nats"]),
    (4, "meltica-benches", ANYTHING),
    (4, "xtask", &[]),
];

/// The arrows of the benches: to everything that is published as a library, since they compare
/// all of it with its obvious alternative.
const ANYTHING: &[&str] = &["*"];

/// Nothing depends on these, not even in a test.
const TOPS: &[&str] =
    &["meltica-gateway", "meltica-simulation", "meltica-faults", "meltica-benches", "xtask"];

/// Says where the workspace and [`ARROWS`] differ.
pub(crate) fn check(metadata: &Metadata) -> Vec<String> {
    let packages = metadata.workspace_packages();
    let ours: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let mut problems = Vec::new();

    for (_, name, _) in ARROWS {
        if !ours.contains(name) {
            problems.push(format!(
                "xtask/src/arrows.rs lists {name}, which is not in the workspace: remove its row"
            ));
        }
    }
    for package in packages {
        let name = package.name.as_str();
        let Some(row) = ARROWS.iter().find(|(_, listed, _)| *listed == name) else {
            problems.push(format!(
                "{name} ({}) has no row in xtask/src/arrows.rs: give it one with its floor and \
                 arrows",
                package.manifest_path
            ));
            continue;
        };
        for dependency in &package.dependencies {
            // A crate may name itself in its own tests, to turn features on.
            if ours.contains(dependency.name.as_str())
                && dependency.name != name
                && let Some(problem) = refusal(*row, dependency)
            {
                problems.push(format!("{}: {problem}", package.manifest_path));
            }
        }
    }
    problems
}

/// Why the package of this row may not have this dependency on another of ours.
fn refusal(row: (u8, &str, &[&str]), dependency: &Dependency) -> Option<String> {
    let (floor, name, arrows) = row;
    let target = dependency.name.as_str();
    if TOPS.contains(&target) {
        return Some(format!("{name} depends on {target}, on which nothing may depend"));
    }
    if dependency.kind == DependencyKind::Development {
        // A target without a row is reported as such already.
        let (target_floor, ..) = ARROWS.iter().find(|(_, listed, _)| *listed == target)?;
        return (name == "xtask" || *target_floor > floor).then(|| {
            format!(
                "{name} (floor {floor}) tests with {target} (floor {target_floor}): a \
                 dev-dependency must not point upwards, and xtask has none of ours"
            )
        });
    }
    (arrows != ANYTHING && !arrows.contains(&target))
        .then(|| format!("{name} depends on {target}, and there is no arrow {name} -> {target}"))
}

#[cfg(test)]
mod tests;
