//! A line that tells how far a figure is: rewritten in a terminal, a line for each step elsewhere.

use std::fmt::Display;
use std::io::IsTerminal;

/// The line of one figure.
#[derive(Debug)]
pub(crate) struct Progress {
    name: String,
    terminal: bool,
}

impl Progress {
    /// For the figure of that name.
    pub(crate) fn new(name: impl Display) -> Self {
        Self { name: name.to_string(), terminal: std::io::stderr().is_terminal() }
    }

    /// Tells what is being done.
    pub(crate) fn say(&self, what: impl Display) {
        if self.terminal {
            eprint!("\r\x1b[K{}: {what}", self.name);
        } else {
            eprintln!("{}: {what}", self.name);
        }
    }

    /// Takes the line away.
    pub(crate) fn clear(&self) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
    }

    /// Leaves a line that tells how long it took, and why it failed if it did.
    pub(crate) fn end(&self, seconds: f64, failed: Option<&str>) {
        self.clear();
        let failed = failed.map(|why| format!(", failed: {why}")).unwrap_or_default();
        eprintln!("{}: {seconds:.1} s{failed}", self.name);
    }
}
