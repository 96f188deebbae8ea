//! Whether every page of the book is listed, every link in the docs leads somewhere, and the Rust in them is tested. Where
//! mdbook is installed, it also builds the book.

use std::{
    collections::BTreeSet,
    fs,
    path::{Component, Path, PathBuf},
    process::{Command, Stdio},
};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use crate::{failure::Failure, tools, workspace::Workspace};

const FOLDER: &str = "docs";
const SUMMARY: &str = "docs/SUMMARY.md";
/// Pages beside the book.
const OTHERS: &[&str] = &["README.md", ".github/CONTRIBUTING.md", ".github/SECURITY.md"];

pub(crate) fn step(workspace: &Workspace) -> Result<(), Failure> {
    Failure::unless_empty(
        check(&workspace.root),
        "List the page in docs/SUMMARY.md, put the link right, or make the page a doc test as crates/meltica/src/book.rs does. An \
         anchor is a heading in lower case, with dashes for blanks; what is not below docs can only be named, not linked to.",
    )?;
    if !tools::answers(Command::new("mdbook").arg("--version")) {
        println!("mdbook is not installed, so the book is not built");
        return Ok(());
    }
    let mut build = Command::new("mdbook");
    build.args(["build", FOLDER]).current_dir(&workspace.root).stdin(Stdio::null());
    workspace.run(&mut build, "See what mdbook says above; docs/book.toml is its configuration.")
}

/// Says what is wrong with the pages below this folder.
fn check(root: &Path) -> Vec<String> {
    let mut pages = vec![];
    collect(&root.join(FOLDER), "md", &mut pages);
    pages.sort();
    let listed: BTreeSet<PathBuf> = links(&read(&root.join(SUMMARY)))
        .into_iter()
        .map(|link| normal(&root.join(FOLDER).join(link)))
        .collect();
    let mut problems = vec![];
    let summary = root.join(SUMMARY);
    for page in pages.iter().filter(|page| **page != summary && !listed.contains(*page)) {
        problems.push(format!("{} is not listed in {SUMMARY}", shown(root, page)));
    }
    pages.extend(OTHERS.iter().map(|other| root.join(other)));
    let tested = tested(root);
    for page in &pages {
        let text = read(page);
        for link in links(&text) {
            problems.extend(problem(root, page, &link));
        }
        if !rust(&text).is_empty() && !tested.contains(page) {
            problems.push(format!("{} has Rust that no crate tests", shown(root, page)));
        }
        let shut_out = rust(&text)
            .into_iter()
            .filter(|kind| kind.split(',').any(|part| matches!(part.trim(), "ignore" | "no_run")));
        problems.extend(
            shut_out.map(|kind| format!("{} has Rust that is not run: {kind}", shown(root, page))),
        );
    }
    problems
}

/// What is wrong with a link; `None` if it leads somewhere, or to the net.
fn problem(root: &Path, page: &Path, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = match file {
        "" => page.to_owned(),
        file => normal(&page.parent()?.join(file)),
    };
    if !target.exists() {
        return Some(format!("{}: there is no {link}", shown(root, page)));
    }
    let book = root.join(FOLDER);
    if page.starts_with(&book) && !target.starts_with(&book) {
        return Some(format!("{}: {link} leads out of the book", shown(root, page)));
    }
    let is_page = target.extension().is_some_and(|extension| extension == "md");
    let is_there = anchor.is_empty() || !is_page || anchors(&read(&target)).contains(anchor);
    (!is_there).then(|| format!("{}: {link} has no such heading", shown(root, page)))
}

fn links(text: &str) -> Vec<String> {
    let of = |event| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
            Some(dest_url.into_string())
        }
        _ => None,
    };
    Parser::new_ext(text, Options::ENABLE_TABLES).filter_map(of).collect()
}

/// What each block of Rust says of itself, as `rust,compile_fail`.
fn rust(text: &str) -> Vec<String> {
    let of = |event| match event {
        Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(kind))) => Some(kind.into_string()),
        _ => None,
    };
    let is_rust = |kind: &String| kind.split(',').next() == Some("rust");
    Parser::new(text).filter_map(of).filter(is_rust).collect()
}

/// The pages that some crate has in its documentation, and so among its doc tests.
fn tested(root: &Path) -> BTreeSet<PathBuf> {
    let mut sources = vec![];
    collect(&root.join("crates"), "rs", &mut sources);
    let mut tested = BTreeSet::new();
    for source in &sources {
        let Some(folder) = source.parent() else { continue };
        for rest in read(source).split("#[doc = include_str!(\"").skip(1) {
            tested.extend(rest.split_once('"').map(|(page, _)| normal(&folder.join(page))));
        }
    }
    tested
}

/// What headings are called in links.
fn anchors(text: &str) -> BTreeSet<String> {
    let (mut anchors, mut heading) = (BTreeSet::new(), None::<String>);
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(part) | Event::Code(part) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&part);
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                let plain = heading.take().unwrap_or_default().to_lowercase();
                let kept =
                    plain.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
                anchors.insert(kept.map(|c| if c == ' ' { '-' } else { c }).collect());
            }
            _ => {}
        }
    }
    anchors
}

/// Finds every file below a folder whose name ends so.
fn collect(folder: &Path, ending: &str, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, ending, files);
        } else if path.extension().is_some_and(|extension| extension == ending) {
            files.push(path);
        }
    }
}

/// A file that cannot be read has nothing in it, and is then missed.
fn read(page: &Path) -> String {
    fs::read_to_string(page).unwrap_or_default()
}

/// Without `..` and `.`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(normal.pop()),
            Component::CurDir => {}
            part => normal.push(part),
        }
    }
    normal
}

fn shown(root: &Path, page: &Path) -> String {
    page.strip_prefix(root).unwrap_or(page).display().to_string()
}

#[cfg(test)]
mod tests;
