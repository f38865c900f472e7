//! The settings as a page needs them, and a change that is only tried.

use serde::{Deserialize, Serialize};

use crate::error::ProblemView;

/// The settings that are in force: the keys that may be changed while Manifold runs, and what stands beside them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SettingsReply {
    /// Names these settings: a change or reload by which a value, or where it is set, becomes another makes it larger,
    /// whoever made it, and so does every start. For [`Request::Change`](crate::Request::Change).
    pub revision: u64,
    /// Whether anything can be changed over the socket: not where `live` in `[paths]` is false.
    pub changeable: bool,
    /// The keys of `[proxy]`.
    pub proxy: Vec<KeyView>,
    /// The keys of `[defaults]`: the administrator's alone.
    pub defaults: Vec<KeyView>,
    /// Every port's.
    pub ports: Vec<PortSettingsView>,
}

/// One port's settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PortSettingsView {
    /// Its name.
    pub name: String,
    /// What it runs on.
    pub device: String,
    /// Whether it was added over the socket, and can be removed so.
    pub added: bool,
    /// Its keys.
    pub keys: Vec<KeyView>,
}

/// One key with the value that is in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct KeyView {
    /// The key.
    pub key: String,
    /// The value as TOML; `null` where none is set, and what then holds is no value.
    pub value: Option<String>,
    /// What holds where nothing is said, as TOML: of a port's key, what `[defaults]` says, or else what Manifold does;
    /// `null` where that is no value.
    pub default: Option<String>,
    /// What holds where nothing is said, in words, where it follows from something else; else `null`.
    pub default_words: Option<String>,
    /// Where the value comes from.
    pub origin: Origin,
    /// The file and line where it stands, like `/etc/manifold/manifold.toml:7`; `null` for a default.
    pub place: Option<String>,
    /// Whether it may be changed over the socket.
    pub live: bool,
    /// What the value may be.
    pub kind: KeyKind,
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The administrator's file; for a port's key, its own table there.
    File,
    /// The `[defaults]` of the administrator's file.
    Defaults,
    /// It was set over the socket; to take it out brings back what the administrator's file says.
    Live,
}

impl Origin {
    /// The word in the `origin` field.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File => "file",
            Self::Defaults => "defaults",
            Self::Live => "live",
        }
    }
}

/// What a value may be. The settings' check says more, and alone decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum KeyKind {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Integer {
        /// The least.
        least: u64,
        /// The most.
        most: u64,
        /// What is counted, like `bytes`; `null` for a bare number.
        unit: Option<String>,
    },
    /// Text with a unit, like `"10s"` or `"500ms"`.
    Duration {
        /// The least, in seconds.
        least_s: f64,
        /// The most, in seconds.
        most_s: f64,
        /// It is a multiple of this, in seconds.
        step_s: f64,
        /// Whether `false` is a value, too: none.
        or_false: bool,
    },
    /// One of these, as TOML.
    Choice {
        /// All of them.
        values: Vec<String>,
    },
    /// A list.
    List {
        /// What of.
        of: ListOf,
        /// The most entries.
        most: u64,
    },
    /// The name of a port.
    Port,
    /// A PCI address or a kernel interface: one of [`Request::ShowConnections`](crate::Request::ShowConnections).
    Device,
    /// An IPv4 address, like `"10.1.0.1"`.
    Address,
    /// An IPv4 address with its prefix length, like `"10.1.0.1/24"`.
    Network,
    /// A MAC address.
    Mac,
    /// Any text.
    Text,
}

/// What a list is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ListOf {
    /// Groups, like `"239.2.2.2"`.
    Groups,
    /// Groups with a prefix length, like `"239.255.255.250/32"`.
    GroupNetworks,
    /// Networks that hosts are in, like `"10.20.0.0/16"`.
    Networks,
    /// Rules, like `"deny 239.9.0.0/16"`; the first that matches decides.
    AccessRules,
}

/// What a change would do. Nothing was done.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PreviewReply {
    /// That of the settings that were looked at: with it, [`Request::Change`](crate::Request::Change) is about the same.
    pub revision: u64,
    /// What would differ; nothing when there are problems.
    pub changes: Vec<ChangeView>,
    /// What would wait for a restart, one line each.
    pub needs_restart: Vec<String>,
    /// Why it would be refused; a change without any passes, unless the machine fails when it is made.
    pub problems: Vec<ProblemView>,
    /// Doubts that would come with it, one line each.
    pub warnings: Vec<String>,
}

/// A key that would differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ChangeView {
    /// The port; `null` for a key of `[proxy]`.
    pub port: Option<String>,
    /// The key. `device` from `null` is a port that comes, and to `null` one that goes.
    pub key: String,
    /// The value as TOML that is in force; `null` where none is set.
    pub from: Option<String>,
    /// The value as TOML that would be; `null` where none would be set.
    pub to: Option<String>,
}
