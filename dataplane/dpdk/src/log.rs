//! DPDK's log, message by message, to where the program wants it.

use core::cell::Cell;
use core::ffi::c_char;
use core::marker::PhantomData;
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

thread_local! {
    /// What this thread logged while a [`HeldLog`] was there.
    static HELD: Cell<Option<Vec<(LogLevel, String)>>> = const { Cell::new(None) };
}

/// Holds back what the calling thread has DPDK log, from its making on: to be told, or forgotten where the same was told
/// before. One at a time.
#[derive(Debug)]
pub struct HeldLog {
    /// The thread's own.
    _not_send: PhantomData<*const ()>,
}

impl HeldLog {
    /// Begins to hold back.
    pub fn begin() -> Self {
        HELD.set(Some(Vec::new()));
        Self { _not_send: PhantomData }
    }

    /// Sends on what was held back.
    pub fn tell(self) {
        let sink = *SINK.read().unwrap_or_else(PoisonError::into_inner);
        HELD.take().into_iter().flatten().for_each(|(level, text)| sink(level, &text));
    }
}

impl Drop for HeldLog {
    fn drop(&mut self) {
        HELD.set(None);
    }
}

/// Whether the message is held back on this thread; the oldest are, of many.
fn hold(level: LogLevel, text: &str) -> bool {
    // A thread that ends has nothing held back.
    let held = HELD.try_with(|held| {
        let Some(mut lines) = held.take() else { return false };
        if lines.len() < RECORD_MAX {
            lines.push((level, text.to_owned()));
        }
        held.set(Some(lines));
        true
    });
    held.unwrap_or(false)
}

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
    if hold(level, text) {
        return;
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

    static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());

    /// As DPDK logs it.
    fn log(text: &str) {
        take_message(4, text.as_ptr().cast(), text.len());
    }

    #[test]
    fn what_a_thread_logs_is_held_back_until_it_is_told_or_forgotten() {
        set_log_sink(|_, text| SEEN.lock().unwrap().push(text.to_owned()));
        let seen = || core::mem::take(&mut *SEEN.lock().unwrap());
        let held = HeldLog::begin();
        log("first\n");
        log("second\n");
        std::thread::spawn(|| log("another thread's")).join().unwrap();
        assert_eq!(seen(), ["another thread's"]);
        held.tell();
        assert_eq!(seen(), ["first", "second"]);

        let held = HeldLog::begin();
        start_recording();
        (0..2 * RECORD_MAX).for_each(|_| log("the same again"));
        assert_eq!(finish_recording().len(), RECORD_MAX, "an error's text has it all the same");
        drop(held);
        log("afterwards");
        assert_eq!(seen(), ["afterwards"]);
        set_log_sink(to_stderr);
    }

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
