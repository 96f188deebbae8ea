//! A file of lines that are written each by one call: whatever ends the process, a line is there or not.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

pub(crate) struct Ledger {
    file: File,
    line: Vec<u8>,
}

impl Ledger {
    /// Opens the ledger, made now if it is not there; and what is in it.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, Vec<String>)> {
        let file = File::options().create(true).append(true).open(path)?;
        Ok((Self { file, line: vec![] }, read(path)?))
    }

    pub(crate) fn write(&mut self, line: std::fmt::Arguments<'_>) -> io::Result<()> {
        self.line.clear();
        writeln!(self.line, "{line}")?;
        self.file.write_all(&self.line)
    }
}

/// Every line; none where there is no file yet.
pub(crate) fn read(path: &Path) -> io::Result<Vec<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(vec![]),
        Err(error) => Err(error),
    }
}

/// The last so many lines.
pub(crate) fn last(path: &Path, lines: usize) -> io::Result<Vec<String>> {
    use std::os::unix::fs::FileExt;
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        Err(error) => return Err(error),
    };
    // No line is longer than this.
    let wanted = (lines as u64 + 1) * 32;
    let from = file.metadata()?.len().saturating_sub(wanted);
    let mut bytes = vec![0; wanted as usize];
    let mut length = 0;
    loop {
        match file.read_at(&mut bytes[length..], from + length as u64)? {
            0 => break,
            read => length += read,
        }
    }
    let text = String::from_utf8_lossy(&bytes[..length]);
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let skip = usize::from(from > 0);
    let all: Vec<_> = whole.lines().skip(skip).map(str::to_owned).collect();
    Ok(all[all.len().saturating_sub(lines)..].to_vec())
}
