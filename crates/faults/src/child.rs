//! A process of the script's, started again and again.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::memory;

pub(crate) struct Process {
    name: String,
    arguments: Vec<String>,
    log: PathBuf,
    child: Child,
    /// The most resident memory that any of its lives had, in bytes.
    pub(crate) most_memory: u64,
    /// How often it was killed.
    pub(crate) kills: u64,
}

impl Process {
    /// Starts this very program with these arguments; what it says goes to a file of the folder.
    pub(crate) fn start(name: &str, arguments: Vec<String>, folder: &Path) -> io::Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let child = spawn(&arguments, &log)?;
        let name = name.to_owned();
        Ok(Self { name, arguments, log, child, most_memory: 0, kills: 0 })
    }

    /// Ends it without warning, and starts it again.
    pub(crate) fn kill(&mut self) -> Result<(), String> {
        self.look()?;
        let killed = self.child.kill().and_then(|()| self.child.wait());
        killed.map_err(|error| format!("{}: {error}", self.name))?;
        self.kills += 1;
        self.child = spawn(&self.arguments, &self.log)
            .map_err(|error| format!("{} does not start again: {error}", self.name))?;
        Ok(())
    }

    /// Notes its memory; an error if it has ended by itself.
    pub(crate) fn look(&mut self) -> Result<(), String> {
        if let Ok(Some(status)) = self.child.try_wait() {
            return Err(self.ended(status));
        }
        self.most_memory = self.most_memory.max(self.memory());
        Ok(())
    }

    /// Its resident memory now, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        memory::resident(self.child.id()).unwrap_or(0)
    }

    /// Asks it to end, and waits for that.
    pub(crate) fn finish(&mut self, limit: Duration) -> Result<(), String> {
        self.look()?;
        drop(self.child.stdin.take());
        let end = Instant::now() + limit;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(self.ended(status)),
                Ok(None) if Instant::now() >= end => {
                    return Err(format!("{} does not end within {limit:?}", self.name));
                }
                Ok(None) => thread::sleep(Duration::from_millis(5)),
                Err(error) => return Err(format!("{}: {error}", self.name)),
            }
        }
    }

    fn ended(&self, status: ExitStatus) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().rev().take(15).collect();
        let end: Vec<_> = lines.into_iter().rev().collect();
        format!("{} ended ({status}):\n{}", self.name, end.join("\n"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(arguments: &[String], log: &Path) -> io::Result<Child> {
    let log = File::options().create(true).append(true).open(log)?;
    Command::new(std::env::current_exe()?)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
}
