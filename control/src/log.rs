//! Structured logs on standard error, written by a thread of their own.
//!
//! Whoever logs never waits: what does not fit the queue is dropped, so a blocked journal cannot hold
//! the control thread.

use tracing_subscriber::EnvFilter;

use crate::lines::{Writer, write_lines};

/// Lines that wait at the most while the reader of the log is blocked.
const QUEUED_LINES: usize = 16_384;

/// The log while it is written. Lines still queued are written when it is dropped.
pub struct Log {
    set: Box<dyn Fn(EnvFilter) -> Result<(), String> + Send>,
    _writer: Writer,
}

impl Log {
    /// Logs at another level from now on, unless the environment's `MANIFOLD_LOG` says what is logged.
    ///
    /// # Errors
    /// The filter does not parse.
    pub fn set_level(&self, level: &str) -> Result<(), String> {
        match std::env::var("MANIFOLD_LOG") {
            Ok(_) => Ok(()),
            Err(_) => (self.set)(filter(level)?),
        }
    }
}

/// Starts logging at `level` ("error" to "trace", or a filter as of `tracing_subscriber::EnvFilter`);
/// the environment's `MANIFOLD_LOG` wins.
///
/// # Errors
/// The filter does not parse, the process logs already, or the system has no thread for it.
pub fn start_log(level: &str) -> Result<Log, String> {
    let directives = std::env::var("MANIFOLD_LOG").unwrap_or_else(|_| level.to_owned());
    let filter = filter(&directives)?;
    let (lines, writer) = write_lines(QUEUED_LINES, std::io::stderr()).map_err(|e| e.to_string())?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || lines.clone())
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_filter_reloading();
    let handle = log.reload_handle();
    log.try_init().map_err(|e| e.to_string())?;
    let set = Box::new(move |filter| handle.reload(filter).map_err(|e| e.to_string()));
    Ok(Log { set, _writer: writer })
}

fn filter(directives: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(directives).map_err(|e| {
        format!("log filter `{directives}` does not parse ({e}); use error, warn, info, debug or trace")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_filters_pass_and_what_is_neither_is_named() {
        for good in ["error", "warn", "info", "debug", "trace", "info,control=trace"] {
            assert!(filter(good).is_ok(), "{good}");
        }
        let error = filter("control=loud").unwrap_err();
        assert!(error.starts_with("log filter `control=loud` does not parse"), "{error}");
    }
}
