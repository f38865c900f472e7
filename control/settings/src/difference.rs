//! What a reload changes.

use std::fmt;

use crate::keys::{Class, Key, PORT, PortClass, TABLES};
use crate::model::{PortSettings, Settings};

/// What must be done to get from one set of settings to another. Ports are told apart by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    /// Names of ports that go, in their old order.
    pub removed: Vec<String>,
    /// Names of ports that come, in their new order.
    pub added: Vec<String>,
    /// Ports that stay, but not as they were.
    pub changed: Vec<PortChange>,
    /// The switch was turned.
    pub enabled: bool,
    /// Another port, or none, is the provider's; by name, so that a mere move in the list is none.
    pub upstream: bool,
    /// The groups that stay on their link.
    pub local_groups: bool,
    /// The groups that hosts have from a source of their choice alone.
    pub ssm_range: bool,
    /// The log's level.
    pub log: bool,
    /// Keys with their tables that only a restart can apply, like `[worker] poll`.
    pub restart: Vec<String>,
    /// Every key that differs but those of ports, each with the table it is of; `restart` is among them.
    pub keys: Vec<(&'static str, KeyChange)>,
}

impl Difference {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What differs, one line each, for logs and replies: `port "hall-a": fast-leave is "tracked", was "off"`.
    pub fn lines(&self) -> Vec<String> {
        let removed = self.removed.iter().map(|name| format!("port \"{name}\" goes"));
        let added = self.added.iter().map(|name| format!("port \"{name}\" comes"));
        let changed = self
            .changed
            .iter()
            .flat_map(|port| port.keys.iter().map(|change| format!("port \"{}\": {change}", port.name)));
        let general = self.keys.iter().map(|(table, change)| {
            let key = format!("[{table}] {}", change.key);
            let when = if self.restart.contains(&key) { ", from the next start on" } else { "" };
            format!("[{table}] {change}{when}")
        });
        removed.chain(added).chain(general).chain(changed).collect()
    }
}

/// How a port that stays has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortChange {
    /// The port's name.
    pub name: String,
    /// Its device, MTU or rings: it is closed and opened anew.
    pub device: bool,
    /// Its address or its queries' source (r94).
    pub address: bool,
    /// Its IGMP timers.
    pub timers: bool,
    /// Any other setting of it.
    pub policy: bool,
    /// Every key that differs; never empty.
    pub keys: Vec<KeyChange>,
}

/// A key that differs. Prints as `fast-leave is "tracked", was "off"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyChange {
    /// The key.
    pub key: &'static str,
    /// The old value as TOML, where one was set.
    pub old: Option<String>,
    /// The new value as TOML, where one is set.
    pub new: Option<String>,
}

impl fmt::Display for KeyChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".to_owned());
        write!(f, "{} is {}, was {}", self.key, show(&self.new), show(&self.old))
    }
}

/// What differs from `old` to `new`. Warnings do not count.
pub fn difference(old: &Settings, new: &Settings) -> Difference {
    let missing = |from: &Settings, other: &Settings| -> Vec<String> {
        let names = from.ports.iter().filter(|port| other.port(&port.name).is_none());
        names.map(|port| port.name.clone()).collect()
    };
    let mut keys = Vec::new();
    let mut restart = Vec::new();
    for (table, known) in TABLES {
        for (class, change) in changes(known, old, new) {
            match class {
                Class::Restart => restart.push(format!("[{table}] {}", change.key)),
                Class::Live => {}
            }
            keys.push((*table, change));
        }
    }
    let differs = |key: &str| keys.iter().any(|(_, change)| change.key == key);
    Difference {
        removed: missing(old, new),
        added: missing(new, old),
        changed: new.ports.iter().filter_map(|port| port_change(old.port(&port.name)?.1, port)).collect(),
        enabled: differs("enabled"),
        upstream: differs("upstream"),
        local_groups: differs("local-groups"),
        ssm_range: differs("ssm-range"),
        log: differs("level"),
        restart,
        keys,
    }
}

fn port_change(old: &PortSettings, new: &PortSettings) -> Option<PortChange> {
    let changes: Vec<_> = changes(PORT, old, new).collect();
    if changes.is_empty() {
        return None;
    }
    let any = |wanted| changes.iter().any(|(class, _)| *class == wanted);
    Some(PortChange {
        name: new.name.clone(),
        device: any(PortClass::Device),
        address: any(PortClass::Address),
        timers: any(PortClass::Timers),
        policy: any(PortClass::Policy),
        keys: changes.into_iter().map(|(_, change)| change).collect(),
    })
}

fn changes<T, C: Copy>(keys: &[Key<T, C>], old: &T, new: &T) -> impl Iterator<Item = (C, KeyChange)> {
    keys.iter().filter_map(|key| {
        let (old, new) = ((key.show)(old), (key.show)(new));
        (old != new).then_some((key.class, KeyChange { key: key.key, old, new }))
    })
}
