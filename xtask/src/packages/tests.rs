use super::{FILES, check};
use crate::fixture::Tree;

#[track_caller]
fn assert_only(tree: &Tree, expected: &[&str]) {
    let problems = check(&tree.metadata());
    assert_eq!(problems.len(), 1, "{problems:#?}");
    for part in expected {
        assert!(problems[0].contains(part), "{:?} does not say {part:?}", problems[0]);
    }
}

#[test]
fn a_complete_package_is_accepted() {
    let tree = Tree::of_our_packages();
    assert_eq!(check(&tree.metadata()), Vec::<String>::new());
}

#[test]
fn each_field_that_is_missing_is_named() {
    for field in ["description", "license", "repository"] {
        let tree = Tree::of_our_packages();
        let manifest = tree.read("crates/event/Cargo.toml");
        let kept = manifest.lines().filter(|line| !line.starts_with(field));
        tree.write("crates/event/Cargo.toml", &kept.collect::<Vec<_>>().join("\n"));
        assert_only(&tree, &["crates/event/Cargo.toml", field]);
    }
    let tree = Tree::of_our_packages();
    let manifest = tree.read("crates/event/Cargo.toml");
    tree.write(
        "crates/event/Cargo.toml",
        &manifest.replace("[package]", "[package]\nreadme = false"),
    );
    assert_only(&tree, &["crates/event/Cargo.toml", "readme"]);
}

#[test]
fn each_file_that_is_missing_is_named() {
    for file in FILES.iter().filter(|file| **file != "README.md") {
        let tree = Tree::of_our_packages();
        tree.remove(&format!("crates/stats/{file}"));
        assert_only(&tree, &["crates/stats", file, "meltica-stats"]);
    }
    // Cargo itself then no longer finds a readme, so there are two complaints.
    let tree = Tree::of_our_packages();
    tree.remove("crates/stats/README.md");
    let problems = check(&tree.metadata());
    assert!(problems.iter().any(|p| p.contains("crates/stats/README.md")), "{problems:#?}");
}

#[test]
fn benches_and_xtask_are_not_published() {
    let tree = Tree::of_our_packages();
    tree.remove("xtask/LICENSE-MIT");
    tree.remove("benches/LICENSE-MIT");
    assert_eq!(check(&tree.metadata()), Vec::<String>::new());
}

#[test]
fn a_second_program_among_the_default_members_is_named() {
    let tree = Tree::of_our_packages();
    tree.write("crates/gateway/src/main.rs", "fn main() {}\n");
    assert_eq!(check(&tree.metadata()), Vec::<String>::new());
    tree.write("crates/faults/src/main.rs", "fn main() {}\n");
    assert_only(&tree, &["meltica-faults", "meltica-gateway", "default-members"]);
    let root = tree.read("Cargo.toml");
    tree.write("Cargo.toml", &format!("{root}default-members = [\"crates/[!f]*\"]\n"));
    assert_eq!(check(&tree.metadata()), Vec::<String>::new());
}
