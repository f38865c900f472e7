//! What is wrong with settings, where, and what would cure it.

use std::fmt;
use std::sync::Arc;

/// A place in a settings file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file's name as it was given.
    pub file: Arc<str>,
    /// Line and column, both from 1, the column in characters; `None` where the whole file is meant.
    pub position: Option<(usize, usize)>,
    /// The setting that stands there, where that was looked for: of changes.
    pub subject: Option<Subject>,
}

/// The setting that something is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// The port's name; `None` for what is of `[proxy]`.
    pub port: Option<String>,
    /// The key; `None` where all of the port is meant.
    pub key: Option<String>,
}

impl Place {
    /// The file as a whole.
    pub fn file(file: &str) -> Self {
        Self { file: file.into(), position: None, subject: None }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Some((line, column)) => write!(f, "{}:{line}:{column}", self.file),
            None => f.write_str(&self.file),
        }
    }
}

/// One thing that is wrong, or doubtful, in settings. Prints as one line: `file:line:column: what; cure`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub what: String,
    /// What would cure it.
    pub cure: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.place, self.what, self.cure)
    }
}

/// Settings that run, with a consequence the administrator should know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning(pub Problem);

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Settings that do not pass: every problem found, in the order of the files' text, one per line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError {
    problems: Vec<Problem>,
}

impl SettingsError {
    /// From at least one problem.
    pub fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort();
        problems.dedup();
        Self { problems }
    }

    /// What was found; never empty.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// With every problem put otherwise, in the order that they have.
    pub(crate) fn map(self, change: impl FnMut(Problem) -> Problem) -> Self {
        Self { problems: self.problems.into_iter().map(change).collect() }
    }

    pub(crate) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }
}

impl From<Problem> for SettingsError {
    fn from(problem: Problem) -> Self {
        Self::new(vec![problem])
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            fmt::Display::fmt(problem, f)?;
        }
        Ok(())
    }
}

impl std::error::Error for SettingsError {}

/// A value with the place it was written at, for checks that look at several values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub place: Place,
}

/// What was found so far. Reading goes on after a problem, so that one look shows them all.
#[derive(Debug, Default)]
pub struct Problems {
    /// What does not pass.
    pub errors: Vec<Problem>,
    /// What runs, with a doubt.
    pub warnings: Vec<Warning>,
}

impl Problems {
    /// Notes what does not pass.
    pub fn error(&mut self, place: &Place, what: impl Into<String>, cure: impl Into<String>) {
        self.errors.push(Problem { place: place.clone(), what: what.into(), cure: cure.into() });
    }

    /// Notes a doubt.
    pub fn warn(&mut self, place: &Place, what: impl Into<String>, cure: impl Into<String>) {
        let problem = Problem { place: place.clone(), what: what.into(), cure: cure.into() };
        self.warnings.push(Warning(problem));
    }
}
