//! What CI runs, in plain Rust: `cargo xtask ci`, or one step of it by name.

#![forbid(unsafe_code)]

mod arrows;
mod bans;
mod book;
mod ci;
mod coverage;
mod deep;
mod examples;
mod failure;
#[cfg(test)]
mod fixture;
mod nats_server;
mod packages;
mod planted;
mod powerset;
mod quickstart;
mod reasons;
mod release;
mod scope;
mod simulate;
mod step;
mod third_party;
mod tokens;
mod tools;
mod workspace;

use std::process::ExitCode;

use self::{failure::Failure, step::Step, workspace::Workspace};

/// A command that takes arguments of its own.
type With = fn(&Workspace, &[String]) -> Result<(), Failure>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let workspace = Workspace::ours();
    let with: Option<With> = match arguments.first().map(String::as_str) {
        Some("simulate") => Some(simulate::with),
        Some("release") => Some(release::with),
        _ => None,
    };
    if let Some(with) = with {
        return match with(&workspace, &arguments[1..]) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                eprintln!("{failure}");
                ExitCode::FAILURE
            }
        };
    }
    let [command] = arguments.as_slice() else { return refuse() };
    match command.as_str() {
        "help" | "--help" | "-h" => {
            print!("{}", usage());
            ExitCode::SUCCESS
        }
        "ci" => step::run_all(&ci::steps(), &workspace),
        "deep" => step::run_all(deep::STEPS, &workspace),
        name => match ci::STEPS.iter().chain(deep::STEPS).find(|step| step.name == name) {
            Some(step) => step::run_all(std::slice::from_ref(step), &workspace),
            None => refuse(),
        },
    }
}

fn refuse() -> ExitCode {
    eprint!("{}", usage());
    ExitCode::from(2)
}

fn usage() -> String {
    let mut text = String::from("usage: cargo xtask <command>\n\n");
    let mut line = |name: &str, what: &str| text.push_str(&format!("  {name:<10} {what}\n"));
    line("ci", "every step below in order (`coverage` runs the tests), as CI does");
    for Step { name, what, .. } in ci::STEPS {
        line(name, what);
    }
    line("simulate", "a hundred thousand seeds; with --seed N one of them, with --help what else");
    line("release", "packs, builds and uploads every package; with --dry-run, all but the last");
    line("deep", "what takes longer than CI may:");
    for Step { name, what, .. } in deep::STEPS {
        line(&format!("  {name}"), what);
    }
    text
}
