//! Wakes the control thread, at the price of a system call only while it sleeps, and not again for every frame of a
//! stream: who has just worked naps first, and whoever brings work meanwhile pays nothing. Or it never sleeps, and looks
//! all the time for what there is to do: for a core of its own.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

#[derive(Debug)]
struct Shared {
    fd: OwnedFd,
    asleep: AtomicBool,
}

/// How long a nap lasts. The kernel adds its timer slack, 50 us, so that a stream of frames has the thread wake about
/// every 100 us, and a join in the midst of one waits no longer than that.
pub(crate) const NAP: Duration = Duration::from_micros(50);

/// A busy sleeper looks so often, then lets others have its core, if any want it: in time, some ten microseconds.
const LOOKS: u32 = 256;

/// What to do between two turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Go on at once.
    None,
    /// Pause, and wake by oneself: nobody is told of it.
    Nap(Duration),
    /// Sleep until woken, or for so long.
    Sleep(Option<Duration>),
}

impl Rest {
    /// After a turn that did some work, or none; `more`: and could not end it; `until_due`: to the next deadline.
    pub(crate) fn after(worked: bool, more: bool, until_due: Option<Duration>) -> Self {
        match (worked, more) {
            (_, true) => Self::None,
            (true, false) => Self::Nap(until_due.map_or(NAP, |due| due.min(NAP))),
            (false, false) => Self::Sleep(until_due),
        }
    }

    /// The same, but no sleep lasts longer than this.
    pub(crate) fn at_most(self, limit: Duration) -> Self {
        match self {
            Self::None | Self::Nap(_) => self,
            Self::Sleep(timeout) => Self::Sleep(Some(timeout.map_or(limit, |timeout| timeout.min(limit)))),
        }
    }
}

/// For whoever gives the control thread work: workers, the socket, the main thread.
#[derive(Debug, Clone)]
pub struct Waker(Arc<Shared>);

/// The control thread's end.
#[derive(Debug)]
pub struct Sleeper {
    shared: Arc<Shared>,
    busy: bool,
}

