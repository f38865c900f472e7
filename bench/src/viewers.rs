//! Who views which channel: the sinks that have members of a group.
//!
//! Groups take turns frame by frame ([`crate::stamp`]), so what each sink has to get of the first so many frames is known to
//! the frame, whatever the sets are.

use crate::chance::Chance;

/// Sinks of a figure in which not all of them have members of every group.
pub(crate) const SINKS: usize = 16;
const SEED: u32 = 19;

/// Which sinks have members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Viewers {
    /// All, of every group.
    Everywhere,
    /// So many, the same of every group.
    Alike(usize),
    /// Of each group others, as chance will have it: so many in the mean, one at least.
    Mixed(usize),
}

impl Viewers {
    /// The sinks of each of `groups` groups, of `sinks` in all: the sink of number n, from 1 on, is bit n - 1.
    pub(crate) fn sets(self, groups: u32, sinks: usize) -> Vec<u64> {
        let all = |sinks: usize| (1u64 << sinks) - 1;
        match self {
            Self::Everywhere => vec![all(sinks); groups as usize],
            Self::Alike(members) => vec![all(members); groups as usize],
            Self::Mixed(mean) => mixed(groups, sinks, mean),
        }
    }
}

/// Of two groups next to each other the one has as many more than `mean` as the other has less.
fn mixed(groups: u32, sinks: usize, mean: usize) -> Vec<u64> {
    let mut chance = Chance::new(SEED);
    let mut below = |limit: usize| chance.next() as usize % limit;
    let mut sets = Vec::with_capacity(groups as usize);
    while sets.len() < groups as usize {
        let size = 1 + below(2 * mean - 1);
        for size in [size, 2 * mean - size] {
            let mut set = 0u64;
            while set.count_ones() as usize != size {
                set |= 1 << below(sinks);
            }
            sets.push(set);
        }
    }
    sets
}

/// What each of `sinks` sinks gets of the first `frames` frames of groups that take turns and have these `sets`.
pub(crate) fn copies(sets: &[u64], sinks: usize, frames: u64) -> Vec<u64> {
    let groups = sets.len().max(1) as u64;
    let (rounds, rest) = (frames / groups, (frames % groups) as usize);
    let of = |sink: usize| {
        let has = |set: &&u64| **set >> sink & 1 != 0;
        let [all, more] = [sets, &sets[..rest]].map(|sets| sets.iter().filter(has).count() as u64);
        rounds * all + more
    };
    (0..sinks).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_mixed_and_come_to_their_mean() {
        let sets = Viewers::Mixed(4).sets(256, SINKS);
        let sizes: Vec<_> = sets.iter().map(|set| set.count_ones()).collect();
        assert_eq!((sizes.len(), sizes.iter().sum::<u32>()), (256, 4 * 256));
        assert_eq!((sizes.iter().min(), sizes.iter().max()), (Some(&1), Some(&7)));
        let mut distinct = sets.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert!(distinct.len() > 200, "{} of 256", distinct.len());
        assert_eq!(sets, Viewers::Mixed(4).sets(256, SINKS), "in every run");
        assert!(
            copies(&sets, SINKS, 256).iter().all(|copies| (40..90).contains(copies)),
            "no sink stands out"
        );
    }

    #[test]
    fn every_sink_gets_what_its_groups_get() {
        let sets = [0b001, 0b011, 0b101];
        assert_eq!(copies(&sets, 3, 3), [3, 1, 1]);
        assert_eq!(copies(&sets, 3, 7), [7, 2, 2]);
        assert_eq!(copies(&sets, 3, 8), [8, 3, 2]);
        assert_eq!(copies(&Viewers::Everywhere.sets(16, 4), 4, 1001), [1001; 4]);
        assert_eq!(copies(&Viewers::Alike(2).sets(16, 4), 4, 1001), [1001, 1001, 0, 0]);
    }
}
