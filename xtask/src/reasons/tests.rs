use super::*;
use crate::fixture::Tree;

#[test]
fn what_our_ground_crates_build_with_has_reasons() {
    let metadata = Workspace::ours().metadata().map_err(|failure| failure.to_string());
    assert_eq!(check(&metadata.expect("Cargo answers")), Vec::<String>::new());
}

#[test]
fn a_dependency_without_a_reason_is_named_and_so_is_a_reason_without_one() {
    let tree = Tree::of_our_packages();
    let section = "\n[dependencies]\nmeltica-event = { path = \"../event\" }\n";
    tree.add_to_manifest("crates/stats", section);
    let problems = check(&tree.metadata());
    let said = |text: &str| problems.iter().any(|problem| problem.contains(text));
    assert!(
        said("meltica-stats builds with meltica-event, and no reason is given"),
        "{problems:?}"
    );
    // The tree's packages have none of the real ones' dependencies.
    assert!(said("meltica-recycler has a reason for sharded-slab, and does not build with it"));
}
