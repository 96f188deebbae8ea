use std::fmt;

/// Why a step failed: what is wrong, and what puts it right.
#[derive(Debug)]
pub(crate) struct Failure {
    problems: Vec<String>,
    advice: String,
}

impl Failure {
    pub(crate) fn new(problem: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { problems: vec![problem.into()], advice: advice.into() }
    }

    /// Fails with all of `problems`, or is fine when there are none.
    pub(crate) fn unless_empty(problems: Vec<String>, advice: &str) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self { problems, advice: advice.into() }) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            writeln!(f, "  {problem}")?;
        }
        write!(f, "  What to do: {}", self.advice)
    }
}
