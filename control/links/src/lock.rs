//! One running Manifold per instance name.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// Another start that undoes a crash holds a lock for a moment; this often, and this long between.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(20);

/// Why the instance can't run.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The name can't be part of a file's and an nft table's name.
    #[error(
        "`{0}` can't name an instance: use 1 to 32 letters, digits, `-` and `_`, beginning with a letter or digit"
    )]
    Name(String),
    /// The instance runs already.
    #[error("instance `{instance}` is running already{}; stop it, or start this one under another name", pid_text(.pid))]
    AlreadyRunning {
        /// The instance's name.
        instance: String,
        /// Its process, if the lock file tells.
        pid: Option<u32>,
    },
    /// The run directory or the lock file can't be used.
    #[error("cannot use `{}`: {source}; run as root, or set another run directory", path.display())]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn pid_text(pid: &Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" as process {pid}"))
}

/// Held while an instance runs; the kernel lets go of it however the process ends.
#[derive(Debug)]
pub struct InstanceLock {
    run_dir: PathBuf,
    instance: String,
    _file: File,
}

impl InstanceLock {
    /// Takes the lock `<run_dir>/<instance>.lock`, and makes `run_dir` (mode 0755) if it isn't there.
    ///
    /// # Errors
    /// [`LockError::AlreadyRunning`] with the process that has it.
    pub fn acquire(run_dir: &Path, instance: &str) -> Result<Self, LockError> {
        if !is_instance_name(instance) {
            return Err(LockError::Name(instance.to_owned()));
        }
        make_dir(run_dir).map_err(|source| LockError::Io { path: run_dir.to_owned(), source })?;
        for _ in 1..TRIES {
            match Self::try_acquire(run_dir, instance, true) {
                Err(LockError::AlreadyRunning { .. }) => thread::sleep(PAUSE),
                decided => return decided,
            }
        }
        Self::try_acquire(run_dir, instance, true)
    }

    /// Takes the lock of an instance that isn't running, to clean up behind it. The file goes on naming the process
    /// that had it.
    pub(crate) fn acquire_dead(run_dir: &Path, instance: &str) -> Result<Self, LockError> {
        Self::try_acquire(run_dir, instance, false)
    }

    fn try_acquire(run_dir: &Path, instance: &str, sign: bool) -> Result<Self, LockError> {
        let path = run_dir.join(format!("{instance}.lock"));
        let failed = |source| LockError::Io { path: path.clone(), source };
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // A file that can't be read names no process; the lock is held all the same.
                let _ = file.read_to_string(&mut text);
                let pid = text.trim().parse().ok();
                return Err(LockError::AlreadyRunning { instance: instance.to_owned(), pid });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        if sign {
            sign_with_pid(&mut file).map_err(failed)?;
        }
        Ok(Self { run_dir: run_dir.to_owned(), instance: instance.to_owned(), _file: file })
    }

    /// The run directory.
    pub fn run_dir(&self) -> &Path {
        &self.run_dir
    }

    /// The instance's name.
    pub fn instance(&self) -> &str {
        &self.instance
    }
}

fn sign_with_pid(file: &mut File) -> io::Result<()> {
    file.rewind()?;
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())
}

fn make_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o755).create(dir)?;
    // Whatever the umask: the page and the terminal of other users look for the socket in here.
    fs::set_permissions(dir, Permissions::from_mode(0o755))
}

/// Whether the text can be part of a file's name and of an nft table's.
pub(crate) fn is_instance_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    name.len() <= 32
        && name.bytes().all(allowed)
        && name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_runs_once_and_another_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let run_dir = dir.path().join("a/manifold");
        let lock = InstanceLock::acquire(&run_dir, "main").unwrap();
        assert_eq!(fs::metadata(&run_dir).unwrap().permissions().mode() & 0o777, 0o755);
        let error = InstanceLock::acquire(&run_dir, "main").unwrap_err();
        let expected = Some(std::process::id());
        assert!(matches!(&error, LockError::AlreadyRunning { pid, .. } if *pid == expected), "{error}");
        InstanceLock::acquire(&run_dir, "second").unwrap();
        drop(lock);
        InstanceLock::acquire(&run_dir, "main").unwrap();
    }

    #[test]
    fn a_start_outwaits_one_that_cleans_up_behind_a_crash() {
        let dir = tempfile::tempdir().unwrap();
        let cleaner = InstanceLock::acquire_dead(dir.path(), "main").unwrap();
        let start = thread::spawn({
            let run_dir = dir.path().to_owned();
            move || InstanceLock::acquire(&run_dir, "main").map(drop)
        });
        drop(cleaner);
        start.join().unwrap().unwrap();
    }

    #[test]
    fn names_that_are_paths_or_rules_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["", "..", "a/b", ".hidden", "-f", "a b", "a;b", "ü", &"a".repeat(33)] {
            assert!(matches!(InstanceLock::acquire(dir.path(), name), Err(LockError::Name(_))), "{name}");
        }
    }

    #[test]
    fn a_run_dir_that_cannot_be_made_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let error = InstanceLock::acquire(&file.join("run"), "main").unwrap_err();
        assert!(error.to_string().contains("file/run"), "{error}");
    }
}
