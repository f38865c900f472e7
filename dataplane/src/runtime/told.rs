//! What is told of settings: to whoever asks, to the log, and as events.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use api::{
    ChangeView, ChangedReply, Edit, ErrorKind, EventKind, KeyKind, KeyView, ListOf, Origin, PortSettingsView,
    PreviewReply, Reply, SettingsReply,
};
use settings::{KeyDifference, RunningKey, without_arguments};

use super::Running;
use super::refused::Refused;
use super::requests::error;

/// Events that one change may be.
const EVENTS_A_CHANGE: usize = 32;

/// Names the settings that are in force. Written by the main thread alone.
#[derive(Debug, Clone)]
pub(super) struct Revision(Arc<AtomicU64>);

impl Revision {
    /// `first` is larger than that of any start before.
    pub(super) fn new(first: u64) -> Self {
        Self(Arc::new(AtomicU64::new(first)))
    }

    /// The present one.
    pub(super) fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// The next one, which is the present one from now on.
    pub(super) fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Looks at it.
    pub(super) fn reader(&self) -> Box<dyn Fn() -> u64 + Send> {
        let revision = self.clone();
        Box::new(move || revision.now())
    }
}

impl Running {
    /// The settings in force, key by key.
    pub(super) fn show_settings(&self) -> SettingsReply {
        let keys = self.live.keys(&self.settings);
        let ports = self.settings.ports.iter().zip(keys.ports).map(|(port, (_, keys))| PortSettingsView {
            name: port.name.clone(),
            device: port.device.to_string(),
            added: port.is_live,
            keys: views(keys),
        });
        SettingsReply {
            revision: self.revision.now(),
            changeable: self.live.path().is_some(),
            proxy: views(keys.proxy),
            defaults: views(keys.defaults),
            ports: ports.collect(),
        }
    }

    /// What these edits would do.
    pub(super) fn preview(&self, edits: Vec<Edit>) -> PreviewReply {
        let revision = self.revision.now();
        let prepared = self.edited(edits).and_then(|(settings, _)| self.prepare(settings));
        match prepared {
            Ok(prepared) => PreviewReply {
                revision,
                changes: prepared.by_key(&self.settings).into_iter().map(change).collect(),
                needs_restart: prepared.waiting,
                problems: Vec::new(),
                warnings: prepared.warnings,
            },
            Err(refused) => {
                PreviewReply { revision, problems: refused.into_problems(), ..PreviewReply::default() }
            }
        }
    }

    /// The reply to a change that was made for other settings than those in force.
    pub(super) fn conflict(&self, revision: Option<u64>) -> Option<Reply> {
        let now = self.revision.now();
        revision.filter(|made_for| *made_for != now).map(|made_for| {
            error(
                ErrorKind::Conflict,
                format!(
                    "the settings were changed meanwhile: they are revision {now}, and this is for {made_for}"
                ),
                "look at what is in force now, and make the change again",
            )
        })
    }

    /// The reply to a change; and what of it goes to the log, and to the events.
    pub(super) fn tell(&self, done: Result<ChangedReply, Refused>) -> Reply {
        match done {
            Ok(changed) => {
                log(&changed);
                let more = changed.applied.len().saturating_sub(EVENTS_A_CHANGE);
                let more = (more > 0).then(|| format!("{more} more changes with these"));
                let told = changed.applied.iter().take(EVENTS_A_CHANGE).cloned().chain(more);
                told.for_each(|line| self.note_change(port_of(&line), &line));
                Reply::Changed(changed)
            }
            Err(refused) => {
                refused.lines().for_each(|problem| tracing::warn!("nothing was changed: {problem}"));
                refused.into_reply()
            }
        }
    }

    /// Puts a line among the events. Whoever may look at all sees those, and not what arguments of devices hold.
    pub(super) fn note_change(&self, port: Option<&str>, line: &str) {
        self.control.note(EventKind::Change, port, without_arguments(line));
    }
}

/// The port that a line of a difference begins with: names have no quotes.
fn port_of(line: &str) -> Option<&str> {
    Some(line.strip_prefix("port \"")?.split_once('"')?.0)
}

fn log(changed: &ChangedReply) {
    let ChangedReply { revision, applied, restart, switch_ms, removal_us, warnings } = changed;
    if applied.is_empty() && restart.is_empty() && warnings.is_empty() {
        tracing::info!(revision, "the settings are the same; nothing was changed");
    }
    for line in applied {
        tracing::info!("changed: {line}");
    }
    for line in restart.iter().chain(warnings) {
        tracing::warn!("{line}");
    }
    if let Some(milliseconds) = switch_ms {
        tracing::info!(milliseconds, "the provider's port was switched");
    }
    if let Some(microseconds) = removal_us {
        tracing::info!(microseconds, "workers stood still to let go of a port");
    }
}

fn change(KeyDifference { port, key, from, to }: KeyDifference) -> ChangeView {
    ChangeView { port, key: key.to_owned(), from, to }
}

fn views(keys: Vec<RunningKey>) -> Vec<KeyView> {
    keys.into_iter().map(view).collect()
}

fn view(key: RunningKey) -> KeyView {
    KeyView {
        key: key.key.to_owned(),
        value: key.value,
        default: key.default,
        default_words: key.default_words.map(str::to_owned),
        origin: match key.origin {
            settings::Origin::Default => Origin::Default,
            settings::Origin::File => Origin::File,
            settings::Origin::Defaults => Origin::Defaults,
            settings::Origin::Live => Origin::Live,
        },
        place: key.place,
        live: key.live,
        kind: kind(key.kind),
    }
}

fn kind(kind: settings::KeyKind) -> KeyKind {
    match kind {
        settings::KeyKind::Bool => KeyKind::Bool,
        settings::KeyKind::Integer { least, most, unit } => {
            KeyKind::Integer { least: least.into(), most: most.into(), unit: unit.map(str::to_owned) }
        }
        settings::KeyKind::Duration { least, most, step, or_false } => KeyKind::Duration {
            least_s: api::seconds(least),
            most_s: api::seconds(most),
            step_s: api::seconds(step),
            or_false,
        },
        settings::KeyKind::Choice(values) => KeyKind::Choice { values },
        settings::KeyKind::List { of, most } => KeyKind::List { of: list(of), most: most as u64 },
        settings::KeyKind::Port => KeyKind::Port,
        settings::KeyKind::Device => KeyKind::Device,
        settings::KeyKind::Address => KeyKind::Address,
        settings::KeyKind::Network => KeyKind::Network,
        settings::KeyKind::Mac => KeyKind::Mac,
        settings::KeyKind::Text => KeyKind::Text,
    }
}

fn list(of: settings::ListOf) -> ListOf {
    match of {
        settings::ListOf::Groups => ListOf::Groups,
        settings::ListOf::GroupNetworks => ListOf::GroupNetworks,
        settings::ListOf::Networks => ListOf::Networks,
        settings::ListOf::AccessRules => ListOf::AccessRules,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_of_a_port_is_an_event_of_that_port() {
        assert_eq!(port_of("port \"hall-a\": fast-leave is \"tracked\", was \"off\""), Some("hall-a"));
        assert_eq!(port_of("port \"hall-a\" goes"), Some("hall-a"));
        assert_eq!(port_of("[proxy] enabled is false, was true"), None);
    }

    #[test]
    fn revisions_only_grow() {
        let revision = Revision::new(7);
        let read = revision.reader();
        assert_eq!((revision.now(), revision.next(), revision.now(), read()), (7, 8, 8, 8));
    }
}
