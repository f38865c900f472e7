//! The settings in force, key by key, for whoever offers them to be changed.

use crate::assemble::{assemble, defaults_alone};
use crate::difference::Difference;
use crate::edit::{PORT_KEYS, PROXY_KEYS};
use crate::keys::{Key, PORT, TABLES, Unset};
use crate::kinds::{KeyKind, kind};
use crate::live::LiveLayer;
use crate::model::{PortSettings, Settings};
use crate::options::PortOptions;
use crate::reader::Document;

/// Every key of `[proxy]`, `[defaults]` and the ports, as they are in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningKeys {
    /// The keys of `[proxy]`.
    pub proxy: Vec<RunningKey>,
    /// The keys of `[defaults]`.
    pub defaults: Vec<RunningKey>,
    /// Each port's name, and its keys, in the order of the settings.
    pub ports: Vec<(String, Vec<RunningKey>)>,
}

/// One key as it is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningKey {
    /// The key.
    pub key: &'static str,
    /// The value as TOML; `None` where none is set and what then holds is no value.
    pub value: Option<String>,
    /// What would hold if nobody had set it, as TOML; `None` where that is no value.
    pub default: Option<String>,
    /// The same in words, where it follows from something else.
    pub default_words: Option<&'static str>,
    /// Where the value comes from.
    pub origin: Origin,
    /// File and line where it stands; `None` for a default.
    pub place: Option<String>,
    /// Whether it can be changed while Manifold runs.
    pub live: bool,
    /// What the value may be.
    pub kind: KeyKind,
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The administrator's file: `[proxy]`, or the port's own table.
    File,
    /// `[defaults]` of the administrator's file.
    Defaults,
    /// The live layer.
    Live,
}

/// A key that a change gives another value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyDifference {
    /// The port's name; `None` for other keys.
    pub port: Option<String>,
    /// The key; `device` of a port that comes or goes.
    pub key: &'static str,
    /// The old value as TOML, where one is set.
    pub from: Option<String>,
    /// The new one.
    pub to: Option<String>,
}

/// Both layers, and where each value is found in them.
struct Layers<'t> {
    main: Document<'t>,
    live: Option<Document<'t>>,
}

impl Layers<'_> {
    /// Where the value of `key` in the table of that name comes from, and file and line.
    fn origin(&self, table: &str, key: &'static str) -> (Origin, Option<String>) {
        let live = self.live.as_ref().and_then(|live| live.origin(table, key));
        let live = live.map(|place| (Origin::Live, Some(place)));
        let own = || Some((Origin::File, Some(self.main.origin(table, key)?)));
        live.or_else(own).unwrap_or((Origin::Default, None))
    }
}

impl LiveLayer {
    /// The keys of `settings`, which are in force with this layer.
    pub fn keys(&self, settings: &Settings) -> RunningKeys {
        let (name, text) = &self.main;
        let live_name = self.path().map(|path| path.display().to_string()).unwrap_or_default();
        let live = self.text.as_deref().map(|text| Document::new(&live_name, text));
        let layers = Layers { main: Document::new(name, text), live };
        // For the places: what is in force has passed before.
        let _ = assemble(&layers.main, layers.live.as_ref());
        let is_changeable = self.path().is_some();
        let blank = blank_settings();
        let defaults = defaults_alone(&layers.main, &blank.ports[0]);

        let (_, proxy_keys) = TABLES[0];
        let proxy = proxy_keys.iter().filter_map(|key| {
            let origin = layers.origin("[proxy]", key.key);
            let live = is_changeable && PROXY_KEYS.contains(&key.key);
            running(key, settings, &blank, origin, live)
        });
        let of_defaults = PORT.iter().filter(|key| !PORT_KEYS.contains(&key.key)).filter_map(|key| {
            running(key, &defaults, &blank.ports[0], layers.origin("[defaults]", key.key), false)
        });
        let port = |port: &PortSettings| {
            let table = format!("[[port]] \"{}\"", port.name);
            let keys = PORT.iter().filter_map(|key| {
                let origin = match layers.origin(&table, key.key) {
                    (Origin::Default, _) => match layers.main.origin("[defaults]", key.key) {
                        place @ Some(_) => (Origin::Defaults, place),
                        None => (Origin::Default, None),
                    },
                    own => own,
                };
                let live = match key.key {
                    "device" => port.is_live,
                    key => PORT_KEYS.contains(&key) || PortOptions::KEYS.contains(&key),
                };
                running(key, port, &defaults, origin, is_changeable && live)
            });
            (port.name.clone(), keys.collect())
        };
        RunningKeys {
            proxy: proxy.collect(),
            defaults: of_defaults.collect(),
            ports: settings.ports.iter().map(port).collect(),
        }
    }
}

/// `base` is what holds if nobody set the key.
fn running<T, C>(
    key: &Key<T, C>,
    settings: &T,
    base: &T,
    (origin, place): (Origin, Option<String>),
    live: bool,
) -> Option<RunningKey> {
    let derived = |of: &T| match key.unset {
        Unset::Derived(value, _) => Some(value(of)),
        Unset::Words(_) | Unset::Never => None,
    };
    let default = match key.key {
        // Each port has its own.
        "device" => None,
        _ => (key.show)(base).or_else(|| derived(settings)),
    };
    let default_words = match key.unset {
        Unset::Words(words) | Unset::Derived(_, words) if (key.show)(base).is_none() => Some(words),
        Unset::Words(_) | Unset::Derived(..) | Unset::Never => None,
    };
    Some(RunningKey {
        key: key.key,
        value: (key.show)(settings).or_else(|| derived(settings)),
        default,
        default_words,
        origin,
        place,
        live,
        kind: kind(key.key)?,
    })
}

/// Settings that say nothing but that there is a port.
fn blank_settings() -> Settings {
    let text = "[[port]]\nname = \"blank\"\ndevice = \"blank\"\n";
    crate::load::parse(text, "").expect("a port with a name and a device passes")
}

impl Difference {
    /// Every key that differs from `old` to `new`, whose difference this is; of a port that comes, those that are not at
    /// their default.
    pub fn by_key(&self, old: &Settings, new: &Settings) -> Vec<KeyDifference> {
        let device = |settings: &Settings, name: &str| {
            settings.port(name).map(|(_, port)| format!("\"{}\"", port.device))
        };
        let removed = self.removed.iter().map(|name| KeyDifference {
            port: Some(name.clone()),
            key: "device",
            from: device(old, name),
            to: None,
        });
        let blank = blank_settings();
        let added = self.added.iter().filter_map(|name| new.port(name)).flat_map(|(_, port)| {
            PORT.iter().filter_map(|key| {
                let (value, default) = ((key.show)(port), (key.show)(&blank.ports[0]));
                let differs = key.key == "device" || value != default;
                differs.then(|| KeyDifference {
                    port: Some(port.name.clone()),
                    key: key.key,
                    from: None,
                    to: value,
                })
            })
        });
        let one = |port: Option<&String>, change: &crate::KeyChange| KeyDifference {
            port: port.cloned(),
            key: change.key,
            from: change.old.clone(),
            to: change.new.clone(),
        };
        let general = self.keys.iter().map(|(_, change)| one(None, change));
        let changed =
            self.changed.iter().flat_map(|port| port.keys.iter().map(|change| one(Some(&port.name), change)));
        removed.chain(added).chain(general).chain(changed).collect()
    }
}
