//! C that is compiled when it is needed, against the installed DPDK: what the bench preloads, and a peer. And how long the
//! tools may take that this needs.

use std::io::{Read, Seek};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use lab::{LabError, Process};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::error::BenchError;

/// What to make of a source file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A shared library.
    Library,
    /// A program.
    Program,
}

/// Compiles `source` to `out` with the compiler that `CC` names, or `cc`.
///
/// # Errors
/// There is no compiler or no DPDK, or the source does not fit it; the compiler's own words are in the text.
pub(crate) fn compile(kind: Kind, source: &Path, out: &Path) -> Result<(), BenchError> {
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let mut command = Command::new(compiler);
    command.args(["-O3", "-std=gnu11", "-Wall"]);
    if kind == Kind::Library {
        command.args(["-shared", "-fPIC"]);
    }
    command.args(flags("--cflags")?).arg("-o").arg(out).arg(source);
    command.args(["-Wl,--as-needed"]).args(flags("--libs")?).args(["-lpthread", "-ldl"]);
    run(&mut command, "install Debian's packages gcc and libdpdk-dev")
}

fn flags(which: &str) -> Result<Vec<String>, BenchError> {
    let cure = "install Debian's packages pkg-config and libdpdk-dev";
    let output = Command::new("pkg-config").args([which, "libdpdk"]).output();
    match output.map_err(|e| BenchError::machine(format!("pkg-config: {e}"), cure))? {
        output if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).split_whitespace().map(str::to_owned).collect())
        }
        output => Err(BenchError::machine(String::from_utf8_lossy(&output.stderr).trim(), cure)),
    }
}

/// A process and what it started. Dropping it ends them all.
#[derive(Debug)]
pub(crate) struct Group(pub(crate) Process);

impl Drop for Group {
    fn drop(&mut self) {
        // Once cargo has ended, well or not, nothing of it is left, and its id may be another's.
        if let (Ok(None), Some(leader)) = (self.0.ended(), Pid::from_raw(self.0.id().cast_signed())) {
            // Fails only when they end just now; a destructor has nobody to tell.
            let _ = kill_process_group(leader, Signal::TERM);
        }
    }
}

/// A compiler, or a package of some megabytes, takes no longer.
const LONGEST_BUILD: Duration = Duration::from_secs(120);

/// Runs a command to its end, two minutes at most, and says what it said when that is a bad one.
///
/// # Errors
/// It cannot be started, fails or takes too long; the text ends with `cure`. Or a signal came.
pub(crate) fn run(command: &mut Command, cure: &str) -> Result<(), BenchError> {
    run_within(LONGEST_BUILD, command, cure)
}

fn run_within(limit: Duration, command: &mut Command, cure: &str) -> Result<(), BenchError> {
    let name = command.get_program().to_string_lossy().into_owned();
    let io = || BenchError::io(format!("what {name} says"));
    let mut said = tempfile::tempfile().map_err(io())?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said.try_clone().map_err(io())?);
    let started = Process::spawn(command, &name).map_err(|e| BenchError::machine(e, cure))?;
    let why = match Group(started).0.wait(limit) {
        Ok(status) if status.success() => return Ok(()),
        Ok(_) => "failed".to_owned(),
        Err(LabError::Timeout { .. }) => format!("took longer than {limit:?}"),
        Err(other) => return Err(other.into()),
    };
    let mut text = String::new();
    said.rewind().map_err(io())?;
    said.read_to_string(&mut text).map_err(io())?;
    Err(BenchError::machine(format!("{name} {why}: {}", text.trim()), cure))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_tells_why_and_what_to_do() {
        let error = run(Command::new("sh").args(["-c", "echo broken >&2; exit 1"]), "mend it").unwrap_err();
        assert_eq!(error.to_string(), "sh failed: broken; mend it");
        assert!(
            run(&mut Command::new("/nonexistent/cc"), "mend it")
                .unwrap_err()
                .to_string()
                .ends_with("; mend it")
        );
        assert!(run(&mut Command::new("true"), "").is_ok());
    }

    #[test]
    fn what_hangs_is_ended() {
        let mut hangs = Command::new("sh");
        hangs.args(["-c", "echo waiting >&2; sleep 600 & wait"]);
        let error = run_within(Duration::from_millis(200), &mut hangs, "mend it").unwrap_err();
        assert_eq!(error.to_string(), "sh took longer than 200ms: waiting; mend it");
    }
}
