//! Peers from the distribution's packages. One that is not installed is taken out of its package: installing it would leave
//! a service running on the machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::BenchError;
use crate::machine;
use crate::native;

/// Where packages have programs for root, which not everybody's search path names.
const FOR_ROOT: &str = "usr/sbin";

/// The program `name` of `package`: the installed one, or the one of a package that apt downloads into `folder`.
///
/// # Errors
/// It is not installed, and apt cannot get it.
pub(crate) fn program(name: &str, package: &str, folder: &Path) -> Result<PathBuf, BenchError> {
    let cure = format!("install Debian's package {package}");
    for installed in [Path::new(name).to_owned(), Path::new("/").join(FOR_ROOT).join(name)] {
        if let Ok(found) = machine::find_program(&installed, &cure) {
            return Ok(found);
        }
    }
    machine::find_program(&unpack(package, folder)?.join(FOR_ROOT).join(name), &cure)
}

/// Downloads `package` into `folder` and unpacks it there; returns the root of what was in it.
///
/// # Errors
/// There is no apt, or it cannot get the package in time.
pub(crate) fn unpack(package: &str, folder: &Path) -> Result<PathBuf, BenchError> {
    let cure = format!("install Debian's package {package}");
    let mut apt = Command::new("apt-get");
    apt.args(["-q", "-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=20", "download", package]);
    native::run(apt.current_dir(folder), &cure)?;
    let listed = fs::read_dir(folder).map_err(BenchError::io(folder.display()))?;
    let (begins, root) = (format!("{package}_"), folder.join(package));
    let file = listed.flatten().map(|entry| entry.path()).find(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with(&begins) && name.ends_with(".deb")
    });
    let file = file.ok_or_else(|| BenchError::machine(format!("apt downloaded no {package}"), &cure))?;
    native::run(Command::new("dpkg-deb").arg("-x").arg(&file).arg(&root), &cure)?;
    Ok(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installed_program_is_taken_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        assert!(program("sh", "no-such-package", folder.path()).unwrap().is_file());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was downloaded");
    }

    #[test]
    fn what_no_package_has_names_the_cure() {
        let folder = tempfile::tempdir().unwrap();
        let error = program("no-such-program", "no-such-package", folder.path()).unwrap_err().to_string();
        assert!(error.contains("install Debian's package no-such-package"), "{error}");
    }
}
