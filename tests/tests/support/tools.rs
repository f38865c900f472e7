//! Other people's tools.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A tool that `.ci` has a script for, which gets it where it is missing and tells its path.
///
/// # Panics
/// When it cannot be had.
pub(crate) fn tool(name: &str) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.ci").join(name);
    let output =
        Command::new(&script).output().unwrap_or_else(|error| panic!("{}: {error}", script.display()));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "no {name}: {told}");
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end())
}
