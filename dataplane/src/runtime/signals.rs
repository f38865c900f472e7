//! What wakes the main thread: signals, and clients that want something changed.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// SIGTERM and SIGINT end, SIGHUP has the settings read anew.
pub(crate) struct Signals {
    wake: UnixStream,
    write: UnixStream,
    end: Arc<AtomicBool>,
    hang_up: Arc<AtomicBool>,
}

impl Signals {
    /// From now on the signals do no more than to be noted here.
    ///
    /// # Errors
    /// The process has no descriptor left.
    pub(crate) fn install() -> io::Result<Self> {
        let (wake, write) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        // A full pipe wakes as well as another byte in it.
        write.set_nonblocking(true)?;
        let (end, hang_up) = (Arc::default(), Arc::default());
        for (signal, flag) in [(SIGTERM, &end), (SIGINT, &end), (SIGHUP, &hang_up)] {
            signal_hook::flag::register(signal, Arc::clone(flag))?;
            signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
        }
        Ok(Self { wake, write, end, hang_up })
    }

    /// Wakes the main thread, as a signal does, when a byte is written to it.
    ///
    /// # Errors
    /// The process has no descriptor left.
    pub(crate) fn waker(&self) -> io::Result<UnixStream> {
        self.write.try_clone()
    }

    /// Readable when there is something to look at.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// To be called after waking, before looking.
    pub(crate) fn clear(&self) {
        let _ = io::Read::read(&mut &self.wake, &mut [0; 64]);
    }

    /// Whether it is time to end.
    pub(crate) fn ends(&self) -> bool {
        self.end.load(Ordering::Relaxed)
    }

    /// Whether the settings are to be read anew; told once.
    pub(crate) fn take_hang_up(&self) -> bool {
        self.hang_up.swap(false, Ordering::Relaxed)
    }
}
