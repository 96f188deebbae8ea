//! What takes longer than CI may: `cargo xtask deep`, run weekly.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    failure::Failure,
    nats_server, planted, powerset, simulate,
    step::Step,
    tools::{self, rustc},
    workspace::Workspace,
};

pub(crate) const STEPS: &[Step] = &[
    Step {
        name: "loom",
        what: "no interleaving breaks the models of recycler and dispatcher",
        run: loom,
    },
    Step { name: "address", what: "the recycler's tests under address sanitizer", run: address },
    Step { name: "leak", what: "the recycler's tests under leak sanitizer", run: leak },
    Step {
        name: "simulation",
        what: "a hundred thousand seeds, each in four ways",
        run: simulate::step,
    },
    Step {
        name: "planted",
        what: "the simulation finds each bug that is planted",
        run: planted::step,
    },
    Step {
        name: "faults",
        what: "nothing critical is lost over NATS, whatever ends a hundred times",
        run: faults,
    },
    Step {
        name: "powerset",
        what: "every crate compiles with every set of its features",
        run: powerset::step,
    },
    Step { name: "alerts", what: "each alert fires when it should, and not else", run: alerts },
    Step { name: "debug-cost", what: "what debug mode costs while it is off", run: debug_cost },
    Step { name: "mutants", what: "tests notice what is changed in the recycler", run: mutants },
    Step { name: "fuzz", what: "whatever bytes come, for a minute a reader", run: fuzz },
];

const LOOM: &str =
    "test -p meltica-recycler -p meltica-dispatcher --locked --release --lib --test loom";

fn loom(workspace: &Workspace) -> Result<(), Failure> {
    workspace.run(
        workspace
            .cargo(LOOM.split(' '))
            // A cfg of our own: `--cfg loom` would reach every dependency.
            .env("RUSTFLAGS", "--cfg meltica_loom")
            .env("LOOM_MAX_PREEMPTIONS", "3")
            .env("CARGO_TARGET_DIR", "target/loom"),
        "An interleaving breaks the model named above; run it again with LOOM_LOG=trace and \
         LOOM_LOCATION=1 to see which.",
    )
}

fn address(workspace: &Workspace) -> Result<(), Failure> {
    sanitized(workspace, "address", "use_after_free", "heap-use-after-free")
}

fn leak(workspace: &Workspace) -> Result<(), Failure> {
    sanitized(workspace, "leak", "leak", "detected memory leaks")
}

/// Runs the recycler's tests under a sanitizer, once that has reported its canary.
fn sanitized(
    workspace: &Workspace,
    sanitizer: &str,
    canary: &str,
    report: &str,
) -> Result<(), Failure> {
    let mut nightly = Command::new("rustup");
    nightly.args(["run", "nightly", "rustc", "--version"]);
    if !tools::answers(&mut nightly) {
        return Err(Failure::new(
            "the nightly toolchain is missing, and the sanitizer needs it",
            "rustup toolchain install nightly",
        ));
    }
    let version = rustc(&["-vV"]).unwrap_or_default();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).ok_or_else(|| {
        Failure::new("`rustc -vV` does not name its host", "See what it prints instead.")
    })?;
    let flag = format!("-Zsanitizer={sanitizer}");
    must_report(workspace, &flag, canary, report)?;
    // Rustup's Cargo, not the one that runs us, because only that one knows `+nightly`. A
    // target is named so that build scripts and macros stay without the sanitizer.
    let mut command = Command::new("cargo");
    command.args(["+nightly", "test", "-p", "meltica-recycler", "--locked"]);
    command.args(["--lib", "--tests", "--target", host]);
    command.current_dir(&workspace.root).stdin(Stdio::null());
    command.env("RUSTFLAGS", flag).env("CARGO_TARGET_DIR", format!("target/{sanitizer}"));
    workspace.run(
        &mut command,
        "The report above names the access and who allocated and freed the memory. The unsafe \
         code of the recycler is all in crates/recycler/src/slots.rs.",
    )
}

/// Builds and runs a program with a planted mistake, which the sanitizer must find.
fn must_report(
    workspace: &Workspace,
    flag: &str,
    canary: &str,
    report: &str,
) -> Result<(), Failure> {
    let advice = "Without a canary that fails, a clean run says nothing: see whether this \
                  toolchain still has the sanitizer for this target.";
    let folder = workspace.root.join("target/canaries");
    fs::create_dir_all(&folder)
        .map_err(|error| Failure::new(format!("{}: {error}", folder.display()), advice))?;
    let source = format!("xtask/canaries/{canary}.rs");
    let program = folder.join(canary);
    let mut build = Command::new("rustup");
    build.args(["run", "nightly", "rustc", "--edition", "2024", flag, "-o"]);
    build.arg(&program).arg(&source).current_dir(&workspace.root).stdin(Stdio::null());
    workspace.run(&mut build, advice)?;
    let output = Command::new(&program).stdin(Stdio::null()).output();
    let output = output.map_err(|error| Failure::new(format!("{source}: {error}"), advice))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() || !said.contains(report) {
        let problem = format!("{source} was built with {flag}, and `{report}` was not reported");
        return Err(Failure::new(problem, advice));
    }
    println!("{source}: `{report}` was reported, as it must be");
    Ok(())
}

