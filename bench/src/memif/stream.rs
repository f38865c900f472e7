//! Data frames that carry their number and when they were sent, and what becomes of them.

use types::GroupAddr;

use super::{Answer, Arrivals, FIRST_STREAM, Recorded, STREAMS, Second};
use crate::percentiles::histogram;
use crate::source;

/// Where the UDP checksum is, which is left out: IPv4 allows it.
const CHECKSUM: std::ops::Range<usize> = 40..42;
/// Where the number is, and the time.
const NUMBER: std::ops::Range<usize> = 42..50;
const TIME: std::ops::Range<usize> = 50..58;
/// Where the UDP destination port is, and which one means data.
const PORT: std::ops::Range<usize> = 36..38;
const DATA: [u8; 2] = 5000u16.to_be_bytes();

/// Frames to send: one of each group.
#[derive(Debug)]
pub(super) struct Frames(Vec<Vec<u8>>);

impl Frames {
    pub(super) fn new() -> Self {
        let groups = (FIRST_STREAM..FIRST_STREAM + STREAMS).filter_map(GroupAddr::from_bits);
        let frame = |group: GroupAddr| {
            let mut bytes = source::frame(group.addr(), 0, source::SHORTEST);
            bytes[CHECKSUM].fill(0);
            bytes
        };
        Self(groups.map(frame).collect())
    }

    /// The frame of that number, before [`stamp`].
    #[inline]
    pub(super) fn of(&self, number: u64) -> &[u8] {
        &self.0[number as usize % self.0.len()]
    }
}

/// Writes its number into a frame, and when it is sent.
#[inline]
pub(super) fn stamp(frame: &mut [u8], number: u64, now: u64) {
    frame[NUMBER].copy_from_slice(&number.to_le_bytes());
    frame[TIME].copy_from_slice(&now.to_le_bytes());
}

/// The number of a data frame and when it was sent; `None` of any other frame.
#[inline]
pub(super) fn read(frame: &[u8]) -> Option<(u64, u64)> {
    if frame.get(PORT)? != DATA {
        return None;
    }
    let word = |at| Some(u64::from_le_bytes(frame.get::<std::ops::Range<usize>>(at)?.try_into().ok()?));
    Some((word(NUMBER)?, word(TIME)?))
}

/// The times of one run, by the time stamp counter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) begin: u64,
    /// Delays of frames sent from here on count.
    pub(super) warm: u64,
    pub(super) hz: u64,
}

impl Times {
    fn nanoseconds(&self, cycles: u64) -> u64 {
        (cycles as f64 * 1e9 / self.hz as f64) as u64
    }

    fn second(&self, at: u64) -> usize {
        (at.saturating_sub(self.begin) / self.hz) as usize
    }
}

/// What came by one link.
#[derive(Debug)]
struct Sink {
    frames: u64,
    late: u64,
    /// The number after the greatest that came.
    next: u64,
    delays: hdrhistogram::Histogram<u64>,
}

/// Frames whose copies are awaited at a time, a power of two: more than all links hold.
const AWAITED: usize = 1 << 16;

/// A frame's first copy, and how many came.
#[derive(Debug, Clone, Copy, Default)]
struct Copies {
    number: u64,
    first: u64,
    count: usize,
}

/// The account of one run.
#[derive(Debug)]
pub(super) struct Account {
    times: Times,
    sinks: Vec<Sink>,
    seconds: Vec<Second>,
    awaited: Vec<Copies>,
    skew: hdrhistogram::Histogram<u64>,
}

impl Account {
    /// For so many sinks.
    pub(super) fn new(sinks: usize, times: Times) -> Self {
        let sink = |_| Sink { frames: 0, late: 0, next: 0, delays: histogram() };
        Self {
            times,
            sinks: (0..sinks).map(sink).collect(),
            seconds: Vec::new(),
            // None has this number.
            awaited: vec![Copies { number: u64::MAX, ..Copies::default() }; AWAITED],
            skew: histogram(),
        }
    }

    fn second(&mut self, at: u64) -> &mut Second {
        let number = self.times.second(at);
        if self.seconds.len() <= number {
            self.seconds.resize(number + 1, Second::default());
        }
        &mut self.seconds[number]
    }

    /// So many frames were offered.
    #[inline]
    pub(super) fn offered(&mut self, count: u64, at: u64) {
        self.second(at).offered += count;
    }

    /// A data frame came by the link of `sink`.
    #[inline]
    pub(super) fn arrived(&mut self, sink: usize, number: u64, sent: u64, now: u64) {
        let warm = sent >= self.times.warm;
        let delay = self.times.nanoseconds(now.saturating_sub(sent));
        let of = &mut self.sinks[sink];
        of.frames += 1;
        if warm {
            of.delays.saturating_record(delay);
        }
        let next = of.next;
        of.next = next.max(number + 1);
        if number < next {
            // It counted as lost when a later one came.
            of.late += 1;
            let lost = &mut self.second(sent).lost;
            *lost = lost.saturating_sub(1);
        } else if number > next {
            self.second(sent).lost += number - next;
        }
        if warm && self.sinks.len() > 1 {
            self.match_copies(number, now);
        }
    }

