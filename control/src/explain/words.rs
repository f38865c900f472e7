//! How findings are put.

use std::time::Duration;

use api::{Check, Topic};
use types::Time;

use crate::configuration::PortInfo;

/// As it should be.
pub(super) fn good(topic: Topic, port: Option<&PortInfo>, text: impl Into<String>) -> Check {
    check(topic, port, Some(true), text.into(), None)
}

/// Makes the channel dark; with the cure.
pub(super) fn bad(
    topic: Topic,
    port: Option<&PortInfo>,
    text: impl Into<String>,
    cure: impl Into<String>,
) -> Check {
    check(topic, port, Some(false), text.into(), Some(cure.into()))
}

/// Worth knowing, and neither.
pub(super) fn note(topic: Topic, port: Option<&PortInfo>, text: impl Into<String>) -> Check {
    check(topic, port, None, text.into(), None)
}

fn check(
    topic: Topic,
    port: Option<&PortInfo>,
    ok: Option<bool>,
    text: String,
    cure: Option<String>,
) -> Check {
    Check { topic, port: port.map(|port| port.name.clone()), ok, text, cure }
}

/// "3.2 s": tenths below ten seconds, where they tell something.
pub(super) fn time(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 9.95 { format!("{seconds:.1} s") } else { format!("{seconds:.0} s") }
}

/// "3.2 s ago".
pub(super) fn ago(now: Time, at: Time) -> String {
    time(now.saturating_since(at)) + " ago"
}

/// "in 3.2 s".
pub(super) fn ahead(now: Time, at: Time) -> String {
    "in ".to_owned() + &time(at.saturating_since(now))
}

/// Those that are not zero, as "3 ttl, 1 off-link".
pub(super) fn counted(counters: impl Iterator<Item = (&'static str, u64)>) -> Option<String> {
    let counted: Vec<_> = counters.filter(|(_, n)| *n > 0).map(|(name, n)| format!("{n} {name}")).collect();
    (!counted.is_empty()).then(|| counted.join(", "))
}
