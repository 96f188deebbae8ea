use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use crate::{failure::Failure, workspace::Workspace};

/// One thing that CI checks, with the name it has on the command line.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) run: fn(&Workspace) -> Result<(), Failure>,
}

/// Runs steps in order until one fails, then shows what each of them took.
pub(crate) fn run_all(steps: &[Step], workspace: &Workspace) -> ExitCode {
    let mut done = Vec::new();
    let mut code = ExitCode::SUCCESS;
    for step in steps {
        println!("\n== {}: {}", step.name, step.what);
        let start = Instant::now();
        let outcome = (step.run)(workspace);
        let took = start.elapsed();
        match outcome {
            Ok(()) => {
                println!("== {}: ok, {}", step.name, seconds(took));
                done.push((took, "ok"));
            }
            Err(failure) => {
                eprintln!("== {}: failed, {}\n{failure}", step.name, seconds(took));
                done.push((took, "failed"));
                code = ExitCode::FAILURE;
                break;
            }
        }
    }
    if steps.len() > 1 {
        print!("\n{}", table(steps, &done));
    }
    code
}

fn table(steps: &[Step], done: &[(Duration, &str)]) -> String {
    let mut text = String::new();
    for (index, step) in steps.iter().enumerate() {
        let (took, outcome) = match done.get(index) {
            Some((took, outcome)) => (seconds(*took), *outcome),
            None => (String::from("-"), "not run"),
        };
        text.push_str(&format!("{:<10} {took:>9}  {outcome}\n", step.name));
    }
    let total: Duration = done.iter().map(|(took, _)| *took).sum();
    text.push_str(&format!("{:<10} {:>9}\n", "all", seconds(total)));
    text
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
