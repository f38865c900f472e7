//! Counts that were accepted, in a file of the tree.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fmt, fs};

use serde::{Deserialize, Serialize};

/// What a piece may cost more than its baseline, in percent.
pub const TOLERANCE: f64 = 3.0;

const HEAD: &str = "# Instructions of one turn of each piece of bench/guard, by `make bench-guard-accept`; not for editing.\n";

/// Accepted counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// The compiler that they were taken with: another counts otherwise.
    pub rustc: String,
    /// Whether the processor had AVX2.
    pub avx2: bool,
    /// Instructions of one turn, by piece.
    pub instructions: BTreeMap<String, u64>,
}

/// How a count stands to its baseline.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The piece.
    pub name: String,
    /// Its baseline; `None` when that does not know it.
    pub was: Option<u64>,
    /// Its count; `None` when there is no such piece.
    pub is: Option<u64>,
}

impl Change {
    /// Whether the baseline does not hold: the piece became dearer by more than [`TOLERANCE`], or only one side has it.
    pub fn fails(&self) -> bool {
        self.percent().is_none_or(|more| more > TOLERANCE)
    }

    /// Whether it became cheaper by more than [`TOLERANCE`]: worth keeping, so worth accepting.
    pub fn is_cheaper(&self) -> bool {
        self.percent().is_some_and(|more| more < -TOLERANCE)
    }

    /// How much more it is.
    fn percent(&self) -> Option<f64> {
        let (was, is) = (self.was? as f64, self.is? as f64);
        Some((is - was) * 100.0 / was.max(1.0))
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<44} ", self.name)?;
        match (self.is, self.percent()) {
            (None, _) => write!(f, "GONE, and in the baseline"),
            (Some(is), None) => write!(f, "{is:>9}  NOT IN THE BASELINE"),
            (Some(is), Some(percent)) => {
                let verdict = if self.fails() {
                    "  DEARER"
                } else if self.is_cheaper() {
                    "  cheaper"
                } else {
                    ""
                };
                write!(f, "{is:>9}  {percent:>+6.1} %{verdict}")
            }
        }
    }
}

impl Baseline {
    /// The file in the tree that this was built from.
    pub fn path() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/baseline.toml"))
    }

    /// What the file says.
    ///
    /// # Errors
    /// There is none, or it is no baseline: what to do.
    pub fn read(path: &Path) -> Result<Self, String> {
        let cure = "`make bench-guard-accept` writes it";
        let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}; {cure}", path.display()))?;
        toml::from_str(&text).map_err(|e| format!("{}: {e}; {cure}", path.display()))
    }

    /// Writes it.
    ///
    /// # Errors
    /// The system's.
    pub fn write(&self, path: &Path) -> Result<(), String> {
        let text = toml::to_string(self).map_err(|e| e.to_string())?;
        fs::write(path, HEAD.to_owned() + &text).map_err(|e| format!("{}: {e}", path.display()))
    }

    /// How `counted` stands to it, piece by piece.
    pub fn compare(&self, counted: &[(String, u64)]) -> Vec<Change> {
        let known = |name: &str| self.instructions.get(name).copied();
        let change =
            |(name, is): &(String, u64)| Change { name: name.clone(), was: known(name), is: Some(*is) };
        let gone =
            self.instructions.iter().filter(|(name, _)| !counted.iter().any(|(piece, _)| piece == *name));
        let gone = gone.map(|(name, was)| Change { name: name.clone(), was: Some(*was), is: None });
        counted.iter().map(change).chain(gone).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline(pieces: &[(&str, u64)]) -> Baseline {
        let instructions = pieces.iter().map(|&(name, count)| (name.to_owned(), count)).collect();
        Baseline { rustc: "rustc 1.0.0".to_owned(), avx2: true, instructions }
    }

    fn change(was: u64, is: u64) -> Change {
        baseline(&[("a", was)]).compare(&[("a".to_owned(), is)]).remove(0)
    }

    fn fails(was: u64, is: u64) -> bool {
        change(was, is).fails()
    }

    #[test]
    fn more_than_the_tolerance_fails_and_less_does_not() {
        assert!(!fails(1000, 1000));
        assert!(!fails(1000, 1030));
        assert!(fails(1000, 1031));
        assert!(!fails(1000, 969), "cheaper is no failure");
        assert!(fails(0, 1));
        assert!(change(1000, 969).is_cheaper() && !change(1000, 970).is_cheaper());
        assert!(change(1000, 2000).to_string().ends_with("2000  +100.0 %  DEARER"));
    }

    #[test]
    fn what_only_one_side_has_fails() {
        let changes = baseline(&[("old", 5)]).compare(&[("new".to_owned(), 7)]);
        let change = |name: &str, was, is| Change { name: name.to_owned(), was, is };
        let expected = [change("new", None, Some(7)), change("old", Some(5), None)];
        assert_eq!(changes, expected);
        assert!(changes.iter().all(Change::fails));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("baseline.toml");
        let written = baseline(&[("a piece: of work", 1234), ("b", 5)]);
        written.write(&path).unwrap();
        assert_eq!(Baseline::read(&path).unwrap(), written);
        fs::write(&path, "rustc = 1").unwrap();
        assert!(Baseline::read(&path).unwrap_err().contains("make bench-guard-accept"));
    }
}
