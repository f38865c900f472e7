//! Why there are no figures.

use std::fmt::Display;
use std::io;

use lab::LabError;

/// What stopped the bench, each with what would cure it where that is known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// The machine, or what is installed on it, does not do.
    #[error("{what}; {cure}")]
    Machine {
        /// What is wrong.
        what: String,
        /// What would cure it.
        cure: String,
    },
    /// A side did not do what it was measured for.
    #[error("{side} did not deliver: {what}")]
    Delivery {
        /// Manifold or the peer.
        side: String,
        /// What its counters say.
        what: String,
    },
    /// A side ended early, or said what nobody understands; with the end of its log.
    #[error("{side}: {what}\n{log}")]
    Side {
        /// Manifold or the peer.
        side: String,
        /// What happened.
        what: String,
        /// The end of what it logged.
        log: String,
    },
    /// What it takes could not be made or found before, for this reason.
    #[error("{0}")]
    Missing(String),
    /// A file or a system call.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// The system's reason.
        source: io::Error,
    },
    /// A process, or an interruption.
    #[error(transparent)]
    Lab(#[from] LabError),
}

impl BenchError {
    /// A [`BenchError::Machine`].
    pub(crate) fn machine(what: impl Display, cure: impl Display) -> Self {
        Self::Machine { what: what.to_string(), cure: cure.to_string() }
    }

    /// A [`BenchError::Io`], for `map_err`.
    pub(crate) fn io<E: Into<io::Error>>(what: impl Display) -> impl FnOnce(E) -> Self {
        move |source| Self::Io { what: what.to_string(), source: source.into() }
    }

    /// A [`BenchError::Missing`]: who ours is to be compared with is not there, for this reason.
    pub(crate) fn no_peer(why: impl Display) -> Self {
        Self::Missing(format!("no peer: {why}"))
    }

    /// A [`BenchError::Delivery`].
    pub(crate) fn delivery(side: &str, what: impl Display) -> Self {
        Self::Delivery { side: side.to_owned(), what: what.to_string() }
    }
}
