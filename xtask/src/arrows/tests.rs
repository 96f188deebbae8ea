use super::check;
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
fn the_drawn_arrows_are_accepted() {
    assert_eq!(check(&Tree::of_our_packages().metadata()), Vec::<String>::new());
}

#[test]
fn a_forbidden_arrow_is_named_with_both_its_ends() {
    let tree = Tree::of_our_packages();
    tree.add_dependency("crates/consumer", "dependencies", "meltica-event");
    assert_only(&tree, &["crates/consumer/Cargo.toml", "meltica-consumer -> meltica-event"]);
}

#[test]
fn a_build_dependency_is_an_arrow() {
    let tree = Tree::of_our_packages();
    tree.add_dependency("crates/dispatcher", "build-dependencies", "meltica-recycler");
    assert_only(&tree, &["meltica-dispatcher -> meltica-recycler"]);
}

#[test]
fn a_target_specific_dependency_is_an_arrow() {
    let tree = Tree::of_our_packages();
    tree.add_dependency("crates/event", "target.'cfg(windows)'.dependencies", "meltica-stats");
    assert_only(&tree, &["meltica-event -> meltica-stats"]);
}

#[test]
fn an_optional_renamed_dependency_is_an_arrow() {
    let tree = Tree::of_our_packages();
    tree.add_to_manifest(
        "crates/event",
        "\n[dependencies.s]\npackage = \"meltica-stats\"\npath = \"../stats\"\noptional = true\n",
    );
    assert_only(&tree, &["meltica-event -> meltica-stats"]);
}

#[test]
fn a_test_may_look_at_its_own_floor_and_below() {
    let tree = Tree::of_our_packages();
    tree.add_dependency("crates/consumer", "dev-dependencies", "meltica-event");
    tree.add_dependency("crates/venue-binance", "dev-dependencies", "meltica-recycler");
    assert_eq!(check(&tree.metadata()), Vec::<String>::new());
}

#[test]
fn a_test_may_not_look_upwards() {
    let tree = Tree::of_our_packages();
    tree.add_dependency("crates/recycler", "dev-dependencies", "meltica-venue");
    assert_only(&tree, &["meltica-recycler", "meltica-venue", "upwards"]);
}

#[test]
fn nothing_depends_on_the_gateway_the_benches_or_xtask() {
    for top in ["meltica-gateway", "meltica-benches", "xtask"] {
        let tree = Tree::of_our_packages();
        tree.add_dependency("crates/stats", "dev-dependencies", top);
        assert_only(&tree, &["meltica-stats", top, "nothing may depend"]);
    }
    for top in ["meltica-gateway", "xtask"] {
        let tree = Tree::of_our_packages();
        tree.add_dependency("benches", "dependencies", top);
        assert_only(&tree, &["meltica-benches", top, "nothing may depend"]);
    }
}

#[test]
fn xtask_knows_none_of_ours() {
    for section in ["dependencies", "dev-dependencies"] {
        let tree = Tree::of_our_packages();
        tree.add_dependency("xtask", section, "meltica-stats");
        assert_only(&tree, &["xtask", "meltica-stats"]);
    }
}

#[test]
fn a_package_without_a_row_is_an_error() {
    let tree = Tree::of_our_packages();
    tree.write(
        "crates/utils/Cargo.toml",
        "[package]\nname = \"meltica-utils\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    );
    tree.write("crates/utils/src/lib.rs", "");
    assert_only(&tree, &["meltica-utils", "no row in xtask/src/arrows.rs"]);
}

#[test]
fn a_row_without_its_package_is_an_error() {
    let tree = Tree::of_our_packages();
    let benches = tree.read("benches/Cargo.toml");
    tree.write("benches/Cargo.toml", &benches.replace("meltica-benches", "xtask-old"));
    let problems = check(&tree.metadata());
    assert!(
        problems.iter().any(|problem| problem.contains("lists meltica-benches, which is not")),
        "{problems:#?}"
    );
}
