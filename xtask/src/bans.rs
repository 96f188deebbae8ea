//! What some of our crates have promised not to use.
//!
//! Clippy enforces what is banned everywhere, by `clippy.toml`. Here is what it cannot: bans
//! that hold in some crates only. Tokens are compared, not text, so that comments, docs and
//! strings never trip a ban. A name is all that is seen: an import under another name (`use
//! std::time::Instant as Clock`) escapes, and is left to the reviewer.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    failure::Failure,
    scope::Scope,
    tokens::{self, Token},
    workspace::Workspace,
};

/// Something that the crates in `scope` do without.
struct Ban {
    name: &'static str,
    patterns: &'static [Pattern],
    scope: Scope,
    /// Files that need it nevertheless, each with its reason. A row that has become
    /// superfluous is an error, so that the list stays short.
    allowed: &'static [(&'static str, &'static str)],
    instead: &'static str,
    why: &'static str,
}

/// What a ban looks for.
enum Pattern {
    /// These tokens in this order.
    Tokens(&'static str),
    /// A literal such as `1.5`, `1e9` or `2f32`.
    FloatLiteral,
    /// A `let` beside an `&&` in one condition.
    LetChain,
}

const BANS: &[Ban] = &[
    Ban {
        name: "floats",
        patterns: &[Pattern::Tokens("f32"), Pattern::Tokens("f64"), Pattern::FloatLiteral],
        scope: Scope::Only(&["event", "venue", "venue-*"]),
        allowed: &[],
        instead: "the exact decimals of meltica-event (`Price`, `Quantity`) or integers",
        why: "equal prices of two venues must compare equal",
    },
    Ban {
        name: "clocks",
        patterns: &[
            Pattern::Tokens("Instant::now"),
            Pattern::Tokens("SystemTime::now"),
            Pattern::Tokens(".elapsed()"),
        ],
        scope: Scope::Only(&[
            "stats",
            "event",
            "recycler",
            "orchestrator",
            "dispatcher",
            "consumer",
            "venue",
            "venue-*",
        ]),
        allowed: &[
            ("crates/recycler/src/clock.rs", "waits that end, ages of leases, a sample of returns"),
            ("crates/dispatcher/src/clock.rs", "waits that end, and a sample of deliveries"),
        ],
        instead: "an argument, `now: Instant`, from a caller that has a clock",
        why: "a replay must give the same result every time, and a test must not sleep",
    },
    Ban {
        name: "newer than Rust 1.85",
        patterns: &[Pattern::LetChain],
        scope: Scope::Except(&["gateway", "nats"]),
        allowed: &[],
        instead: "a nested `if`, `filter` or `let .. else`",
        why: "our users may compile with 1.85, which refuses it, and no lint of clippy's sees it",
    },
    Ban {
        name: "nameless threads",
        patterns: &[Pattern::Tokens("thread::spawn")],
        scope: Scope::Everywhere,
        allowed: &[],
        instead: "`thread::Builder::new().name(..)`",
        why: "a panic, a debugger and `top` should say which thread it is",
    },
    Ban {
        name: "environment",
        patterns: &[
            Pattern::Tokens("env::var"),
            Pattern::Tokens("env::var_os"),
            Pattern::Tokens("env::vars"),
            Pattern::Tokens("env::vars_os"),
        ],
        scope: Scope::Except(&["meltica", "gateway"]),
        allowed: &[("crates/nats/src/testing/server.rs", "a test finds its server by it")],
        instead: "an argument of the constructor or a field of the configuration",
        why: "a library reads no environment",
    },
    Ban {
        name: "printing",
        patterns: &[
            Pattern::Tokens("println!"),
            Pattern::Tokens("eprintln!"),
            Pattern::Tokens("print!"),
            Pattern::Tokens("eprint!"),
            Pattern::Tokens("dbg!"),
        ],
        scope: Scope::Except(&["gateway", "faults"]),
        allowed: &[],
        instead: "`tracing`, or give the caller what is worth printing",
        why: "the terminal belongs to the program, not to its libraries",
    },
    Ban {
        name: "unsafe code",
        patterns: &[Pattern::Tokens("unsafe")],
        scope: Scope::Everywhere,
        allowed: &[
            ("crates/dispatcher/src/ring.rs", "messages are read in place by several lanes"),
            ("crates/recycler/src/slots.rs", "slot storage is shared by index"),
        ],
        instead: "safe code, or the one file of its crate that is allowed to hold it",
        why: "an argument for soundness can only be checked where all of it can be read",
    },
];

pub(crate) fn step(workspace: &Workspace) -> Result<(), Failure> {
    let problems = check(&workspace.root).map_err(|error| {
        Failure::new(format!("cannot read the sources: {error}"), "See to it that they can be.")
    })?;
    Failure::unless_empty(
        problems,
        "Replace each by what its line names. A file that really needs it is a row of `allowed`, \
         with its reason, in xtask/src/bans.rs.",
    )
}

/// Says where a crate breaks one of [`BANS`], or a row of them has become superfluous.
fn check(root: &Path) -> io::Result<Vec<String>> {
    let mut problems = Vec::new();
    let mut files = BTreeMap::new();
    for folder in folders(&root.join("crates"))? {
        for path in sources(&folder.join("src"))? {
            let name = relative(root, &path);
            match tokens::lex(&fs::read_to_string(&path)?) {
                Ok(tokens) => drop(files.insert(name, tokens)),
                Err(error) => problems.push(format!("{name}: does not lex as Rust: {error}")),
            }
        }
    }
    for ban in BANS {
        problems.extend(broken(ban, &files));
        problems.extend(superfluous(ban, &files));
    }
    problems.extend(without_forbid(&files));
    Ok(problems)
}

fn broken(ban: &Ban, files: &BTreeMap<String, Vec<Token>>) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, tokens) in files {
        let allowed = ban.allowed.iter().any(|(file, _)| file == name);
        if allowed || !ban.scope.contains(folder_of(name)) {
            continue;
        }
        for pattern in ban.patterns {
            for line in pattern.find(tokens) {
                problems.push(format!(
                    "{name}:{line}: {} ({}); use {}, because {}",
                    pattern.shown(),
                    ban.name,
                    ban.instead,
                    ban.why
                ));
            }
        }
    }
    problems
}

