use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use cargo_metadata::{CargoOpt, Metadata, MetadataCommand, Package};

use crate::failure::Failure;

/// A Cargo workspace on disk: ours, or one that a test has made up.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// Hides what commands print, so that a failing test of a made-up workspace is not
    /// mistaken for one of ours.
    pub(crate) quiet: bool,
}

impl Workspace {
    /// The workspace that this program was built from.
    pub(crate) fn ours() -> Self {
        let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = xtask.parent().expect("xtask is a folder of the workspace").to_owned();
        Self { root, quiet: false }
    }

    /// The Cargo that runs us, told to work here.
    pub(crate) fn cargo<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(arguments).current_dir(&self.root).stdin(Stdio::null());
        command
    }

    /// Runs a command to its end and fails with `advice` unless it succeeds.
    pub(crate) fn run(&self, command: &mut Command, advice: &str) -> Result<(), Failure> {
        let words = words(command);
        println!("$ {words}");
        if self.quiet {
            command.stdout(Stdio::null()).stderr(Stdio::null());
        }
        match command.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Failure::new(format!("`{words}` failed ({status})"), advice)),
            Err(error) => Err(Failure::new(format!("`{words}` did not start: {error}"), advice)),
        }
    }

    /// Everything Cargo knows about the workspace, with every feature on and for every target.
    pub(crate) fn metadata(&self) -> Result<Metadata, Failure> {
        let mut command = MetadataCommand::new();
        command.current_dir(&self.root).features(CargoOpt::AllFeatures);
        command.exec().map_err(|error| {
            Failure::new(
                format!("`cargo metadata` failed: {error}"),
                "Run it by hand and put the manifest right that it names.",
            )
        })
    }
}

/// The folder below `crates/` that a package lives in, if it is one of those.
pub(crate) fn folder<'a>(metadata: &Metadata, package: &'a Package) -> Option<&'a str> {
    let folder = package.manifest_path.parent()?;
    (folder.parent()? == metadata.workspace_root.join("crates")).then(|| folder.file_name())?
}

/// A command as one would type it.
fn words(command: &Command) -> String {
    let mut words = Vec::new();
    for (name, value) in command.get_envs() {
        let value = value.unwrap_or_default().to_string_lossy();
        words.push(format!("{}={}", name.to_string_lossy(), quoted(&value)));
    }
    let program = Path::new(command.get_program());
    words.push(program.file_name().unwrap_or_default().to_string_lossy().into_owned());
    words.extend(command.get_args().map(|argument| quoted(&argument.to_string_lossy())));
    words.join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,+".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.into() } else { format!("'{word}'") }
}
