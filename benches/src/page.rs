//! The page of figures, `docs/performance.md`, of which each bench writes its own part.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");
const END: &str = "<!-- to here -->";

/// Where a plot of the page is.
pub fn plot(name: &str) -> PathBuf {
    Path::new(DOCS).join(name)
}

/// Puts a bench's text in its place on the page.
///
/// # Errors
///
/// What kept the page from being read or written; that it has no such place is an error too.
pub fn write(bench: &str, text: &str) -> io::Result<()> {
    let path = Path::new(DOCS).join("performance.md");
    let page = fs::read_to_string(&path)?;
    let begin = format!("<!-- written by the bench `{bench}` from here -->\n");
    let missing = || io::Error::other(format!("{}: {} is missing", path.display(), begin.trim()));
    let start = page.find(&begin).ok_or_else(missing)? + begin.len();
    let end = start + page[start..].find(END).ok_or_else(missing)?;
    fs::write(&path, format!("{}\n{text}\n{}", &page[..start], &page[end..]))
}
