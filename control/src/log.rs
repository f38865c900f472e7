//! Structured logs on standard error, written by a thread of their own.
//!
//! Whoever logs never waits: what does not fit the queue is dropped, so a blocked journal cannot hold
//! the control thread.

use std::io::Write;

use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

/// Lines that wait at the most while the reader of the log is blocked.
const QUEUED_LINES: usize = 16_384;

/// The log while it is written. Lines still queued are written when it is dropped.
pub struct Log {
    set: Box<dyn Fn(EnvFilter) -> Result<(), String> + Send>,
    _writer: WorkerGuard,
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
/// The filter does not parse, or the process logs already.
pub fn start_log(level: &str) -> Result<Log, String> {
    let directives = std::env::var("MANIFOLD_LOG").unwrap_or_else(|_| level.to_owned());
    let filter = filter(&directives)?;
    let (writer, guard) = lossy(std::io::stderr());
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_filter_reloading();
    let handle = log.reload_handle();
    log.try_init().map_err(|e| e.to_string())?;
    let set = Box::new(move |filter| handle.reload(filter).map_err(|e| e.to_string()));
    Ok(Log { set, _writer: guard })
}

/// A way to `out` that nobody waits for.
fn lossy(out: impl Write + Send + 'static) -> (NonBlocking, WorkerGuard) {
    NonBlockingBuilder::default().lossy(true).buffered_lines_limit(QUEUED_LINES).finish(out)
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

    #[test]
    fn f43_whoever_logs_into_a_blocked_journal_goes_on() {
        // Nobody reads: the pipe fills, then the queue.
        let (journal, out) = std::io::pipe().unwrap();
        let (mut log, guard) = lossy(out);
        let lines = 4 * QUEUED_LINES;
        for _ in 0..lines {
            log.write_all(
                b"239.2.2.2 joined by 10.1.0.9 (IGMPv2), as it is told a thousand times a second\n",
            )
            .unwrap();
        }
        let lost = log.error_counter().dropped_lines();
        assert!((QUEUED_LINES..lines).contains(&lost), "{lost} of {lines} lines lost");
        drop(journal);
        drop(guard);
    }
}