/// Ends publishers, the receiver, the server and their connections, a hundred times each.
fn faults(workspace: &Workspace) -> Result<(), Failure> {
    nats_server::step(workspace)?;
    workspace.run(
        &mut workspace
            .cargo("run --release --locked -p meltica-faults -- --cycles 100".split(' ')),
        "The last line says what was promised and is not so. `--keep FOLDER` keeps logs and ledgers, and `--seed` has \
         the same faults in the same order.",
    )
}

/// What the alert rules make of made-up series.
fn alerts(workspace: &Workspace) -> Result<(), Failure> {
    if !tools::answers(Command::new("promtool").arg("--version")) {
        return Err(Failure::new("`promtool` is missing", "apt-get install prometheus"));
    }
    for arguments in [
        ["check", "rules", "docs/operations/alerts.yaml"],
        ["test", "rules", "docs/operations/alerts_test.yaml"],
    ] {
        let mut promtool = Command::new("promtool");
        promtool.args(arguments).current_dir(&workspace.root).stdin(Stdio::null());
        workspace.run(
            &mut promtool,
            "The alert that is named above fires when it should not, or does not when it should.",
        )?;
    }
    Ok(())
}

/// How many instructions more a lease and its return may take because debug mode could be on.
const DEBUG_COSTS_AT_MOST: f64 = 2.0;

/// Counts the instructions of taking and returning, with debug mode off and with debug mode left out.
fn debug_cost(workspace: &Workspace) -> Result<(), Failure> {
    let with = instructions_a_cycle(workspace, "", "target/counted")?;
    let without =
        instructions_a_cycle(workspace, "--cfg meltica_without_debug", "target/counted-without")?;
    println!("a lease and its return: {with:.2} instructions, {without:.2} without debug mode");
    let more = with - without;
    // If leaving it out left nothing out, nothing was compared.
    if more <= 0.0 {
        return Err(Failure::new(
            format!("leaving debug mode out saves {more:.2} instructions"),
            "See whether `meltica_without_debug` still leaves out what asks for it, in crates/recycler/src/desk.rs.",
        ));
    }
    // A fraction of one: sampled returns and the batches at both ends are not cut off exactly.
    if more > DEBUG_COSTS_AT_MOST + 0.1 {
        return Err(Failure::new(
            format!("debug mode costs {more:.2} instructions a cycle while it is off"),
            "Ask for it where a pool's key is zero anyway: see `take_back` and `Desk::key` in \
             crates/recycler/src.",
        ));
    }
    Ok(())
}

/// The difference between two runs of different length, so that start and end do not count.
fn instructions_a_cycle(workspace: &Workspace, flags: &str, target: &str) -> Result<f64, Failure> {
    const CYCLES: [u64; 2] = [100_000, 300_000];
    workspace.run(
        workspace
            .cargo("build --release --locked -p meltica-benches --bin recycler_cycles".split(' '))
            .env("RUSTFLAGS", flags)
            .env("CARGO_TARGET_DIR", target),
        "The program whose instructions are counted does not build; the error is above.",
    )?;
    let program = workspace.root.join(target).join("release/recycler_cycles");
    let counted = CYCLES.map(|cycles| instructions(&program, cycles));
    let [short, long] = counted;
    Ok((long? - short?) as f64 / (CYCLES[1] - CYCLES[0]) as f64)
}

fn instructions(program: &Path, cycles: u64) -> Result<u64, Failure> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    let output = valgrind.arg(program).arg(cycles.to_string()).stdin(Stdio::null()).output();
    let output = output.map_err(|error| {
        Failure::new(format!("valgrind does not start: {error}"), "apt-get install valgrind")
    })?;
    let said = String::from_utf8_lossy(&output.stderr);
    collected(&said).filter(|_| output.status.success()).ok_or_else(|| {
        Failure::new(
            format!("valgrind fails, or does not say how many instructions it collected:\n{said}"),
            "Run it by hand; a new version may say it in other words.",
        )
    })
}

/// 17299780 of `==1234== Collected : 17299780`.
fn collected(said: &str) -> Option<u64> {
    let line = said.lines().find_map(|line| line.split_once("Collected : "))?;
    line.1.trim().parse().ok()
}

/// Where a wrong change would cost objects, not messages about them.
const MUTATED: &[&str] =
    &["slots.rs", "stack.rs", "depot.rs", "magazine.rs", "tally.rs", "desk.rs", "room.rs"];

