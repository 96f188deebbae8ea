use super::check;
use crate::fixture::Tree;

/// Our packages, beside a folder of packages of others: `tokio`, `serde`, and `innocent`, which
/// depends on the package given.
fn tree(innocent: &str) -> Tree {
    let tree = Tree::of_our_packages();
    let root = "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\", \"xtask\", \"benches\"]\n";
    tree.write("Cargo.toml", &format!("{root}exclude = [\"others\"]\n"));
    for name in ["tokio", "serde", "innocent"] {
        tree.write(
            &format!("others/{name}/Cargo.toml"),
            &format!("[package]\nname = \"{name}\"\nversion = \"1.0.0\"\nedition = \"2024\"\n"),
        );
        tree.write(&format!("others/{name}/src/lib.rs"), "");
    }
    tree.add_to_manifest("others/innocent", innocent);
    tree
}

fn depend(tree: &Tree, folder: &str, section: &str, on: &str) {
    let text = format!("\n[{section}]\n{on} = {{ path = \"../../others/{on}\" }}\n");
    tree.add_to_manifest(folder, &text);
}

#[track_caller]
fn assert_only(tree: &Tree, expected: &[&str]) {
    let problems = check(&tree.metadata());
    assert_eq!(problems.len(), 1, "{problems:#?}");
    for part in expected {
        assert!(problems[0].contains(part), "{:?} does not say {part:?}", problems[0]);
    }
}

#[test]
fn a_runtime_below_the_gateway_is_named_with_its_replacement() {
    let tree = tree("");
    depend(&tree, "crates/recycler", "dependencies", "tokio");
    assert_only(&tree, &["meltica-recycler -> tokio", "named threads", "no runtime"]);
}

#[test]
fn a_runtime_behind_a_feature_or_another_package_is_found() {
    let tree = tree("\n[dependencies]\ntokio = { path = \"../tokio\" }\n");
    tree.add_to_manifest(
        "crates/venue",
        "\n[dependencies.innocent]\npath = \"../../others/innocent\"\noptional = true\n",
    );
    assert_only(&tree, &["meltica-venue -> innocent -> tokio"]);
}

#[test]
fn the_gateway_and_tests_may_have_a_runtime() {
    let tree = tree("");
    depend(&tree, "crates/gateway", "dependencies", "tokio");
    depend(&tree, "crates/dispatcher", "dev-dependencies", "tokio");
    assert_eq!(check(&tree.metadata()), Vec::<String>::new());
}

#[test]
fn serde_is_for_venues_and_the_gateway() {
    let ours = tree("");
    depend(&ours, "crates/venue-binance", "dependencies", "serde");
    assert_eq!(check(&ours.metadata()), Vec::<String>::new());
    for folder in ["stats", "event", "recycler", "dispatcher", "consumer", "meltica"] {
        let tree = tree("");
        depend(&tree, &format!("crates/{folder}"), "dependencies", "serde");
        assert_only(&tree, &[&format!("crates/{folder}/Cargo.toml"), "-> serde", "plain structs"]);
    }
}

#[test]
fn what_only_the_loom_models_are_built_with_is_no_users_affair() {
    let models = tree("");
    let section = "target.'cfg(meltica_loom)'.dependencies";
    depend(&models, "crates/recycler", section, "tokio");
    assert_eq!(check(&models.metadata()), Vec::<String>::new());
    let windows = tree("");
    depend(&windows, "crates/recycler", "target.'cfg(windows)'.dependencies", "tokio");
    assert_only(&windows, &["meltica-recycler -> tokio"]);
}
