//! Sessions of browsers. In memory only: a restart of the backend ends them.

use std::collections::HashMap;
use std::time::Instant;

use crate::access::Secret;
use crate::access::secret::digest;
use crate::settings::SessionSettings;

/// The most sessions at a time; the one idle for longest makes room.
const MOST: usize = 1024;

/// What a session knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Who.
    pub user: String,
    /// Which password of theirs: another one ends the session.
    pub generation: String,
    /// What a request that changes something must carry.
    pub csrf: String,
    opened: Instant,
    used: Instant,
}

/// A session just opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The cookie's value. Kept nowhere else.
    pub cookie: String,
    /// What a request that changes something must carry.
    pub csrf: String,
}

/// All sessions, by the digest of their cookie: who reads this memory gets no cookie, and a look-up's time tells
/// nothing of it.
#[derive(Debug)]
pub struct Sessions {
    settings: SessionSettings,
    open: HashMap<[u8; 32], Session>,
}

impl Sessions {
    /// None yet.
    pub fn new(settings: SessionSettings) -> Self {
        Self { settings, open: HashMap::new() }
    }

    /// Opens one, with two fresh secrets.
    pub fn open(&mut self, user: &str, generation: &str, secrets: [Secret; 2], now: Instant) -> Opened {
        let settings = self.settings;
        self.open.retain(|_, session| is_alive(session, settings, now));
        if self.open.len() >= MOST {
            let stalest = self.open.iter().min_by_key(|(_, session)| session.used).map(|(key, _)| *key);
            stalest.and_then(|key| self.open.remove(&key));
        }
        let [cookie, csrf] = secrets.map(|secret| secret.text());
        let session = Session {
            user: user.to_owned(),
            generation: generation.to_owned(),
            csrf: csrf.clone(),
            opened: now,
            used: now,
        };
        self.open.insert(digest(&cookie), session);
        Opened { cookie, csrf }
    }

    /// The session of this cookie, which is in use now.
    pub fn find(&mut self, cookie: &str, now: Instant) -> Option<Session> {
        let key = digest(cookie);
        let session = self.open.get_mut(&key)?;
        if is_alive(session, self.settings, now) {
            session.used = now;
            return Some(session.clone());
        }
        self.open.remove(&key);
        None
    }

    /// Ends the session of this cookie.
    pub fn close(&mut self, cookie: &str) {
        self.open.remove(&digest(cookie));
    }
}

fn is_alive(session: &Session, settings: SessionSettings, now: Instant) -> bool {
    now.duration_since(session.used) < settings.idle && now.duration_since(session.opened) < settings.absolute
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn sessions() -> (Sessions, Instant) {
        let settings = SessionSettings { idle: 30 * MINUTE, absolute: 120 * MINUTE };
        (Sessions::new(settings), Instant::now())
    }

    fn secrets(n: u16) -> [Secret; 2] {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&n.to_be_bytes());
        [Secret::of(bytes), Secret::of([255; 32])]
    }

    #[test]
    fn a_session_ends_when_idle_and_at_its_age() {
        let (mut sessions, start) = sessions();
        let a = sessions.open("ann", "g", secrets(1), start).cookie;
        assert_eq!(sessions.find(&a, start + 29 * MINUTE).unwrap().user, "ann");
        assert!(sessions.find(&a, start + 58 * MINUTE).is_some(), "use keeps it");
        assert_eq!(sessions.find(&a, start + 88 * MINUTE), None, "idle");
        assert_eq!(sessions.find(&a, start + 59 * MINUTE), None, "gone for good");
        let b = sessions.open("ann", "g", secrets(2), start).cookie;
        for minutes in (20..120).step_by(20) {
            assert!(sessions.find(&b, start + minutes * MINUTE).is_some());
        }
        assert_eq!(sessions.find(&b, start + 120 * MINUTE), None, "of age");
    }

    #[test]
    fn a_closed_session_and_one_that_never_was_are_none() {
        let (mut sessions, now) = sessions();
        let opened = sessions.open("ann", "g", secrets(1), now);
        assert_eq!(sessions.find(&opened.cookie, now).unwrap().csrf, opened.csrf);
        assert_eq!(sessions.find("", now), None);
        assert_eq!(sessions.find(&opened.csrf, now), None);
        sessions.close(&opened.cookie);
        assert_eq!(sessions.find(&opened.cookie, now), None);
    }

    #[test]
    fn there_is_a_most_and_the_stalest_goes_first() {
        let (mut sessions, start) = sessions();
        let cookies: Vec<_> = (0..1024_u16)
            .map(|n| {
                sessions.open("ann", "g", secrets(n), start + Duration::from_millis(u64::from(n))).cookie
            })
            .collect();
        assert!(sessions.find(&cookies[0], start + MINUTE).is_some());
        sessions.open("bob", "g", secrets(5000), start + MINUTE);
        assert_eq!(sessions.open.len(), MOST);
        assert!(sessions.find(&cookies[0], start + MINUTE).is_some());
        assert_eq!(sessions.find(&cookies[1], start + MINUTE), None);
    }
}
