//! Counts the instructions of every piece of work and holds them to the baseline.
//!
//! ```text
//! guard                    compares; status 1 when something became dearer or cheaper, 2 when it cannot
//! guard --accept           writes the baseline
//! guard --turns N NAME     takes turns of one piece: what runs under valgrind
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use guard::{
    Baseline, Change, DIFFERENCE_TOLERANCE, DIFFERENCES, NAME_WIDTH, TOLERANCE, all, count, take_turns,
};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        [] => compare(),
        ["--accept"] => accept(),
        ["--turns", turns, name] => turn(turns, name),
        _ => Err("guard [--accept | --turns N NAME]".to_owned()),
    };
    match done {
        Ok(status) => status,
        Err(problem) => {
            eprintln!("guard: {problem}");
            ExitCode::from(2)
        }
    }
}

fn turn(turns: &str, name: &str) -> Result<ExitCode, String> {
    let turns = turns.parse().map_err(|_| format!("{turns} is no number of turns"))?;
    let work = all().find(|work| work.name == name).ok_or_else(|| {
        let names: Vec<_> = all().map(|work| work.name).collect();
        format!("there is no piece {name:?}; there are {names:?}")
    })?;
    take_turns(&work, turns);
    Ok(ExitCode::SUCCESS)
}

fn own_program() -> Result<PathBuf, String> {
    std::env::current_exe().map_err(|e| format!("own program: {e}"))
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

fn head() {
    println!("{:<NAME_WIDTH$} {:>9}", "instructions of one turn", "now");
}

fn accept() -> Result<ExitCode, String> {
    let program = own_program()?;
    let mut instructions = BTreeMap::new();
    head();
    for work in all() {
        let counted = count(&program, work.name).map_err(|e| e.to_string())?;
        println!("{:<NAME_WIDTH$} {counted:>9}", work.name);
        instructions.insert(work.name.to_owned(), counted);
    }
    Baseline { rustc: rustc(), avx2: avx2(), instructions }.write(Baseline::path())?;
    println!("written to {}", shown(Baseline::path()));
    Ok(ExitCode::SUCCESS)
}

fn compare() -> Result<ExitCode, String> {
    let (baseline, path) = (Baseline::read(Baseline::path())?, shown(Baseline::path()));
    let pieces: Vec<_> = all().map(|work| work.name).collect();
    let before = baseline.of(&pieces).map_err(|problem| format!("{path}: {problem}"))?;
    if baseline.avx2 != avx2() {
        return Err(
            "the baseline was taken with AVX2 on one side only: compare on a processor like that".to_owned()
        );
    }
    let program = own_program()?;
    let (mut failed, mut now) = (Vec::new(), BTreeMap::new());
    let mut compare = |name: &str, was, is, tolerance| {
        let change = Change { name: name.to_owned(), was, is, tolerance };
        println!("{change}");
        failed.extend(Some(change).filter(Change::fails));
    };
    head();
    for (name, was) in pieces.into_iter().zip(before) {
        let is = count(&program, name).map_err(|e| e.to_string())?;
        compare(name, was, is, TOLERANCE);
        now.insert(name.to_owned(), is);
    }
    println!("\nof these, {DIFFERENCE_TOLERANCE} % either way");
    for difference in DIFFERENCES {
        let of = |counts: &BTreeMap<String, u64>| {
            let instructions = difference.instructions(|name| counts.get(name).copied());
            instructions
                .ok_or_else(|| format!("{:?} costs less than {:?}", difference.with, difference.without))
        };
        compare(difference.name, of(&baseline.instructions)?, of(&now)?, DIFFERENCE_TOLERANCE);
    }
    if failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
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
    Ok(ExitCode::FAILURE)
}

/// The path from here, where it is below.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}