/// What is left out, and why, is in `.cargo/mutants.toml`.
fn mutants(workspace: &Workspace) -> Result<(), Failure> {
    tools::needs(workspace, "mutants", "cargo install cargo-mutants --locked")?;
    let mut run = workspace.cargo("mutants -p meltica-recycler --no-shuffle".split(' '));
    for file in MUTATED {
        run.args(["-f", file]);
    }
    run.args(["--output", "target/mutants", "--", "--lib", "--tests"]);
    println!("$ cargo mutants -p meltica-recycler, where slots are kept and moved");
    let advice = "A change named above goes unnoticed: write the test that notices it, or, if it \
                  makes no difference to anyone, say why in .cargo/mutants.toml.";
    let status = run.status();
    status.map_err(|error| Failure::new(format!("{error}"), advice))?;
    // Its status says that some ran into the time limit, which is a way of being noticed, also where others were missed.
    let path = workspace.root.join("target/mutants/mutants.out/outcomes.json");
    let text = fs::read_to_string(&path).map_err(|error| {
        Failure::new(
            format!("{}: {error}", path.display()),
            "cargo-mutants did not come to an end: what it said is above.",
        )
    })?;
    Failure::unless_empty(unnoticed(&text), advice)
}

/// What is wrong with an outcome of cargo-mutants: changes that no test notices, and files without any change.
fn unnoticed(outcomes: &str) -> Vec<String> {
    let outcomes: serde_json::Value = match serde_json::from_str(outcomes) {
        Ok(outcomes) => outcomes,
        Err(error) => return vec![format!("outcomes.json: {error}")],
    };
    let mut wrong = vec![];
    let mut changed = vec![];
    for outcome in outcomes["outcomes"].as_array().into_iter().flatten() {
        let mutant = &outcome["scenario"]["Mutant"];
        let Some(file) = mutant["file"].as_str() else { continue };
        changed.push(file);
        if !matches!(outcome["summary"].as_str(), Some("CaughtMutant" | "Timeout" | "Unviable")) {
            let text = |of: &serde_json::Value| of.as_str().unwrap_or("?").to_owned();
            wrong.push(format!("{}: {}", text(&outcome["summary"]), text(&mutant["name"])));
        }
    }
    let unchanged = MUTATED
        .iter()
        .filter(|name| !changed.iter().any(|file| file.ends_with(&format!("/{name}"))));
    wrong
        .extend(unchanged.map(|name| format!("nothing was changed in {name}: is it still there?")));
    wrong
}

/// The targets of `crates/fuzz`, and the corpus that each begins with.
const FUZZED: &[(&str, &str)] = &[
    ("binance", "crates/venue-binance/fixtures"),
    ("coinbase", "crates/venue-coinbase/fixtures"),
    ("kraken", "crates/venue-kraken/fixtures"),
    ("okx", "crates/venue-okx/fixtures"),
    ("frame", "crates/nats/fixtures"),
];

/// Fuzzes each target for a minute, and says whether that led anywhere.
fn fuzz(workspace: &Workspace) -> Result<(), Failure> {
    tools::needs(workspace, "fuzz", "cargo install cargo-fuzz --locked")?;
    for (target, fixtures) in FUZZED {
        let corpus = workspace.root.join("target/fuzz").join(target);
        let advice = "The line `panicked at` above says which promise was broken. The bytes that broke it \
                      are in crates/fuzz/artifacts: make them a test of the crate's.";
        fs::create_dir_all(&corpus)
            .map_err(|error| Failure::new(format!("{}: {error}", corpus.display()), advice))?;
        let mut run = workspace.cargo(["fuzz", "run", "--fuzz-dir", "crates/fuzz", "-s", "none"]);
        run.arg(target).arg(&corpus).arg(fixtures);
        run.args(["--", "-max_total_time=60", "-rss_limit_mb=1024"]);
        // What the fuzzer asks of the compiler is not stable; the code that it builds is.
        run.env("RUSTC_BOOTSTRAP", "1").stdin(Stdio::null());
        println!("$ cargo fuzz run {target}, for a minute");
        let output =
            run.output().map_err(|error| Failure::new(format!("cargo fuzz: {error}"), advice))?;
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            println!("{said}");
            return Err(Failure::new(
                format!("fuzzing {target} failed ({})", output.status),
                advice,
            ));
        }
        let growth = growth(&said).ok_or_else(|| {
            Failure::new(
                format!("fuzzing {target} does not say what it covered:\n{said}"),
                "Run it by hand; a new version may say it in other words.",
            )
        })?;
        println!("{target}: {growth}");
    }
    Ok(())
}

/// What libFuzzer reached at its beginning and at its end, since executions alone say nothing.
fn growth(said: &str) -> Option<String> {
    let figure = |line: &str, name: &str| {
        let rest = line.split_once(name)?.1.trim_start();
        rest.split([' ', '\t', '/']).next()?.parse::<u64>().ok()
    };
    let figures = |mark: &str| {
        let line = said.lines().rfind(|line| line.contains(mark))?;
        Some((figure(line, " cov: ")?, figure(line, " corp: ")?, figure(line, "#")?))
    };
    let (first, last) = (figures("\tINITED ")?, figures("\tDONE ")?);
    Some(format!(
        "{} runs, coverage {} -> {}, corpus {} -> {}",
        last.2, first.0, last.0, first.1, last.1
    ))
}

#[cfg(test)]
mod tests;
