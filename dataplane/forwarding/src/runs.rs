//! The frames of a burst in runs: in a row, for one group.

use group_table::Hit;
use types::BURST;

use crate::screen::Screened;

/// A burst's runs. What was there before is overwritten, not cleared.
#[derive(Debug)]
pub(crate) struct Runs {
    count: usize,
    /// Host byte order; 0 is what is no plain data.
    groups: [u32; BURST],
    /// What the table has for each group, once it was asked.
    hits: [Hit; BURST],
    /// Where in the burst a run begins, and then where the last one ends.
    starts: [u8; BURST + 1],
}

impl Runs {
    /// Of no frame.
    pub(crate) const fn new() -> Self {
        Self { count: 0, groups: [0; BURST], hits: [Hit::MISS; BURST], starts: [0; BURST + 1] }
    }

    /// The runs of a burst of `frames`, not looked up.
    #[inline(always)]
    pub(crate) fn fill(&mut self, screened: &Screened, frames: usize) {
        let mut count = 0;
        for start in bits(screened.turns) {
            let plain = screened.plain >> start & 1;
            self.groups[count % BURST] = screened.groups.0[start] & plain.wrapping_neg();
            self.starts[count % BURST] = start as u8;
            count += 1;
        }
        self.count = count.min(BURST);
        self.starts[self.count] = frames.min(BURST) as u8;
    }

    /// How many there are.
    #[inline(always)]
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The group of each, and room for what the table has for it.
    #[inline(always)]
    pub(crate) fn groups(&mut self) -> (&[u32], &mut [Hit]) {
        (&self.groups[..self.count], &mut self.hits[..self.count])
    }

    /// The group of a run, 0 for what is no plain data, and what the table has for it.
    #[inline(always)]
    pub(crate) fn of(&self, run: usize) -> (u32, Hit) {
        (self.groups[run % BURST], self.hits[run % BURST])
    }

    /// Where in the burst a run begins and ends: at most [`BURST`], and the end not before the beginning.
    #[inline(always)]
    pub(crate) fn range(&self, run: usize) -> (usize, usize) {
        let end = usize::from(self.starts[(run % BURST) + 1]).min(BURST);
        (usize::from(self.starts[run % BURST]).min(end), end)
    }

    /// Slot, frames and bytes of each run: what is to be counted. `bytes` tells those of the frames from one place of the
    /// burst on and before another.
    #[inline(always)]
    pub(crate) fn amounts(
        &self,
        bytes: impl Fn(usize, usize) -> u32,
    ) -> impl Iterator<Item = (u32, u64, u64)> {
        let starts = self.starts[..=self.count].windows(2);
        self.hits[..self.count].iter().zip(starts).map(move |(hit, range)| {
            let frames = range[1].wrapping_sub(range[0]);
            (hit.slot, frames.into(), bytes(range[0].into(), range[1].into()).into())
        })
    }
}

/// The bits from `start` on and before `end`, which is at most 32.
#[inline(always)]
pub(crate) fn between(start: usize, end: usize) -> u32 {
    ((1u64 << end) - (1u64 << start)) as u32
}

/// The places of the bits that are set, lowest first.
#[inline(always)]
pub(crate) fn bits(mut set: u32) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let lowest = (set != 0).then(|| set.trailing_zeros() as usize % BURST);
        set &= set.wrapping_sub(1);
        lowest
    })
}
