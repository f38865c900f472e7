//! `manifold replay --record`: what a running Manifold was told, told to an agent again.

use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::Path;

use control::{RecordError, Replayed, read_record};
use types::Time;

/// Why a record was not replayed to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RerunError {
    /// The record's fault.
    #[error("{0}; give a file that `path` in [record] had a Manifold of this version write")]
    Record(#[from] RecordError),
    /// Whoever was to read the actions.
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
}

/// Runs an agent through the record at `path`, and writes its actions to `out`, one a line: seconds since the
/// recorded process began, and what was done.
///
/// # Errors
/// The file is no record, or cannot be read to its end; the actions cannot be written.
pub(crate) fn replay_record(path: &Path, out: impl Write) -> Result<Replayed, RerunError> {
    let mut out = BufWriter::new(out);
    let mut written = Ok(());
    let tell = |at: Time, line: &str| {
        if written.is_ok() {
            let nanos = at.as_nanos();
            written = writeln!(out, "{}.{:09} {line}", nanos / 1_000_000_000, nanos % 1_000_000_000);
        }
    };
    let replayed = control::replay_record(read_record(path)?, tell)?;
    match written.and_then(|()| out.flush()) {
        // Whoever reads it may have gone, as `head` does.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(RerunError::Output(error)),
        Ok(()) | Err(_) => Ok(replayed),
    }
}
