//! Which packages of others our crates may not build with.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use cargo_metadata::{DependencyKind, Metadata, Package, PackageId};

use crate::{scope::Scope, workspace::folder};

/// Packages that some of our crates do without.
struct Rule {
    banned: &'static [&'static str],
    scope: Scope,
    instead: &'static str,
    why: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        banned: &["tokio", "async-std", "smol"],
        scope: Scope::Except(&["gateway", "nats"]),
        instead: "named threads, or a trait that the gateway implements on its runtime",
        why: "below the gateway there is no runtime, so that a user is free to choose one",
    },
    Rule {
        banned: &["serde", "serde_json"],
        scope: Scope::Only(&[
            "stats",
            "event",
            "recycler",
            "dispatcher",
            "consumer",
            "orchestrator",
            "meltica",
        ]),
        instead: "plain structs, encoded by the venue or the gateway that needs them encoded",
        why: "messages travel by value in one process, and nothing on that path encodes them",
    },
];

/// On what only our loom models are built: no user has it.
const MODELS: &str = "cfg(meltica_loom)";

/// Says where a crate, directly or through packages of others, builds with a banned one.
///
/// Normal and build dependencies count, optional and target-specific ones too; tests and loom models do not.
/// Features are those of the whole workspace together, so a package of others may be seen to
/// have a dependency that only another crate of ours turns on.
pub(crate) fn check(metadata: &Metadata) -> Vec<String> {
    let edges = edges(metadata);
    let mut problems = Vec::new();
    for package in metadata.workspace_packages() {
        let Some(folder) = folder(metadata, package) else { continue };
        let paths = paths(&package.id, metadata, &edges);
        for Rule { banned, instead, why, .. } in RULES.iter().filter(|r| r.scope.contains(folder)) {
            for path in &paths {
                let target = path.last().expect("a path ends at the package it leads to");
                if banned.contains(&target.name.as_str()) {
                    let names: Vec<&str> = path.iter().map(|p| p.name.as_str()).collect();
                    problems.push(format!(
                        "{}: {} builds with {}; use {instead}, because {why}",
                        package.manifest_path,
                        names.join(" -> "),
                        target.name
                    ));
                }
            }
        }
    }
    problems
}

/// What each package builds with, without what only its tests need.
fn edges(metadata: &Metadata) -> BTreeMap<&PackageId, Vec<&PackageId>> {
    let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
    nodes
        .map(|node| {
            let built = node.deps.iter().filter(|dependency| {
                dependency.dep_kinds.iter().any(|kind| {
                    let models_only =
                        kind.target.as_ref().is_some_and(|target| target.to_string() == MODELS);
                    kind.kind != DependencyKind::Development && !models_only
                })
            });
            (&node.id, built.map(|dependency| &dependency.pkg).collect())
        })
        .collect()
}

/// A shortest path to every package that `start` builds with, not going through other crates
/// of ours: those are checked by themselves.
fn paths<'a>(
    start: &'a PackageId,
    metadata: &'a Metadata,
    edges: &BTreeMap<&'a PackageId, Vec<&'a PackageId>>,
) -> Vec<Vec<&'a Package>> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::from([start]);
    let mut queue = VecDeque::from([vec![&metadata[start]]]);
    while let Some(path) = queue.pop_front() {
        let last = path.last().expect("a path begins with its start");
        for next in edges.get(&last.id).into_iter().flatten().copied() {
            if !metadata.workspace_members.contains(next) && seen.insert(next) {
                let mut longer = path.clone();
                longer.push(&metadata[next]);
                queue.push_back(longer);
            }
        }
        found.push(path);
    }
    found
}

#[cfg(test)]
mod tests;
