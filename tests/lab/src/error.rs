//! What can go wrong in a lab, each with what would cure it where that is known.

use std::io;
use std::time::Duration;

/// Why the lab could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// Not run as root.
    #[error("network namespaces need root: run it as root or through sudo")]
    NotRoot,
    /// A program that the lab uses is not installed.
    #[error("`{0}` is not installed; dpdk-build/setup.sh installs what is needed")]
    MissingTool(String),
    /// A command ended with a failure.
    #[error("`{command}` failed ({status}): {stderr}")]
    Command {
        /// The command line.
        command: String,
        /// Its exit status.
        status: std::process::ExitStatus,
        /// What it wrote to standard error.
        stderr: String,
    },
    /// A system call or a file operation failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// The system's reason.
        source: io::Error,
    },
    /// Something awaited did not happen.
    #[error("{what}: not within {:.1} s", waited.as_secs_f64())]
    Timeout {
        /// What was awaited.
        what: String,
        /// For how long.
        waited: Duration,
    },
    /// A process of the lab ended that should still run.
    #[error("{what} ended: {how}")]
    Ended {
        /// Which process.
        what: String,
        /// Its exit status and the end of its log.
        how: String,
    },
    /// A helper or a tool wrote something that is not what was agreed.
    #[error("{what} wrote something unexpected: {text}")]
    Unexpected {
        /// Which program.
        what: String,
        /// What it wrote.
        text: String,
    },
    /// The binary of Manifold is nowhere to be found.
    #[error("no `manifold` binary in {0}; build it (cargo build --release -p dataplane) or set MANIFOLD_BIN")]
    NoManifold(String),
    /// SIGINT or SIGTERM came while waiting.
    #[error("interrupted")]
    Interrupted,
}

impl LabError {
    /// An [`LabError::Io`], for `map_err`.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
