//! Whether the proxy answers, and since when not.

use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use api::{ErrorKind, ErrorReply};

use crate::proxy::Failure;

/// How it stands with the socket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProxyHealth {
    /// Why the last request had no answer; `None` after one that had.
    pub error: Option<ErrorReply>,
    /// When that began.
    pub down_since: Option<Instant>,
    /// Answers had since the backend started.
    pub answers: u64,
    /// The last one, in milliseconds since 1970.
    pub last_answer_unix_ms: Option<u64>,
}

/// [`ProxyHealth`] as it changes.
#[derive(Debug, Default)]
pub struct Health(Mutex<ProxyHealth>);

impl Health {
    /// As it is.
    pub fn now(&self) -> ProxyHealth {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes an answer, or the failure to get one. A refusal is an answer; that there is no place or no time for one is
    /// neither.
    pub(crate) fn note(&self, failure: Option<&Failure>, now: Instant) {
        let mut health = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match failure {
            Some(Failure::Down(error)) => {
                if health.error.is_none() {
                    tracing::warn!("no answer from the proxy: {}; {}", error.message, error.cure);
                    health.down_since = Some(now);
                }
                health.error = Some(error.clone());
            }
            Some(Failure::Busy) => {}
            Some(Failure::Refused(reply)) if matches!(reply.kind, ErrorKind::Busy | ErrorKind::Late) => {}
            Some(Failure::Refused(_)) | None => {
                if health.error.take().is_some() {
                    tracing::info!("the proxy answers again");
                }
                health.down_since = None;
                health.answers += 1;
                health.last_answer_unix_ms = Some(unix_ms());
            }
        }
    }
}

/// The wall clock, in milliseconds since 1970.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use api::ClientError;

    use super::*;

    #[test]
    fn a_refusal_is_an_answer_and_silence_is_none() {
        let (health, now) = (Health::default(), Instant::now());
        let down = |text: &str| Failure::Down(ErrorReply::new(ErrorKind::Unavailable, text, "start it"));
        health.note(Some(&down("first")), now);
        health.note(Some(&down("second")), now + std::time::Duration::from_secs(1));
        health.note(Some(&Failure::Busy), now);
        let told = health.now();
        assert_eq!((told.error.unwrap().message.as_str(), told.down_since), ("second", Some(now)));
        assert_eq!((told.answers, told.last_answer_unix_ms), (0, None));
        let refused = |kind| Failure::of(ClientError::Refused(ErrorReply::new(kind, "no", "yes")));
        health.note(Some(&refused(ErrorKind::Busy)), now);
        health.note(Some(&refused(ErrorKind::Late)), now);
        assert_eq!(
            (health.now().answers, health.now().error.is_some()),
            (0, true),
            "neither one nor the other"
        );
        health.note(Some(&refused(ErrorKind::Invalid)), now);
        health.note(None, now);
        let told = health.now();
        assert_eq!((told.error, told.down_since, told.answers), (None, None, 2));
        assert!(told.last_answer_unix_ms.is_some());
        health.note(Some(&refused(ErrorKind::Busy)), now);
        assert_eq!((health.now().error, health.now().answers), (None, 2));
        health.note(Some(&refused(ErrorKind::Denied)), now);
        assert_eq!(health.now().error.unwrap().message, "no", "who may not ask hears nothing");
    }
}
