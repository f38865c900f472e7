//! What happened, the latest of it.

use serde::{Deserialize, Serialize};
use types::GroupAddr;

use crate::text;

/// The most events in one reply.
pub const MAX_EVENTS: u32 = 1000;

/// The oldest events after the one that was asked from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct EventsReply {
    /// In the order in which they happened.
    pub events: Vec<EventView>,
    /// What to ask from next: the id of the last event that was given or lost, whether there are more or not.
    pub next: u64,
    /// How many after the one that was asked from are not kept any more.
    pub lost: u64,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct EventView {
    /// Larger than that of any event before, those of earlier processes too.
    pub id: u64,
    /// When, in milliseconds since 1970.
    pub at_unix_ms: u64,
    /// What sort of event it is.
    pub kind: EventKind,
    /// The port that it is about.
    pub port: Option<String>,
    /// The group that it is about.
    #[serde(with = "text::option")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub group: Option<GroupAddr>,
    /// The whole in one line of English.
    pub text: String,
}

/// What sort of event it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// A group got its first member on a port.
    Joined,
    /// A group lost its last member on a port.
    Left,
    /// A join was refused.
    Refused,
    /// A port has another querier, or one whose ways are not ours.
    Querier,
    /// The provider was asked for a group.
    UpstreamJoined,
    /// A group was left at the provider.
    UpstreamLeft,
    /// A port's carrier came or went.
    Link,
    /// Frames are lost outside the workers, by a port's device, its driver or the kernel.
    Loss,
    /// The settings changed: one event for each thing done.
    Change,
    /// Events came faster than they are told: how many are missing.
    Withheld,
}

impl EventKind {
    /// The word in the `kind` field.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Joined => "joined",
            Self::Left => "left",
            Self::Refused => "refused",
            Self::Querier => "querier",
            Self::UpstreamJoined => "upstream-joined",
            Self::UpstreamLeft => "upstream-left",
            Self::Link => "link",
            Self::Loss => "loss",
            Self::Change => "change",
            Self::Withheld => "withheld",
        }
    }
}
