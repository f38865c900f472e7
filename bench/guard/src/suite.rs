//! Pieces with their baseline, and what a program says of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::count::{count, take_turns};
use crate::{Baseline, Change, DIFFERENCE_TOLERANCE, Difference, NAME_WIDTH, TOLERANCE, Work};

/// Pieces that are counted together.
pub struct Suite {
    /// The program's name.
    pub program: &'static str,
    /// All of them.
    pub pieces: Vec<Work>,
    /// Which of them are looked at beside each other.
    pub differences: &'static [Difference],
    /// The file of the tree that has their baseline.
    pub baseline: &'static Path,
    /// Turns of a piece's first run; the second has twice as many.
    pub turns: u64,
    /// `RUNTIME_DIRECTORY` of the runs, for pieces that want one.
    pub runtime: Option<PathBuf>,
}

impl Suite {
    /// Does what the command line says; the exit status is 1 when the baseline does not hold, 2 when nothing can be said.
    pub fn main(&self) -> ExitCode {
        let args: Vec<String> = std::env::args().skip(1).collect();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let done = match args[..] {
            [] => self.compare(),
            ["--accept"] => self.accept(),
            ["--turns", turns, name] => self.turn(turns, name),
            _ => Err("[--accept | --turns N NAME]".to_owned()),
        };
        done.unwrap_or_else(|problem| {
            eprintln!("{}: {problem}", self.program);
            ExitCode::from(2)
        })
    }

    /// Takes turns of one piece: what runs under valgrind.
    fn turn(&self, turns: &str, name: &str) -> Result<ExitCode, String> {
        let turns = turns.parse().map_err(|_| format!("{turns} is no number of turns"))?;
        let work = self.pieces.iter().find(|work| work.name == name);
        let work = work.ok_or_else(|| format!("there is no piece {name:?}; there are {:?}", self.names()))?;
        take_turns(work, turns);
        Ok(ExitCode::SUCCESS)
    }

    fn names(&self) -> Vec<&'static str> {
        self.pieces.iter().map(|work| work.name).collect()
    }

    /// Counts each piece, and gives `each` its name and instructions.
    fn count(&self, mut each: impl FnMut(&'static str, u64)) -> Result<(), String> {
        let program = std::env::current_exe().map_err(|e| format!("own program: {e}"))?;
        println!("{:<NAME_WIDTH$} {:>9}", "instructions of one turn", "now");
        for name in self.names() {
            let counted = count(&program, name, self.turns, self.runtime.as_deref());
            each(name, counted.map_err(|e| e.to_string())?);
        }
        Ok(())
    }

    /// Counts, and writes the baseline.
    fn accept(&self) -> Result<ExitCode, String> {
        let mut instructions = BTreeMap::new();
        self.count(|name, counted| {
            println!("{name:<NAME_WIDTH$} {counted:>9}");
            instructions.insert(name.to_owned(), counted);
        })?;
        Baseline { rustc: rustc(), avx2: avx2(), instructions }.write(self.baseline)?;
        println!("written to {}", shown(self.baseline));
        Ok(ExitCode::SUCCESS)
    }

    /// Counts, and compares with the baseline.
    fn compare(&self) -> Result<ExitCode, String> {
        let (baseline, path) = (Baseline::read(self.baseline)?, shown(self.baseline));
        baseline.of(&self.names()).map_err(|problem| format!("{path}: {problem}"))?;
        if baseline.avx2 != avx2() {
            let cure = "compare on a processor like that";
            return Err(format!("the baseline was taken with AVX2 on one side only: {cure}"));
        }
        let (was, mut is, mut failed) = (&baseline.instructions, BTreeMap::new(), Vec::new());
        let mut compare = |name: &str, was, is, tolerance| {
            let change = Change { name: name.to_owned(), was, is, tolerance };
            println!("{change}");
            failed.extend(Some(change).filter(Change::fails));
        };
        self.count(|name, counted| {
            // It has all of them.
            compare(name, was.get(name).copied().unwrap_or(0), counted, TOLERANCE);
            is.insert(name.to_owned(), counted);
        })?;
        println!("\nof these, {DIFFERENCE_TOLERANCE} % either way");
        for difference in self.differences {
            let of = |counts: &BTreeMap<String, u64>| difference.of(|name| counts.get(name).copied());
            // Less than nothing is no difference any more.
            compare(difference.name, of(was)?, of(&is).unwrap_or(0), DIFFERENCE_TOLERANCE);
        }
        Ok(told(&failed, &path, &baseline))
    }
}

/// Says what became dearer or cheaper means, if something did.
fn told(failed: &[Change], path: &str, baseline: &Baseline) -> ExitCode {
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    if failed.iter().all(Change::is_cheaper) {
        println!(
            "\ncheaper than {path} by more than it may be; take the new baseline, so that it stays so: \
             `make bench-guard-accept`"
        );
    } else {
        println!(
            "\n{path} does not hold: dearer or cheaper by more than it may be. Where that is meant, \
             `make bench-guard-accept` writes a new one; commit it with the reason"
        );
    }
    let now = rustc();
    if now != baseline.rustc {
        println!("the baseline is {}'s, this is {now}: the compiler may be what changed", baseline.rustc);
    }
    ExitCode::FAILURE
}

/// The compiler that is there, as it names itself.
fn rustc() -> String {
    let output = Command::new("rustc").arg("--version").output();
    output.map_or_else(|_| "unknown".to_owned(), |o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
}

fn avx2() -> bool {
    #[cfg(target_arch = "x86_64")]
    let has = std::arch::is_x86_feature_detected!("avx2");
    #[cfg(not(target_arch = "x86_64"))]
    let has = false;
    has
}

/// The path from here, where it is below.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}
