//! The frames of a burst in runs: in a row, for one group, from one sender.

use group_table::Hit;
use types::{BURST, Heads};

use crate::classify::is_forwardable;
use crate::ingress::Ingress;
use crate::screen::{Flow, Screened};

/// A burst's runs. What was there before is overwritten, not cleared.
#[derive(Debug)]
pub(crate) struct Runs {
    pub(crate) count: usize,
    /// Host byte order; 0 is what is no plain data.
    pub(crate) groups: [u32; BURST],
    /// What the table has for each group, once it was asked.
    pub(crate) hits: [Hit; BURST],
    /// Where in the burst a run begins, and then where the last one ends.
    starts: [u8; BURST + 1],
}

impl Runs {
    /// Of no frame.
    pub(crate) const fn new() -> Self {
        Self { count: 0, groups: [0; BURST], hits: [Hit::MISS; BURST], starts: [0; BURST + 1] }
    }

    /// The runs of a burst of `frames`, not looked up. What may not be forwarded for its group or its sender is no plain
    /// data any more: why it is dropped is found again.
    #[inline(always)]
    pub(crate) fn fill(&mut self, screened: &mut Screened, heads: &Heads, frames: usize, ingress: &Ingress) {
        let mut count = 0;
        // Mostly one router sends everything.
        let mut known = None;
        for start in bits(screened.turns) {
            let mut group = 0;
            if screened.plain >> start & 1 != 0 {
                let flow = Flow::of(heads, start);
                let may = known == Some(flow.sender) || ingress.may_forward(flow.sender);
                if may & is_forwardable(flow.group) {
                    (group, known) = (flow.group, Some(flow.sender));
                } else {
                    let rest = screened.turns & !between(0, start + 1);
                    let end = if rest == 0 { BURST } else { rest.trailing_zeros() as usize };
                    screened.plain &= !between(start, end);
                }
            }
            self.groups[count % BURST] = group;
            self.starts[count % BURST] = start as u8;
            count += 1;
        }
        self.count = count.min(BURST);
        self.starts[self.count] = frames.min(BURST) as u8;
    }

    /// Where in the burst a run begins and ends: at most [`BURST`], and the end not before the beginning.
    #[inline(always)]
    pub(crate) fn range(&self, run: usize) -> (usize, usize) {
        let end = usize::from(self.starts[(run % BURST) + 1]).min(BURST);
        (usize::from(self.starts[run % BURST]).min(end), end)
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
