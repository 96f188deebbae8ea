use super::{STEPS, steps};
use crate::fixture::Tree;

/// A small workspace that passes every step which is a call of Cargo.
fn healthy() -> Tree {
    let tree = Tree::new();
    let package = |name: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n")
    };
    tree.write(
        "Cargo.toml",
        "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\", \"xtask\", \"benches\"]\n",
    );
    tree.write("crates/sample/Cargo.toml", &package("sample"));
    tree.write("crates/sample/src/lib.rs", "//! [`one`] is `1`.\n\n/// ```\n/// assert_eq!(sample::one(), 1);\n/// ```\npub fn one() -> u8 {\n    1\n}\n");
    tree.write(
        "crates/sample/tests/one.rs",
        "#[test]\nfn one() {\n    assert_eq!(sample::one(), 1);\n}\n",
    );
    tree.write(
        "crates/sample/examples/one.rs",
        "fn main() {\n    assert_eq!(sample::one(), 1);\n}\n",
    );
    tree.write("xtask/Cargo.toml", &package("xtask"));
    tree.write("xtask/src/lib.rs", "//! Empty.\n");
    tree.write("xtask/tests/bite.rs", "#[test]\nfn bite() {}\n");
    tree.write("benches/Cargo.toml", &package("meltica-benches"));
    tree.write("benches/src/lib.rs", "//! Empty.\n");
    tree.write("benches/benches/speed.rs", "fn main() {}\n");
    tree.metadata(); // writes the lock file
    tree
}

/// For each step: the file to spoil, what to replace in it by what, and what to do then.
const FLAWS: &[(&str, &str, (&str, &str), &str)] = &[
    ("fmt", "crates/sample/src/lib.rs", ("    1\n", "  1\n"), "cargo fmt --all"),
    ("clippy", "crates/sample/src/lib.rs", ("    1\n", "    return 1;\n"), "expect(lint"),
    ("self-test", "xtask/tests/bite.rs", ("{}", "{\n    panic!();\n}"), "lost its bite"),
    ("test", "crates/sample/tests/one.rs", ("1)", "2)"), "cargo test -p PACKAGE NAME"),
    ("doc-test", "crates/sample/src/lib.rs", ("(), 1", "(), 2"), "cargo test -p PACKAGE --doc"),
    ("doc", "crates/sample/src/lib.rs", ("[`one`]", "[`two`]"), "link to a renamed item"),
    ("examples", "crates/sample/examples/one.rs", ("1)", "2)"), "ends by itself"),
    ("examples", "crates/sample/examples/one.rs", ("one()", "two()"), "changed interface"),
    ("benches", "benches/benches/speed.rs", ("{}", "{ gone() }"), "adapt it"),
];

#[test]
fn each_call_of_cargo_bites_and_says_what_to_do() {
    let tree = healthy();
    let workspace = tree.workspace();
    for (name, file, (old, new), advice) in FLAWS {
        let step = STEPS.iter().find(|step| step.name == *name).expect("a step of that name");
        if let Err(failure) = (step.run)(&workspace) {
            panic!("{name} fails on a healthy workspace:\n{failure}");
        }
        let sound = tree.read(file);
        let spoilt = sound.replacen(old, new, 1);
        assert_ne!(spoilt, sound, "the flaw for {name} changes nothing");
        tree.write(file, &spoilt);
        let failure = (step.run)(&workspace).expect_err(name).to_string();
        assert!(failure.contains(advice), "{name} does not say {advice:?}:\n{failure}");
        tree.write(file, &sound);
    }
}

#[test]
fn a_crate_that_breaks_a_rule_of_dependencies_fails_the_step() {
    let step = STEPS.iter().find(|step| step.name == "arrows").expect("a step of that name");
    let tree = Tree::of_our_packages();
    assert!((step.run)(&tree.workspace()).is_ok());
    tree.add_dependency("crates/stats", "dependencies", "meltica-event");
    tree.remove("crates/venue/LICENSE-MIT");
    let failure = (step.run)(&tree.workspace()).unwrap_err().to_string();
    assert!(failure.contains("meltica-stats -> meltica-event"), "{failure}");
    assert!(failure.contains("crates/venue/LICENSE-MIT"), "{failure}");
}

#[test]
fn ci_runs_everything_and_no_test_twice() {
    let all: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
    let mut run: Vec<&str> = steps().iter().map(|step| step.name).collect();
    assert!(run.contains(&"coverage"), "`coverage` runs the tests");
    run.extend(["test", "benches"]);
    assert!(all.iter().all(|name| run.contains(name)));
}
