//! Passwords, kept as argon2id.

use std::sync::LazyLock;

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc};

/// The fewest characters of a password.
pub const MIN_PASSWORD: usize = 10;
/// The most bytes that are hashed: what is longer is no password but work for us.
const MAX_PASSWORD: usize = 1024;

/// For users that there are not, so that a try costs the same.
static NOBODY: LazyLock<Option<PasswordHash>> =
    LazyLock::new(|| PasswordHash::new("nobody has this one").ok());

/// A password as it is kept: a PHC string with its own salt and cost.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Of a new password. Takes some 20 MiB and as many milliseconds.
    ///
    /// # Errors
    /// It is too short or too long; the text says what would be right.
    pub fn new(password: &str) -> Result<Self, String> {
        if password.chars().count() < MIN_PASSWORD {
            return Err(format!("the password is too short; it takes at least {MIN_PASSWORD} characters"));
        }
        if password.len() > MAX_PASSWORD {
            return Err(format!("the password is too long; it takes at most {MAX_PASSWORD} bytes"));
        }
        let hash = Argon2::default().hash_password(password.as_bytes());
        hash.map(|hash| Self(hash.to_string())).map_err(|error| format!("argon2: {error}; try again"))
    }

    /// Whether `password` is the one. Costs as much as [`Self::new`].
    fn matches(&self, password: &str) -> bool {
        let Ok(hash) = phc::PasswordHash::new(&self.0) else { return false };
        Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
    }

    /// Whether `password` is the one of `kept`. Where nothing is kept, as there is no such user, it costs the same
    /// and is not.
    pub fn verify(kept: Option<&Self>, password: &str) -> bool {
        if password.len() > MAX_PASSWORD {
            return false;
        }
        match kept.or(NOBODY.as_ref()) {
            Some(hash) => hash.matches(password) && kept.is_some(),
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_kept_as_argon2id_and_known_again() {
        let hash = PasswordHash::new("correct horse").unwrap();
        assert!(hash.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash:?}");
        assert_ne!(hash, PasswordHash::new("correct horse").unwrap(), "the salt is random");
        assert!(PasswordHash::verify(Some(&hash), "correct horse"));
        assert!(!PasswordHash::verify(Some(&hash), "correct horsf"));
        assert!(!PasswordHash::verify(Some(&hash), ""));
    }

    #[test]
    fn nobody_has_the_password_of_nobody() {
        assert!(!PasswordHash::verify(None, "nobody has this one"));
        assert!(!PasswordHash::verify(Some(&PasswordHash("broken".to_owned())), "broken"));
    }

    #[test]
    fn short_and_huge_passwords_are_refused() {
        assert!(PasswordHash::new("123456789").unwrap_err().contains("at least 10 characters"));
        assert!(PasswordHash::new(&"x".repeat(1025)).unwrap_err().contains("at most 1024 bytes"));
        assert!(!PasswordHash::verify(None, &"x".repeat(1 << 20)));
    }
}