/// A waker and the sleeper it wakes.
///
/// # Errors
/// The process has no descriptor left.
pub fn waker() -> io::Result<(Waker, Sleeper)> {
    let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let shared = Arc::new(Shared { fd, asleep: AtomicBool::new(false) });
    Ok((Waker(Arc::clone(&shared)), Sleeper { shared, busy: false }))
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
    /// If `busy`, it polls instead of sleeping: nobody has to wake it.
    #[must_use]
    pub fn polling(self, busy: bool) -> Self {
        Self { busy, ..self }
    }

    /// Takes the rest that is due; `has_work` is looked at once wakers know of a sleep.
    pub(crate) fn rest(&self, rest: Rest, has_work: impl FnMut() -> bool) {
        match rest {
            Rest::None => {}
            Rest::Nap(_) if self.busy => {}
            Rest::Nap(pause) => std::thread::sleep(pause),
            Rest::Sleep(timeout) => self.sleep(timeout, has_work),
        }
    }

    /// Sleeps until woken or for `timeout` (`None`: for good), unless `has_work` says there is some. A busy one only
    /// looks whether there is.
    pub fn sleep(&self, timeout: Option<Duration>, mut has_work: impl FnMut() -> bool) {
        if self.busy {
            return poll_for(timeout, has_work);
        }
        let Self { shared, .. } = self;
        shared.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if !has_work() {
            let timeout = timeout.map(|t| Timespec {
                tv_sec: i64::try_from(t.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(t.subsec_nanos()),
            });
            // A signal ends it early: the caller looks again and comes back.
            let _ = poll(&mut [PollFd::new(&shared.fd, PollFlags::IN)], timeout.as_ref());
        }
        shared.asleep.store(false, Ordering::Relaxed);
        let _ = rustix::io::read(&shared.fd, &mut [0u8; 8]);
    }
}

fn poll_for(timeout: Option<Duration>, mut has_work: impl FnMut() -> bool) {
    // What is beyond the clock's end never comes.
    let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let mut looks = 0u32;
    while !has_work() && until.is_none_or(|until| Instant::now() < until) {
        looks = looks.wrapping_add(1);
        if looks.is_multiple_of(LOOKS) {
            std::thread::yield_now();
        } else {
            std::hint::spin_loop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    #[test]
    fn whoever_worked_naps_before_it_sleeps_and_nobody_is_late_for_a_deadline() {
        let (short, long) = (Duration::from_micros(7), Duration::from_secs(9));
        for (worked, more, until_due, rest) in [
            (true, true, Some(long), Rest::None),
            (false, true, None, Rest::None),
            (true, false, None, Rest::Nap(NAP)),
            (true, false, Some(long), Rest::Nap(NAP)),
            (true, false, Some(short), Rest::Nap(short)),
            (true, false, Some(Duration::ZERO), Rest::Nap(Duration::ZERO)),
            (false, false, Some(short), Rest::Sleep(Some(short))),
            (false, false, None, Rest::Sleep(None)),
        ] {
            assert_eq!(Rest::after(worked, more, until_due), rest, "{worked} {more} {until_due:?}");
        }
    }

    #[test]
    fn a_sleep_is_cut_short_and_what_is_shorter_stays() {
        let (short, long) = (Duration::from_micros(7), Duration::from_secs(9));
        for (rest, cut) in [
            (Rest::None, Rest::None),
            (Rest::Nap(NAP), Rest::Nap(NAP)),
            (Rest::Sleep(None), Rest::Sleep(Some(short))),
            (Rest::Sleep(Some(long)), Rest::Sleep(Some(short))),
            (Rest::Sleep(Some(Duration::ZERO)), Rest::Sleep(Some(Duration::ZERO))),
        ] {
            assert_eq!(rest.at_most(short), cut, "{rest:?}");
        }
    }

    fn is_signalled(sleeper: &Sleeper) -> bool {
        rustix::io::read(&sleeper.shared.fd, &mut [0u8; 8]).is_ok()
    }

    /// Plays a stream of frames in virtual time, one every `gap`; how often a waker had to write.
    fn writes(frames: u32, gap: Duration) -> u32 {
        let (waker, sleeper) = waker().unwrap();
        let signalled = || is_signalled(&sleeper);
        let (mut now, mut waiting, mut writes) = (Duration::ZERO, 0, 0);
        // The thread looks next at that time; it sleeps for good where there is none.
        let mut next = None;
        sleeper.shared.asleep.store(true, Ordering::Relaxed);
        for n in 0..frames {
            let arrival = gap * n;
            while let Some(at) = next.filter(|at| *at <= arrival) {
                now = at;
                next = match Rest::after(std::mem::take(&mut waiting) > 0, false, None) {
                    Rest::None => Some(now),
                    Rest::Nap(pause) => Some(now + pause),
                    Rest::Sleep(_) => {
                        sleeper.shared.asleep.store(true, Ordering::Relaxed);
                        None
                    }
                };
            }
            (now, waiting) = (now.max(arrival), waiting + 1);
            waker.wake();
            if signalled() {
                writes += 1;
                next = Some(now);
            }
        }
        writes
    }

    #[test]
    fn a_stream_wakes_once_and_frames_far_apart_each_wake_at_once() {
        assert_eq!(writes(100_000, Duration::from_micros(10)), 1);
        assert_eq!(writes(1_000, Duration::from_millis(1)), 1_000);
    }

    #[test]
    fn no_work_is_slept_over() {
        all_work_is_seen(false);
    }

    #[test]
    fn who_polls_sees_all_work_and_is_never_woken() {
        let sleeper = all_work_is_seen(true);
        assert!(!is_signalled(&sleeper), "nobody paid a system call");
        // Without work it comes back for its timers.
        sleeper.sleep(Some(Duration::from_micros(100)), || false);
        sleeper.rest(Rest::Nap(Duration::MAX), || false);
    }

    fn all_work_is_seen(busy: bool) -> Sleeper {
        const ITEMS: u64 = 20_000;
        let (waker, sleeper) = waker().unwrap();
        let sleeper = sleeper.polling(busy);
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
        sleeper
    }
}
