//! How findings are put.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use api::{Check, Finding, Topic};
use types::Time;

use crate::configuration::PortInfo;

/// What was found, for programs.
pub(super) struct Found {
    finding: Finding,
    values: BTreeMap<String, String>,
}

/// `finding`, and nothing that belongs to it.
pub(super) fn found(finding: Finding) -> Found {
    Found { finding, values: BTreeMap::new() }
}

impl From<Finding> for Found {
    fn from(finding: Finding) -> Self {
        found(finding)
    }
}

impl Found {
    /// With this, too.
    pub(super) fn with(mut self, name: &str, value: impl Display) -> Self {
        self.values.insert(name.to_owned(), value.to_string());
        self
    }

    /// With this where it is known.
    pub(super) fn with_known(self, name: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// With the time since `at`.
    pub(super) fn since(self, name: &str, now: Time, at: Time) -> Self {
        self.with(name, seconds(now.saturating_since(at)))
    }

    /// With the time until `at`.
    pub(super) fn until(self, name: &str, now: Time, at: Time) -> Self {
        self.with(name, seconds(at.saturating_since(now)))
    }
}

/// As it should be.
pub(super) fn good(
    topic: Topic,
    port: Option<&PortInfo>,
    found: impl Into<Found>,
    text: impl Into<String>,
) -> Check {
    check(topic, port, Some(true), found.into(), text.into(), None)
}

/// Makes the channel dark; with the cure.
pub(super) fn bad(
    topic: Topic,
    port: Option<&PortInfo>,
    found: impl Into<Found>,
    text: impl Into<String>,
    cure: impl Into<String>,
) -> Check {
    check(topic, port, Some(false), found.into(), text.into(), Some(cure.into()))
}

/// Worth knowing, and neither.
pub(super) fn note(
    topic: Topic,
    port: Option<&PortInfo>,
    found: impl Into<Found>,
    text: impl Into<String>,
) -> Check {
    check(topic, port, None, found.into(), text.into(), None)
}

fn check(
    topic: Topic,
    port: Option<&PortInfo>,
    ok: Option<bool>,
    Found { finding, values }: Found,
    text: String,
    cure: Option<String>,
) -> Check {
    Check { topic, port: port.map(|port| port.name.clone()), ok, finding, values, text, cure }
}

/// "3.2": tenths below ten seconds, where they tell something.
pub(super) fn seconds(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 9.95 { format!("{seconds:.1}") } else { format!("{seconds:.0}") }
}

/// "3.2 s".
pub(super) fn time(duration: Duration) -> String {
    seconds(duration) + " s"
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
