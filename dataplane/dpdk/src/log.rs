//! DPDK's log, message by message, to where the program wants it.

use core::ffi::c_char;
use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};

/// How grave a message of DPDK's log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Emergency to error.
    Error,
    /// Warning.
    Warning,
    /// Notice and information.
    Info,
    /// For debugging.
    Debug,
}

impl LogLevel {
    /// From DPDK's levels, 1 (emergency) to 8 (debug).
    const fn from_dpdk(level: u32) -> Self {
        match level {
            0..=4 => Self::Error,
            5 => Self::Warning,
            6 | 7 => Self::Info,
            _ => Self::Debug,
        }
    }
}

type Sink = fn(LogLevel, &str);

fn to_stderr(_: LogLevel, text: &str) {
    eprintln!("{text}");
}

static SINK: RwLock<Sink> = RwLock::new(to_stderr);

/// Messages of an initialisation or a probe, for the error's text.
static RECORDING: AtomicBool = AtomicBool::new(false);
static RECORD: Mutex<Vec<String>> = Mutex::new(Vec::new());
const RECORD_MAX: usize = 64;

/// Sends DPDK's log to `sink`, one message without its newline at a time. Until this is called they go to the
/// standard error stream. `sink` is called on whatever thread logs and must not call DPDK.
pub fn set_log_sink(sink: fn(LogLevel, &str)) {
    *SINK.write().unwrap_or_else(PoisonError::into_inner) = sink;
}

extern "C" fn take_message(level: u32, text: *const c_char, len: usize) {
    // SAFETY: the shim passes the `len` bytes that DPDK wrote to its stream; they live until this returns.
    let bytes = unsafe { core::slice::from_raw_parts(text.cast::<u8>(), len) };
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end();
    if text.is_empty() {
        return;
    }
    let level = LogLevel::from_dpdk(level);
    if level <= LogLevel::Warning && RECORDING.load(Ordering::Relaxed) {
        let mut record = RECORD.lock().unwrap_or_else(PoisonError::into_inner);
        if record.len() < RECORD_MAX {
            record.push(text.to_owned());
        }
    }
    let sink = *SINK.read().unwrap_or_else(PoisonError::into_inner);
    sink(level, text);
}

/// Routes DPDK's log here. Without memory for a stream, DPDK keeps its own way of logging.
pub(crate) fn route() {
    // SAFETY: `take_message` has the signature of `shim_log_sink` and lives as long as the program.
    let _ = unsafe { dpdk_sys::shim_log_to(Some(take_message)) };
}

/// Keeps errors and warnings until [`finish_recording`].
pub(crate) fn start_recording() {
    RECORDING.store(true, Ordering::Relaxed);
}

/// What was logged as errors and warnings since [`start_recording`], by whatever thread.
pub(crate) fn finish_recording() -> Vec<String> {
    RECORDING.store(false, Ordering::Relaxed);
    core::mem::take(&mut RECORD.lock().unwrap_or_else(PoisonError::into_inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_follow_dpdks_numbers() {
        for (dpdk, level) in [
            (1, LogLevel::Error),
            (4, LogLevel::Error),
            (5, LogLevel::Warning),
            (6, LogLevel::Info),
            (7, LogLevel::Info),
            (8, LogLevel::Debug),
        ] {
            assert_eq!(LogLevel::from_dpdk(dpdk), level, "{dpdk}");
        }
    }
}
