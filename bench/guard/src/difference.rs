//! What one piece costs more than another: a step that is small beside what is around it in both.
//!
//! In a piece of thousands of instructions, most of them the same whatever is done, a step of some hundreds could become dearer
//! by half before the piece did by [`TOLERANCE`](crate::TOLERANCE). Beside a piece without that step it is seen.

/// Two pieces, and what the one does that the other does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// What that is.
    pub name: &'static str,
    /// The piece that does it.
    pub with: &'static str,
    /// The piece that does not, and is alike otherwise.
    pub without: &'static str,
}

/// Those of this crate.
pub const DIFFERENCES: &[Difference] = &[
    of("  29 further ports", "replicate 32 frames to 30 ports", "replicate 32 frames to 1 port"),
    of("  29 further ports of the whole way", "forward 32 frames to 30 ports", "forward 32 frames to 1 port"),
    of("  all before replication", "forward 32 frames to 1 port", "replicate 32 frames to 1 port"),
    of(
        "  16 groups in place of 1",
        "forward 32 frames of 16 groups to 16 ports",
        "forward 32 frames to 16 ports",
    ),
    of(
        "  a set of ports for each frame",
        "replicate 32 frames to 4 ports by turns",
        "replicate 32 frames to 4 ports",
    ),
    of(
        "  4 MACs of their own",
        "replicate 32 frames to 16 ports, 4 own MACs",
        "replicate 32 frames to 16 ports",
    ),
    of(
        "  12 further MACs of their own",
        "replicate 32 frames to 16 ports, 16 own MACs",
        "replicate 32 frames to 16 ports, 4 own MACs",
    ),
    of(
        "  looking at UDP checksums",
        "forward 32 frames, looking at UDP checksums",
        "forward 32 frames to 1 port",
    ),
    of(
        "  completing them",
        "forward 32 frames, completing UDP checksums",
        "forward 32 frames, looking at UDP checksums",
    ),
];

const fn of(name: &'static str, with: &'static str, without: &'static str) -> Difference {
    Difference { name, with, without }
}

impl Difference {
    /// What it comes to where `count` tells each piece's instructions.
    ///
    /// # Errors
    /// A piece is not known, or the one with the step costs less than the other.
    pub fn of(&self, count: impl Fn(&str) -> Option<u64>) -> Result<u64, String> {
        let Self { with, without, .. } = self;
        let both = count(with).zip(count(without));
        let more = both.and_then(|(with, without)| with.checked_sub(without));
        more.ok_or_else(|| format!("{with:?} costs no more than {without:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Baseline, Change, DIFFERENCE_TOLERANCE, NAME_WIDTH, all, suite};

    #[test]
    fn each_is_of_two_pieces_and_has_a_name_of_its_own() {
        let pieces: Vec<_> = all().map(|work| work.name).collect();
        for (number, difference) in DIFFERENCES.iter().enumerate() {
            let Difference { name, with, without } = difference;
            assert!(pieces.contains(with) && pieces.contains(without) && with != without, "{name}");
            assert!(name.len() <= NAME_WIDTH, "{name} is too long for the table");
            assert!(DIFFERENCES[..number].iter().all(|other| other.name != *name), "{name} twice");
        }
    }

    #[test]
    fn a_dearer_port_is_seen_although_the_piece_holds() {
        let baseline = Baseline::read(suite().baseline).expect("the baseline of this tree");
        let was = |name: &str| baseline.instructions.get(name).copied();
        // Two instructions more for each port of a burst.
        let is = |name: &str| Some(was(name)? + if name == DIFFERENCES[0].with { 2 * 29 } else { 0 });
        let fails = |was: u64, is: u64, tolerance| Change { name: String::new(), was, is, tolerance }.fails();
        let piece = DIFFERENCES[0].with;
        assert!(!fails(was(piece).unwrap(), is(piece).unwrap(), crate::TOLERANCE));
        let [before, now] = [DIFFERENCES[0].of(was), DIFFERENCES[0].of(is)].map(Result::unwrap);
        assert!(fails(before, now, DIFFERENCE_TOLERANCE));
    }

    #[test]
    fn a_piece_that_is_not_known_or_cheaper_makes_no_difference() {
        let count = |with: u64| {
            move |name: &str| match name {
                "with" => Some(with),
                "without" => Some(10),
                _ => None,
            }
        };
        assert_eq!(of("", "with", "without").of(count(13)), Ok(3));
        assert!(of("", "with", "without").of(count(9)).is_err());
        assert!(of("", "with", "another").of(count(13)).is_err());
    }
}
