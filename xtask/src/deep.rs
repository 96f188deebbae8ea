//! What takes longer than CI may: `cargo xtask deep`, run weekly.

use std::process::{Command, Stdio};

use crate::{failure::Failure, step::Step, tools::rustc, workspace::Workspace};

pub(crate) const STEPS: &[Step] = &[
    Step { name: "loom", what: "no interleaving breaks the recycler's models", run: loom },
    Step { name: "address", what: "the recycler's tests under address sanitizer", run: address },
];

fn loom(workspace: &Workspace) -> Result<(), Failure> {
    workspace.run(
        workspace
            .cargo("test -p meltica-recycler --locked --release --test loom".split(' '))
            // A cfg of our own: `--cfg loom` would reach every dependency.
            .env("RUSTFLAGS", "--cfg meltica_loom")
            .env("LOOM_MAX_PREEMPTIONS", "3")
            .env("CARGO_TARGET_DIR", "target/loom"),
        "An interleaving breaks the model named above; run it again with LOOM_LOG=trace and \
         LOOM_LOCATION=1 to see which.",
    )
}

fn address(workspace: &Workspace) -> Result<(), Failure> {
    let mut nightly = Command::new("rustup");
    nightly.args(["run", "nightly", "rustc", "--version"]);
    let status = nightly.stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !status.is_ok_and(|status| status.success()) {
        return Err(Failure::new(
            "the nightly toolchain is missing, and the sanitizer needs it",
            "rustup toolchain install nightly",
        ));
    }
    let version = rustc(&["-vV"]).unwrap_or_default();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).ok_or_else(|| {
        Failure::new("`rustc -vV` does not name its host", "See what it prints instead.")
    })?;
    // Rustup's Cargo, not the one that runs us, because only that one knows `+nightly`. A
    // target is named so that build scripts and macros stay without the sanitizer.
    let mut command = Command::new("cargo");
    command.args(["+nightly", "test", "-p", "meltica-recycler", "--locked"]);
    command.args(["--lib", "--tests", "--target", host]);
    command.current_dir(&workspace.root).stdin(Stdio::null());
    command.env("RUSTFLAGS", "-Zsanitizer=address").env("CARGO_TARGET_DIR", "target/address");
    workspace.run(
        &mut command,
        "The report above names the access and who allocated and freed the memory. The unsafe \
         code of the recycler is all in crates/recycler/src/slots.rs.",
    )
}
