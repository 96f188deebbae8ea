//! A file that says what flags say: each key is a flag of `run`, without its dashes in front.
//!
//! There is one description of every option, that of the command line; so a file has the same names, the same checks and
//! the same words for what is wrong, and where it is.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    fmt, fs,
    ops::Range,
    path::{Path, PathBuf},
};

use clap::{ArgAction, Command, CommandFactory, error::ErrorKind};
use serde::Serialize;
use toml::de::{DeTable, DeValue};

use crate::cli::{Asked, Cli};

/// Flags that a file does not have.
const NOT_IN_A_FILE: &[&str] = &["help", "version", "config"];

/// The flag that names the file.
const FLAG: &str = "--config";

/// Something that is wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Mistake {
    /// From 1; `None` if it is not about a place in it.
    line: Option<usize>,
    column: Option<usize>,
    what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (Some(line), Some(column)) => write!(f, "{line}:{column}: {}", self.what),
            _ => write!(f, " {}", self.what),
        }
    }
}

/// A key with its values, as flags.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    /// As `rate`.
    key: String,
    /// As `--rate=15000`; several of a flag that may be repeated, none of one that is off.
    flags: Vec<OsString>,
}

/// The command line with what its `--config` says, where neither the command line nor the environment says it.
pub(crate) fn expanded(
    mut arguments: Vec<OsString>,
    asked: Asked,
) -> Result<Vec<OsString>, String> {
    let is_run = matches!(asked, Asked::Nothing | Asked::Run);
    let Some(path) = named(&arguments).filter(|_| is_run) else { return Ok(arguments) };
    let settings = read(&path).map_err(|mistakes| told(&path, &mistakes))?;
    let given: BTreeSet<String> =
        arguments.iter().filter_map(|argument| flag_of(argument)).collect();
    for Setting { key, flags } in settings {
        let is_in_environment = std::env::var_os(variable(&key)).is_some();
        if !given.contains(&key) && !is_in_environment {
            arguments.extend(flags);
        }
    }
    Ok(arguments)
}

/// The variable that says the same as this flag, as `MELTICA_RATE`.
pub(crate) fn variable(flag: &str) -> String {
    format!("MELTICA_{}", flag.to_uppercase().replace('-', "_"))
}

/// Looks at a file, and answers everything that is wrong with it, each with where.
pub(crate) fn read(path: &Path) -> Result<Vec<Setting>, Vec<Mistake>> {
    let text = fs::read_to_string(path)
        .map_err(|error| vec![Mistake { line: None, column: None, what: error.to_string() }])?;
    settings(&text)
}

/// What is wrong, a line each.
pub(crate) fn told(path: &Path, mistakes: &[Mistake]) -> String {
    let lines = mistakes.iter().map(|mistake| format!("{}:{mistake}", path.display()));
    lines.collect::<Vec<_>>().join("\n")
}

/// The file that the command line or the environment names.
fn named(arguments: &[OsString]) -> Option<PathBuf> {
    let mut following = arguments.iter();
    while let Some(argument) = following.next() {
        if argument == FLAG {
            return following.next().map(PathBuf::from);
        }
        let joined = argument.to_str().and_then(|text| text.strip_prefix(FLAG)?.strip_prefix('='));
        if let Some(path) = joined {
            return Some(PathBuf::from(path));
        }
    }
    std::env::var_os(variable("config")).map(PathBuf::from)
}

/// `rate` of `--rate` and of `--rate=5`.
fn flag_of(argument: &OsStr) -> Option<String> {
    let flag = argument.to_str()?.strip_prefix("--")?;
    Some(flag.split('=').next().unwrap_or(flag).to_owned())
}

