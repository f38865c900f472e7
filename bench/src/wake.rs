//! What a wake-up costs here without a proxy: one thread asks, another on the other core sleeps, is woken as the control
//! thread is, and answers; or polls as that does, and answers. A join cannot take effect sooner, and where two measurements of this differ, the machine is what
//! differs.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lab::stop;
use settings::Poll;

use crate::error::BenchError;
use crate::machine::{Cores, pin};
use crate::percentiles::Delays;

/// Told to the other thread, it ends.
const END: u64 = u64::MAX;
/// Looks at the clock while there is no answer: after so many an interruption is noticed.
const LOOKS: u32 = 1 << 24;

/// Tells that a thread has ended, however it did.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Delays of so many questions, `pause` after each answer; asked from the core that forwards.
///
/// # Errors
/// A thread or a core cannot be had, or a signal came.
pub(crate) fn measure(
    cores: Cores,
    poll: Poll,
    count: usize,
    mut pause: impl FnMut() -> Duration + Send,
) -> Result<Delays, BenchError> {
    let (waker, sleeper) = control::waker().map_err(BenchError::io("make an eventfd"))?;
    let sleeper = sleeper.polling(poll == Poll::Busy);
    let (asked, answered) = (&AtomicU64::new(0), &AtomicU64::new(0));
    let gone = &AtomicBool::new(false);
    std::thread::scope(|scope| {
        let other = scope.spawn(move || {
            let _ending = Ending(gone);
            let done = pin(cores.main);
            loop {
                let seen = answered.load(Ordering::Relaxed);
                sleeper.sleep(None, || asked.load(Ordering::Acquire) != seen);
                match asked.load(Ordering::Acquire) {
                    END => return done,
                    number => answered.store(number, Ordering::Release),
                }
            }
        });
        let asker = scope.spawn(move || {
            let ask = |number| {
                asked.store(number, Ordering::Release);
                waker.wake();
            };
            let mut measure = || {
                pin(cores.forward)?;
                let mut delays = Vec::with_capacity(count);
                for number in 1..=count as u64 {
                    let until = Instant::now() + pause();
                    while Instant::now() < until {
                        std::hint::spin_loop();
                    }
                    let began = Instant::now();
                    ask(number);
                    let mut looks = 0u32;
                    while answered.load(Ordering::Acquire) != number {
                        looks += 1;
                        if looks.is_multiple_of(LOOKS) && stop::stopped() {
                            return Err(lab::LabError::Interrupted.into());
                        }
                        if looks.is_multiple_of(LOOKS) && gone.load(Ordering::Acquire) {
                            return Err(BenchError::machine("nobody answers", "report it"));
                        }
                    }
                    delays.push(began.elapsed());
                }
                Ok(delays)
            };
            let delays: Result<_, BenchError> = measure();
            ask(END);
            delays
        });
        let panicked = || BenchError::machine("a thread panicked", "report it");
        let delays = asker.join().map_err(|_| panicked())??;
        other.join().map_err(|_| panicked())??;
        Delays::of_durations(delays).ok_or_else(|| BenchError::machine("nothing was measured", "report it"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_question_is_answered() {
        let cores = Cores::pick().unwrap();
        for poll in [Poll::Adaptive, Poll::Busy] {
            let delays = measure(cores, poll, 50, || Duration::from_micros(50)).unwrap();
            assert_eq!(delays.len(), 50);
            assert!(delays.at(1.0) > 0.0);
        }
    }
}
