//! How many frames a second one port may send to the control thread.

use types::Time;

/// A token bucket; the caller brings the time.
#[derive(Debug, Clone)]
pub struct Policer {
    per_second: u64,
    depth_ns: u64,
    /// When the bucket was, or will be, exactly full, less what was taken: the virtual schedule of
    /// ITU-T I.371's continuous-state leaky bucket.
    earliest_ns: u64,
}

impl Policer {
    /// Lets `per_second` frames a second pass, and `burst` at once after a pause. Both at least 1.
    pub fn new(per_second: u32, burst: u32) -> Self {
        let per_second = u64::from(per_second.max(1));
        let depth_ns = u64::from(burst.max(1)) * 1_000_000_000 / per_second;
        Self { per_second, depth_ns, earliest_ns: 0 }
    }

    /// Whether one more frame may pass at `now`.
    #[inline]
    pub fn admit(&mut self, now: Time) -> bool {
        let now = now.as_nanos();
        let next = self.earliest_ns.max(now) + 1_000_000_000 / self.per_second;
        if next - now > self.depth_ns {
            return false;
        }
        self.earliest_ns = next;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn passes_the_burst_then_the_rate() {
        let mut p = Policer::new(1_000, 10);
        let t = Time::from_nanos(5_000_000_000);
        assert_eq!((0..100).filter(|_| p.admit(t)).count(), 10);
        let later = t + Duration::from_millis(5);
        assert_eq!((0..100).filter(|_| p.admit(later)).count(), 5);
        let much_later = t + Duration::from_secs(100);
        assert_eq!((0..100).filter(|_| p.admit(much_later)).count(), 10);
    }
}
