//! How often a password may be tried: by address and by user, each with a bucket that fills again with time.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Tries at once by one address, and the time in which one more comes.
const BY_ADDRESS: (u32, Duration) = (10, Duration::from_secs(30));
/// The same for one user, whoever tries: more, so that a stranger does not lock the user out at once.
const BY_USER: (u32, Duration) = (30, Duration::from_secs(10));
/// For how long a user is known at an address after having logged in there: strangers' tries elsewhere do not lock them
/// out of it.
const KNOWN: Duration = Duration::from_secs(30 * 86_400);
/// Addresses and users that are remembered. Above that, the fullest buckets are forgotten first: they deny nothing.
const MOST: usize = 4096;

/// Where somebody comes from, for counting: an IPv4 address, or an IPv6 /64, which one host has whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source(IpAddr);

impl Source {
    /// Of an address.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(v6) => Self(IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into())),
            v4 @ IpAddr::V4(_) => Self(v4),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Source(Source),
    User(String),
}

/// The buckets. Failed tries cost; what succeeds gives the address its try back.
#[derive(Debug, Default)]
pub struct Attempts {
    /// When each bucket will be full again. A bucket that is full already is as good as none.
    full_at: HashMap<Key, Instant>,
    /// Who logged in from where, and when they did last.
    known: HashMap<(Source, String), Instant>,
}

impl Attempts {
    /// Takes a try from both buckets, or none and says how long to wait. The user's does not count where they are known.
    ///
    /// # Errors
    /// One of them is empty; after that time there is a try.
    pub fn take(&mut self, source: Source, user: &str, now: Instant) -> Result<(), Duration> {
        let keys = self.keys(source, user, now);
        let wait = keys.iter().flatten().filter_map(|(key, (burst, each))| {
            let full_at = self.full_at.get(key).copied().unwrap_or(now).max(now);
            let after = full_at + *each;
            let bound = now + *each * *burst;
            (after > bound).then(|| after - bound)
        });
        if let Some(wait) = wait.max() {
            return Err(wait);
        }
        for (key, (_, each)) in keys.into_iter().flatten() {
            let full_at = self.full_at.entry(key).or_insert(now);
            *full_at = (*full_at).max(now) + each;
        }
        self.forget(now);
        Ok(())
    }

    /// Gives back what the last [`Self::take`] took: the password was not looked at.
    pub fn give_back(&mut self, source: Source, user: &str, now: Instant) {
        for (key, (_, each)) in self.keys(source, user, now).into_iter().flatten() {
            if let Some(full_at) = self.full_at.get_mut(&key) {
                *full_at = full_at.checked_sub(each).unwrap_or(*full_at);
            }
        }
    }

    /// It was the right password: gives back what [`Self::take`] took, and knows the user at this address.
    pub fn succeed(&mut self, source: Source, user: &str, now: Instant) {
        self.give_back(source, user, now);
        self.known.insert((source, user.to_owned()), now);
        if self.known.len() > MOST {
            let stalest = self.known.iter().min_by_key(|(_, at)| **at).map(|(key, _)| key.clone());
            stalest.and_then(|key| self.known.remove(&key));
        }
    }

    /// The buckets that count.
    fn keys(&self, source: Source, user: &str, now: Instant) -> [Option<(Key, (u32, Duration))>; 2] {
        let last = self.known.get(&(source, user.to_owned()));
        let is_known = last.is_some_and(|last| now.saturating_duration_since(*last) < KNOWN);
        let by_user = (!is_known).then(|| (Key::User(user.to_owned()), BY_USER));
        [Some((Key::Source(source), BY_ADDRESS)), by_user]
    }

    fn forget(&mut self, now: Instant) {
        if self.full_at.len() <= MOST {
            return;
        }
        self.full_at.retain(|_, full_at| *full_at > now);
        while self.full_at.len() > MOST {
            let Some(key) = self.full_at.iter().min_by_key(|(_, at)| **at).map(|(key, _)| key.clone()) else {
                return;
            };
            self.full_at.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(n: u32) -> Source {
        Source::of(IpAddr::V4((0x0a00_0000 + n).into()))
    }

    #[test]
    fn an_address_has_ten_tries_and_one_more_each_half_minute() {
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        for n in 0..10 {
            assert_eq!(attempts.take(source(1), &format!("user{n}"), now), Ok(()));
        }
        assert_eq!(attempts.take(source(1), "ann", now), Err(Duration::from_secs(30)));
        assert_eq!(attempts.take(source(2), "ann", now), Ok(()), "another address");
        let later = now + Duration::from_secs(30);
        assert_eq!(attempts.take(source(1), "ann", later), Ok(()));
        assert!(attempts.take(source(1), "ann", later).is_err());
    }

    #[test]
    fn a_user_has_thirty_tries_from_anywhere() {
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        for n in 0..30 {
            assert_eq!(attempts.take(source(n), "ann", now), Ok(()));
        }
        assert_eq!(attempts.take(source(99), "ann", now), Err(Duration::from_secs(10)));
        assert_eq!(attempts.take(source(99), "bob", now), Ok(()));
    }

    #[test]
    fn what_was_right_costs_nothing() {
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        for _ in 0..100 {
            assert_eq!(attempts.take(source(1), "ann", now), Ok(()));
            attempts.succeed(source(1), "ann", now);
        }
        for _ in 0..100 {
            assert_eq!(attempts.take(source(2), "bob", now), Ok(()));
            attempts.give_back(source(2), "bob", now);
        }
    }

    #[test]
    fn strangers_do_not_lock_a_user_out_of_where_they_logged_in() {
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        assert_eq!(attempts.take(source(1), "ann", now), Ok(()));
        attempts.succeed(source(1), "ann", now);
        while (2..6).any(|n| attempts.take(source(n), "ann", now).is_ok()) {}
        assert!(attempts.take(source(9), "ann", now).is_err(), "the user's bucket is empty");
        for _ in 0..10 {
            assert_eq!(attempts.take(source(1), "ann", now), Ok(()));
        }
        assert!(attempts.take(source(1), "ann", now).is_err(), "the address has its bucket all the same");
        assert!(attempts.take(source(1), "bob", now).is_err());
        let later = now + KNOWN;
        while (2..6).any(|n| attempts.take(source(n), "ann", later).is_ok()) {}
        assert!(attempts.take(source(1), "ann", later).is_err(), "nobody is known for ever");
    }

    #[test]
    fn a_host_has_one_bucket_for_all_its_ipv6_addresses() {
        let of = |text: &str| Source::of(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
    }

    #[test]
    fn memory_is_bounded_and_who_tries_most_is_remembered() {
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        for _ in 0..10 {
            attempts.take(source(1), "ann", now).unwrap();
        }
        for n in 2..6000 {
            attempts.take(source(n), &format!("user{n}"), now).unwrap();
        }
        for n in 10..5010 {
            attempts.succeed(source(n), "eve", now);
        }
        assert!(attempts.full_at.len() <= MOST && attempts.known.len() <= MOST);
        assert!(attempts.take(source(1), "bob", now).is_err(), "its bucket is still empty");
    }
}
