//! The steps of `cargo xtask ci`, and those that are a single call of Cargo.

use crate::{
    arrows, bans, book, coverage, examples, failure::Failure, nats_server, packages, quickstart,
    reasons, step::Step, third_party, tools, workspace::Workspace,
};

/// Every step, in the order in which CI runs them: what fails fast comes first.
pub(crate) const STEPS: &[Step] = &[
    Step { name: "tools", what: "what the other steps need is installed", run: tools::step },
    Step { name: "nats-server", what: "tests have a nats-server", run: nats_server::step },
    Step { name: "fmt", what: "every file is formatted", run: fmt },
    Step { name: "clippy", what: "no warning, and no import that clippy.toml bans", run: clippy },
    Step { name: "arrows", what: "crates depend only on what they may", run: dependencies },
    Step {
        name: "reasons",
        what: "each dependency of a ground crate has a reason",
        run: reasons::step,
    },
    Step { name: "bans", what: "no crate uses what it has promised not to", run: bans::step },
    Step { name: "self-test", what: "each check of xtask bites", run: self_test },
    Step { name: "test", what: "unit and integration tests pass", run: test },
    Step { name: "coverage", what: "tests reach 90 % of each crate's lines", run: coverage::step },
    Step { name: "doc-test", what: "examples in the docs compile and pass", run: doc_test },
    Step { name: "doc", what: "the docs build without a warning", run: doc },
    Step {
        name: "book",
        what: "every page is listed, its links lead somewhere, and its Rust is tested",
        run: book::step,
    },
    Step { name: "examples", what: "every example runs to its end", run: examples::step },
    Step {
        name: "quickstart",
        what: "the quickstart's commands do what it says",
        run: quickstart::step,
    },
    Step {
        name: "package",
        what: "every package can be cut off from the repository",
        run: package,
    },
    Step { name: "benches", what: "benches compile (CI does not run them)", run: benches },
];

/// What CI runs: all of [`STEPS`] but `test`, because `coverage` runs the same tests and
/// fails with them, and `benches`, because `clippy` compiles them as far as types go; building
/// twice would double the longest steps.
pub(crate) fn steps() -> Vec<Step> {
    let done_elsewhere = |step: &&Step| !matches!(step.name, "test" | "benches");
    STEPS.iter().filter(done_elsewhere).map(|step| Step { ..*step }).collect()
}

fn fmt(workspace: &Workspace) -> Result<(), Failure> {
    workspace.run(
        &mut workspace.cargo(["fmt", "--all", "--check"]),
        "Run `cargo fmt --all`; the lines above are what it changes.",
    )
}

fn clippy(workspace: &Workspace) -> Result<(), Failure> {
    workspace.run(
        &mut workspace.cargo(
            "clippy --workspace --all-targets --all-features --locked -- -D warnings".split(' '),
        ),
        "Put each warning above right where it points; a disallowed item's note names its \
         replacement. Where a lint is wrong, say so with `#[expect(lint, reason = \"..\")]` at \
         the smallest scope. If Cargo refused the lock file, run `cargo check` and commit it.",
    )
}

fn dependencies(workspace: &Workspace) -> Result<(), Failure> {
    let metadata = workspace.metadata()?;
    let mut problems = arrows::check(&metadata);
    problems.extend(third_party::check(&metadata));
    problems.extend(packages::check(&metadata));
    Failure::unless_empty(
        problems,
        "Take the dependency out of the manifest, or move the code to a crate that may have it. \
         An arrow that is really wanted is a new row in xtask/src/arrows.rs, and a reviewed one.",
    )
}

fn self_test(workspace: &Workspace) -> Result<(), Failure> {
    workspace.run(
        &mut workspace.cargo(["test", "--package", "xtask", "--locked"]),
        "A check of CI has lost its bite: the failed test above names it. Put xtask right, or \
         give the new row of a table its planted use.",
    )
}

fn test(workspace: &Workspace) -> Result<(), Failure> {
    workspace.run(
        &mut workspace
            .cargo("test --workspace --locked --all-features --lib --bins --tests".split(' ')),
        FAILED_TESTS,
    )
}

/// What to do about tests, whichever step runs them.
pub(crate) const FAILED_TESTS: &str = "What does not compile or pass is named above with its \
    file and line; run one test alone with `cargo test -p PACKAGE NAME`.";

/// Without building what was packed: `cargo xtask release --dry-run` does.
fn package(workspace: &Workspace) -> Result<(), Failure> {
    workspace.run(
        &mut workspace.cargo(
            "publish --workspace --dry-run --no-verify --allow-dirty --locked --quiet".split(' '),
        ),
        "The package named above needs something outside of itself: a dependency of ours without a version, a file, or \
         itself by a version in its own tests (name that by its path alone).",
    )
}

fn doc_test(workspace: &Workspace) -> Result<(), Failure> {
    workspace.run(
        &mut workspace.cargo(["test", "--workspace", "--all-features", "--locked", "--doc"]),
        "An example in the docs no longer compiles or passes, or one marked `compile_fail` now \
         compiles; file and line are above. Run it alone with `cargo test -p PACKAGE --doc`.",
    )
}

fn doc(workspace: &Workspace) -> Result<(), Failure> {
    workspace.run(
        workspace
            .cargo(["doc", "--workspace", "--all-features", "--no-deps", "--locked"])
            .env("RUSTDOCFLAGS", "-D warnings"),
        "Put each warning of rustdoc above right where it points; mostly it is a link to a \
         renamed item.",
    )
}

fn benches(workspace: &Workspace) -> Result<(), Failure> {
    workspace.run(
        // Without optimisation: what is asked is whether they still compile.
        &mut workspace.cargo(["build", "--package", "meltica-benches", "--benches", "--locked"]),
        "A bench no longer compiles; adapt it to the changed interface where the error points.",
    )
}

#[cfg(test)]
mod tests;