    /// Times between a frame's copies.
    #[inline]
    fn match_copies(&mut self, number: u64, now: u64) {
        let all = self.sinks.len();
        let copies = &mut self.awaited[number as usize % AWAITED];
        if copies.number != number {
            *copies = Copies { number, first: now, count: 0 };
        }
        copies.count += 1;
        if copies.count == all {
            let skew = self.times.nanoseconds(now.saturating_sub(copies.first));
            self.skew.saturating_record(skew.max(1));
        }
    }

    /// The whole account of `offered` frames, once nothing more comes: what came after the last one that did is lost, too.
    pub(super) fn close(mut self, offered: u64) -> Answer {
        let missing: u64 = self.sinks.iter().map(|sink| offered - sink.next.min(offered)).sum();
        if let Some(last) = self.seconds.iter_mut().rfind(|second| second.offered > 0) {
            last.lost += missing;
        }
        let arrivals = |sink: &Sink| Arrivals {
            frames: sink.frames,
            late: sink.late,
            delays: Recorded::of(&sink.delays),
        };
        Answer {
            offered,
            sinks: self.sinks.iter().map(arrivals).collect(),
            seconds: self.seconds,
            skew: Recorded::of(&self.skew),
            ..Answer::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: Times = Times { begin: 1_000, warm: 1_000, hz: 1_000_000 };

    #[test]
    fn a_frame_carries_its_number_and_time() {
        let frames = Frames::new();
        let mut frame = frames.of(17).to_vec();
        assert_eq!((frame.len(), &frame[30..34]), (60, &[239, 4, 0, 1][..]));
        stamp(&mut frame, 17, u64::MAX - 1);
        assert_eq!(read(&frame), Some((17, u64::MAX - 1)));
        frame[37] ^= 1;
        assert_eq!(read(&frame), None);
        assert_eq!(read(&frame[..20]), None);
    }

    #[test]
    fn lost_copies_are_of_the_second_in_which_they_were_sent() {
        let mut account = Account::new(2, TIMES);
        account.offered(3, 1_000);
        account.offered(3, 1_002_000);
        for number in [0, 2] {
            account.arrived(0, number, 1_500, 1_600);
        }
        account.arrived(0, 5, 1_002_500, 1_002_600);
        for number in 0..4 {
            account.arrived(1, number, if number < 3 { 1_500 } else { 1_002_500 }, 1_002_600);
        }
        let answer = account.close(6);
        assert_eq!(
            answer.seconds,
            // Number 1; then 3 and 4 at the first sink, 4 and 5 at the second.
            [Second { offered: 3, lost: 1 }, Second { offered: 3, lost: 4 }]
        );
        assert_eq!(answer.sinks.iter().map(|s| (s.frames, s.late)).collect::<Vec<_>>(), [(3, 0), (4, 0)]);
    }

    #[test]
    fn what_comes_late_is_not_lost() {
        let mut account = Account::new(1, TIMES);
        account.offered(3, 1_000);
        for number in [0, 2, 1] {
            account.arrived(0, number, 1_500, 1_600);
        }
        let answer = account.close(3);
        assert_eq!((answer.seconds[0].lost, answer.sinks[0].late), (0, 1));
    }

    #[test]
    fn nothing_at_all_is_all_lost() {
        let mut account = Account::new(2, TIMES);
        account.offered(3, 1_000);
        assert_eq!(account.close(3).seconds, [Second { offered: 3, lost: 6 }]);
    }

    #[test]
    fn delays_and_skew_are_in_nanoseconds() {
        let mut account = Account::new(2, Times { warm: 2_000, ..TIMES });
        // Before the end of the warm-up.
        account.arrived(0, 0, 1_999, 2_500);
        account.arrived(1, 0, 1_999, 2_500);
        account.arrived(1, 1, 2_000, 2_010);
        account.arrived(0, 1, 2_000, 2_013);
        let answer = account.close(2);
        let [first, second] = [0, 1].map(|n| Recorded::sum([&answer.sinks[n].delays]));
        assert_eq!((first.len(), second.len()), (1, 1));
        assert!((second.max() as i64 - 10_000).abs() < 10 && (first.max() as i64 - 13_000).abs() < 10);
        let skew = Recorded::sum([&answer.skew]);
        assert_eq!(skew.len(), 1);
        assert!((skew.max() as i64 - 3_000).abs() < 5, "{}", skew.max());
    }
}
