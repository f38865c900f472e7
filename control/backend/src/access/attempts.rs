//! How often a password may be tried: by address and by user, each with a bucket that fills again with time.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Tries at once by one address, and the time in which one more comes.
const BY_ADDRESS: (u32, Duration) = (10, Duration::from_secs(30));
/// The same for one user, whoever tries: more, so that a stranger does not lock the user out at once.
const BY_USER: (u32, Duration) = (30, Duration::from_secs(10));
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
}

impl Attempts {
    /// Takes a try from both buckets, or none and says how long to wait.
    ///
    /// # Errors
    /// One of them is empty; after that time there is a try.
    pub fn take(&mut self, source: Source, user: &str, now: Instant) -> Result<(), Duration> {
        let keys = [(Key::Source(source), BY_ADDRESS), (Key::User(user.to_owned()), BY_USER)];
        let wait = keys.iter().filter_map(|(key, (burst, each))| {
            let full_at = self.full_at.get(key).copied().unwrap_or(now).max(now);
            let after = full_at + *each;
            let bound = now + *each * *burst;
            (after > bound).then(|| after - bound)
        });
        if let Some(wait) = wait.max() {
            return Err(wait);
        }
        for (key, (_, each)) in keys {
            let full_at = self.full_at.entry(key).or_insert(now);
            *full_at = (*full_at).max(now) + each;
        }
        self.forget(now);
        Ok(())
    }

    /// Gives back what the last [`Self::take`] took: it was the right password.
    pub fn give_back(&mut self, source: Source, user: &str) {
        for (key, (_, each)) in [(Key::Source(source), BY_ADDRESS), (Key::User(user.to_owned()), BY_USER)] {
            if let Some(full_at) = self.full_at.get_mut(&key) {
                *full_at = full_at.checked_sub(each).unwrap_or(*full_at);
            }
        }
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
            attempts.give_back(source(1), "ann");
        }
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
        assert!(attempts.full_at.len() <= MOST);
        assert!(attempts.take(source(1), "bob", now).is_err(), "its bucket is still empty");
    }
}
