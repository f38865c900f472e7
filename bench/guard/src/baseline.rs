//! Counts that were accepted, in a file of the tree.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fmt, fs};

use serde::{Deserialize, Serialize};

/// What a piece may cost more or less than its baseline, in percent.
pub const TOLERANCE: f64 = 3.0;

/// What a [difference](crate::Difference) of two pieces may be more or less than that of their baselines, in percent.
pub const DIFFERENCE_TOLERANCE: f64 = 5.0;

/// Columns of the longest name of a piece.
pub const NAME_WIDTH: usize = 44;

const HEAD: &str =
    "# Instructions of one turn of each piece, by `make bench-guard-accept`; not for editing.\n";

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
    /// Instructions of its baseline.
    pub was: u64,
    /// Instructions now.
    pub is: u64,
    /// By how much it may be dearer or cheaper, in percent.
    pub tolerance: f64,
}

impl Change {
    /// Whether the baseline does not hold: the piece became dearer or cheaper by more than its tolerance.
    pub fn fails(&self) -> bool {
        self.percent().abs() > self.tolerance
    }

    /// Whether it became cheaper by more than its tolerance: accepted, or it could be lost again unseen.
    pub fn is_cheaper(&self) -> bool {
        self.percent() < -self.tolerance
    }

    /// How much more it is.
    fn percent(&self) -> f64 {
        let (was, is) = (self.was as f64, self.is as f64);
        (is - was) * 100.0 / was.max(1.0)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.is_cheaper() {
            "  CHEAPER"
        } else if self.fails() {
            "  DEARER"
        } else {
            ""
        };
        write!(f, "{:<NAME_WIDTH$} {:>9}  {:>+6.1} %{verdict}", self.name, self.is, self.percent())
    }
}

impl Baseline {
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

    /// The instructions of each of `pieces`, which are all it has.
    ///
    /// # Errors
    /// Which it lacks, which are pieces no more, and what to do.
    pub fn of(&self, pieces: &[&str]) -> Result<Vec<u64>, String> {
        let (known, was) = (&self.instructions, |name: &&str| self.instructions.get(*name).copied());
        let lacking: Vec<_> = pieces.iter().filter(|name| was(name).is_none()).collect();
        let gone: Vec<_> = known.keys().filter(|name| !pieces.contains(&name.as_str())).collect();
        let wrong = match (&lacking[..], &gone[..]) {
            ([], []) => return Ok(pieces.iter().filter_map(was).collect()),
            (_, []) => format!("lacks {lacking:?}"),
            ([], _) => format!("has {gone:?} and there is no such piece"),
            (_, _) => format!("lacks {lacking:?}, and has {gone:?} and there is no such piece"),
        };
        Err(format!("the baseline {wrong}; `make bench-guard-accept` writes a new one"))
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
        Change { name: "a".to_owned(), was, is, tolerance: TOLERANCE }
    }

    fn fails(was: u64, is: u64) -> bool {
        change(was, is).fails()
    }

    #[test]
    fn more_than_the_tolerance_either_way_fails_and_less_does_not() {
        assert!(!fails(1000, 1000));
        assert!(!fails(1000, 1030));
        assert!(fails(1000, 1031));
        assert!(!fails(1000, 970));
        assert!(fails(1000, 969), "what became cheaper could become dearer again unseen");
        assert!(fails(0, 1));
        assert!(change(1000, 969).is_cheaper() && !change(1000, 970).is_cheaper());
        assert!(change(1000, 2000).to_string().ends_with("2000  +100.0 %  DEARER"));
        assert!(change(1000, 500).to_string().ends_with("500   -50.0 %  CHEAPER"));
    }

    #[test]
    fn a_baseline_of_other_pieces_says_which_and_what_to_do() {
        let baseline = baseline(&[("old", 5), ("both", 6)]);
        assert_eq!(baseline.of(&["old", "both"]), Ok(vec![5, 6]));
        let said = |pieces: &[&str]| baseline.of(pieces).unwrap_err();
        let [lacks, has] = [r#"lacks ["new"]"#, r#"has ["old"] and there is no such piece"#];
        let cure = "`make bench-guard-accept` writes a new one";
        assert_eq!(said(&["old", "new", "both"]), format!("the baseline {lacks}; {cure}"));
        assert_eq!(said(&["both"]), format!("the baseline {has}; {cure}"));
        assert_eq!(said(&["new", "both"]), format!("the baseline {lacks}, and {has}; {cure}"));
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
