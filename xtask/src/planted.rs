//! A test of the simulation: mistakes are planted in a copy of the sources, one at a time is switched on,
//! and each has to be found from the seeds that CI runs.

mod bugs;

use std::{
    collections::BTreeMap,
    fs, io,
    num::NonZeroUsize,
    path::Path,
    process::Stdio,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

use self::bugs::{BUGS, Bug};
use crate::{failure::Failure, workspace::Workspace};

/// Where the copy is made and built, below the root.
const COPY: &str = "target/planted/sources";
const TARGET: &str = "target/planted/build";
/// What is copied.
const SOURCES: &[&str] = &["Cargo.toml", "Cargo.lock", "crates", "xtask", "benches"];
/// By this variable a bug is switched on.
const SWITCH: &str = "MELTICA_PLANTED";
/// The seeds of `crates/simulation/tests/seeds.rs`.
const SEEDS: &str = "2000";

pub(crate) fn step(workspace: &Workspace) -> Result<(), Failure> {
    let copy = workspace.root.join(COPY);
    let read = |error: io::Error| {
        Failure::new(format!("{}: {error}", copy.display()), "See whether there is room for it.")
    };
    fs::create_dir_all(&copy).map_err(read)?;
    for source in SOURCES {
        mirror(&workspace.root.join(source), &copy.join(source)).map_err(read)?;
    }
    let problems: Vec<_> = BUGS.iter().filter_map(|bug| plant(bug, &copy).err()).collect();
    Failure::unless_empty(
        problems,
        "The code has changed where a bug is planted: put its row in xtask/src/planted/bugs.rs \
         right, so that it is the same mistake in the new code.",
    )?;
    let planted = Workspace { root: copy, quiet: workspace.quiet };
    let build = "build --quiet --locked -p meltica-simulation --example simulate";
    let target = workspace.root.join(TARGET);
    planted.run(
        planted
            .cargo(build.split(' '))
            .env("CARGO_TARGET_DIR", &target)
            // Two thousand seeds a bug are run, and the checks of a debug build are kept.
            .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1"),
        "A planted bug does not compile any more: put its row in xtask/src/planted/bugs.rs right.",
    )?;
    let program = target.join("debug/examples/simulate");
    if let Some(said) = fails(&program, "", "100")? {
        let problem = format!("with no bug switched on the copy fails: {said}");
        return Err(Failure::new(problem, "A planted bug changes more than it says."));
    }
    let mut problems = vec![];
    for (bug, found) in BUGS.iter().zip(search(&program)) {
        match found? {
            Some(said) => println!("{:<28} {}", bug.name, shortened(&said)),
            None => problems.push(format!("{} is not found: {}", bug.name, bug.what)),
        }
    }
    Failure::unless_empty(
        problems,
        "The simulation has lost its bite there: see which check would notice, and whether the \
         plans still bring it about.",
    )
}

/// What each bug's simulation says, of as many at a time as there are cores.
fn search(program: &Path) -> Vec<Result<Option<String>, Failure>> {
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let next = AtomicUsize::new(0);
    let found = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((index, bug)) = {
                    let index = next.fetch_add(1, Relaxed);
                    BUGS.get(index).map(|bug| (index, bug))
                } {
                    let said = fails(program, bug.name, SEEDS);
                    found.lock().unwrap_or_else(PoisonError::into_inner).insert(index, said);
                }
            });
        }
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}

/// Copies a file or a folder; what is the same already is left alone, so that it need not be built anew.
fn mirror(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        let content = fs::read(from)?;
        let is_same = fs::read(to).is_ok_and(|there| there == content);
        return if is_same { Ok(()) } else { fs::write(to, content) };
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        if !from.join(entry.file_name()).exists() {
            let gone = entry.path();
            if gone.is_dir() { fs::remove_dir_all(gone)? } else { fs::remove_file(gone)? }
        }
    }
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        mirror(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// Puts a bug into the copy, so that it does nothing until it is switched on.
fn plant(bug: &Bug, copy: &Path) -> Result<(), String> {
    let Bug { name, file, right, wrong, .. } = bug;
    let path = copy.join(file);
    let text = fs::read_to_string(&path).map_err(|error| format!("{name}: {file}: {error}"))?;
    let found = text.matches(right).count();
    if found != 1 {
        return Err(format!("{name}: `{right}` is in {file} {found} times, not once"));
    }
    let on = format!("std::env::var_os(\"{SWITCH}\").is_some_and(|on| on == \"{name}\")");
    let text = text.replace(right, &wrong.replace("PLANTED", &on));
    fs::write(&path, text).map_err(|error| format!("{name}: {file}: {error}"))
}

/// Runs the simulation, first without and then with consumers that the publisher runs; what it says if it fails.
fn fails(program: &Path, bug: &str, seeds: &str) -> Result<Option<String>, Failure> {
    for how in [&[][..], &["--inline"]] {
        if let Some(said) = fails_so(program, bug, seeds, how)? {
            return Ok(Some(said));
        }
    }
    Ok(None)
}

fn fails_so(
    program: &Path,
    bug: &str,
    seeds: &str,
    how: &[&str],
) -> Result<Option<String>, Failure> {
    let mut command = std::process::Command::new(program);
    command.args(["--seeds", seeds]).args(how).env(SWITCH, bug).stdin(Stdio::null());
    let output = command.output().map_err(|error| {
        Failure::new(format!("{}: {error}", program.display()), "See whether it was built.")
    })?;
    if output.status.success() {
        return Ok(None);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().find(|line| line.starts_with("seed ")).unwrap_or(&said).to_owned();
    Ok(Some(line))
}

fn shortened(line: &str) -> String {
    let end = line.char_indices().nth(100).map_or(line.len(), |(at, _)| at);
    line[..end].to_owned()
}

#[cfg(test)]
mod tests;
