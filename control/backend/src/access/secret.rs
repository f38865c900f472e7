//! Secrets that nobody can guess.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// 256 random bits. Not printed by `Debug`, so that none ends up in a log.
#[derive(Clone, Copy)]
pub struct Secret([u8; 32]);

impl Secret {
    /// From the kernel.
    ///
    /// # Panics
    /// When the kernel has no randomness, which it always has on Linux once it has booted.
    pub fn random() -> Self {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
        Self(bytes)
    }

    /// Of these bytes, for tests.
    pub const fn of(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// As 64 hexadecimal digits.
    pub fn text(&self) -> String {
        hex(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// What is kept of a secret's text: from it nobody gets the secret back. Fast on purpose: 256 random bits need no
/// stretching, unlike passwords.
pub(crate) fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether two texts are the same, in a time that does not tell where they differ.
pub(crate) fn is_same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_and_differ() {
        let (a, b) = (Secret::random().text(), Secret::random().text());
        assert_eq!((a.len(), b.len()), (64, 64));
        assert_ne!(a, b);
        assert!(is_same(&a, &a.clone()) && !is_same(&a, &b) && !is_same(&a, &a[..63]));
    }

    #[test]
    fn nothing_prints_a_secret() {
        assert_eq!(format!("{:?}", Secret::of([7; 32])), "Secret");
    }
}
