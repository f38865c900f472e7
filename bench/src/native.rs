//! C that is compiled when it is needed, against the installed DPDK: what the bench preloads, and a peer.

use std::path::Path;
use std::process::Command;

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

/// Runs a command to its end and says what it said when that is a bad one.
///
/// # Errors
/// It cannot be started, or fails; the text ends with `cure`.
pub(crate) fn run(command: &mut Command, cure: &str) -> Result<(), BenchError> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|e| BenchError::machine(format!("{name}: {e}"), cure))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(BenchError::machine(format!("{name} failed: {}", said.trim()), cure))
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
}