fn superfluous(ban: &Ban, files: &BTreeMap<String, Vec<Token>>) -> Vec<String> {
    let needed = |file: &str| {
        let Some(tokens) = files.get(file) else { return Err("does not exist") };
        let used = ban.patterns.iter().any(|pattern| !pattern.find(tokens).is_empty());
        if used { Ok(()) } else { Err("no longer needs it") }
    };
    let stale = ban.allowed.iter().filter_map(|(file, _)| Some((file, needed(file).err()?)));
    stale
        .map(|(file, how)| {
            format!("xtask/src/bans.rs allows {} in {file}, which {how}: remove the row", ban.name)
        })
        .collect()
}

/// Crates that hold no unsafe code leave the enforcing of it to the compiler.
fn without_forbid(files: &BTreeMap<String, Vec<Token>>) -> Vec<String> {
    let forbid = tokens::lex("#![forbid(unsafe_code)]").expect("it is Rust");
    let allowed = |folder: &str| {
        let unsafe_code = BANS.iter().filter(|ban| ban.name == "unsafe code");
        unsafe_code.flat_map(|ban| ban.allowed).any(|(file, _)| folder_of(file) == folder)
    };
    let mut problems = Vec::new();
    for (name, tokens) in files {
        let is_root = name.ends_with("/src/lib.rs") || name.ends_with("/src/main.rs");
        if is_root && !allowed(folder_of(name)) && tokens::find(&forbid, tokens).is_empty() {
            problems.push(format!(
                "{name}:1: no `#![forbid(unsafe_code)]`; add it below the docs, because only a \
                 crate with a file of unsafe code can do without"
            ));
        }
    }
    problems
}

impl Pattern {
    fn find(&self, tokens: &[Token]) -> Vec<usize> {
        match self {
            Pattern::Tokens(text) => {
                tokens::find(&tokens::lex(text).expect("a pattern is Rust"), tokens)
            }
            Pattern::FloatLiteral => tokens::find_float_literals(tokens),
            Pattern::LetChain => tokens::find_let_chains(tokens),
        }
    }

    fn shown(&self) -> String {
        match self {
            Pattern::Tokens(text) => format!("`{text}`"),
            Pattern::FloatLiteral => String::from("float literal"),
            Pattern::LetChain => String::from("let chain"),
        }
    }
}

/// `recycler` of `crates/recycler/src/pool.rs`.
fn folder_of(name: &str) -> &str {
    name.split('/').nth(1).unwrap_or_default()
}

fn relative(root: &Path, path: &Path) -> String {
    let path = path.strip_prefix(root).unwrap_or(path);
    path.to_string_lossy().replace('\\', "/")
}

/// The Rust files below a folder, without those that only tests compile: `tests.rs`, loom's
/// `models.rs`, and all below a folder `tests`.
fn sources(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in entries(folder)? {
        let is_test = path.file_stem().is_some_and(|stem| stem == "tests" || stem == "models");
        if is_test {
            continue;
        }
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(found)
}

fn folders(parent: &Path) -> io::Result<Vec<PathBuf>> {
    Ok(entries(parent)?.into_iter().filter(|path| path.join("Cargo.toml").exists()).collect())
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries: io::Result<Vec<_>> = fs::read_dir(folder)?.collect();
    let mut paths: Vec<PathBuf> = entries?.iter().map(fs::DirEntry::path).collect();
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests;
