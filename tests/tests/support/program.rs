//! The binaries under test.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The user that owns nothing, and its group.
const NOBODY: &str = "65534";

/// A binary of ours: what `variable` names, else the one built beside this test, else the release one.
///
/// # Panics
/// When there is none: a test that passes over what it should test says nothing.
pub(crate) fn binary(name: &str, variable: &str) -> PathBuf {
    if let Some(path) = std::env::var_os(variable).map(PathBuf::from) {
        assert!(path.is_file(), "{variable} names {}, which is no file", path.display());
        return path;
    }
    let exe = std::env::current_exe().expect("this test's own path");
    // `target/<profile>/deps/<test>`.
    let above: Vec<_> = exe.ancestors().skip(1).take(3).collect();
    let beside = above.iter().take(2).map(|folder| folder.join(name));
    let release = above.iter().skip(1).map(|folder| folder.join("release").join(name));
    let places: Vec<_> = beside.chain(release).collect();
    let found = places.iter().find(|path| path.is_file()).cloned();
    found.unwrap_or_else(|| {
        panic!("no `{name}` in any of {places:?}; `make build` makes it, or set {variable}")
    })
}

/// The path of `manifold`.
pub(crate) fn manifold_path() -> PathBuf {
    binary("manifold", "MANIFOLD_BIN")
}

/// `manifold`, with DPDK's files in `folder` and an environment that says nothing else.
pub(crate) fn manifold(folder: &Path) -> Command {
    with_environment(Command::new(manifold_path()), folder)
}

/// `manifold` as a user without any privilege. The binary is copied into `folder`, as the place where
/// it was built may be closed to others.
pub(crate) fn manifold_as_nobody(folder: &Path) -> Command {
    let copy = folder.join("manifold");
    fs::copy(manifold_path(), &copy).expect("a copy of manifold");
    for (path, mode) in [(&copy, 0o755), (&folder.to_owned(), 0o777)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a folder open to all");
    }
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}"), "--clear-groups"]);
    command.args(["--inh-caps=-all", "--bounding-set=-all", "--no-new-privs", "--"]).arg(copy);
    with_environment(command, folder)
}

fn with_environment(mut command: Command, folder: &Path) -> Command {
    command.env("RUNTIME_DIRECTORY", folder).env_remove("MANIFOLD_LOG").env_remove("NO_COLOR");
    command
}
