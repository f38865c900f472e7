//! Ending early: every wait of the lab looks at one flag that SIGINT, SIGTERM and SIGHUP set.

use crate::LabError;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// How long a wait may overlook a signal.
const SLICE: Duration = Duration::from_millis(20);

/// The signal that came, or 0.
static STOPPED: OnceLock<Arc<AtomicUsize>> = OnceLock::new();

fn flag() -> &'static Arc<AtomicUsize> {
    STOPPED.get_or_init(Arc::default)
}

/// From now on SIGINT, SIGTERM and SIGHUP end the lab's waits instead of the process, so that destructors run.
///
/// # Errors
/// When the system refuses the handler.
pub fn on_signals() -> Result<(), LabError> {
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register_usize(signal, Arc::clone(flag()), signal as usize)
            .map_err(LabError::io("signal handler"))?;
    }
    Ok(())
}

/// Whether a signal came.
pub fn stopped() -> bool {
    signal().is_some()
}

/// The number of the signal that came last.
pub fn signal() -> Option<u8> {
    u8::try_from(flag().load(Ordering::Relaxed)).ok().filter(|signal| *signal > 0)
}

/// Sleeps.
///
/// # Errors
/// [`LabError::Interrupted`] as soon as a signal came.
pub fn pause(length: Duration) -> Result<(), LabError> {
    poll(length, || Ok(None::<()>)).map(|_| ())
}

/// Calls `ready` until it gives a value, for at most `limit`; `None` when it never did.
///
/// # Errors
/// [`LabError::Interrupted`] as soon as a signal came, or what `ready` returns.
pub fn poll<T>(
    limit: Duration,
    mut ready: impl FnMut() -> Result<Option<T>, LabError>,
) -> Result<Option<T>, LabError> {
    let end = Instant::now() + limit;
    loop {
        if stopped() {
            return Err(LabError::Interrupted);
        }
        if let Some(value) = ready()? {
            return Ok(Some(value));
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        std::thread::sleep(left.min(SLICE));
    }
}