/// What a file says, or everything that is wrong with it.
fn settings(text: &str) -> Result<Vec<Setting>, Vec<Mistake>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut mistakes: Vec<_> = errors
        .iter()
        .map(|error| at(text, error.span().unwrap_or_default(), error.message().to_owned()))
        .collect();
    let run = run_command();
    let mut found = vec![];
    for (key, value) in table.get_ref() {
        let name = key.get_ref().as_ref();
        match flags(&run, name, value.get_ref()) {
            Ok(flags) => {
                let wrong = flags
                    .iter()
                    .filter_map(|flag| problem(&run, std::slice::from_ref(flag), ALONE));
                mistakes.extend(wrong.map(|what| at(text, value.span(), what)));
                found.push((key.span(), Setting { key: name.to_owned(), flags }));
            }
            Err((of_key, what)) => {
                mistakes.push(at(text, if of_key { key.span() } else { value.span() }, what));
            }
        }
    }
    // In the order of the file, which the table does not keep.
    found.sort_by_key(|(span, _)| span.start);
    if mistakes.is_empty() {
        let all: Vec<_> = found.iter().flat_map(|(_, setting)| setting.flags.clone()).collect();
        // Of those that do not go together, the place is where the first stands that is named.
        mistakes.extend(problem(&run, &all, &[]).map(|what| {
            let of = |(span, setting): &(Range<usize>, Setting)| {
                let place = what.find(&format!("'--{}", setting.key))?;
                Some((place, span.clone()))
            };
            match found.iter().filter_map(of).min_by_key(|(place, _)| *place) {
                Some((_, span)) => at(text, span, what.clone()),
                None => Mistake { line: None, column: None, what },
            }
        }));
    }
    if mistakes.is_empty() {
        return Ok(found.into_iter().map(|(_, setting)| setting).collect());
    }
    mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
    Err(mistakes)
}

fn run_command() -> Command {
    let mut cli = Cli::command();
    cli.build();
    cli.find_subcommand("run").cloned().unwrap_or(cli)
}

/// A key and its value as flags; or what is wrong, and whether it is the key.
fn flags(run: &Command, key: &str, value: &DeValue<'_>) -> Result<Vec<OsString>, (bool, String)> {
    let known = run.get_arguments().find(|arg| arg.get_long() == Some(key));
    let Some(arg) = known.filter(|_| !NOT_IN_A_FILE.contains(&key)) else {
        let what = problem(run, &[format!("--{key}=").into()], &[]).unwrap_or_default();
        let tip = what.split_once("tip:").map(|(_, tip)| tip.trim().replace("--", ""));
        let tip = tip.map_or(String::new(), |tip| format!("; {}", tip.replace('\n', " ")));
        return Err((true, format!("unknown key `{key}`{tip}")));
    };
    let one = |value: &DeValue<'_>| match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str().replace('_', "")),
        DeValue::Integer(number) => {
            Err((false, format!("`{key}` is a decimal number; {number} is to another base")))
        }
        other => {
            Err((false, format!("`{key}` is a text or a whole number, not {}", kind_of(other))))
        }
    };
    let flag = |value: &str| OsString::from(format!("--{key}={value}"));
    match (arg.get_action(), value) {
        (ArgAction::SetTrue, DeValue::Boolean(true)) => Ok(vec![format!("--{key}").into()]),
        (ArgAction::SetTrue, DeValue::Boolean(false)) => Ok(vec![]),
        (ArgAction::SetTrue, other) => {
            Err((false, format!("`{key}` is true or false, not {}", kind_of(other))))
        }
        (ArgAction::Append, DeValue::Array(values)) => {
            values.iter().map(|value| one(value.get_ref()).map(|value| flag(&value))).collect()
        }
        (_, value) => one(value).map(|value| vec![flag(&value)]),
    }
}

fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a decimal",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// What is not asked of a flag alone.
const ALONE: &[ErrorKind] = &[ErrorKind::MissingRequiredArgument, ErrorKind::ArgumentConflict];

/// What the command line says of these flags, but for some kinds of mistakes; `None` if nothing.
fn problem(run: &Command, flags: &[OsString], but: &[ErrorKind]) -> Option<String> {
    let words = std::iter::once(OsString::from("run")).chain(flags.iter().cloned());
    let error = run.clone().no_binary_name(false).try_get_matches_from(words).err()?;
    if but.contains(&error.kind()) {
        return None;
    }
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let end = ["\n\nUsage:", "\n\nFor more"].iter().filter_map(|end| text.find(end)).min();
    let text = text[..end.unwrap_or(text.len())].trim();
    Some(text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; "))
}

/// Where in the text, counted from 1.
fn at(text: &str, span: Range<usize>, what: String) -> Mistake {
    let before = text.get(..span.start).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Mistake { line: Some(line), column: Some(column), what }
}

#[cfg(test)]
mod tests;
