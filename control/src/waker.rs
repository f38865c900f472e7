//! Wakes the control thread, at the price of a system call only while it sleeps.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

#[derive(Debug)]
struct Shared {
    fd: OwnedFd,
    asleep: AtomicBool,
}

/// For whoever gives the control thread work: workers, the socket, the main thread.
#[derive(Debug, Clone)]
pub struct Waker(Arc<Shared>);

/// The control thread's end.
#[derive(Debug)]
pub struct Sleeper(Arc<Shared>);

/// A waker and the sleeper it wakes.
///
/// # Errors
/// The process has no descriptor left.
pub fn waker() -> io::Result<(Waker, Sleeper)> {
    let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let shared = Arc::new(Shared { fd, asleep: AtomicBool::new(false) });
    Ok((Waker(Arc::clone(&shared)), Sleeper(shared)))
}

impl Waker {
    /// Call after the work has been put where the sleeper looks for it.
    #[inline]
    pub fn wake(&self) {
        // Pairs with the fence in `sleep`: either we see it asleep, or it sees our work.
        fence(Ordering::SeqCst);
        if self.0.asleep.load(Ordering::Relaxed) {
            self.write();
        }
    }

    #[cold]
    fn write(&self) {
        // One writer is enough; the flag keeps a burst of wakers to one system call.
        if self.0.asleep.swap(false, Ordering::Relaxed) {
            let _ = rustix::io::write(&self.0.fd, &1u64.to_ne_bytes());
        }
    }
}

impl Sleeper {
    /// Sleeps until woken or for `timeout` (`None`: for good), unless `has_work` says there is some.
    pub fn sleep(&self, timeout: Option<Duration>, has_work: impl FnOnce() -> bool) {
        self.0.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if !has_work() {
            let timeout = timeout.map(|t| Timespec {
                tv_sec: i64::try_from(t.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(t.subsec_nanos()),
            });
            // A signal ends it early: the caller looks again and comes back.
            let _ = poll(&mut [PollFd::new(&self.0.fd, PollFlags::IN)], timeout.as_ref());
        }
        self.0.asleep.store(false, Ordering::Relaxed);
        let _ = rustix::io::read(&self.0.fd, &mut [0u8; 8]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    #[test]
    fn no_work_is_slept_over() {
        const ITEMS: u64 = 20_000;
        let (waker, sleeper) = waker().unwrap();
        let given = Arc::new(AtomicU64::new(0));
        let giver = {
            let given = Arc::clone(&given);
            std::thread::spawn(move || {
                for _ in 0..ITEMS {
                    given.fetch_add(1, Ordering::Release);
                    waker.wake();
                }
            })
        };
        let mut seen = 0;
        while seen < ITEMS {
            // Without a timeout: a lost wake-up would hang here.
            sleeper.sleep(None, || given.load(Ordering::Acquire) != seen);
            seen = given.load(Ordering::Acquire);
        }
        giver.join().unwrap();
    }
}
