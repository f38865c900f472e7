//! Random changes of known inputs, for the short run among the ordinary tests. It has no feedback; that is
//! the fuzzer's.

/// Changes of inputs; the same number gives the same changes.
#[derive(Debug, Clone)]
pub struct Mutator(u64);

impl Mutator {
    /// All its chance comes from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n.max(1)
    }

    /// One input made of those in `known`: bytes changed, put in, taken out, and parts of another put behind.
    pub fn input(&mut self, known: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = known.get(self.below(known.len())).cloned().unwrap_or_default();
        if self.below(3) == 0
            && let Some(other) = known.get(self.below(known.len()))
        {
            let (at, from) = (self.below(bytes.len() + 1), self.below(other.len() + 1));
            bytes.truncate(at);
            bytes.extend(&other[from..]);
        }
        for _ in 0..self.below(8) {
            let at = self.below(bytes.len());
            let byte = match self.below(4) {
                0 => [0, 1, 0x7f, 0x80, 0xff][self.below(5)],
                1 => b'0' + self.below(10) as u8,
                _ => self.below(256) as u8,
            };
            match (self.below(4), bytes.get_mut(at)) {
                (0, _) => bytes.insert(at, byte),
                (1, Some(_)) => drop(bytes.remove(at)),
                (2, Some(old)) => *old ^= 1 << self.below(8),
                (_, Some(old)) => *old = byte,
                (_, None) => bytes.push(byte),
            }
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_repeat_and_differ() {
        let known = [b"some bytes".to_vec(), Vec::new(), b"others".to_vec()];
        let inputs = |seed| {
            let mut mutator = Mutator::new(seed);
            (0..50).map(|_| mutator.input(&known)).collect::<Vec<_>>()
        };
        assert_eq!(inputs(1), inputs(1));
        assert_ne!(inputs(1), inputs(2));
        assert!(inputs(1).iter().any(|input| !known.contains(input)));
        assert!(Mutator::new(3).input(&[]).len() < 9);
    }
}
