//! Frames on a clock: a process at the far end of memif links that sends at a pace, and sees what comes back.
//!
//! Everywhere else in the bench a source is polled, and so never loses anything. Here frames come whether they are
//! polled or not, and what finds the link's ring full is lost. The far end is this program run again ([`probe`]), with
//! DPDK of its own: it sends data on the provider's link ([`stream`]) at a [`pace`], joins and leaves as hosts of the
//! clients' links ([`hosts`]), and receives from those, all in one thread, so that what it writes into a frame and what
//! it reads when the frame comes back are of one clock. [`far`] is the bench's hand on it, [`ours`] a Manifold between
//! those links.
//!
//! On two cores one forwards, and the far end shares the other with the control thread: while that one works, the
//! far end is away. It tells for how long, sends no more at once afterwards than a quarter of what the link holds, and
//! skips what is older: that was not offered.

pub(crate) mod far;
mod hosts;
pub(crate) mod ours;
mod pace;
pub(crate) mod probe;
mod stream;

use std::path::PathBuf;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::percentiles::histogram;

/// Frames that the provider's link holds, as a power of two: memif's own default, and a worker's receive ring.
const LOG2_SOURCE_RING: u32 = 10;
/// The same in frames.
pub(crate) const SOURCE_RING: u32 = 1 << LOG2_SOURCE_RING;
/// Frames that a client's link holds, as a power of two: memif's most. While the far end is away nothing may be lost
/// there.
const LOG2_SINK_RING: u32 = 14;
/// Groups of the data, by turns; all of them for good.
pub(crate) const STREAMS: u32 = 16;
const FIRST_STREAM: u32 = 0xef04_0000; // 239.4.0.0

/// The links between the two processes: the provider's, and one for each sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Links {
    /// The socket by which the two ends find each other.
    pub(crate) socket: PathBuf,
    /// How many clients' links there are.
    pub(crate) sinks: usize,
}

impl Links {
    /// The device at the end that forwards; number 0 is the provider's.
    pub(crate) fn near(&self, number: usize) -> String {
        self.device(number, "server", "")
    }

    /// The device at the far end, which says how many frames a link holds.
    fn beyond(&self, number: usize) -> String {
        let log2 = if number == 0 { LOG2_SOURCE_RING } else { LOG2_SINK_RING };
        self.device(number, "client", &format!(",rsize={log2}"))
    }

    fn device(&self, number: usize, role: &str, more: &str) -> String {
        let socket = self.socket.display();
        format!("net_memif{number},role={role},id={number},socket={socket},socket-abstract=no{more}")
    }
}

/// What the far end is to do once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    /// Data frames a second.
    pub(crate) rate: u32,
    /// Before this, in milliseconds, delays are not looked at.
    pub(crate) warm_up_ms: u64,
    /// The end of the data, in milliseconds after that.
    pub(crate) length_ms: u64,
    /// Joins a second, all clients' links together, each left again soon: as many leaves.
    pub(crate) joins: u32,
}

/// What came of an [`Order`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// Data frames that were due, and that the far end was there to send.
    pub(crate) offered: u64,
    /// Of those, what the provider's link had no room for.
    pub(crate) refused: u64,
    /// Frames that were due while the far end was away too long.
    pub(crate) skipped: u64,
    /// By client's link.
    pub(crate) sinks: Vec<Arrivals>,
    /// Second by second, from the first frame on.
    pub(crate) seconds: Vec<Second>,
    /// Between the first and the last copy of a frame, where there are several sinks.
    pub(crate) skew: Recorded,
    /// Joins and leaves that the links took.
    pub(crate) joins: u64,
    /// Likewise.
    pub(crate) leaves: u64,
    /// Joins that were due, and as many leaves.
    pub(crate) due: u64,
    /// How much the far end was away.
    pub(crate) away: Away,
}

/// What came by one client's link.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Arrivals {
    /// Data frames.
    pub(crate) frames: u64,
    /// Of them, those that came after one that was sent later.
    pub(crate) late: u64,
    /// From just before a frame is sent to just after it is received, of frames sent after the warm-up.
    pub(crate) delays: Recorded,
}

/// One second of the data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Second {
    /// Frames offered.
    pub(crate) offered: u64,
    /// Copies of them that did not come.
    pub(crate) lost: u64,
}

/// Time that was taken from the far end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Away {
    /// The longest, in microseconds.
    pub(crate) longest_us: f64,
    /// Share of the time, counting what is longer than 20 microseconds.
    pub(crate) share: f64,
}

/// Delays in nanoseconds, each with how many there were, to three digits.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Recorded(Vec<(u64, u64)>);

impl Recorded {
    fn of(histogram: &Histogram<u64>) -> Self {
        Self(histogram.iter_recorded().map(|v| (v.value_iterated_to(), v.count_at_value())).collect())
    }

    /// The same as a histogram, or the sum of several.
    pub(crate) fn sum<'d>(all: impl IntoIterator<Item = &'d Self>) -> Histogram<u64> {
        let mut sum = histogram();
        for (delay, count) in all.into_iter().flat_map(|delays| &delays.0) {
            sum.saturating_record_n(*delay, *count);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_a_link_find_each_other() {
        let links = Links { socket: "/tmp/s".into(), sinks: 2 };
        assert_eq!(links.near(1), "net_memif1,role=server,id=1,socket=/tmp/s,socket-abstract=no");
        assert_eq!(links.beyond(1), "net_memif1,role=client,id=1,socket=/tmp/s,socket-abstract=no,rsize=14");
        assert!(links.beyond(0).ends_with("rsize=10"));
    }

    #[test]
    fn delays_survive_the_way_to_the_bench() {
        let mut histogram = histogram();
        for delay in [500, 1_000, 1_000, 90_000, u64::MAX] {
            histogram.saturating_record(delay);
        }
        let delays = Recorded::of(&histogram);
        let text = serde_json::to_string(&delays).unwrap();
        let back: Recorded = serde_json::from_str(&text).unwrap();
        let sum = Recorded::sum([&back, &back]);
        assert_eq!((sum.len(), sum.value_at_quantile(0.5)), (10, histogram.value_at_quantile(0.5)));
        assert!(sum.max() >= 10_000_000_000, "no delay is left out");
    }
}
