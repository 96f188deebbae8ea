//! Runs the commands of `docs/quickstart.md`, as someone who follows it would. Its Rust is compiled and
//! run with the other examples in the docs.

use std::{
    fs,
    process::{Command, Stdio},
};

use crate::{failure::Failure, workspace::Workspace};

const PAGE: &str = "docs/quickstart.md";

/// A block of commands, and what its output is to contain.
#[derive(Debug, Default, PartialEq)]
struct Block {
    /// Where it stands on the page, from 1.
    line: usize,
    commands: String,
    expected: Vec<String>,
}

pub(crate) fn step(workspace: &Workspace) -> Result<(), Failure> {
    let page = fs::read_to_string(workspace.root.join(PAGE)).map_err(|error| {
        Failure::new(format!("{PAGE} cannot be read: {error}"), "Put the page back.")
    })?;
    let blocks = blocks(&page);
    if blocks.is_empty() {
        return Err(Failure::new(
            format!("{PAGE} has no block of commands"),
            "Each step's validation is a block that begins with ```sh.",
        ));
    }
    let mut problems = Vec::new();
    for block in blocks {
        problems.extend(run(&block, workspace).err());
    }
    Failure::unless_empty(
        problems,
        "Run the block by hand from the root of the workspace, and put right whichever of the two is \
         wrong. A block is run by `bash -euo pipefail`; a block of text after it must stand in what it prints.",
    )
}

/// Each `sh` block, with the `text` block that follows it before the next.
fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut fence = None;
    for (index, line) in page.lines().enumerate() {
        match (fence, line.strip_prefix("```")) {
            (None, Some(language)) => {
                fence = Some(language);
                if language == "sh" {
                    blocks.push(Block { line: index + 2, ..Block::default() });
                }
            }
            (Some(_), Some(_)) => fence = None,
            (Some("sh"), None) => {
                let block = blocks.last_mut().expect("its fence was met before");
                block.commands.push_str(line);
                block.commands.push('\n');
            }
            (Some("text"), None) => {
                if let Some(block) = blocks.last_mut() {
                    block.expected.push(line.to_owned());
                }
            }
            _ => {}
        }
    }
    blocks
}

fn run(block: &Block, workspace: &Workspace) -> Result<(), String> {
    let Block { line, commands, expected } = block;
    print!("{commands}");
    let mut command = Command::new("bash");
    command
        .args(["-euo", "pipefail", "-c", commands])
        .current_dir(&workspace.root)
        .stdin(Stdio::null());
    // What a release is optimised with is not what the page is about, and takes minutes.
    command
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    command.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1").env("CARGO_PROFILE_RELEASE_DEBUG", "false");
    // What Cargo tells those it runs is not what a user's shell has.
    for (name, _) in std::env::vars_os() {
        let is_ours =
            |name: &str| name.starts_with("CARGO_PKG") || name.starts_with("CARGO_MANIFEST");
        if name.to_str().is_some_and(is_ours) {
            command.env_remove(name);
        }
    }
    let output = command.output().map_err(|error| format!("{PAGE}:{line}: no bash: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let problem = if !output.status.success() {
        format!("{PAGE}:{line}: the block failed ({})", output.status)
    } else if let Some(missing) = expected.iter().find(|line| !said.lines().any(|l| l == *line)) {
        format!("{PAGE}:{line}: the block does not print `{missing}`")
    } else if said.lines().any(chose_nothing) {
        format!("{PAGE}:{line}: a name chooses no test; is it called otherwise now?")
    } else {
        return Ok(());
    };
    if !workspace.quiet {
        print!("{said}");
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Err(problem)
}

/// Whether a run of tests was told to pass over some, and had none left.
fn chose_nothing(line: &str) -> bool {
    line.starts_with("test result: ok. 0 passed") && !line.contains("; 0 filtered out")
}

#[cfg(test)]
mod tests;
